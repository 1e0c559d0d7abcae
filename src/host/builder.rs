//! Sets up a host.

use super::registry::Registry;
use super::runtimes::Runtimes;
use super::state::State;
use super::{Host, Shared, memory, timer};
use crate::backend::Backend;
use crate::error::{Error, Result};
use crate::function::MIB;
use crate::pool::{Policy, Pool, PoolConfig};
use crate::runtime::Runtime;
use arc_swap::{ArcSwap, ArcSwapOption};
use parking_lot::Mutex;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::time::{Duration, Instant};
use tokio::sync::{Notify, watch};

/// Sets up a [`Host`].
#[must_use]
pub struct HostBuilder {
    backends: Vec<Arc<dyn Backend>>,
    runtimes: Vec<Runtime>,
    snapshots: bool,
    memory: Option<u64>,
    pool: PoolConfig,
    max_wait: Duration,
    max_body: u64,
}

impl Default for HostBuilder {
    fn default() -> Self {
        Self {
            backends: Vec::new(),
            runtimes: Vec::new(),
            snapshots: true,
            memory: None,
            pool: PoolConfig::default(),
            max_wait: Duration::from_secs(60),
            max_body: 16 * MIB,
        }
    }
}

impl HostBuilder {
    /// The budget: bytes that all sandboxes together may take. Default: 60 % of the cgroup's or machine's memory.
    pub fn memory(mut self, bytes: u64) -> Self {
        self.memory = Some(bytes);
        self
    }

    /// A backend; at most one of each kind.
    pub fn backend(mut self, backend: Arc<dyn Backend>) -> Self {
        self.backends.push(backend);
        self
    }

    /// A runtime, which source functions name by its name or one of its kinds. No two may share one.
    pub fn runtime(mut self, runtime: Runtime) -> Self {
        self.runtimes.push(runtime);
        self
    }

    /// Whether snapshots are taken of runtimes that have loaded a source function, where the backend can: from then on its
    /// sandboxes start with the code loaded. Default yes.
    pub fn snapshots(mut self, taken: bool) -> Self {
        self.snapshots = taken;
        self
    }

    /// How long the first in line waits for memory before nobody passes it. Default 250 ms; 0 is strict order
    /// (`SEEDS.md W12`).
    pub fn patience(mut self, patience: Duration) -> Self {
        self.pool.patience = patience;
        self
    }

    /// What is evicted first. Default: what is cheapest to bring back.
    pub fn policy(mut self, policy: Policy) -> Self {
        self.pool.policy = policy;
        self
    }

    /// Requests that may wait for a sandbox at once. Default 10,000; more are refused as `Overloaded`.
    pub fn max_waiting(mut self, requests: usize) -> Self {
        self.pool.max_waiting = requests;
        self
    }

    /// The longest that a request waits for a sandbox, its start included. Default 60 s.
    pub fn max_wait(mut self, wait: Duration) -> Self {
        self.max_wait = wait;
        self
    }

    /// The longest request body, in bytes. Default 16 MiB.
    pub fn max_body(mut self, bytes: u64) -> Self {
        self.max_body = bytes;
        self
    }

    /// Whether prewarmed sandboxes stay out of the budget until they are taken. Default no.
    pub fn prewarm_outside_budget(mut self, outside: bool) -> Self {
        self.pool.prewarm_outside_budget = outside;
        self
    }

    /// The budget that [`HostBuilder::build`] will use, in bytes: to size a backend by.
    pub fn budget(&self) -> u64 {
        self.memory.unwrap_or_else(memory::default_budget)
    }

    /// The host. Must be called within a tokio runtime; its tasks run there.
    pub fn build(self) -> Result<Host> {
        let budget = self.budget();
        if budget == 0 {
            return Err(Error::invalid(
                "the host's `memory` is 0, so nothing could ever run: give at least 1MiB",
            ));
        }
        let runtime = tokio::runtime::Handle::try_current()
            .map_err(|_| Error::internal("a host must be built within a tokio runtime"))?;
        let mut kinds: Vec<_> = self.backends.iter().map(|backend| backend.kind()).collect();
        kinds.sort_unstable();
        if let Some((kind, _)) = kinds.iter().zip(kinds.iter().skip(1)).find(|(a, b)| a == b) {
            return Err(Error::invalid(format!(
                "the host has two {kind} backends: give at most one of each kind"
            )));
        }
        for runtime in &self.runtimes {
            let said = runtime.validate();
            said.map_err(|error| error.context(format_args!("runtime {:?}", runtime.name)))?;
        }
        let names = self.runtimes.iter().flat_map(|runtime| {
            let kinds = runtime.kinds.iter().filter(|kind| **kind != runtime.name);
            kinds.chain([&runtime.name])
        });
        let mut names: Vec<_> = names.collect();
        names.sort_unstable();
        if let Some((name, _)) = names.iter().zip(names.iter().skip(1)).find(|(a, b)| a == b) {
            return Err(Error::invalid(format!(
                "two runtimes are called {name:?}, by their names or kinds: give each its own"
            )));
        }
        let runtimes = Runtimes::new(self.runtimes);
        let pool = Pool::new(PoolConfig { budget, ..self.pool });
        let (stop, stopping) = watch::channel(false);
        let shared = Arc::new(Shared {
            began: Instant::now(),
            runtime,
            backends: self.backends,
            registry: ArcSwap::from_pointee(Registry::default()),
            deploying: tokio::sync::Mutex::new(()),
            state: Mutex::new(State::new(pool, runtimes.kinds())),
            runtimes,
            snapshots: self.snapshots,
            parameters: AtomicBool::new(false),
            closed: Notify::new(),
            stop,
            stopping,
            alarm: AtomicU64::new(u64::MAX),
            alarm_moved: Arc::new(Notify::new()),
            observer: ArcSwapOption::empty(),
            max_wait: self.max_wait,
            max_body: self.max_body,
            budget,
        });
        timer::spawn(&shared);
        shared.prewarm_runtimes();
        Ok(Host { shared })
    }
}
