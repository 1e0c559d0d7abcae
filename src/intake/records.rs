//! What a work's end is written down as: whoever reads the records says how.

use super::work::Work;
use crate::host::Host;
use crate::invocation::Outcome;
use crate::store::Activation;
use async_trait::async_trait;
use bytes::Bytes;
use serde_json::{Map, Value, json};
use std::time::Duration;

/// How work is run, and what its end is written down as.
#[async_trait]
pub trait Records: Send + Sync + 'static {
    /// Runs work. By default the host invokes the function of that name.
    async fn invoke(&self, host: &Host, work: &Work) -> Outcome {
        host.invoke_in(&work.namespace, &work.function, work.invocation.clone()).await
    }

    /// The record of work that has ended. Its id has to be the work's.
    fn record(&self, ended: &Ended<'_>) -> Activation;
}

/// Work that has ended.
#[derive(Clone, Copy, Debug)]
pub struct Ended<'a> {
    /// The work.
    pub work: &'a Work,
    /// Why there will be no further attempt.
    pub why: Why,
    /// What came of the last attempt; `None` if it never began in this process.
    pub outcome: Option<&'a Outcome>,
    /// Attempts in all.
    pub attempts: u32,
    /// When the last attempt began, or the work was given up, in milliseconds since 1970.
    pub began: u64,
    /// When it ended.
    pub ended: u64,
}

/// Why work has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// Its outcome is the function's, or would be the same at each attempt: the outcome is the answer.
    Answered,
    /// It was attempted as often as it may be, and each time something else than the function came in between.
    Attempts,
    /// It waited longer than it may before it could begin.
    Age,
}

impl Why {
    /// Its name in records.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Answered => "answered",
            Self::Attempts => "out of attempts",
            Self::Age => "too old",
        }
    }
}

/// Records for embedders: JSON with what there is to know.
///
/// `{"id", "namespace", "function", "ended": "answered", "attempts", "accepted_ms", "began_ms", "ended_ms"}`, of an attempt that
/// got a sandbox `"start", "backend", "wait_us", "start_us", "run_us"`, and of a reply `"status", "headers", "body"` (or `"body_hex"`, where it
/// isn't UTF-8), of a failure `"error", "kind"`. The logs are the last lines of a function that failed.
#[derive(Clone, Copy, Debug, Default)]
pub struct PlainRecords;

impl Records for PlainRecords {
    fn record(&self, ended: &Ended<'_>) -> Activation {
        let work = ended.work;
        let mut record = Map::new();
        let mut put = |name: &str, value: Value| drop(record.insert(name.to_owned(), value));
        put("id", json!(work.invocation.id.to_string()));
        put("namespace", json!(work.namespace));
        put("function", json!(work.function));
        put("ended", json!(ended.why.as_str()));
        put("attempts", json!(ended.attempts));
        put("accepted_ms", json!(work.accepted));
        put("began_ms", json!(ended.began));
        put("ended_ms", json!(ended.ended));
        let mut logs = String::new();
        if let Some(outcome) = ended.outcome {
            if let Some(start) = outcome.start {
                let micros = |time: Duration| json!(u64::try_from(time.as_micros()).unwrap_or(u64::MAX));
                put("start", json!(start.as_str()));
                put("wait_us", micros(outcome.timings.wait));
                put("start_us", micros(outcome.timings.start));
                put("run_us", micros(outcome.timings.run));
            }
            put("backend", json!(outcome.backend.map(|backend| backend.as_str())));
            match &outcome.result {
                Ok(reply) => {
                    put("status", json!(reply.status));
                    put("headers", json!(reply.headers));
                    match std::str::from_utf8(&reply.body) {
                        Ok(text) => put("body", json!(text)),
                        Err(_) => put("body_hex", json!(format!("{:x}", reply.body))),
                    }
                }
                Err(error) => {
                    put("error", json!(error.message()));
                    put("kind", json!(error.kind().as_str()));
                    logs = error.logs().join("\n");
                }
            }
        }
        Activation {
            id: work.invocation.id,
            namespace: work.namespace.clone(),
            name: work.function.clone(),
            start: ended.began,
            record: Bytes::from(Value::Object(record).to_string()),
            logs: Bytes::from(logs),
        }
    }
}
