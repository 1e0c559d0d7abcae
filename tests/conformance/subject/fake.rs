//! The backend in memory, standing in for either kind.

use super::{Program, Subject};
use async_trait::async_trait;
use kiln::backend::Backend;
use kiln::backend::fake::{self, Fake, Handle};
use kiln::function::{MIB, Module};
use kiln::{BackendKind, Function, Runtime};
use std::sync::Arc;

pub struct FakeSubject {
    kind: BackendKind,
    backend: Arc<Fake>,
    handle: Handle,
}

impl FakeSubject {
    pub fn new(kind: BackendKind) -> Self {
        let (backend, handle) = fake::backend(kind);
        Self { kind, backend, handle }
    }
}

#[async_trait]
impl Subject for FakeSubject {
    fn backend(&self) -> Arc<dyn Backend> {
        self.backend.clone()
    }

    fn function(&self, name: &str, guest: &str) -> Function {
        match self.kind {
            BackendKind::Wasm => Function::wasm_bytes(name, guest.to_owned()),
            BackendKind::Docker => Function::image(name, guest),
        }
    }

    async fn runtime(&self) -> Result<Runtime, String> {
        let runtime = Runtime::new("lines").memory(32 * MIB);
        Ok(match self.kind {
            BackendKind::Wasm => runtime.wasm(Module::Bytes("runtime".into())),
            BackendKind::Docker => runtime.image("runtime"),
        })
    }

    fn source(&self, program: Program) -> &'static str {
        match program {
            Program::Echo => "",
            Program::Count => "count",
            Program::Env => "env LEVEL",
            Program::Broken => "\nerror broken",
            Program::Endless => "silence",
        }
    }

    async fn living(&self) -> usize {
        self.handle.counts().living
    }

    fn prewarms_oneshot(&self) -> bool {
        self.kind == BackendKind::Wasm
    }

    async fn nothing_left(&self) {
        let counts = self.handle.counts();
        let left = (counts.starting, counts.living, counts.removing, counts.memory, counts.dropped);
        assert_eq!(left, (0, 0, 0, 0, 0), "each sandbox was removed, none only dropped: {counts:?}");
    }
}
