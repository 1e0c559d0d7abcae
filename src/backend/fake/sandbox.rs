//! One sandbox of the fake backend: its guest is polled by whoever reads from it, as a wasm instance is.

use super::guest::{self, Setup};
use super::handle::Shared;
use super::process::Process;
use crate::backend::{BoxFuture, Exit, Logs, Phases, Sandbox, Stdio};
use crate::error::{Error, Result};
use crate::function::BackendKind;
use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

/// What a module's sandbox holds at rest beyond what its guest took, in bytes: its first pages of memory.
pub const OVERHEAD: u64 = 1 << 20;

/// A sandbox in the backend's counts, from the start of its start to the end of its removal.
pub(super) struct Place {
    shared: Arc<Shared>,
    memory: u64,
    stage: Stage,
}

#[derive(Clone, Copy)]
enum Stage {
    Starting,
    Living,
    Removing,
    Removed,
}

impl Place {
    /// A start has begun.
    pub(super) fn starting(shared: Arc<Shared>, memory: u64) -> Self {
        shared.count(|counts| {
            counts.starts += 1;
            counts.starting += 1;
            counts.memory += memory;
        });
        Self { shared, memory, stage: Stage::Starting }
    }

    fn living(&mut self) {
        self.stage = Stage::Living;
        self.shared.count(|counts| {
            counts.starting -= 1;
            counts.living += 1;
        });
    }

    fn removing(&mut self) {
        self.stage = Stage::Removing;
        self.shared.count(|counts| counts.removing += 1);
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.shared.count(|counts| {
            counts.memory -= self.memory;
            match self.stage {
                Stage::Starting => counts.starting -= 1,
                Stage::Living => counts.living -= 1,
                Stage::Removing | Stage::Removed => {
                    counts.living -= 1;
                    counts.removing -= 1;
                }
            }
            match self.stage {
                Stage::Starting => {}
                Stage::Living | Stage::Removing => counts.dropped += 1,
                Stage::Removed => counts.removed += 1,
            }
        });
    }
}

/// One sandbox.
pub(super) struct FakeSandbox {
    kind: BackendKind,
    shared: Arc<Shared>,
    process: Arc<Process>,
    /// What runs once it is begun.
    setup: Option<Setup>,
    guest: Option<Pin<Box<dyn Future<Output = Exit> + Send>>>,
    logs: Arc<Logs>,
    frozen: bool,
    place: Place,
}

impl FakeSandbox {
    pub(super) fn new(
        kind: BackendKind,
        shared: Arc<Shared>,
        place: Place,
        setup: Setup,
        logs: Arc<Logs>,
    ) -> Self {
        let process = Arc::new(Process::new(logs.clone(), place.memory));
        shared.register(&process);
        Self { kind, shared, process, setup: Some(setup), guest: None, logs, frozen: false, place }
    }

    /// Runs a streaming guest: a module's to its first read of stdin, an image's as far as it gets by itself.
    pub(super) async fn begin(&mut self) -> Result<()> {
        self.run(Vec::new());
        if self.kind == BackendKind::Docker {
            self.step(&mut Context::from_waker(Waker::noop()));
            return Ok(());
        }
        poll_fn(|cx| {
            self.process.wake_on_end(cx.waker());
            self.step(cx);
            if self.process.rests() { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
        match self.process.exit() {
            None => Ok(()),
            Some(exit) => Err(exit.into_error().context("it could not start").with_logs(self.logs.tail())),
        }
    }

    /// From here on it counts as living.
    pub(super) fn started(&mut self) {
        self.place.living();
    }

    fn run(&mut self, env: Vec<(String, String)>) {
        if let Some(mut setup) = self.setup.take() {
            setup.env.extend(env);
            self.process.begin();
            self.guest = Some(guest::run(self.process.clone(), setup));
        }
    }

    /// Lets the guest go on until it has to wait.
    fn step(&mut self, cx: &mut Context<'_>) {
        if self.process.exit().is_some() {
            self.guest = None;
        }
        if self.frozen {
            return;
        }
        if let Some(guest) = &mut self.guest
            && let Poll::Ready(exit) = guest.as_mut().poll(cx)
        {
            self.guest = None;
            self.process.end(exit, false);
        }
    }

    /// A container runs by itself; a module only while somebody polls it.
    fn catch_up(&mut self) {
        if self.kind == BackendKind::Docker {
            self.step(&mut Context::from_waker(Waker::noop()));
        }
    }
}

#[async_trait]
impl Sandbox for FakeSandbox {
    fn stdio(&mut self) -> &mut dyn Stdio {
        self
    }

    async fn launch(&mut self, env: Vec<(String, String)>) -> Result<Phases> {
        if self.setup.is_none() {
            return Err(Error::internal("the sandbox was launched twice, or is a streaming function's"));
        }
        self.run(env);
        self.shared.count(|counts| counts.launches += 1);
        Ok(Phases::default())
    }

    async fn pause(&mut self) -> Result<()> {
        let failure = self.shared.steering.lock().pause_errors.next();
        match failure {
            Some(error) => Err(error),
            None => {
                self.frozen = true;
                self.shared.count(|counts| counts.pauses += 1);
                Ok(())
            }
        }
    }

    async fn resume(&mut self) -> Result<()> {
        let failure = self.shared.steering.lock().resume_errors.next();
        match failure {
            Some(error) => Err(error),
            None => {
                self.frozen = false;
                self.shared.count(|counts| counts.resumes += 1);
                Ok(())
            }
        }
    }

    async fn exit(&mut self) -> Exit {
        poll_fn(|cx| {
            self.process.wake_on_end(cx.waker());
            self.step(cx);
            match self.process.exit() {
                Some(exit) => Poll::Ready(exit),
                None => Poll::Pending,
            }
        })
        .await
    }

    fn held(&self) -> u64 {
        let limit = self.place.memory;
        let said = self.shared.steering.lock().resting;
        said.unwrap_or(match self.kind {
            BackendKind::Wasm => self.process.memory().saturating_add(OVERHEAD),
            BackendKind::Docker => limit,
        })
        .min(limit)
    }

    fn is_dead(&mut self) -> bool {
        self.catch_up();
        self.process.exit().is_some()
    }

    fn ended(&self) -> Option<BoxFuture> {
        Some(self.process.told())
    }

    async fn remove(mut self: Box<Self>) -> Exit {
        self.process.end(Exit::Killed, true);
        self.guest = None;
        self.place.removing();
        let latency = self.shared.steering.lock().removal_latency;
        if !latency.is_zero() {
            tokio::time::sleep(latency).await;
        }
        self.shared.removals.pass().await;
        self.place.stage = Stage::Removed;
        self.process.exit().unwrap_or(Exit::Killed)
    }
}

impl Stdio for FakeSandbox {
    fn write(&mut self, bytes: Bytes) {
        self.process.feed(bytes);
    }

    fn close(&mut self) {
        self.process.close();
    }

    fn queued(&self) -> usize {
        self.process.fed()
    }

    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>>> {
        if let Some(piece) = self.process.take() {
            return Poll::Ready(Ok(Some(piece)));
        }
        self.process.wake_on_end(cx.waker());
        self.step(cx);
        if let Some(piece) = self.process.take() {
            return Poll::Ready(Ok(Some(piece)));
        }
        match self.process.exit() {
            Some(lost @ Exit::Lost(_)) => Poll::Ready(Err(lost.into_error())),
            Some(_) => Poll::Ready(Ok(None)),
            None => Poll::Pending,
        }
    }

    fn poll_rest(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.kind == BackendKind::Docker {
            return Poll::Ready(());
        }
        self.process.wake_on_end(cx.waker());
        self.step(cx);
        if self.process.rests() { Poll::Ready(()) } else { Poll::Pending }
    }

    fn stray(&mut self) -> Option<Bytes> {
        self.catch_up();
        let mut stray = BytesMut::new();
        while let Some(piece) = self.process.take() {
            stray.extend_from_slice(&piece);
        }
        if stray.is_empty() { None } else { Some(stray.freeze()) }
    }
}
