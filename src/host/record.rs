//! What the observer hears of an invocation: once, whoever ends it.

use super::Shared;
use crate::error::{Error, ErrorKind, Result};
use crate::function::Function;
use crate::invocation::{InvocationId, Outcome, Phases, Reply, Timings};
use crate::pool::Time;
use bytes::Bytes;
use std::ops::Deref;
use std::sync::Arc;
use std::thread;

/// An invocation's outcome as far as it has come. Dropped before it has ended, its caller went away: that is told, too.
pub(super) struct Record<H: Deref<Target = Shared>> {
    host: H,
    /// `None` if there is no such function.
    pub(super) function: Option<Arc<Function>>,
    pub(super) outcome: Outcome,
    /// When it began to ask for a sandbox.
    pub(super) began: Time,
    told: bool,
}

impl<H: Deref<Target = Shared>> Record<H> {
    pub(super) fn new(host: H, id: InvocationId, began: Time) -> Self {
        let (timings, phases) = (Timings::default(), Phases::default());
        let outcome = Outcome { id, start: None, backend: None, timings, phases, result: unknown() };
        Self { host, function: None, outcome, began, told: false }
    }

    /// The invocation has ended: tells the observer, and gives the outcome.
    pub(super) fn end(mut self, result: Result<Reply>) -> Outcome {
        self.outcome.result = result;
        self.tell();
        self.take()
    }

    /// The same record with a host of its own, for one that is kept beyond the call.
    pub(super) fn keep(mut self, host: Arc<Shared>) -> Record<Arc<Shared>> {
        self.told = true;
        Record { host, function: self.function.take(), outcome: self.take(), began: self.began, told: false }
    }

    fn take(&mut self) -> Outcome {
        let Outcome { id, start, backend, timings, phases, .. } = self.outcome;
        let result = std::mem::replace(&mut self.outcome.result, unknown());
        Outcome { id, start, backend, timings, phases, result }
    }

    fn tell(&mut self) {
        self.told = true;
        self.host.tell(self.function.as_deref(), &self.outcome);
    }
}

impl<H: Deref<Target = Shared>> Drop for Record<H> {
    fn drop(&mut self) {
        if self.told {
            return;
        }
        let (timings, took) = (&mut self.outcome.timings, self.host.now().since(self.began));
        match self.outcome.start {
            None => timings.wait = took,
            Some(_) => timings.run = took.saturating_sub(timings.wait + timings.start),
        }
        let error = if thread::panicking() {
            Error::internal("the invocation did not end")
        } else {
            Error::new(ErrorKind::Cancelled, "the caller went away before it had the whole reply")
        };
        self.outcome.result = Err(error);
        self.tell();
    }
}

/// What stands for the result until there is one; nobody is told this. An error's words would be allocated for each call.
fn unknown() -> Result<Reply> {
    Ok(Reply::ok(Bytes::new()))
}
