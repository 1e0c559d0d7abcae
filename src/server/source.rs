//! `ANY /r/<function>` of a function from source: its parameters are JSON, whatever the request was.

use super::headers;
use super::invoke::{Asked, Callee, finish};
use super::reply::Answer;
use crate::error::Result;
use crate::host::{Host, Streamed, Upload};
use crate::invocation::{Headers, InvocationId, Reply, Request};
use crate::openwhisk::{Head, plain};
use bytes::Bytes;
use std::borrow::Cow;

pub(super) async fn answer(
    host: &Host,
    callee: Callee<'_>,
    asked: Asked<'_>,
    id: InvocationId,
    path: &str,
    upload: Upload,
) -> Answer {
    let head = Head {
        method: asked.method,
        headers: &asked.headers,
        query: asked.uri.query().unwrap_or_default(),
        path: path.split('?').next().unwrap_or_default(),
    };
    let answered = match read(host, head, upload).await {
        Err(error) => refused(id, error),
        Ok((body, plain)) => {
            let inward = match plain {
                true => headers::inward(&asked.headers),
                // They are among the parameters.
                false => vec![("content-type", Cow::Borrowed("application/json"))],
            };
            let request = Request {
                id,
                method: asked.method.as_str(),
                path,
                headers: Headers::lent(&inward),
                ..Request::new()
            };
            let answered = host.stream(callee.namespace, callee.function, request, body.into(), usize::MAX);
            let answered = answered.await;
            drop(inward);
            let result =
                answered.result.and_then(|reply| if plain { Ok(reply) } else { plain::reply(reply) });
            Streamed { result, ..answered }
        }
    };
    finish(answered, asked.headers)
}

/// The function's parameters, and whether they are the body as it was.
async fn read(host: &Host, head: Head<'_>, upload: Upload) -> Result<(Bytes, bool)> {
    let body = upload.into_whole(host.max_body()).await?;
    Ok(match plain::parameters(head, &body)? {
        None => (body, true),
        Some(parameters) => (parameters, false),
    })
}

/// A request that never came to its function.
fn refused(id: InvocationId, error: crate::Error) -> Streamed {
    let result: Result<Reply> = Err(error);
    Streamed {
        id,
        start: None,
        backend: None,
        timings: Default::default(),
        phases: Default::default(),
        result,
        parts: None,
    }
}
