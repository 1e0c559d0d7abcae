//! A run whose request has been sent: its reply, whole or part by part, and what becomes of the sandbox then.

use super::Shared;
use super::exchange::{self, Step, Verdict};
use super::flow::Flow;
use super::running::Running;
use super::within::{GivenUp, never, within};
use super::work::with_tail;
use crate::error::{Error, Result};
use crate::invocation::{Reply, Timings};
use crate::pool::{Fate, Time};
use bytes::Bytes;
use std::pin::pin;
use std::time::Duration;
use tokio::time::Instant;

/// What comes of a run.
pub(super) enum Answered {
    /// All of the reply.
    Whole(Reply),
    /// One that is too long to be held has begun.
    Begun { reply: Reply, length: Option<u64>, ongoing: Box<Ongoing> },
}

/// A run whose reply is being read.
pub(super) struct Ongoing {
    running: Running,
    flow: Flow,
    began: Time,
    limit: Duration,
}

/// The next of a reply that has begun.
pub(super) enum Next {
    Part(Bytes),
    /// What was left of it, or why there is no more.
    Ended(Result<Bytes>),
}

impl Ongoing {
    pub(super) fn new(running: Running, flow: Flow, began: Time, limit: Duration) -> Self {
        Self { running, flow, began, limit }
    }

    /// The whole reply, within the function's time limit.
    pub(super) async fn whole(&mut self) -> Result<Step, GivenUp> {
        let (began, limit) = (self.began, self.limit);
        self.until(|host| host.end(began, limit)).await
    }

    /// The reply, or how one begins that is too long to be held.
    pub(super) async fn begin(&mut self) -> Result<Step, GivenUp> {
        self.flow.limit(self.limit);
        self.reply().await
    }

    /// Looks at the clock, for whoever gives the sandbox back now.
    pub(super) fn lap(&mut self) -> Time {
        *self.running.ended.insert(self.running.host.now())
    }

    /// A reply that has begun and will be read part by part.
    pub(super) fn begun(mut self, reply: Reply, length: Option<u64>) -> Answered {
        // One that began before its function said that it is ready has no limit yet.
        self.flow.limit(self.limit);
        self.flow.hold();
        Answered::Begun { reply, length, ongoing: Box::new(self) }
    }

    /// The reply or a part of it; the flow looks at the time.
    async fn reply(&mut self) -> Result<Step, GivenUp> {
        match self.until(|_| never()).await {
            Ok(Step::TimedOut) => Err(GivenUp::TimedOut),
            came => came,
        }
    }

    async fn until(&mut self, end: impl FnOnce(&Shared) -> Instant) -> Result<Step, GivenUp> {
        let Running { host, life: Some(life), .. } = &mut self.running else {
            return Ok(Verdict::poisoned(Err(Error::internal("the sandbox was lost"))).into());
        };
        let format = life.revised.function.format;
        let (sandbox, session) = (life.sandbox.as_mut(), &mut life.session);
        let reply = pin!(exchange::reply(sandbox, session, format, &mut self.flow));
        within(|| end(host), &host.stopping, reply).await
    }

    /// Waits for the next part. The function's time goes on only meanwhile.
    pub(super) async fn next(&mut self, timings: &mut Timings) -> Next {
        let came = self.reply().await;
        self.flow.hold();
        timings.run = self.lap().since(self.began);
        match came {
            Ok(Step::Part(part)) => Next::Part(part),
            came => Next::Ended(self.close(came).await.map(|reply| reply.body)),
        }
    }

    /// Gives the sandbox back, or ends it, and says what came of the request.
    pub(super) async fn close(&mut self, came: Result<Step, GivenUp>) -> Result<Reply> {
        let Some(life) = self.running.life.as_mut() else {
            return Err(Error::internal("the sandbox was lost"));
        };
        let given_up = match came {
            Ok(Step::Ended(Verdict { answer, clean })) => {
                let answer = answer.map_err(|error| with_tail(error, &life.logs));
                let clean = clean && exchange::rest(life.sandbox.as_mut(), &mut life.session).await;
                self.running.release(if clean { Fate::Keep } else { Fate::Poisoned });
                return answer;
            }
            Ok(Step::Begun { .. } | Step::Part(_)) => {
                self.cut();
                return Err(Error::internal("a reply came in parts that had to be whole"));
            }
            Ok(Step::TimedOut) => GivenUp::TimedOut,
            Err(given_up) => given_up,
        };
        let logs = life.logs.clone();
        Box::pin(self.running.end(given_up)).await;
        let message = format!("the function did not answer within its time limit of {:?}", self.limit);
        Err(with_tail(self.running.host.given_up(given_up, message), &logs))
    }

    /// Nobody wants the rest of it: its sandbox goes (`SEEDS.md E10`).
    pub(super) fn cut(&mut self) {
        self.running.give_up();
    }
}
