//! One invocation, from arrival to outcome, on the caller's own task.
//!
//! ```text
//!   submit ─► granted at once ─────────────► resume · launch ─► exchange ─► release
//!      └────► wait (or start it ourselves) ──┘      │ dead: reschedule, wait again
//! ```
//! Both halves are guarded: a caller that goes away while it waits takes its job back ([`Waiting`]), one that goes away
//! while the function runs leaves a poisoned sandbox that is removed ([`Running`], `SEEDS.md E10`).

use super::Shared;
use super::exchange::{self, Verdict, is_fit};
use super::registry::Revised;
use super::sandbox::Life;
use super::state::{Grant, Refused, Run, Work};
use super::within::{GivenUp, after, within};
use super::work::with_tail;
use crate::error::{Error, ErrorKind, Result};
use crate::format::Call;
use crate::invocation::{Outcome, Phases, Reply, Request, Start, Timings};
use crate::pool::{Fate, JobId, SandboxId, Time};
use bytes::Bytes;
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tokio::sync::oneshot;
use tokio::time::Instant;

/// How often one request is handed on from sandboxes that turn out dead before it is told so.
const DEAD_SANDBOXES: u32 = 16;

impl Shared {
    /// Runs one invocation of the function that is deployed under the name now.
    pub(super) async fn invoke(
        self: &Arc<Self>,
        namespace: &str,
        name: &str,
        request: Request<'_>,
        body: Bytes,
    ) -> Outcome {
        let mut outcome = Outcome {
            id: request.id,
            start: None,
            backend: None,
            timings: Timings::default(),
            phases: Phases::default(),
            result: Err(Error::internal("the invocation did not end")),
        };
        let wait_until = after(request.patience.unwrap_or(self.max_wait));
        let mut function = None;
        outcome.result = loop {
            let revised = self.registry.load().get(namespace, name).cloned();
            let Some(revised) = revised else {
                break Err(Error::new(ErrorKind::NotFound, format!("there is no function {name:?}")));
            };
            outcome.backend = Some(revised.backend);
            function = Some(revised.function.clone());
            if body.len() as u64 > self.max_body {
                break Err(Error::new(
                    ErrorKind::TooLarge,
                    format!("the body has {} bytes, but `max_body` is {}", body.len(), self.max_body),
                ));
            }
            match self.attempt(&revised, &request, &body, wait_until, &mut outcome).await {
                Attempt::Ended(result) => break result,
                // A new revision came between the look-up and the pool: it takes the request.
                Attempt::Closed if self.is_current(&revised) => {
                    break Err(Error::unavailable("the host is shutting down"));
                }
                Attempt::Closed => {}
            }
        };
        self.tell(function.as_deref(), &outcome);
        outcome
    }

    fn is_current(&self, revised: &Arc<Revised>) -> bool {
        let function = &revised.function;
        let registry = self.registry.load();
        registry.get(&function.namespace, &function.name).is_some_and(|now| Arc::ptr_eq(now, revised))
    }

    async fn attempt(
        self: &Arc<Self>,
        revised: &Arc<Revised>,
        request: &Request<'_>,
        body: &Bytes,
        wait_until: Instant,
        outcome: &mut Outcome,
    ) -> Attempt {
        let arrival = self.now();
        let mut grant = self.submit(arrival, revised);
        for _ in 0..DEAD_SANDBOXES {
            let granted = match grant {
                Submitted::Granted(job, grant) => Ok((job, grant)),
                Submitted::Waits(waiting) => waiting.granted(wait_until).await,
            };
            let (job, run) = match granted {
                Ok((job, Grant::Run(run))) => (job, run),
                Ok((_, Grant::Refused(Refused::Closed))) => return Attempt::Closed,
                Ok((_, Grant::Refused(Refused::Because(error)))) | Err(error) => {
                    outcome.timings.wait = self.now().since(arrival);
                    return Attempt::Ended(Err(error));
                }
            };
            outcome.start = Some(run.start);
            let mut running = Running::new(self, job, arrival, run, outcome);
            if running.make_fit().await {
                return Attempt::Ended(running.run(request, body, outcome).await);
            }
            // It ran nowhere yet.
            (outcome.start, outcome.phases) = (None, Phases::default());
            grant = Submitted::Waits(running.reschedule());
        }
        Attempt::Ended(Err(Error::unavailable(format!(
            "{DEAD_SANDBOXES} sandboxes in a row were dead before the request began"
        ))))
    }

    /// Gives the pool a job. If the pool starts a sandbox for it, the start begins here and now, on the caller's task.
    fn submit(self: &Arc<Self>, now: Time, revised: &Arc<Revised>) -> Submitted {
        let (job, granted, waiting, mut work) = {
            let mut state = self.state.lock();
            let job = state.pool.submit(now, revised.id);
            let (granted, work) = state.carry_out(now, Some(job));
            let waiting = if granted.is_none() { Some(state.wait(job)) } else { None };
            self.arm(&state);
            (job, granted, waiting, work)
        };
        if granted.is_none() {
            if tracing::enabled!(tracing::Level::DEBUG) {
                let figures = self.state.lock().pool.figures();
                tracing::debug!(function = %revised.function.name, ?figures, "no sandbox is at hand: the request waits");
            }
            let own =
                |work: &Work| matches!(work, Work::Start { revised: of, .. } if Arc::ptr_eq(of, revised));
            if let Some(index) = work.iter().position(own)
                && let Work::Start { sandbox, revised } = work.swap_remove(index)
            {
                self.begin(self.clone().start(sandbox, revised));
            }
        }
        self.perform(work);
        match (granted, waiting) {
            (Some(grant), _) => Submitted::Granted(job, grant),
            (None, Some(grant)) => Submitted::Waits(Waiting { host: self.clone(), job, grant }),
            (None, None) => {
                Submitted::Granted(job, Grant::Refused(Refused::Because(Error::internal("the job was lost"))))
            }
        }
    }
}

enum Attempt {
    Ended(Result<Reply>),
    /// The pool takes no jobs for this revision any more.
    Closed,
}

enum Submitted {
    Granted(JobId, Grant),
    Waits(Waiting),
}

/// A job that waits. Dropped, it is taken back.
struct Waiting {
    host: Arc<Shared>,
    job: JobId,
    grant: oneshot::Receiver<Grant>,
}

impl Waiting {
    async fn granted(mut self, until: Instant) -> Result<(JobId, Grant)> {
        let host = self.host.clone();
        match within(until, &host.stopping, &mut self.grant).await {
            Ok(Ok(grant)) => Ok((self.job, grant)),
            Ok(Err(_)) => Err(Error::internal("the job was lost")),
            Err(GivenUp::Stopped) => Err(Error::unavailable("the host is stopping")),
            Err(GivenUp::TimedOut) => Err(Error::new(
                ErrorKind::Overloaded,
                "no sandbox was free in the time that the request could wait: try again later",
            )),
        }
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let (job, grant) = (self.job, &mut self.grant);
        if grant.is_terminated() {
            return;
        }
        self.host.event(|state, now| {
            if state.pool.cancel(now, job) {
                state.forget_job(job);
            } else if let Ok(Grant::Run(run)) = grant.try_recv() {
                // Granted, but nobody came for it: the sandbox never saw the request.
                let (sandbox, held) = (run.life.id, run.life.held());
                state.put(run.life);
                state.pool.released(now, sandbox, job, held, Fate::Keep);
            }
        });
    }
}

/// A job that has its sandbox. Dropped before it is released, the sandbox is poisoned and removed.
struct Running {
    host: Arc<Shared>,
    job: JobId,
    sandbox: SandboxId,
    start: Start,
    life: Option<Box<Life>>,
    granted: Time,
}

impl Running {
    fn new(host: &Arc<Shared>, job: JobId, arrival: Time, run: Run, outcome: &mut Outcome) -> Self {
        let granted = host.now();
        let seen = if matches!(run.start, Start::Warm | Start::Prewarmed | Start::RecreatedPrewarm) {
            Duration::ZERO
        } else {
            run.life.start_seen_since(arrival, granted)
        };
        outcome.timings.start = seen;
        outcome.timings.wait = granted.since(arrival).saturating_sub(seen);
        outcome.phases = run.life.phases;
        let (sandbox, start) = (run.life.id, run.start);
        Self { host: host.clone(), job, sandbox, start, life: Some(run.life), granted }
    }

    /// Resumes a paused sandbox and looks whether it still lives. False: the job must have another one (`SEEDS.md W17`, `W20`).
    async fn make_fit(&mut self) -> bool {
        let Some(life) = self.life.as_mut() else { return false };
        if life.paused {
            if let Err(error) = life.sandbox.resume().await {
                tracing::warn!(function = %life.revised.function.name, "a paused sandbox could not be resumed: {error}");
                return false;
            }
            life.paused = false;
        }
        if !life.revised.function.format.is_streaming() {
            return true;
        }
        // One that dies before its first request has failed to initialise: its own error says how (`SEEDS.md W22`), and
        // another one would fare no better.
        life.is_fresh(self.start) || is_fit(life.sandbox.as_mut(), &mut life.session)
    }

    /// The job goes back to the head of the line, the sandbox goes.
    fn reschedule(mut self) -> Waiting {
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
        let grant = receiver.unwrap_or_else(|| oneshot::channel().1);
        Waiting { host, job, grant }
    }

    async fn run(mut self, request: &Request<'_>, body: &Bytes, outcome: &mut Outcome) -> Result<Reply> {
        let host = self.host.clone();
        let Some(life) = self.life.as_mut() else { return Err(Error::internal("the sandbox was lost")) };
        let revised = life.revised.clone();
        life.logs.serve(request.id);
        let function = &revised.function;
        let limit = function.limits.timeout;
        let call = Call {
            id: request.id,
            function: &function.name,
            memory: revised.memory,
            max_reply: function.limits.max_reply,
            deadline: SystemTime::now() + limit,
            method: request.method,
            path: request.path,
            url: request.url,
            headers: request.headers,
            body,
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
            let launch = life.sandbox.launch(std::mem::take(&mut written.env));
            // The backend keeps to `start_timeout`, in which waiting for its turn doesn't count; that is bounded here.
            let turn = function.limits.start_timeout.saturating_add(host.max_wait);
            match within(after(turn), &host.stopping, launch).await {
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
                    self.end(given_up).await;
                    let message = format!("the function did not start within {turn:?}");
                    return Err(host.given_up(given_up, message));
                }
            }
        }
        let format = function.format;
        exchange::send(life.sandbox.as_mut(), written);
        let mut verdict = None;
        if initialises {
            // Booting is not the request's time (`SEEDS.md E9`), where it can be told apart. A guest that never says that it is
            // ready has the request's time on top, since it may have begun with it.
            let boot = function.limits.start_timeout.saturating_add(limit);
            let ready = exchange::ready(life.sandbox.as_mut(), &mut life.session, format);
            verdict = within(after(boot), &host.stopping, ready).await.transpose();
        }
        let began = host.now();
        outcome.timings.start += began.since(self.granted);
        let verdict = match verdict {
            Some(verdict) => verdict,
            None => {
                let reply = exchange::reply(life.sandbox.as_mut(), &mut life.session, format);
                within(after(limit), &host.stopping, reply).await
            }
        };
        outcome.timings.run = host.now().since(began);
        match verdict {
            Ok(Verdict { answer, clean }) => {
                let answer = answer.map_err(|error| with_tail(error, &life.logs));
                let clean = clean && exchange::rest(life.sandbox.as_mut(), &mut life.session).await;
                self.release(if clean { Fate::Keep } else { Fate::Poisoned });
                answer
            }
            Err(given_up) => {
                let logs = life.logs.clone();
                self.end(given_up).await;
                let message = format!("the function did not answer within its time limit of {limit:?}");
                Err(with_tail(host.given_up(given_up, message), &logs))
            }
        }
    }

    /// Gives the sandbox back.
    fn release(&mut self, fate: Fate) {
        let Some(life) = self.life.take() else { return };
        let (job, sandbox, held) = (self.job, self.sandbox, life.held());
        self.host.event(|state, now| {
            state.put(life);
            state.pool.released(now, sandbox, job, held, fate);
        });
    }

    /// Ends a sandbox whose time is over, and where that takes a while, waits until it is gone: the caller is told
    /// that it is.
    async fn end(&mut self, given_up: GivenUp) {
        const A_WHILE: Duration = Duration::from_secs(5);
        let Some(life) = self.life.take() else { return };
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
        self.release(Fate::Poisoned);
    }
}

impl Shared {
    fn given_up(&self, given_up: GivenUp, message: String) -> Error {
        match given_up {
            GivenUp::TimedOut => Error::new(ErrorKind::TimedOut, message),
            GivenUp::Stopped => Error::unavailable("the host stopped while the request ran"),
        }
    }
}
