//! An instance as the host holds it: its own way in, and the task that it runs on.

use super::crew::Crew;
use super::lane::Lane;
use super::life::Life;
use crate::backend::wasm::core::{Core, Slot};
use crate::backend::wasm::state::State;
use crate::backend::{BoxFuture, Exit, Phases, Sandbox, Stdio};
use crate::error::Result;
use crate::function::Function;
use async_trait::async_trait;
use std::sync::Arc;
use tokio::task::JoinHandle;
use wasmtime::Store;
use wasmtime_wasi_http::p3::bindings;

/// The instance of a component of WASI 0.3.
pub(in crate::backend::wasm) struct Service {
    own: Lane,
    task: Option<JoinHandle<()>>,
}

impl Service {
    /// Lets an instance of a function live on a task of its own. `most`: bytes of a reply that are buffered for its reader.
    pub(in crate::backend::wasm) fn start(
        service: bindings::Service,
        store: Store<State>,
        (core, slot): (Arc<Core>, Slot),
        function: &Function,
        most: usize,
        memory: u64,
    ) -> Self {
        let (crew, arriving) = Crew::new(Arc::clone(&store.data().shared), memory, function.max_uses());
        let life = Life { service, store, arriving, crew: Arc::clone(&crew), core, slot };
        Self { own: Lane::own(crew, most), task: Some(tokio::spawn(life.run())) }
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        if let Some(task) = &self.task {
            task.abort();
        }
    }
}

#[async_trait]
impl Sandbox for Service {
    fn stdio(&mut self) -> &mut dyn Stdio {
        &mut self.own
    }

    async fn launch(&mut self, env: Vec<(String, String)>) -> Result<Phases> {
        self.own.launch(env).await
    }

    async fn pause(&mut self) -> Result<()> {
        self.own.pause().await
    }

    async fn resume(&mut self) -> Result<()> {
        self.own.resume().await
    }

    async fn exit(&mut self) -> Exit {
        self.own.exit().await
    }

    fn held(&self) -> u64 {
        self.own.held()
    }

    fn is_dead(&mut self) -> bool {
        self.own.is_dead()
    }

    fn ended(&self) -> Option<BoxFuture> {
        self.own.ended()
    }

    fn lane(&mut self) -> Option<Box<dyn Sandbox>> {
        Some(Box::new(self.own.beside()))
    }

    async fn remove(mut self: Box<Self>) -> Exit {
        let exit = self.own.crew.exit();
        if let Some(task) = self.task.take() {
            task.abort();
            // When this returns, nothing is held.
            let _ = task.await;
        }
        exit.unwrap_or(Exit::Killed)
    }
}
