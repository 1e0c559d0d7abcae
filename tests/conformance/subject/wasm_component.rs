//! Components over wasmtime: the fixtures' modules, made components.

use super::wasm::{WasmSubject, backend, module};
use super::{Open, Program, Subject};
use crate::components::componentize;
use async_trait::async_trait;
use bytes::Bytes;
use kiln::backend::Backend;
use kiln::{Function, Runtime};
use std::sync::{Arc, LazyLock};

pub const OPEN: Open =
    |_| Box::pin(async { Some(Box::new(ComponentSubject(WasmSubject { backend: backend() })) as _) });

static ECHO: LazyLock<Bytes> = LazyLock::new(|| of("echo"));
static FAULTY: LazyLock<Bytes> = LazyLock::new(|| of("faulty"));

fn of(guest: &str) -> Bytes {
    componentize(&std::fs::read(module(guest)).unwrap()).into()
}

struct ComponentSubject(WasmSubject);

#[async_trait]
impl Subject for ComponentSubject {
    fn backend(&self) -> Arc<dyn Backend> {
        self.0.backend()
    }

    fn function(&self, name: &str, guest: &str) -> Function {
        let bytes = match guest {
            "echo" => &*ECHO,
            "faulty" => &*FAULTY,
            other => panic!("there is no guest {other}"),
        };
        Function::wasm_bytes(name, bytes.clone())
    }

    async fn runtime(&self) -> Result<Runtime, String> {
        Err("the one runtime that is a component is Python's, which tests/runtimes/ runs".into())
    }

    fn source(&self, program: Program) -> &'static str {
        panic!("{program:?} is for no runtime")
    }

    async fn living(&self) -> usize {
        self.0.living().await
    }

    /// The adapter calls `exit`, which says no more than whether all went well.
    fn tells_exit_codes(&self) -> bool {
        false
    }

    /// The fixtures' libc takes the adapter's page of memory for its own heap, and overwrites it as that grows: long
    /// bodies are carried by the guests of `tests/backend_wasm/component.rs`, which have no heap.
    fn takes_long_bodies(&self) -> bool {
        false
    }

    async fn nothing_left(&self) {
        self.0.nothing_left().await;
    }
}
