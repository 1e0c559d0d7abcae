//! Answers: JSON, with the headers that OpenWhisk's have.

use super::refusal::Refusal;
use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{Response, StatusCode};
use serde::Serialize;
use serde_json::json;

/// A whole answer.
pub(crate) type Answer = Response<Bytes>;

const JSON: HeaderValue = HeaderValue::from_static("application/json");
const ACTIVATION_ID: HeaderName = HeaderName::from_static("x-openwhisk-activation-id");
const CHALLENGE: HeaderValue =
    HeaderValue::from_static("Basic realm=\"OpenWhisk secure realm\",charset=UTF-8");
/// Seconds after which what failed for want of room is worth another try.
const AGAIN: HeaderValue = HeaderValue::from_static("1");

pub(super) fn status(code: u16) -> StatusCode {
    StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

/// An answer with a body of a type.
pub(super) fn whole(code: u16, content_type: HeaderValue, body: impl Into<Bytes>) -> Answer {
    let mut answer = Response::new(body.into());
    *answer.status_mut() = status(code);
    answer.headers_mut().insert(CONTENT_TYPE, content_type);
    answer
}

/// An answer without a body.
pub(super) fn empty(status: StatusCode) -> Answer {
    let mut answer = Response::new(Bytes::new());
    *answer.status_mut() = status;
    answer
}

/// An answer in JSON.
pub(super) fn json(code: u16, value: &impl Serialize) -> Answer {
    match serde_json::to_vec(value) {
        Ok(body) => whole(code, JSON, body),
        Err(error) => {
            tracing::error!(%error, "an answer can't be written as JSON");
            whole(500, JSON, "{}")
        }
    }
}

/// A refusal. Its `code` is the request's id, by which the log knows it; `wsk` looks for it to tell one from a result.
pub(super) fn refusal(refusal: &Refusal, transaction: &str) -> Answer {
    let mut answer = json(refusal.status, &json!({"error": refusal.text, "code": transaction}));
    match refusal.status {
        401 => drop(answer.headers_mut().insert(WWW_AUTHENTICATE, CHALLENGE)),
        429 | 503 => drop(answer.headers_mut().insert(RETRY_AFTER, AGAIN)),
        _ => {}
    }
    answer
}

/// The same, saying which activation it is about.
pub(super) fn about(mut answer: Answer, activation: &str) -> Answer {
    if let Ok(id) = HeaderValue::from_str(activation) {
        answer.headers_mut().insert(ACTIVATION_ID, id);
    }
    answer
}
