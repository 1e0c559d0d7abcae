//! Modules over wasmtime.

use super::{Open, Program, Subject, js};
use async_trait::async_trait;
use kiln::backend::Backend;
use kiln::backend::wasm::{Wasm, WasmConfig};
use kiln::function::{MIB, Module};
use kiln::{Function, Runtime};
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub const OPEN: Open = |_| Box::pin(async { Some(Box::new(WasmSubject { backend: backend() }) as _) });

pub struct WasmSubject {
    pub backend: Wasm,
}

pub fn backend() -> Wasm {
    let config = WasmConfig {
        // Shared by all tests of all runs, so that each module is compiled once.
        cache_dir: Some(Path::new(env!("CARGO_TARGET_TMPDIR")).join("conformance-wasm")),
        // Each test has an engine of its own, and they share the machine's address space.
        max_instances: Some(64),
        ..WasmConfig::default()
    };
    Wasm::new(config).unwrap()
}

/// Where a guest's module is.
pub fn module(guest: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(guest).join(format!("{guest}.wasm"))
}

#[async_trait]
impl Subject for WasmSubject {
    fn backend(&self) -> Arc<dyn Backend> {
        Arc::new(self.backend.clone())
    }

    fn function(&self, name: &str, guest: &str) -> Function {
        Function::wasm(name, module(guest))
    }

    async fn runtime(&self) -> Result<Runtime, String> {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("runtimes/js/js.wasm");
        Ok(Runtime::new("js").memory(32 * MIB).wasm(Module::File(file)))
    }

    fn source(&self, program: Program) -> &'static str {
        js::source(program)
    }

    async fn living(&self) -> usize {
        self.backend.figures().live as usize
    }

    async fn nothing_left(&self) {
        assert_eq!(self.backend.figures().live, 0, "instances are left");
    }
}
