//! Deploys functions, invokes them, drains: carries out what the pool decides. The one place where pool, formats and
//! backends meet.
//!
//! The pool sits behind one short lock. A caller asks it inline, on its own task, and what it decides is done after
//! unlocking: a warm hit crosses neither a task nor a channel.

mod builder;
mod deploy;
mod exchange;
mod flow;
mod initialise;
mod invoke;
mod lanes;
mod limit;
mod memory;
mod ongoing;
mod parts;
mod promise;
mod ready;
mod record;
mod registry;
mod running;
mod runtimes;
mod sandbox;
mod snapshots;
mod state;
mod stream;
mod timer;
mod upload;
mod within;
mod work;

pub use builder::HostBuilder;
pub use parts::ReplyParts;
pub use stream::Streamed;
pub use upload::{BodySource, Upload};

use crate::backend::Backend;
use crate::error::{Error, Result};
use crate::function::{BackendKind, Function};
use crate::invocation::{Invocation, Outcome, Request};
use crate::pool::{Figures, FunctionFigures, Time};
use crate::revision::Revision;
use crate::runtime::Runtime;
use arc_swap::{ArcSwap, ArcSwapOption};
use parking_lot::Mutex;
use registry::{Load, Registry};
use runtimes::Runtimes;
use state::State;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::{Notify, watch};

/// How long an idle container runs before it is paused, unless its function says.
const PAUSE_AFTER: Duration = Duration::from_secs(10);

/// Bodies of more bytes than this are worth streaming; shorter ones are faster whole.
pub const STREAM_ABOVE: usize = 256 << 10;

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
    /// Whether its sandboxes start from a snapshot that has loaded its source.
    pub snapshot: bool,
    /// Its sandboxes and waiting jobs.
    pub figures: FunctionFigures,
}

/// What a host tells about invocations as they end: for metrics and records.
pub trait Observer: Send + Sync + 'static {
    /// An invocation has ended: answered, failed, or left by its caller before it had the whole reply, which is
    /// [`ErrorKind::Cancelled`](crate::ErrorKind::Cancelled). Once for each. `function` is `None` if there is no such function.
    fn ended(&self, function: Option<&Function>, outcome: &Outcome);
}

/// Runs functions. Cheap to clone: all clones are one host.
///
/// Dropping the last clone stops what still runs; [`Host::drain`] first lets it finish.
#[derive(Clone)]
pub struct Host {
    shared: Arc<Shared>,
}

struct Shared {
    began: Instant,
    runtime: tokio::runtime::Handle,
    backends: Vec<Arc<dyn Backend>>,
    runtimes: Runtimes,
    snapshots: bool,
    /// Whether there ever was a function that takes parameters.
    parameters: AtomicBool,
    registry: ArcSwap<Registry>,
    /// One deployment at a time: the registry and the pool change together.
    deploying: tokio::sync::Mutex<()>,
    state: Mutex<State>,
    closed: Notify,
    stop: watch::Sender<bool>,
    stopping: watch::Receiver<bool>,
    alarm: AtomicU64,
    alarm_moved: Arc<Notify>,
    observer: ArcSwapOption<Box<dyn Observer>>,
    max_wait: Duration,
    max_body: u64,
    budget: u64,
}

impl Drop for Shared {
    /// Its timer looks whether there still is a host.
    fn drop(&mut self) {
        self.alarm_moved.notify_one();
    }
}

impl Shared {
    fn now(&self) -> Time {
        Time::after(self.began.elapsed())
    }

    /// When so long has passed since a moment that was a while ago.
    fn end(&self, since: Time, limit: Duration) -> tokio::time::Instant {
        within::after(limit.saturating_sub(self.now().since(since)))
    }

    fn backend(&self, kind: BackendKind) -> Result<&Arc<dyn Backend>> {
        self.backends.iter().find(|backend| backend.kind() == kind).ok_or_else(|| {
            Error::invalid(format!("this host has no {kind} backend: it was built or configured without it"))
        })
    }

    fn tell(&self, function: Option<&Function>, outcome: &Outcome) {
        tracing::debug!(
            target: "kiln::invocation",
            function = function.map_or("", |function| function.name.as_str()),
            invocation = %outcome.id,
            start = outcome.start.map_or("", |start| start.as_str()),
            backend = outcome.backend.map_or("", |backend| backend.as_str()),
            wait_us = outcome.timings.wait.as_micros() as u64,
            start_us = outcome.timings.start.as_micros() as u64,
            run_us = outcome.timings.run.as_micros() as u64,
            error = outcome.result.as_ref().err().map_or("", |error| error.kind().as_str()),
            "ended"
        );
        if let Some(observer) = self.observer.load().as_deref() {
            observer.ended(function, outcome);
        }
    }
}

impl Host {
    /// Begins to set one up.
    pub fn builder() -> HostBuilder {
        HostBuilder::default()
    }

    /// Runs one invocation of the function `name` in the default namespace. Dropping the future stops it
    /// (`SEEDS.md E10`).
    pub async fn invoke(&self, name: &str, invocation: Invocation) -> Outcome {
        self.invoke_in(crate::function::DEFAULT_NAMESPACE, name, invocation).await
    }

    /// As [`Host::invoke`], in a namespace.
    pub async fn invoke_in(&self, namespace: &str, name: &str, invocation: Invocation) -> Outcome {
        let body = invocation.body.clone();
        self.shared.invoke(namespace, name, Request::from(&invocation), body).await
    }

    /// As [`Host::invoke_in`], with a request that is lent and bodies too long to be held: the request's may still be coming, and a reply's that is longer
    /// than `parts_above` is given in parts as the function writes it. In both directions a part is asked for when the one
    /// before it has gone; `max_body` and `max_reply` hold for all of them together. [`STREAM_ABOVE`] is a good figure.
    ///
    /// Where the function's format needs a body whole (`json`, and `frame` where its length isn't known), it is gathered.
    pub async fn stream(
        &self,
        namespace: &str,
        name: &str,
        request: Request<'_>,
        body: Upload,
        parts_above: usize,
    ) -> Streamed {
        self.shared.stream(namespace, name, request, body, parts_above).await
    }

    /// What is deployed, by namespace and name.
    pub fn list(&self) -> Vec<Deployed> {
        let all = self.shared.registry.load().all();
        let state = self.shared.state.lock();
        all.into_iter()
            .map(|revised| Deployed {
                function: revised.function.clone(),
                revision: revised.revision,
                backend: revised.backend,
                memory: revised.memory,
                snapshot: matches!(revised.load, Load::Snapshot),
                figures: state.pool.function_figures(revised.id).unwrap_or_default(),
            })
            .collect()
    }

    /// Whether a function of this name is deployed.
    pub fn has(&self, namespace: &str, name: &str) -> bool {
        self.shared.registry.load().get(namespace, name).is_some()
    }

    /// Whether what a function is given are parameters, one JSON object: one from source, or one that keeps OpenWhisk's
    /// contract for images.
    pub fn takes_parameters(&self, namespace: &str, name: &str) -> bool {
        // Where no such function was ever deployed, that costs nothing.
        self.shared.parameters.load(Ordering::Relaxed)
            && self
                .shared
                .registry
                .load()
                .get(namespace, name)
                .is_some_and(|revised| revised.takes_parameters())
    }

    /// The runtimes that source functions may name.
    pub fn runtimes(&self) -> &[Runtime] {
        &self.shared.runtimes.all
    }

    /// The pool in figures (`SEEDS.md W19`).
    pub fn figures(&self) -> Figures {
        self.shared.state.lock().pool.figures()
    }

    /// Jobs that have been ended in all: how many more a source may have sent (`SEEDS.md W18`).
    pub fn credits(&self) -> u64 {
        self.shared.state.lock().credits
    }

    /// Changes the budget, in bytes. A smaller one evicts idle sandboxes; nothing that runs is stopped.
    pub fn set_memory(&self, bytes: u64) {
        self.shared.event(|state, now| state.pool.set_budget(now, bytes));
    }

    /// The backends, and whether each can start sandboxes now.
    pub async fn check(&self) -> Vec<(BackendKind, Result<()>)> {
        let mut all = Vec::new();
        for backend in &self.shared.backends {
            all.push((backend.kind(), backend.check().await));
        }
        all
    }

    /// Removes the sandboxes that an earlier life of this host left behind, and returns how many. Touches nothing else's.
    pub async fn clean_up(&self) -> Result<usize> {
        let mut all = 0;
        for backend in &self.shared.backends {
            all += backend.clean_up().await?;
        }
        Ok(all)
    }

    /// Who is told of each ended invocation, from now on.
    pub fn observe(&self, observer: Box<dyn Observer>) {
        self.shared.observer.store(Some(Arc::new(observer)));
    }

    /// The longest request body, in bytes.
    pub fn max_body(&self) -> u64 {
        self.shared.max_body
    }

    /// Stops intake, lets waiting and running requests finish, then stops every sandbox (`SEEDS.md I8`, `W21`).
    /// Returns when nothing is left; may be dropped and called again.
    pub async fn drain(&self) {
        let shared = &self.shared;
        let closed = shared.closed.notified();
        let mut closed = std::pin::pin!(closed);
        closed.as_mut().enable();
        shared.event(|state, now| {
            state.stop_snapshots();
            state.pool.close(now);
        });
        while !shared.state.lock().closed {
            closed.as_mut().await;
            closed.set(shared.closed.notified());
            closed.as_mut().enable();
        }
        for backend in &shared.backends {
            backend.close().await;
        }
    }

    /// Stops every sandbox now: waiting and running requests fail. Returns when nothing is left.
    pub async fn stop(&self) {
        self.shared.stop.send_replace(true);
        self.drain().await;
    }
}
