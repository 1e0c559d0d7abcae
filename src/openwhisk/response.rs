//! What came of a run, as activations have it: one of four status codes and a result.

use super::words;
use crate::error::{Error, ErrorKind};
use crate::invocation::Reply;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "u8", into = "u8")]
pub(super) enum Status {
    /// It gave a result.
    Success,
    /// It gave a result that says that it failed.
    ApplicationError,
    /// It gave none: it couldn't be loaded, threw, crashed, took too long or too much.
    DeveloperError,
    /// It couldn't be run, which isn't its fault.
    WhiskError,
}

impl TryFrom<u8> for Status {
    type Error = String;

    fn try_from(code: u8) -> Result<Self, String> {
        match code {
            0 => Ok(Self::Success),
            1 => Ok(Self::ApplicationError),
            2 => Ok(Self::DeveloperError),
            3 => Ok(Self::WhiskError),
            _ => Err(format!("there is no status code {code}")),
        }
    }
}

impl From<Status> for u8 {
    fn from(status: Status) -> Self {
        status as Self
    }
}

impl Status {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::ApplicationError => "application error",
            Self::DeveloperError => "action developer error",
            Self::WhiskError => "whisk internal error",
        }
    }

    /// The HTTP status of a blocking invocation that ended so.
    pub(super) const fn http(self) -> u16 {
        match self {
            Self::Success => 200,
            Self::ApplicationError | Self::DeveloperError => 502,
            Self::WhiskError => 500,
        }
    }
}

/// A run's status and result.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Response {
    #[serde(rename = "statusCode")]
    pub(super) status: Status,
    pub(super) result: Value,
    /// The result's length as the function wrote it, in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) size: Option<u64>,
}

impl Response {
    fn error(status: Status, error: impl Into<Value>, size: Option<usize>) -> Self {
        Self { status, result: json!({ "error": error.into() }), size: size.map(|size| size as u64) }
    }

    /// One that says that it can't be gone on with, though that is nobody's fault but its author's.
    pub(super) fn application_error(why: impl Into<Value>) -> Self {
        Self::error(Status::ApplicationError, why, None)
    }

    /// One that says that Kiln couldn't run it.
    pub(super) fn whisk_error(why: impl Into<Value>) -> Self {
        Self::error(Status::WhiskError, why, None)
    }

    /// What a reply is as a result.
    pub(super) fn of_reply(reply: &Reply, max_result: u64) -> Self {
        let body = &reply.body;
        let size = Some(body.len());
        if body.len() as u64 > max_result {
            let kept = body.get(..SHOWN.min(body.len())).unwrap_or_default();
            let text = words::truncated(&String::from_utf8_lossy(kept), body.len(), max_result);
            return Self::error(Status::ApplicationError, text, size);
        }
        let ran = reply.status == 200;
        match serde_json::from_slice(body) {
            Ok(Value::Object(mut fields)) => match fields.remove("error") {
                Some(error) if ran => Self::error(Status::ApplicationError, error, size),
                Some(error) => Self::error(Status::DeveloperError, error, size),
                None if ran => Self {
                    status: Status::Success,
                    result: Value::Object(fields),
                    size: Some(body.len() as u64),
                },
                None => Self::error(Status::DeveloperError, words::not_json(&shown(body)), size),
            },
            Ok(list @ Value::Array(_)) if ran => {
                Self { status: Status::Success, result: list, size: Some(body.len() as u64) }
            }
            _ => Self::error(Status::DeveloperError, words::not_json(&shown(body)), size),
        }
    }

    /// What a failure is as a result. `timeout` is the action's, in milliseconds; `ran` is false where it failed before
    /// the request was given to it.
    pub(super) fn of_error(error: &Error, timeout: u64, ran: bool) -> Self {
        match error.kind() {
            ErrorKind::FunctionFailed | ErrorKind::TooLarge => {
                Self::error(Status::DeveloperError, error.message(), None)
            }
            ErrorKind::TimedOut => Self::error(Status::DeveloperError, words::timed_out(timeout, !ran), None),
            ErrorKind::OutOfMemory => Self::error(Status::DeveloperError, words::OUT_OF_MEMORY, None),
            ErrorKind::NotFound => Self::whisk_error(words::REMOVED),
            ErrorKind::Unavailable | ErrorKind::Overloaded => Self::whisk_error(words::NO_RESOURCES),
            _ => Self::whisk_error(error.message()),
        }
    }

    /// As clients get it.
    pub(super) fn as_json(&self) -> Value {
        let mut fields = Map::new();
        fields.insert("result".into(), self.result.clone());
        fields.insert("status".into(), json!(self.status.as_str()));
        fields.insert("success".into(), json!(self.status == Status::Success));
        if let Some(size) = self.size {
            fields.insert("size".into(), json!(size));
        }
        Value::Object(fields)
    }
}

/// Bytes of a reply that can't be a result which are shown with the error.
const SHOWN: usize = 1024;

fn shown(body: &[u8]) -> String {
    String::from_utf8_lossy(body.get(..SHOWN.min(body.len())).unwrap_or_default()).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(status: u16, body: &str) -> (u8, Value) {
        let reply = Reply { status, headers: Vec::new(), body: body.to_owned().into() };
        let response = Response::of_reply(&reply, 1000);
        assert_eq!(response.size, Some(body.len() as u64));
        (response.status.into(), response.result)
    }

    /// The outcome table of OpenWhisk's container contract.
    #[test]
    fn replies_are_results_as_openwhisk_takes_them() {
        let not = |answer: &str| {
            (
                2,
                json!({"error": format!("The action did not produce a valid JSON or JSON Array response: {answer}")}),
            )
        };
        assert_eq!(of(200, r#"{"a": 0.30000000000000004}"#), (0, json!({"a": 0.30000000000000004})));
        assert_eq!(of(200, "[1]"), (0, json!([1])));
        assert_eq!(of(200, r#"{"error": {"x": 1}, "other": 2}"#), (1, json!({"error": {"x": 1}})));
        assert_eq!(of(500, r#"{"error": "no"}"#), (2, json!({"error": "no"})));
        assert_eq!(of(500, "{}"), not("{}"));
        assert_eq!(of(500, "[1]"), not("[1]"));
        assert_eq!(of(200, "null"), not("null"));
        assert_eq!(of(200, "hello"), not("hello"));
        assert_eq!(
            of(200, ""),
            (2, json!({"error": "The action did not produce a valid JSON or JSON Array response."}))
        );
        let (status, result) = of(200, &format!("\"{}\"", "x".repeat(1000)));
        assert_eq!(status, 1);
        assert!(
            result["error"].as_str().unwrap().contains("exceeded the allowed length: 1002 > 1000 bytes.")
        );
    }

    #[test]
    fn failures_are_results_of_their_kind() {
        let of = |kind, ran| {
            let response = Response::of_error(&Error::new(kind, "x"), 100, ran);
            (u8::from(response.status), response.result["error"].as_str().unwrap().to_owned())
        };
        assert_eq!(of(ErrorKind::FunctionFailed, true), (2, "x".into()));
        let late = "The action exceeded its time limits of 100 milliseconds";
        assert_eq!(of(ErrorKind::TimedOut, true), (2, format!("{late}.")));
        assert_eq!(of(ErrorKind::TimedOut, false), (2, format!("{late} during initialization.")));
        assert_eq!(of(ErrorKind::OutOfMemory, true), (2, words::OUT_OF_MEMORY.into()));
        assert_eq!(of(ErrorKind::Unavailable, false), (3, words::NO_RESOURCES.into()));
        assert_eq!(of(ErrorKind::NotFound, false), (3, words::REMOVED.into()));
        assert_eq!(of(ErrorKind::Internal, true), (3, "x".into()));
    }

    #[test]
    fn clients_get_words_and_a_flag() {
        let reply = Reply::ok(r#"{"a":1}"#);
        let shown = Response::of_reply(&reply, 1000).as_json();
        let expected = json!({"result": {"a": 1}, "status": "success", "success": true, "size": 7});
        assert_eq!(shown, expected);
        assert_eq!(Response::whisk_error("x").as_json()["status"], "whisk internal error");
    }
}
