//! One invocation whose body may still be coming, and whose reply may come in parts.

use super::Shared;
use super::invoke::Asked;
use super::ongoing::Answered;
use super::parts::ReplyParts;
use super::upload::Upload;
use crate::error::Result;
use crate::function::BackendKind;
use crate::invocation::{InvocationId, Outcome, Phases, Reply, Request, Start, Timings};
use std::sync::Arc;

/// How an invocation was answered whose reply may come in parts.
#[derive(Debug)]
pub struct Streamed {
    /// The invocation's id.
    pub id: InvocationId,
    /// How it got its sandbox; `None` if it never had one.
    pub start: Option<Start>,
    /// What runs it; `None` if there is no such function.
    pub backend: Option<BackendKind>,
    /// Where the time went until the reply was there, or had begun.
    pub timings: Timings,
    /// What its sandbox's start was made of, whoever it was started for.
    pub phases: Phases,
    /// The reply, or why there is none. Of one that comes in parts, `body` is empty.
    pub result: Result<Reply>,
    /// The body of a reply that comes in parts.
    pub parts: Option<ReplyParts>,
}

impl Shared {
    /// Runs one invocation whose body may still be coming, and whose reply may come in parts.
    pub(super) async fn stream(
        self: &Arc<Self>,
        namespace: &str,
        name: &str,
        request: Request<'_>,
        upload: Upload,
        parts_above: usize,
    ) -> Streamed {
        let asked = self.ask(namespace, name, &request, upload, parts_above).await;
        let Asked { record, answer } = asked;
        let Outcome { id, start, backend, timings, phases, .. } = record.outcome;
        let (result, parts) = match answer {
            Ok(Answered::Begun { mut reply, length, ongoing }) => {
                let first = (std::mem::take(&mut reply.body), length);
                let record = record.keep(self.clone());
                (Ok(reply.clone()), Some(ReplyParts::new(self, record, reply, first, ongoing)))
            }
            Ok(Answered::Whole(reply)) => (record.end(Ok(reply)).result, None),
            Err(error) => (record.end(Err(error)).result, None),
        };
        Streamed { id, start, backend, timings, phases, result, parts }
    }
}
