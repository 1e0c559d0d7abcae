//! One invocation, from arrival to outcome, on the caller's own task.
//!
//! ```text
//!   submit ─► granted at once ─────────────► resume · launch ─► exchange ─► release
//!      └────► wait (or start it ourselves) ──┘      │ dead: reschedule, wait again
//! ```
//! Both halves are guarded: a caller that goes away while it waits takes its job back ([`Waiting`]), one that goes away
//! while the function runs leaves a poisoned sandbox that is removed ([`Running`], `SEEDS.md E10`).

use super::Shared;
use super::ongoing::Answered;
use super::record::Record;
use super::registry::Revised;
use super::running::Running;
use super::state::{Grant, Refused, Work};
use super::upload::Upload;
use super::within::{GivenUp, within};
use crate::error::{Error, ErrorKind, Result};
use crate::format::can_begin;
use crate::invocation::{Outcome, Phases, Request};
use crate::pool::{Fate, JobId, Time};
use bytes::Bytes;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;
use tokio::sync::oneshot;

/// How often one request is handed on from sandboxes that turn out dead before it is told so.
const DEAD_SANDBOXES: u32 = 16;

impl Shared {
    /// Runs one invocation of the function that is deployed under the name now. Its reply is whole.
    pub(super) async fn invoke(
        self: &Arc<Self>,
        namespace: &str,
        name: &str,
        request: Request<'_>,
        body: Bytes,
    ) -> Outcome {
        let asked = self.ask(namespace, name, &request, body.into(), usize::MAX).await;
        let Asked { record, answer } = asked;
        record.end(answer.and_then(|answered| match answered {
            Answered::Whole(reply) => Ok(reply),
            Answered::Begun { .. } => Err(Error::internal("a reply came in parts that had to be whole")),
        }))
    }

    /// Asks the function that is deployed under the name now, until its reply is there or has begun. Nobody has been told.
    pub(super) async fn ask<'a>(
        self: &'a Arc<Self>,
        namespace: &str,
        name: &str,
        request: &Request<'_>,
        mut upload: Upload,
        parts_above: usize,
    ) -> Asked<'a> {
        let patience = request.patience.unwrap_or(self.max_wait);
        let mut record = Record::new(&**self, request.id, self.now());
        let answer = loop {
            let revised = self.registry.load().get(namespace, name).cloned();
            let Some(revised) = revised else {
                break Err(Error::new(ErrorKind::NotFound, format!("there is no function {name:?}")));
            };
            record.outcome.backend = Some(revised.backend);
            record.function = Some(revised.function.clone());
            if let Err(error) = upload.check(self.max_body) {
                break Err(error);
            }
            if !can_begin(revised.function.format, upload.rest) {
                // Before it waits: how long the rest takes is the caller's doing.
                if let Err(error) = Box::pin(upload.gather(self.max_body)).await {
                    break Err(error);
                }
                record.began = self.now();
            }
            let wanted = (request, &mut upload, parts_above);
            match self.attempt(&revised, wanted, (record.began, patience), &mut record.outcome).await {
                Attempt::Ended(result) => break result,
                // A new revision came between the look-up and the pool: it takes the request.
                Attempt::Closed if self.is_current(&revised) => {
                    break Err(Error::unavailable("the host is shutting down"));
                }
                Attempt::Closed => {}
            }
        };
        Asked { record, answer }
    }

    pub(super) fn is_current(&self, revised: &Arc<Revised>) -> bool {
        let function = &revised.function;
        let registry = self.registry.load();
        registry.get(&function.namespace, &function.name).is_some_and(|now| Arc::ptr_eq(now, revised))
    }

    async fn attempt(
        self: &Arc<Self>,
        revised: &Arc<Revised>,
        (request, upload, parts_above): (&Request<'_>, &mut Upload, usize),
        (arrival, patience): (Time, Duration),
        outcome: &mut Outcome,
    ) -> Attempt {
        let mut grant = self.submit(arrival, revised);
        for _ in 0..DEAD_SANDBOXES {
            let (granted, later) = match grant {
                Submitted::Granted(job, grant, later) => (Ok((job, grant, arrival)), Some(later)),
                Submitted::Waits(waiting) => (Box::pin(waiting.granted(arrival, patience)).await, None),
            };
            let (job, run, granted) = match granted {
                Ok((job, Grant::Run(run), at)) => (job, run, at),
                Ok((_, Grant::Refused(Refused::Closed), _)) => return Attempt::Closed,
                Ok((_, Grant::Refused(Refused::Because(error)), _)) | Err(error) => {
                    outcome.timings.wait = self.now().since(arrival);
                    return Attempt::Ended(Err(error));
                }
            };
            outcome.start = Some(run.start);
            let running = Running::new(self, (job, run), (arrival, granted), outcome);
            let mut ran = pin!(ran(running, request, upload, parts_above, outcome));
            // A module's reply is there by the first poll, mostly: what else is to be done comes after it.
            let first = poll_fn(|cx| Poll::Ready(ran.as_mut().poll(cx))).await;
            drop(later);
            match if let Poll::Ready(ran) = first { ran } else { ran.await } {
                Ok(answer) => return Attempt::Ended(answer),
                Err(waiting) => grant = Submitted::Waits(waiting),
            }
        }
        Attempt::Ended(Err(Error::unavailable(format!(
            "{DEAD_SANDBOXES} sandboxes in a row were dead before the request began"
        ))))
    }

    /// Gives the pool a job. If the pool starts a sandbox for it, the start begins here and now, on the caller's task.
    fn submit(self: &Arc<Self>, now: Time, revised: &Arc<Revised>) -> Submitted<'_> {
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
        let later = Later { host: self, work };
        match (granted, waiting) {
            (Some(grant), _) => Submitted::Granted(job, grant, later),
            (None, Some(grant)) => Submitted::Waits(Waiting { host: self.clone(), job, grant }),
            (None, None) => {
                let lost = Refused::Because(Error::internal("the job was lost"));
                Submitted::Granted(job, Grant::Refused(lost), later)
            }
        }
    }
}

/// What was asked, of whom, and what came of it.
pub(super) struct Asked<'a> {
    /// All of it but its result.
    pub(super) record: Record<&'a Shared>,
    pub(super) answer: Result<Answered>,
}

enum Attempt {
    Ended(Result<Answered>),
    /// The pool takes no jobs for this revision any more.
    Closed,
}

enum Submitted<'a> {
    Granted(JobId, Grant, Later<'a>),
    Waits(Waiting),
}

/// What the pool decided beside a grant, as the refill of what was started ahead: seen to when this is dropped, so that
/// the job which was granted goes first.
struct Later<'a> {
    host: &'a Arc<Shared>,
    work: Vec<Work>,
}

impl Drop for Later<'_> {
    fn drop(&mut self) {
        self.host.perform(std::mem::take(&mut self.work));
    }
}

/// Runs a job in the sandbox that it was granted. It waits again where that turns out dead.
async fn ran(
    mut running: Running,
    request: &Request<'_>,
    upload: &mut Upload,
    parts_above: usize,
    outcome: &mut Outcome,
) -> Result<Result<Answered>, Waiting> {
    match running.make_fit().await {
        Ok(true) => return Ok(running.run(request, upload, parts_above, outcome).await),
        Ok(false) => {}
        Err(error) => {
            running.release(Fate::Poisoned);
            return Ok(Err(error));
        }
    }
    // It ran nowhere yet.
    (outcome.start, outcome.phases) = (None, Phases::default());
    Err(running.reschedule())
}

/// A job that waits. Dropped, it is taken back.
pub(super) struct Waiting {
    host: Arc<Shared>,
    job: JobId,
    grant: oneshot::Receiver<Grant>,
}

impl Waiting {
    pub(super) fn new(host: Arc<Shared>, job: JobId, grant: oneshot::Receiver<Grant>) -> Self {
        Self { host, job, grant }
    }

    /// What it is granted, and when. It may wait so long since its arrival.
    async fn granted(mut self, arrival: Time, patience: Duration) -> Result<(JobId, Grant, Time)> {
        let host = self.host.clone();
        match within(|| host.end(arrival, patience), &host.stopping, Pin::new(&mut self.grant)).await {
            Ok(Ok(grant)) => Ok((self.job, grant, host.now())),
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
