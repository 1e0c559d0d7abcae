//! Carries out what takes time, outside the lock: starts, pauses, removals.

use super::Shared;
use super::promise::Promise;
use super::ready::ready;
use super::registry::{Load, Revised};
use super::sandbox::{Life, Sharing};
use super::state::{State, Work};
use crate::backend::{Logs, StartSpec, Started};
use crate::error::Error;
use crate::format::Session;
use crate::pool::{SandboxId, Time};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Waker};

impl Shared {
    /// An event for the pool, and what follows from it.
    pub(super) fn event(self: &Arc<Self>, event: impl FnOnce(&mut State, Time)) {
        let work = self.decide(event);
        self.perform(work);
    }

    /// An event for the pool; what is to be done is left to the caller.
    pub(super) fn decide(&self, event: impl FnOnce(&mut State, Time)) -> Vec<Work> {
        let now = self.now();
        self.decide_at(now, |state| event(state, now))
    }

    /// As [`Shared::event`], for one whose time is known.
    pub(super) fn event_at(self: &Arc<Self>, now: Time, event: impl FnOnce(&mut State)) {
        let work = self.decide_at(now, event);
        self.perform(work);
    }

    fn decide_at(&self, now: Time, event: impl FnOnce(&mut State)) -> Vec<Work> {
        let mut state = self.state.lock();
        event(&mut state);
        let (_, work) = state.carry_out(now, None);
        self.arm(&state);
        if state.closed {
            self.closed.notify_waiters();
        }
        work
    }

    /// Sees to all that is to be done.
    pub(super) fn perform(self: &Arc<Self>, work: Vec<Work>) {
        for work in work {
            match work {
                Work::Start { sandbox, revised } => {
                    self.runtime.spawn(self.clone().start(sandbox, revised));
                }
                Work::Forget(revised) => {
                    tracing::debug!(function = %revised.function.name, revision = %revised.revision, "forgotten");
                }
                Work::Pause { life } => {
                    self.runtime.spawn(self.clone().pause(life));
                }
                Work::Remove { life, why } => {
                    tracing::debug!(sandbox = life.id.number(), function = %life.revised.function.name, ?why, "remove");
                    self.begin(self.clone().remove(life));
                }
            }
        }
    }

    /// Runs a future as far as it goes at once, and the rest of it on a task of its own. A wasm sandbox's start and
    /// removal are over by then.
    pub(super) fn begin(&self, future: impl Future<Output = ()> + Send + 'static) {
        let mut future: Pin<Box<dyn Future<Output = ()> + Send>> = Box::pin(future);
        // The caller may be anywhere: `undeploy` isn't async, and an invocation may be dropped on any thread.
        let _within = self.runtime.enter();
        // A panic in there isn't this caller's, as it would not be if all of it ran on a task; the pool has been told.
        let polled = catch_unwind(AssertUnwindSafe(|| {
            future.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending()
        }));
        // The task polls it again, and so puts its own waker in the place of this one.
        if let Ok(true) = polled {
            self.runtime.spawn(future);
        }
    }

    /// Starts a sandbox and hands it to the pool.
    pub(super) async fn start(self: Arc<Self>, sandbox: SandboxId, revised: Arc<Revised>) {
        let began = self.now();
        let logs = Arc::new(Logs::new(revised.function.clone(), revised.memory));
        let spec = StartSpec {
            revision: revised.revision,
            number: sandbox.number(),
            env: revised.env(),
            logs: logs.clone(),
        };
        let promise = Promise::new(&self, move |state, now| state.pool.start_failed(now, sandbox));
        let started = match revised.program.start(spec).await {
            Ok(started) => ready(started, &revised).await,
            Err(error) => Err(error),
        };
        promise.kept();
        match started {
            Ok(Started { sandbox: started, phases }) => {
                let format = revised.function.format;
                let session = match revised.load {
                    Load::Snapshot => Session::loaded(format),
                    Load::Own | Load::Source(_) | Load::Stem => Session::new(format),
                };
                let ended = started.ended();
                let blank = !revised.load.is_own();
                let life = Box::new(Life {
                    id: sandbox,
                    revised,
                    sandbox: started,
                    session,
                    logs,
                    phases,
                    began,
                    used: false,
                    blank,
                    paused: false,
                    sharing: Sharing::Alone,
                });
                let held = life.held();
                // A backend may find out with a start that it can't start one-shot functions ahead: what is kept ready
                // would be charged and save nobody anything.
                let revised = life.revised.clone();
                let useless = !revised.function.format.is_streaming() && !revised.program.prewarms_oneshot();
                self.event(|state, now| {
                    state.put(life);
                    state.pool.ready(now, sandbox, held);
                    if useless {
                        state.pool.set_prewarm(now, revised.kind, revised.memory, 0, Some(revised.id));
                    }
                });
                if let Some(ended) = ended {
                    let host = Arc::downgrade(&self);
                    self.runtime.spawn(async move {
                        ended.await;
                        if let Some(host) = host.upgrade() {
                            host.event(|state, now| state.pool.lost(now, sandbox));
                        }
                    });
                }
            }
            Err(error) => {
                let what = if matches!(revised.load, Load::Stem) { "runtime" } else { "function" };
                let name = &revised.function.name;
                let error = error.context(format_args!("{what} {name:?} could not be started"));
                let error = with_tail(error, &logs);
                tracing::warn!(function = %revised.function.name, kind = %error.kind(), "{error}");
                self.event(|state, now| {
                    state.failure = Some((sandbox, error));
                    state.pool.start_failed(now, sandbox);
                });
            }
        }
    }

    async fn pause(self: Arc<Self>, mut life: Box<Life>) {
        let id = life.id;
        let promise = Promise::new(&self, move |state, now| {
            state.pool.lost(now, id);
            state.pool.paused(now, id);
        });
        // One whose last job went away before thawing it is frozen still.
        let paused = if life.paused { Ok(()) } else { life.sandbox.pause().await };
        promise.kept();
        life.paused = paused.is_ok();
        if let Err(error) = &paused {
            tracing::warn!(function = %life.revised.function.name, "an idle sandbox could not be paused: {error}");
        }
        self.event(|state, now| {
            state.put(life);
            match paused {
                Ok(()) => state.pool.paused(now, id),
                Err(_) => {
                    // The pool waits for a pausing sandbox to come back before it removes it.
                    state.pool.lost(now, id);
                    state.pool.paused(now, id);
                }
            }
        });
    }

    pub(super) async fn remove(self: Arc<Self>, life: Box<Life>) {
        let id = life.id;
        // However it goes: what unwinds here has dropped the sandbox, and that ends it, if later.
        let _promise = Promise::new(&self, move |state, now| state.pool.removed(now, id));
        life.sandbox.remove().await;
    }
}

/// The error with the last lines of stderr, where it brings none of its own.
pub(super) fn with_tail(error: Error, logs: &Logs) -> Error {
    if error.logs().is_empty() { error.with_logs(logs.tail()) } else { error }
}
