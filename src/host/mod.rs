//! Deploys functions, invokes them, drains: carries out what the pool decides. The one place where pool, formats and backends meet.

use crate::backend::Backend;
use crate::error::Result;
use crate::function::{BackendKind, Function, Revision};
use crate::invocation::{Invocation, Outcome};
use crate::pool::{Figures, FunctionFigures, Policy};
use std::sync::Arc;
use std::time::Duration;

/// Sets up a [`Host`].
#[derive(Default)]
pub struct HostBuilder {}

impl HostBuilder {
    /// The budget: bytes that all sandboxes together may take. Default: 60 % of the cgroup's or machine's memory.
    #[must_use]
    pub fn memory(self, bytes: u64) -> Self {
        let _ = bytes;
        self
    }
    /// A backend; at most one of each kind.
    #[must_use]
    pub fn backend(self, backend: Arc<dyn Backend>) -> Self {
        let _ = backend;
        self
    }
    /// How long the first in line waits before nobody passes it. Default 250 ms.
    #[must_use]
    pub fn patience(self, patience: Duration) -> Self {
        let _ = patience;
        self
    }
    /// What is evicted first.
    #[must_use]
    pub fn policy(self, policy: Policy) -> Self {
        let _ = policy;
        self
    }
    /// Jobs that may wait at once. Default 10,000.
    #[must_use]
    pub fn max_waiting(self, jobs: usize) -> Self {
        let _ = jobs;
        self
    }
    /// The longest that a request waits for a sandbox. Default 30 s.
    #[must_use]
    pub fn max_wait(self, wait: Duration) -> Self {
        let _ = wait;
        self
    }
    /// The longest request body, in bytes. Default 16 MiB.
    #[must_use]
    pub fn max_body(self, bytes: u64) -> Self {
        let _ = bytes;
        self
    }
    /// Whether prewarmed sandboxes stay out of the budget until taken. Default no.
    #[must_use]
    pub fn prewarm_outside_budget(self, outside: bool) -> Self {
        let _ = outside;
        self
    }
    /// The host. Must be called within a tokio runtime.
    pub fn build(self) -> Result<Host> {
        todo!()
    }
}

/// A deployed function, as `list` shows it.
#[derive(Clone, Debug)]
pub struct Deployed {
    /// The function.
    pub function: Arc<Function>,
    /// Its revision.
    pub revision: Revision,
    /// Its backend.
    pub backend: BackendKind,
    /// The memory limit of one sandbox, in bytes.
    pub memory: u64,
    /// Its sandboxes and waiting jobs.
    pub figures: FunctionFigures,
}

/// What a host tells about invocations as they end: for metrics and records.
pub trait Observer: Send + Sync + 'static {
    /// An invocation has ended. `function` is `None` if there is no such function.
    fn ended(&self, function: Option<&Function>, outcome: &Outcome);
}

/// Runs functions. Cheap to clone: all clones are one host.
#[derive(Clone)]
pub struct Host {}

impl Host {
    /// Begins to set one up.
    pub fn builder() -> HostBuilder {
        HostBuilder::default()
    }
    /// Deploys a function, or a new revision of it: the old one's sandboxes drain, no request is lost. An unchanged one is left alone.
    pub async fn deploy(&self, function: Function) -> Result<Revision> {
        let _ = function;
        todo!()
    }
    /// Takes a function away: its running and waiting requests are still served. False if there is none.
    pub fn undeploy(&self, namespace: &str, name: &str) -> bool {
        let _ = (namespace, name);
        todo!()
    }
    /// Runs one invocation of the function `name` in the default namespace. Dropping the future stops it (`SEEDS.md E10`).
    pub async fn invoke(&self, name: &str, invocation: Invocation) -> Outcome {
        let _ = (name, invocation);
        todo!()
    }
    /// As `invoke`, in a namespace.
    pub async fn invoke_in(&self, namespace: &str, name: &str, invocation: Invocation) -> Outcome {
        let _ = (namespace, name, invocation);
        todo!()
    }
    /// What is deployed, by namespace and name.
    pub fn list(&self) -> Vec<Deployed> {
        todo!()
    }
    /// The pool in figures.
    pub fn figures(&self) -> Figures {
        todo!()
    }
    /// The backends and whether each can start sandboxes now.
    pub async fn check(&self) -> Vec<(BackendKind, Result<()>)> {
        todo!()
    }
    /// Who is told of each ended invocation.
    pub fn observe(&self, observer: Arc<dyn Observer>) {
        let _ = observer;
        todo!()
    }
    /// The longest request body, in bytes.
    pub fn max_body(&self) -> u64 {
        todo!()
    }
    /// Stops intake, lets waiting and running requests finish, then stops every sandbox (`SEEDS.md I8`, `W21`).
    /// Returns when nothing is left; may be dropped and called again.
    pub async fn drain(&self) {
        todo!()
    }
    /// Stops every sandbox now: running requests fail. Returns when nothing is left.
    pub async fn stop(&self) {
        todo!()
    }
}
