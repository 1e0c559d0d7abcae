//! Modules over wasmtime.

use super::{Open, Subject};
use async_trait::async_trait;
use kiln::Function;
use kiln::backend::Backend;
use kiln::backend::wasm::{Wasm, WasmConfig};
use std::path::Path;
use std::sync::Arc;

pub const OPEN: Open = |_| Box::pin(async { Some(Box::new(WasmSubject { backend: backend() }) as _) });

struct WasmSubject {
    backend: Wasm,
}

fn backend() -> Wasm {
    let mut config = WasmConfig::default();
    // Shared by all tests of all runs, so that each module is compiled once.
    config.cache_dir = Some(Path::new(env!("CARGO_TARGET_TMPDIR")).join("conformance-wasm"));
    // Each test has an engine of its own, and they share the machine's address space.
    config.max_instances = Some(64);
    Wasm::new(config).unwrap()
}

#[async_trait]
impl Subject for WasmSubject {
    fn backend(&self) -> Arc<dyn Backend> {
        Arc::new(self.backend.clone())
    }

    fn function(&self, name: &str, guest: &str) -> Function {
        let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures");
        Function::wasm(name, fixtures.join(guest).join(format!("{guest}.wasm")))
    }

    async fn living(&self) -> usize {
        self.backend.figures().live as usize
    }

    async fn nothing_left(&self) {
        assert_eq!(self.backend.figures().live, 0, "instances are left");
    }
}
