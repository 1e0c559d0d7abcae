//! A backend that says what it is doing: how many starts are under way, how many are done, why no
//! snapshot is taken, and that can hold starts back.
//!
//! The pool's figures count a sandbox that is started ahead from the moment when its start begins, and a bench has to
//! know when it is ready. Only starts are looked at: a call goes to the sandbox itself, as without this.

use crate::backend::{Backend, Program, SnapshotSpec, StartSpec, Started};
use crate::error::{Error, Result};
use crate::function::{BackendKind, Function};
use async_trait::async_trait;
use parking_lot::Mutex;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::sync::Semaphore;

/// What is seen of all starts of one host.
#[derive(Default)]
pub(super) struct Watch {
    in_flight: AtomicUsize,
    started: AtomicUsize,
    failed: AtomicUsize,
    failure: Mutex<Option<Error>>,
    /// Why the last snapshot couldn't be taken that was asked for.
    no_snapshot: Mutex<Option<Error>>,
    /// Starts that may begin; `None`: all.
    gate: Option<Semaphore>,
    /// The backends whose one-shot sandboxes can't be started ahead.
    not_ahead: Mutex<Vec<BackendKind>>,
}

impl Watch {
    /// One that lets no sandbox start before [`Watch::open`].
    pub(super) fn gated() -> Self {
        Self { gate: Some(Semaphore::new(0)), ..Self::default() }
    }

    /// Lets so many more start.
    pub(super) fn open(&self, more: usize) {
        if let Some(gate) = &self.gate {
            gate.add_permits(more);
        }
    }

    /// Starts that have begun and not ended, those at the gate not counted.
    pub(super) fn in_flight(&self) -> usize {
        self.in_flight.load(Ordering::SeqCst)
    }

    /// Sandboxes that have started.
    pub(super) fn started(&self) -> usize {
        self.started.load(Ordering::SeqCst)
    }

    /// Starts that have failed.
    pub(super) fn failures(&self) -> usize {
        self.failed.load(Ordering::SeqCst)
    }

    /// Why the last start failed that did.
    pub(super) fn failure(&self) -> Option<Error> {
        self.failure.lock().clone()
    }

    /// Why no snapshot is taken of a source function, as far as that is known.
    pub(super) fn no_snapshot(&self) -> Option<Error> {
        self.no_snapshot.lock().clone()
    }

    /// Whether a backend starts one-shot functions' sandboxes ahead, as far as one was deployed.
    pub(super) fn starts_oneshot_ahead(&self, backend: BackendKind) -> bool {
        !self.not_ahead.lock().contains(&backend)
    }
}

/// A start under way; dropped, it is over.
struct Flight<'a>(&'a AtomicUsize);

impl<'a> Flight<'a> {
    fn new(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::SeqCst);
        Self(count)
    }
}

impl Drop for Flight<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// A backend that is watched.
pub(super) struct Watched {
    pub(super) backend: Arc<dyn Backend>,
    pub(super) watch: Arc<Watch>,
}

#[async_trait]
impl Backend for Watched {
    fn kind(&self) -> BackendKind {
        self.backend.kind()
    }

    async fn prepare(&self, function: Arc<Function>) -> Result<Arc<dyn Program>> {
        let program = self.backend.prepare(function).await?;
        if !program.prewarms_oneshot() {
            self.watch.not_ahead.lock().push(self.kind());
        }
        Ok(Arc::new(WatchedProgram { program, watch: self.watch.clone() }))
    }

    async fn check(&self) -> Result<()> {
        self.backend.check().await
    }

    async fn clean_up(&self) -> Result<usize> {
        self.backend.clean_up().await
    }
}

struct WatchedProgram {
    program: Arc<dyn Program>,
    watch: Arc<Watch>,
}

#[async_trait]
impl Program for WatchedProgram {
    fn code(&self) -> &[u8] {
        self.program.code()
    }

    fn memory(&self) -> u64 {
        self.program.memory()
    }

    fn prewarms_oneshot(&self) -> bool {
        self.program.prewarms_oneshot()
    }

    fn pauses(&self) -> bool {
        self.program.pauses()
    }

    fn sees_initialisation(&self) -> bool {
        self.program.sees_initialisation()
    }

    async fn start(&self, spec: StartSpec) -> Result<Started> {
        if let Some(gate) = &self.watch.gate {
            let permit = gate.acquire().await;
            // Each opens the gate for one, and nobody closes it.
            permit.map_err(|_| Error::internal("the gate was closed"))?.forget();
        }
        let _flight = Flight::new(&self.watch.in_flight);
        let started = self.program.start(spec).await;
        match &started {
            Ok(_) => {
                self.watch.started.fetch_add(1, Ordering::SeqCst);
            }
            Err(error) => {
                *self.watch.failure.lock() = Some(error.clone());
                self.watch.failed.fetch_add(1, Ordering::SeqCst);
            }
        }
        started
    }

    /// What it gives is a program of the function's own, of which every start counts as well.
    async fn snapshot(&self, spec: SnapshotSpec) -> Result<Arc<dyn Program>> {
        match self.program.snapshot(spec).await {
            Ok(program) => Ok(Arc::new(Self { program, watch: self.watch.clone() })),
            Err(error) => {
                *self.watch.no_snapshot.lock() = Some(error.clone());
                Err(error)
            }
        }
    }
}
