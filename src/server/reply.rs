//! Replies of Kiln's own: texts, JSON, errors.

use crate::error::{Error, ErrorKind};
use crate::host::ReplyParts;
use crate::invocation::InvocationId;
use bytes::Bytes;
use http::header::{ALLOW, CONTENT_LENGTH, CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER};
use http::{Method, Response, StatusCode};
use http_body_util::Full;
use hyper::body::{Body, Frame, SizeHint};
use serde::Serialize;
use std::pin::Pin;
use std::task::{Context, Poll};

/// A reply.
pub(super) type Answer = Response<AnswerBody>;

/// A reply's body.
pub(super) enum AnswerBody {
    /// All of it.
    Whole(Full<Bytes>),
    /// One that the function is still writing, and what is missing of it where that is known. An error in it ends the
    /// connection, so that nobody takes half of it for all.
    Parts(ReplyParts, Option<u64>),
}

impl AnswerBody {
    pub(super) fn whole(body: impl Into<Bytes>) -> Self {
        Self::Whole(Full::new(body.into()))
    }

    pub(super) fn parts(parts: ReplyParts) -> Self {
        let length = parts.length();
        Self::Parts(parts, length)
    }
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        match self.get_mut() {
            Self::Whole(body) => Pin::new(body).poll_frame(cx).map_err(|never| match never {}),
            Self::Parts(parts, left) => parts.poll_part(cx).map(|part| {
                part.map(|part| {
                    let part = part.inspect_err(|error| tracing::debug!(%error, "a reply broke off"))?;
                    if let Some(left) = left {
                        *left = left.saturating_sub(part.len() as u64);
                    }
                    Ok(Frame::data(part))
                })
            }),
        }
    }

    fn is_end_stream(&self) -> bool {
        // That nothing is missing isn't the end of parts: it may yet turn out that they are none.
        matches!(self, Self::Whole(body) if body.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(body) => body.size_hint(),
            Self::Parts(_, Some(left)) => SizeHint::with_exact(*left),
            Self::Parts(_, None) => SizeHint::default(),
        }
    }
}

/// Names the kind of an error that is Kiln's and not the function's.
pub(super) const KILN_ERROR: HeaderName = HeaderName::from_static("kiln-error");

const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");
const JSON: HeaderValue = HeaderValue::from_static("application/json");
/// Seconds after which what failed for want of room or of a backend is worth another try.
const AGAIN: HeaderValue = HeaderValue::from_static("1");

#[derive(Serialize)]
struct ErrorBody<'a> {
    error: &'a str,
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    invocation: Option<String>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    logs: &'a [String],
}

/// A reply with a body of a type.
pub(super) fn whole(status: StatusCode, content_type: HeaderValue, body: impl Into<Bytes>) -> Answer {
    let mut answer = Response::new(AnswerBody::whole(body));
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, content_type);
    answer
}

pub(super) fn text(status: StatusCode, text: &'static str) -> Answer {
    whole(status, TEXT, text)
}

pub(super) fn json(status: StatusCode, value: &impl Serialize) -> Answer {
    match serde_json::to_vec(value) {
        Ok(body) => whole(status, JSON, body),
        Err(error) => {
            tracing::error!(%error, "a reply can't be written as JSON");
            text(StatusCode::INTERNAL_SERVER_ERROR, "internal error\n")
        }
    }
}

/// An error, with the status of its kind and the last lines of the function's stderr.
pub(super) fn error(error: &Error, invocation: Option<InvocationId>) -> Answer {
    let kind = error.kind();
    let status = StatusCode::from_u16(kind.http_status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let invocation = invocation.map(|id| id.to_string());
    let body = ErrorBody { error: error.message(), kind: kind.as_str(), invocation, logs: error.logs() };
    let mut answer = json(status, &body);
    let headers = answer.headers_mut();
    headers.insert(KILN_ERROR, HeaderValue::from_static(kind.as_str()));
    if matches!(kind, ErrorKind::Overloaded | ErrorKind::Unavailable) {
        headers.insert(RETRY_AFTER, AGAIN);
    }
    answer
}

/// Takes the body from a reply that can have none: one to `HEAD`, or of a status without (RFC 9110, 6.4.1). Over HTTP/2
/// hyper would send it, which is a breach that ends the stream.
pub(super) fn without_body(method: &Method, mut answer: Answer) -> Answer {
    let none = matches!(answer.status(), StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
    if !none && method != Method::HEAD {
        return answer;
    }
    if !none && let Some(length @ 1..) = answer.body().size_hint().exact() {
        answer.headers_mut().insert(CONTENT_LENGTH, length.into());
    }
    *answer.body_mut() = AnswerBody::whole(Bytes::new());
    answer
}

/// The answer to a method that a path of Kiln's own doesn't have.
pub(super) fn only_get() -> Answer {
    let mut answer = error(&Error::invalid("this path is only read: use GET"), None);
    *answer.status_mut() = StatusCode::METHOD_NOT_ALLOWED;
    answer.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
    answer
}

/// The answer to a WebSocket's handshake: without a word its caller would have to guess why there is none.
pub(super) fn no_websocket(invocation: InvocationId) -> Answer {
    let why =
        "WebSockets aren't carried: a function gets a request and gives a reply, each as long as it likes";
    let mut answer = error(&Error::invalid(why), Some(invocation));
    *answer.status_mut() = StatusCode::NOT_IMPLEMENTED;
    answer
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::BodyExt;

    async fn body(answer: Answer) -> serde_json::Value {
        serde_json::from_slice(&answer.into_body().collect().await.unwrap().to_bytes()).unwrap()
    }

    #[test]
    fn a_reply_that_can_have_no_body_has_none() {
        for (method, status, sent, length) in [
            (Method::GET, 200, 3, None),
            (Method::HEAD, 200, 0, Some("3")),
            (Method::GET, 204, 0, None),
            (Method::HEAD, 204, 0, None),
            (Method::POST, 304, 0, None),
        ] {
            let answer = whole(StatusCode::from_u16(status).unwrap(), TEXT, "ok\n");
            let answer = without_body(&method, answer);
            assert_eq!(answer.body().size_hint().exact(), Some(sent), "{method} {status}");
            assert_eq!(answer.body().is_end_stream(), sent == 0, "{method} {status}");
            let said = answer.headers().get(CONTENT_LENGTH).map(|length| length.to_str().unwrap());
            assert_eq!(said, length, "{method} {status}");
        }
    }

    #[tokio::test]
    async fn an_error_says_its_kind_its_invocation_and_its_last_words() {
        let id = InvocationId::new();
        let failed = Error::failed("the function exited with code 3").with_logs(vec!["oh no".into()]);
        let answer = error(&failed, Some(id));
        assert_eq!(answer.status(), 502);
        assert_eq!(answer.headers()["kiln-error"], "FunctionFailed");
        assert!(!answer.headers().contains_key("retry-after"));
        let expected = serde_json::json!({
            "error": "the function exited with code 3", "kind": "FunctionFailed",
            "invocation": id.to_string(), "logs": ["oh no"],
        });
        assert_eq!(body(answer).await, expected);
    }

    #[tokio::test]
    async fn every_kind_has_its_status_and_those_that_pass_say_when_to_try_again() {
        for kind in ErrorKind::ALL {
            let answer = error(&Error::new(kind, "x"), None);
            assert_eq!(answer.status().as_u16(), kind.http_status());
            assert_eq!(
                answer.headers().contains_key("retry-after"),
                matches!(kind.http_status(), 429 | 503),
                "{kind}"
            );
            assert_eq!(body(answer).await, serde_json::json!({"error": "x", "kind": kind.as_str()}));
        }
    }
}
