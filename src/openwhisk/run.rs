//! One run of an action: parameters in, a record out.

use super::activation::{About, Activation, Ran, log_line, milliseconds};
use super::limits::Ranges;
use super::response::Response;
use crate::error::Result;
use crate::function::BackendKind;
use crate::host::{Host, Streamed};
use crate::invocation::{Headers, InvocationId, Line, Lines, Outcome, Request};
use crate::store;
use bytes::Bytes;
use serde_json::{Map, Value};
use std::borrow::Cow;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// How long lines are waited for that a container wrote before its reply: its stderr comes by another way.
const LATE_LINES: Duration = Duration::from_millis(20);

/// What is to be run.
pub(super) struct Run {
    pub(super) id: InvocationId,
    pub(super) about: About,
    /// The parameters, as one JSON object.
    pub(super) arguments: Bytes,
}

/// A run that has ended.
pub(super) struct Ended {
    pub(super) outcome: Outcome,
    pub(super) began: SystemTime,
    pub(super) ended: SystemTime,
    /// Where its log's lines are, and may still come.
    lines: Arc<Lines>,
    /// As which stream they are shown.
    stream: &'static str,
}

impl Run {
    pub(super) fn new(id: InvocationId, about: About, arguments: Map<String, Value>) -> Self {
        Self { id, about, arguments: Value::Object(arguments).to_string().into() }
    }

    /// Runs it. Dropping the future stops it.
    pub(super) async fn run(&self, host: &Host) -> Ended {
        let (id, action) = (self.id, &self.about.action);
        let lines = Arc::new(Lines::default());
        let headers = [("content-type", Cow::Borrowed("application/json"))];
        let request = Request { id, headers: Headers::lent(&headers), lines: Some(&lines), ..Request::new() };
        let body = self.arguments.clone().into();
        let began = SystemTime::now();
        let answered = host.stream(&action.namespace, &action.function(), request, body, usize::MAX).await;
        let Streamed { id, start, backend, timings, phases, result, .. } = answered;
        let outcome = Outcome { id, start, backend, timings, phases, result };
        let stream = if self.about.stderr { "stderr" } else { "stdout" };
        Ended { outcome, began, ended: SystemTime::now(), lines, stream }
    }
}

impl Ended {
    /// Its record, with the lines that have come by now.
    pub(super) fn activation(&self, about: &About, ranges: &Ranges) -> Activation {
        let outcome = &self.outcome;
        let response = match &outcome.result {
            Ok(reply) => Response::of_reply(reply, ranges.max_result),
            Err(error) => Response::of_error(error, about.limits.timeout, !outcome.timings.run.is_zero()),
        };
        Activation::new(Ran {
            id: outcome.id.to_string(),
            about,
            began: self.began,
            ended: self.ended,
            outcome: Some(outcome),
            response,
            logs: self.logs(!self.is_late()),
        })
    }

    /// Waits for what of its log may still come.
    pub(super) async fn late_logs(&self) -> Vec<String> {
        if self.is_late() {
            tokio::time::sleep(LATE_LINES).await;
        }
        self.logs(true)
    }

    fn is_late(&self) -> bool {
        self.outcome.backend == Some(BackendKind::Docker)
    }

    /// The lines that have come since they were taken before; where that is all, an unfinished one with them.
    fn logs(&self, all: bool) -> Vec<String> {
        let lines = if all { self.lines.finish() } else { self.lines.take() }.into_iter();
        lines.map(|Line { at, text }| log_line(at, self.stream, &text)).collect()
    }
}

/// A record as the store keeps it. Logs are apart, so that lists needn't read them.
pub(super) fn stored(
    id: InvocationId,
    about: &About,
    mut activation: Activation,
) -> Result<store::Activation> {
    let unwritable =
        |error: serde_json::Error| crate::Error::internal(format!("a record can't be written: {error}"));
    let logs = serde_json::to_vec(&std::mem::take(&mut activation.logs)).map_err(unwritable)?;
    Ok(store::Activation {
        id,
        namespace: about.subject.clone(),
        name: about.action.local(),
        start: activation.start,
        record: serde_json::to_vec(&activation).map_err(unwritable)?.into(),
        logs: logs.into(),
    })
}

/// A record from the store, with its logs where they were read.
pub(super) fn read(kept: &store::Activation) -> Result<Activation> {
    let unreadable = |error| crate::Error::internal(format!("the record {} can't be read: {error}", kept.id));
    let mut activation: Activation = serde_json::from_slice(&kept.record).map_err(unreadable)?;
    if !kept.logs.is_empty() {
        activation.logs = serde_json::from_slice(&kept.logs).map_err(unreadable)?;
    }
    Ok(activation)
}

/// Now, in milliseconds since the epoch.
pub(super) fn now() -> u64 {
    milliseconds(SystemTime::now())
}
