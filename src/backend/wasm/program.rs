//! A function made ready, and how one of its sandboxes is started.

use super::cache::Digest;
use super::channel::{Channel, Guest};
use super::code::Needs;
use super::core::{Core, Slot};
use super::entry::{Made, Pre};
use super::environ::Environ;
use super::limiter::Limiter;
use super::sandbox::Instance;
use super::shared::{Shared, WATERMARK};
use super::state::State;
use super::trap;
use super::wasi::{self, Streams};
#[cfg(feature = "snapshot")]
use crate::backend::SnapshotSpec;
use crate::backend::{Exit, Logs, Phases, Program, StartSpec, Started};
use crate::error::{Error, Result};
use crate::function::{Format, Function};
use async_trait::async_trait;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::time::Instant;
use wasmtime::{PoolConcurrencyLimitError, Store, UpdateDeadline};

/// The same code joined with its imports on another engine.
#[derive(Clone)]
pub(super) struct Home {
    pub(super) core: Arc<Core>,
    pub(super) pre: Pre,
}

/// Compiled and linked code with its function.
#[derive(Clone)]
pub(super) struct Compiled {
    pub(super) core: Arc<Core>,
    pub(super) function: Arc<Function>,
    pub(super) code: Digest,
    pub(super) needs: Needs,
    pub(super) memory: u64,
    pre: Pre,
    /// Where instances are made instead as long as there is room.
    better: Option<Home>,
    /// What snapshots of it are taken with.
    #[cfg(feature = "snapshot")]
    instrumented: super::snapshot::Instrumented,
}

impl Compiled {
    pub(super) fn new(
        core: Arc<Core>,
        function: Arc<Function>,
        code: Digest,
        needs: Needs,
        memory: u64,
        pre: Pre,
    ) -> Self {
        Self {
            core,
            function,
            code,
            needs,
            memory,
            pre,
            better: None,
            #[cfg(feature = "snapshot")]
            instrumented: Default::default(),
        }
    }

    /// The same, with its instances made on another engine where that has room.
    pub(super) fn at(self, better: Option<Home>) -> Self {
        Self { better, ..self }
    }

    /// A slot, and the engine and code that are to be used in it.
    fn home(&self) -> Result<(Slot, &Arc<Core>, &Pre)> {
        if let Some(Home { core, pre }) = &self.better
            && let Ok(slot) = core.slot(&self.needs)
        {
            return Ok((slot, core, pre));
        }
        Ok((self.core.slot(&self.needs)?, &self.core, &self.pre))
    }

    /// A store for one instance.
    pub(super) fn store(
        &self,
        core: &Core,
        env: &[(String, String)],
        logs: &Arc<Logs>,
        shared: &Arc<Shared>,
    ) -> Result<Store<State>> {
        let streams = if self.pre.shares() {
            Streams::Log(Arc::clone(logs))
        } else {
            Streams::Stdin(Arc::clone(shared))
        };
        let wasi = wasi::context(&self.function, Some(streams))?;
        let environ = Environ::new(&self.function, env);
        let limiter = Limiter::new(Arc::clone(shared), self.memory, self.needs);
        let state = State::new(wasi, environ, Arc::clone(shared), limiter, Arc::clone(logs), &self.function);
        let mut store = Store::new(&core.engine, state);
        store.limiter(|state| &mut state.limiter);
        store.set_epoch_deadline(1);
        // Tokio's own yield comes back only after timers and sockets have had their turn: a plain wake-up would let a
        // few loops keep their workers from both for sixty epochs on end.
        store.epoch_deadline_callback(|store| {
            Ok(if store.data().shared.io().epoch_ended() {
                UpdateDeadline::Continue(1)
            } else {
                UpdateDeadline::YieldCustom(1, Box::pin(tokio::task::yield_now()))
            })
        });
        Ok(store)
    }

    /// A store with its instance, not yet begun.
    async fn instantiate(
        &self,
        (core, pre): (&Core, &Pre),
        spec: &StartSpec,
        shared: &Arc<Shared>,
    ) -> Result<(Store<State>, Made)> {
        let mut store = self.store(core, &spec.env, &spec.logs, shared)?;
        // A module's `start` section runs in here, so it is entered like any guest.
        let made = {
            let mut making = pin!(pre.instantiate(&mut store));
            let made = poll_fn(|cx| {
                core.ticker.touch();
                making.as_mut().poll(cx)
            });
            made.await.map_err(|error| self.not_made(error, shared))?
        };
        Ok((store, made))
    }

    fn not_made(&self, error: wasmtime::Error, shared: &Shared) -> Error {
        if error.is::<PoolConcurrencyLimitError>() {
            return Error::unavailable(self.core.exhausted());
        }
        if shared.refused() {
            return Exit::OutOfMemory.into_error();
        }
        if error.is::<wasmtime::Trap>() || error.is::<wasmtime_wasi::I32Exit>() {
            return trap::exit(Err(error), shared.refused()).into_error();
        }
        Error::unavailable(format!("a wasm instance can't be made: {error:#}"))
    }

    async fn launch_or_park(&self, spec: StartSpec) -> Result<Started> {
        let (slot, core, pre) = self.home()?;
        let began = Instant::now();
        let shared = Arc::new(Shared::default());
        let (store, made) = self.instantiate((core, pre), &spec, &shared).await?;
        let create = began.elapsed();
        let most = usize::try_from(self.function.limits.max_reply).unwrap_or(usize::MAX);
        let most = most.saturating_add(WATERMARK);
        #[cfg(not(feature = "preview3"))]
        let Made::Guest(entry) = made;
        #[cfg(feature = "preview3")]
        let entry = match made {
            Made::Guest(entry) => entry,
            Made::Service(service) => {
                let home = (Arc::clone(core), slot);
                let sandbox =
                    super::service::Service::start(*service, store, home, &self.function, most, self.memory);
                let phases = Phases { create, ..Phases::default() };
                return Ok(Started { sandbox: Box::new(sandbox), phases });
            }
        };
        let mut channel = Channel::new(Arc::clone(core), shared, Guest::made(store, entry), slot, most);
        if self.function.format.is_streaming() {
            channel.run();
            poll_fn(|cx| channel.poll_parked(cx)).await;
            if let Some(exit) = channel.ended() {
                return Err(unready(exit.clone()).with_logs(spec.logs.tail()));
            }
        }
        let phases = Phases { create, init: began.elapsed().saturating_sub(create), ..Phases::default() };
        let sandbox = Instance::new(channel, Arc::clone(&self.function), spec.env, self.memory);
        Ok(Started { sandbox: Box::new(sandbox), phases })
    }
}

/// A streaming function ended in its initialisation.
fn unready(exit: Exit) -> Error {
    let returned = exit == Exit::Code(0);
    let error = exit.into_error().context("before it read its first request");
    if returned {
        error.context("a streaming format needs a function that reads requests in a loop")
    } else {
        error
    }
}

#[async_trait]
impl Program for Compiled {
    fn code(&self) -> &[u8] {
        &self.code
    }

    fn memory(&self) -> u64 {
        self.memory
    }

    fn format(&self) -> Option<Format> {
        self.pre.format()
    }

    fn prewarms_oneshot(&self) -> bool {
        true
    }

    fn pauses(&self) -> bool {
        // Of any other nothing runs unless somebody polls it.
        self.pre.shares()
    }

    fn sees_initialisation(&self) -> bool {
        true
    }

    async fn start(&self, spec: StartSpec) -> Result<Started> {
        let logs = Arc::clone(&spec.logs);
        let most = self.function.limits.start_timeout;
        match tokio::time::timeout(most, self.launch_or_park(spec)).await {
            Ok(result) => result,
            Err(_) => Err(Error::new(
                crate::error::ErrorKind::TimedOut,
                format!("the function was not ready within its `start_timeout` of {most:?}"),
            )
            .with_logs(logs.tail())),
        }
    }

    #[cfg(feature = "snapshot")]
    async fn snapshot(&self, spec: SnapshotSpec) -> Result<Arc<dyn Program>> {
        if !matches!(self.pre, Pre::Module(_)) {
            return Err(Error::unavailable("only a core module is snapshotted, and this is a component"));
        }
        let (base, instrumented) = (self.clone(), Arc::clone(&self.instrumented));
        Ok(Arc::new(super::snapshot::take(super::snapshot::Taking { base, instrumented, spec }).await?))
    }
}
