//! A `wasi:http` component over wasmtime, which answers as well as it fails.

use super::wasm::{WasmSubject, backend};
use super::{Open, Opening, Program, Subject};
use async_trait::async_trait;
use kiln::backend::Backend;
use kiln::{Function, Runtime};
use std::path::Path;
use std::sync::Arc;

pub const OPEN: Open = |_| open("proxy/proxy.wasm");

/// The subject with one of the fixtures.
pub fn open(file: &'static str) -> Opening {
    Box::pin(async move { Some(Box::new(Component(WasmSubject { backend: backend() }, file)) as _) })
}

struct Component(WasmSubject, &'static str);

#[async_trait]
impl Subject for Component {
    fn backend(&self) -> Arc<dyn Backend> {
        self.0.backend()
    }

    fn function(&self, name: &str, _guest: &str) -> Function {
        Function::wasm(name, Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(self.1))
    }

    async fn runtime(&self) -> Result<Runtime, String> {
        Err("a runtime isn't spoken to so".into())
    }

    fn source(&self, program: Program) -> &'static str {
        panic!("{program:?} is for no runtime")
    }

    async fn living(&self) -> usize {
        self.0.living().await
    }

    async fn nothing_left(&self) {
        self.0.nothing_left().await;
    }
}
