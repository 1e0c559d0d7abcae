//! One invocation whose body may still be coming, and whose reply may come in parts.

use super::Shared;
use super::invoke::Asked;
use super::ongoing::Answered;
use super::parts::ReplyParts;
use super::upload::Upload;
use crate::error::{Error, Result};
use crate::function::BackendKind;
use crate::invocation::{InvocationId, Phases, Reply, Request, Start, Timings};
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
        let Asked { function, mut outcome, answer } = asked;
        let (id, start, backend) = (outcome.id, outcome.start, outcome.backend);
        let (timings, phases) = (outcome.timings, outcome.phases);
        let (result, parts) = match answer {
            Ok(Answered::Begun { mut reply, length, ongoing }) => {
                let first = (std::mem::take(&mut reply.body), length);
                outcome.result = Ok(reply.clone());
                let head = reply;
                (Ok(head), Some(ReplyParts::new(self.clone(), function, outcome, first, ongoing)))
            }
            answer => {
                outcome.result = answer.and_then(|answered| match answered {
                    Answered::Whole(reply) => Ok(reply),
                    Answered::Begun { .. } => Err(Error::internal("a reply has begun twice")),
                });
                self.tell(function.as_deref(), &outcome);
                (outcome.result, None)
            }
        };
        Streamed { id, start, backend, timings, phases, result, parts }
    }
}
