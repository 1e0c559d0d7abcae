//! One run of an action: parameters in, a record out.

use super::activation::{About, Activation, Ran, log_line, milliseconds};
use super::auth::Keys;
use super::limits::Ranges;
use super::response::Response;
use crate::error::Result;
use crate::function::BackendKind;
use crate::host::{Host, Streamed};
use crate::invocation::{Caller, Headers, InvocationId, Line, Lines, Outcome, Request};
use crate::store;
use bytes::Bytes;
use serde_json::Value;
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
}

impl Run {
    pub(super) fn new(id: InvocationId, about: About, arguments: impl Into<Value>) -> Self {
        Self { id, about, arguments: arguments.into().to_string().into() }
    }

    /// Runs it, where it isn't a sequence. Dropping the future stops it.
    pub(super) async fn run(&self, host: &Host, keys: &Keys) -> Ended {
        let (id, action) = (self.id, &self.about.action);
        let lines = Arc::new(Lines::default());
        let headers = [("content-type", Cow::Borrowed("application/json"))];
        let caller = Caller {
            namespace: &self.about.subject,
            transaction: &self.about.transaction,
            key: if self.about.key { keys.key(&self.about.subject) } else { None },
        };
        let (headers, caller) = (Headers::lent(&headers), Some(caller));
        let request = Request { id, headers, lines: Some(&lines), caller, ..Request::new() };
        let body = self.arguments.clone().into();
        let began = SystemTime::now();
        let answered = host.stream(&action.namespace, &action.function(), request, body, usize::MAX).await;
        let Streamed { id, start, backend, timings, phases, result, .. } = answered;
        let outcome = Outcome { id, start, backend, timings, phases, result };
        Ended { outcome, began, ended: SystemTime::now(), lines }
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
        lines.map(|Line { at, stream, text }| log_line(at, stream.as_str(), &text)).collect()
    }
}

/// A record as the store keeps it. Logs are apart, so that lists needn't read them.
pub(super) fn stored(id: InvocationId, about: &About, activation: Activation) -> Result<store::Activation> {
    kept(id, &about.subject, &about.action.local(), activation)
}

/// The same, of anything that has a name in a namespace.
pub(super) fn kept(
    id: InvocationId,
    namespace: &str,
    name: &str,
    mut activation: Activation,
) -> Result<store::Activation> {
    let unwritable =
        |error: serde_json::Error| crate::Error::internal(format!("a record can't be written: {error}"));
    let logs = serde_json::to_vec(&std::mem::take(&mut activation.logs)).map_err(unwritable)?;
    Ok(store::Activation {
        id,
        namespace: namespace.to_owned(),
        name: name.to_owned(),
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
