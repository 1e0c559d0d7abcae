//! A job that has its sandbox: the request goes in, the reply comes out, the sandbox is given back.
//!
//! Guarded: dropped before that, as when its caller goes away, it leaves a poisoned sandbox that is removed (`SEEDS.md
//! E10`).

use super::Shared;
use super::exchange::{self, Step, is_fit};
use super::flow::Flow;
use super::invoke::Waiting;
use super::lanes::{Entry, Key};
use super::ongoing::{Answered, Ongoing};
use super::sandbox::Life;
use super::state::{Run, Work};
use super::upload::Upload;
use super::within::{GivenUp, after, within};
use super::work::with_tail;
use crate::error::{Error, ErrorKind, Result};
use crate::format::Call;
use crate::invocation::{Outcome, Request, Start};
use crate::pool::{Fate, JobId, SandboxId, Time};
use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, SystemTime};
use tokio::sync::oneshot;

/// A job that has its sandbox. Dropped before it is released, the sandbox is poisoned and removed.
pub(super) struct Running {
    pub(super) host: Arc<Shared>,
    job: JobId,
    sandbox: SandboxId,
    start: Start,
    pub(super) life: Option<Box<Life>>,
    granted: Time,
    /// Whether it had to be thawed or given its code first.
    was_delayed: bool,
    /// Whether others wait at the gate until this one has made the sandbox ready.
    key: Option<Key>,
    /// When the run ended, if that has been seen.
    pub(super) ended: Option<Time>,
}

impl Running {
    pub(super) fn new(
        host: &Arc<Shared>,
        (job, run): (JobId, Run),
        (arrival, granted): (Time, Time),
        outcome: &mut Outcome,
    ) -> Self {
        let seen = if matches!(run.start, Start::Warm | Start::Prewarmed | Start::RecreatedPrewarm) {
            Duration::ZERO
        } else {
            run.life.start_seen_since(arrival, granted)
        };
        outcome.timings.start = seen;
        outcome.timings.wait = granted.since(arrival).saturating_sub(seen);
        outcome.phases = run.life.phases;
        let (sandbox, start) = (run.life.id, run.start);
        Self {
            host: host.clone(),
            job,
            sandbox,
            start,
            life: Some(run.life),
            granted,
            was_delayed: false,
            key: None,
            ended: None,
        }
    }

    /// Resumes a paused sandbox and looks whether it still lives. False: the job must have another one (`SEEDS.md W17`, `W20`).
    /// An error: the code couldn't be loaded by whoever came first, and no more by this one (`SEEDS.md W22`).
    pub(super) async fn make_fit(&mut self) -> Result<bool> {
        let Some(life) = self.life.as_mut() else { return Ok(false) };
        if let Some(gate) = life.gate().cloned() {
            let entry = gate.enter();
            let mut entry = pin!(entry);
            let first = poll_fn(|cx| Poll::Ready(entry.as_mut().poll(cx))).await;
            let waits = first.is_pending();
            match if let Poll::Ready(entry) = first { entry } else { entry.await } {
                Entry::Open => self.was_delayed |= waits,
                Entry::First(key, undone) => {
                    (life.paused, life.blank) = (undone.paused, undone.blank);
                    self.key = Some(key);
                }
                Entry::Broken(None) => return Ok(false),
                Entry::Broken(Some(error)) => return Err(error),
            }
        }
        if life.paused {
            if let Err(error) = life.sandbox.resume().await {
                tracing::warn!(function = %life.revised.function.name, "a paused sandbox could not be resumed: {error}");
                return Ok(false);
            }
            life.paused = false;
            self.was_delayed = true;
        }
        if !life.blank
            && let Some(key) = self.key.take()
        {
            key.open();
        }
        Ok(self.lives())
    }

    /// Whether its sandbox can serve it, as far as that can be told.
    fn lives(&mut self) -> bool {
        let Some(life) = self.life.as_mut() else { return false };
        // One that dies before its first request has failed to initialise: its own error says how (`SEEDS.md W22`), and
        // another one would fare no better.
        if life.is_fresh(self.start) {
            return true;
        }
        match life.revised.function.format.is_streaming() {
            true => is_fit(life.sandbox.as_mut(), &mut life.session),
            // It was started ahead and has no stdio yet.
            false => !life.sandbox.is_dead(),
        }
    }

    /// Whether its sandbox serves its first job right from its start.
    pub(super) fn is_fresh(&self) -> bool {
        self.life.as_ref().is_some_and(|life| life.is_fresh(self.start))
    }

    /// The job goes back to the head of the line, the sandbox goes.
    pub(super) fn reschedule(mut self) -> Waiting {
        let host = self.host.clone();
        let (job, sandbox) = (self.job, self.sandbox);
        let life = self.life.take();
        let mut receiver = None;
        host.event(|state, now| {
            receiver = Some(state.wait(job));
            if let Some(life) = life {
                state.put(life);
            }
            state.pool.reschedule(now, sandbox, job);
        });
        // Without a receiver the channel is closed, and the job is told that it was lost.
        Waiting::new(host, job, receiver.unwrap_or_else(|| oneshot::channel().1))
    }

    /// Sends the request and waits for the reply, or for the beginning of one that is longer than `parts_above`.
    pub(super) async fn run(
        mut self,
        request: &Request<'_>,
        upload: &mut Upload,
        parts_above: usize,
        outcome: &mut Outcome,
    ) -> Result<Answered> {
        let host = self.host.clone();
        if self.life.as_ref().is_some_and(|life| life.blank) {
            let loaded = Box::pin(self.initialise(request, outcome)).await;
            match (&loaded, self.key.take()) {
                (Ok(()), Some(key)) => key.open(),
                (Err(error), Some(key)) => key.fail(error.clone()),
                (_, None) => {}
            }
            loaded?;
            self.was_delayed = true;
        }
        let Some(life) = self.life.as_mut() else { return Err(Error::internal("the sandbox was lost")) };
        let revised = life.revised.clone();
        life.serve(request.id, request.lines);
        let function = &revised.function;
        let limit = function.limits.timeout;
        let call = Call {
            id: request.id,
            namespace: &function.namespace,
            env: &function.env,
            function: &function.name,
            memory: revised.memory,
            max_reply: function.limits.max_reply,
            deadline: SystemTime::now() + limit,
            method: request.method,
            path: request.path,
            url: request.url,
            headers: request.headers,
            peer: request.peer,
            body: &upload.start,
            rest: upload.rest,
            caller: request.caller,
            parts_above,
        };
        // Any other was looked at when it was made fit.
        if function.format.is_streaming()
            && life.is_fresh(self.start)
            && let Err(broken) = exchange::take_stray(life.sandbox.as_mut(), &mut life.session)
        {
            let error =
                Error::failed(format!("the function wrote to stdout before its first request: {broken}"));
            let error = with_tail(error, &life.logs);
            self.release(Fate::Poisoned);
            return Err(error);
        }
        let mut written = match life.session.encode(&call) {
            Ok(written) => written,
            Err(error) => {
                // Nothing was sent: a streaming sandbox is as good as before.
                let fate = if function.format.is_streaming() { Fate::Keep } else { Fate::Poisoned };
                self.release(fate);
                return Err(error);
            }
        };
        // Only now: after a request that couldn't be written the next one is still the first.
        let initialises = !std::mem::replace(&mut life.used, true) && !revised.program.sees_initialisation();
        if !function.format.is_streaming() {
            let env = std::mem::take(&mut written.env);
            // The backend keeps to `start_timeout`, in which waiting for its turn doesn't count; that is bounded here.
            let turn = function.limits.start_timeout.saturating_add(host.max_wait);
            let launched = within(|| after(turn), &host.stopping, life.sandbox.launch(env).as_mut()).await;
            match launched {
                Ok(Ok(phases)) => {
                    outcome.phases.create += phases.create;
                    outcome.phases.start += phases.start;
                    outcome.phases.init += phases.init;
                }
                Ok(Err(error)) => {
                    let error = with_tail(error, &life.logs);
                    self.release(Fate::Poisoned);
                    return Err(error);
                }
                Err(given_up) => {
                    Box::pin(self.end(given_up)).await;
                    let message = format!("the function did not start within {turn:?}");
                    return Err(host.given_up(given_up, message));
                }
            }
        }
        let format = function.format;
        let mut flow = Flow::new(upload, host.max_body, parts_above);
        let in_one = parts_above == usize::MAX && flow.is_sent();
        exchange::send(life.sandbox.as_mut(), written);
        let mut came = None;
        if initialises {
            // Booting is not the request's time (`SEEDS.md E9`), where it can be told apart. A guest that never says that it is
            // ready has the request's time on top, since it may have begun with it.
            let boot = function.limits.start_timeout.saturating_add(limit);
            let ready = exchange::ready(life.sandbox.as_mut(), &mut life.session, format, &mut flow);
            came = within(|| after(boot), &host.stopping, Box::pin(ready).as_mut()).await.transpose();
        }
        // The clock is looked at only where it has gone on: a warm call of a module takes less than a microsecond.
        let is_ready = self.start == Start::Warm && !self.was_delayed && function.format.is_streaming();
        let began = if is_ready { self.granted } else { host.now() };
        outcome.timings.start += began.since(self.granted);
        let mut ongoing = Ongoing::new(self, flow, began, limit);
        let came = match came {
            Some(came) => came,
            None if in_one => ongoing.whole().await,
            None => ongoing.begin().await,
        };
        outcome.timings.run = ongoing.lap().since(began);
        match came {
            Ok(Step::Begun { reply, length }) => Ok(ongoing.begun(reply, length)),
            came => ongoing.close(came).await.map(Answered::Whole),
        }
    }

    /// Its caller has gone: so does the sandbox (`SEEDS.md E10`), or where others may be in it, the way into it. A server
    /// hears of that as of any client that hangs up.
    pub(super) fn give_up(&mut self) {
        let Some(life) = self.life.as_mut() else { return };
        life.spoil();
        let shared = life.gate().is_some() && self.key.is_none();
        self.release(if shared { Fate::Keep } else { Fate::Poisoned });
    }

    /// Gives the sandbox back.
    pub(super) fn release(&mut self, fate: Fate) {
        let Some(mut life) = self.life.take() else { return };
        let (job, sandbox, held) = (self.job, self.sandbox, life.held());
        if fate == Fate::Poisoned {
            life.spoil();
        }
        let ended = self.ended.unwrap_or_else(|| self.host.now());
        self.host.event_at(ended, |state| {
            state.put(life);
            state.pool.released(ended, sandbox, job, held, fate);
        });
    }

    /// Ends a sandbox whose time is over, and where that takes a while, waits until it is gone: the caller is told
    /// that it is.
    pub(super) async fn end(&mut self, given_up: GivenUp) {
        const A_WHILE: Duration = Duration::from_secs(5);
        let Some(mut life) = self.life.take() else { return };
        life.spoil();
        let (job, sandbox, held) = (self.job, self.sandbox, life.held());
        let host = self.host.clone();
        let mut work = host.decide(|state, now| {
            state.put(life);
            state.pool.released(now, sandbox, job, held, Fate::Poisoned);
        });
        let own =
            work.iter().position(|work| matches!(work, Work::Remove { life, .. } if life.id == sandbox));
        let own = own.map(|index| work.swap_remove(index));
        host.perform(work);
        if let Some(Work::Remove { life, .. }) = own {
            let removal = host.runtime.spawn(host.clone().remove(life));
            if given_up == GivenUp::TimedOut {
                let _ = tokio::time::timeout(A_WHILE, removal).await;
            }
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.give_up();
    }
}

impl Shared {
    pub(super) fn given_up(&self, given_up: GivenUp, message: String) -> Error {
        match given_up {
            GivenUp::TimedOut => Error::new(ErrorKind::TimedOut, message),
            GivenUp::Stopped => Error::unavailable("the host stopped while the request ran"),
        }
    }
}
