//! `ANY /r/<function>`: a request becomes an invocation, its outcome a reply.

use super::reply::{self, Answer};
use super::{body, headers};
use crate::error::{Error, Result};
use crate::host::Host;
use crate::invocation::{Invocation, InvocationId, Outcome, Reply, Timings};
use bytes::Bytes;
use http::header::{HOST, HeaderMap, HeaderName, HeaderValue};
use http::request::Parts;
use http::{Response, StatusCode};
use http_body_util::Full;
use hyper::body::Body;

const INVOCATION_ID: HeaderName = HeaderName::from_static("kiln-invocation-id");
const START: HeaderName = HeaderName::from_static("kiln-start");
const BACKEND: HeaderName = HeaderName::from_static("kiln-backend");
const DURATION: HeaderName = HeaderName::from_static("kiln-duration-us");

/// Runs it. Whoever drops this future, as hyper does when the caller hangs up, stops the function (`SEEDS.md E10`).
pub(super) async fn answer<B>(host: &Host, name: &str, parts: &Parts, body: B) -> Answer
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: std::fmt::Display,
{
    let mut invocation = Invocation::new(Bytes::new());
    match body::read(body, host.max_body()).await {
        Ok(body) => invocation.body = body,
        Err(error) => {
            let mut answer = reply::error(&error, Some(invocation.id));
            insert_id(answer.headers_mut(), invocation.id);
            return answer;
        }
    }
    invocation.method = parts.method.as_str().to_owned();
    invocation.path = path_after(parts, name);
    invocation.url = url(parts);
    invocation.headers = headers::inward(&parts.headers);
    finish(host.invoke(name, invocation).await)
}

/// What follows the function's name, the query included, led by `/`.
fn path_after(parts: &Parts, name: &str) -> String {
    let whole = parts.uri.path_and_query().map_or("", |path| path.as_str());
    let after = whole.get("/r/".len() + name.len()..).unwrap_or("");
    if after.starts_with('/') { after.to_owned() } else { format!("/{after}") }
}

/// The whole URL: HTTP/2 and proxies' requests carry the authority in it, HTTP/1.1 in `Host`.
fn url(parts: &Parts) -> String {
    let named = parts.headers.get(HOST).and_then(|host| host.to_str().ok());
    let authority =
        parts.uri.authority().map(|authority| authority.as_str()).or(named).unwrap_or("localhost");
    let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
    format!("http://{authority}{path}")
}

fn finish(outcome: Outcome) -> Answer {
    let answer = outcome.result.and_then(reply_of);
    let mut answer = answer.unwrap_or_else(|error| reply::error(&error, Some(outcome.id)));
    let headers = answer.headers_mut();
    insert_id(headers, outcome.id);
    if let Some(backend) = outcome.backend {
        headers.insert(BACKEND, HeaderValue::from_static(backend.as_str()));
        insert(headers, DURATION, &microseconds(outcome.timings));
    }
    if let Some(start) = outcome.start {
        headers.insert(START, HeaderValue::from_static(start.as_str()));
    }
    answer
}

fn reply_of(reply: Reply) -> Result<Answer> {
    let status = StatusCode::from_u16(reply.status)
        .ok()
        .filter(|status| !status.is_informational())
        .ok_or_else(|| {
            Error::failed(format!(
                "the function answered with status {}: give one from 200 to 999",
                reply.status
            ))
        })?;
    let mut answer = Response::new(Full::new(reply.body));
    *answer.status_mut() = status;
    headers::outward(&reply.headers, answer.headers_mut());
    Ok(answer)
}

/// Where the time went: a dictionary in structured-field syntax (RFC 8941), in whole microseconds.
fn microseconds(timings: Timings) -> String {
    let Timings { wait, start, run } = timings;
    format!("wait={}, start={}, run={}", wait.as_micros(), start.as_micros(), run.as_micros())
}

fn insert_id(headers: &mut HeaderMap, id: InvocationId) {
    insert(headers, INVOCATION_ID, &id.to_string());
}

/// All that comes here is ASCII; a value that weren't would be left out.
fn insert(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;
    use crate::function::BackendKind;
    use crate::invocation::Start;
    use http::Request;
    use std::time::Duration;

    fn parts(uri: &str) -> Parts {
        Request::builder().uri(uri).header(HOST, "example.org:8080").body(()).unwrap().into_parts().0
    }

    #[test]
    fn what_follows_the_name_is_the_functions_path() {
        for (uri, path) in [
            ("/r/echo", "/"),
            ("/r/echo?x=1", "/?x=1"),
            ("/r/echo/", "/"),
            ("/r/echo/a/b?x=/r/echo", "/a/b?x=/r/echo"),
            ("http://other/r/echo/a", "/a"),
        ] {
            assert_eq!(path_after(&parts(uri), "echo"), path, "{uri}");
        }
    }

    #[test]
    fn the_url_is_whole() {
        assert_eq!(url(&parts("/r/echo?x=1")), "http://example.org:8080/r/echo?x=1");
        assert_eq!(url(&parts("http://other/r/echo")), "http://other/r/echo");
    }

    fn outcome(result: Result<Reply>) -> Outcome {
        let micros = Duration::from_micros;
        Outcome {
            id: InvocationId::new(),
            start: Some(Start::RecreatedPrewarm),
            backend: Some(BackendKind::Docker),
            timings: Timings { wait: micros(12), start: Duration::from_nanos(1999), run: micros(345) },
            result,
        }
    }

    /// SEEDS.md E11 and W9: the function's status and headers reach the caller, and how it was started with them.
    #[test]
    fn e11_w9_status_headers_and_start_reach_the_caller() {
        let headers = vec![("X-A".to_owned(), "1".to_owned()), ("Kiln-Start".to_owned(), "warm".to_owned())];
        let outcome = outcome(Ok(Reply { status: 201, headers, body: Bytes::from_static(b"hi") }));
        let id = outcome.id;
        let answer = finish(outcome);
        assert_eq!(answer.status(), 201);
        let header = |name: &str| answer.headers()[name].to_str().unwrap();
        assert_eq!(header("x-a"), "1");
        assert_eq!(header("kiln-invocation-id"), id.to_string());
        assert_eq!(header("kiln-start"), "recreated-prewarm");
        assert_eq!(header("kiln-backend"), "docker");
        assert_eq!(header("kiln-duration-us"), "wait=12, start=1, run=345");
        assert!(!answer.headers().contains_key("kiln-error"));
    }

    #[test]
    fn a_status_that_no_reply_can_have_is_the_functions_failure() {
        for status in [0, 99, 101, 1000] {
            let answer = finish(outcome(Ok(Reply { status, headers: Vec::new(), body: Bytes::new() })));
            assert_eq!(answer.status(), 502, "{status}");
            assert_eq!(answer.headers()["kiln-error"], "FunctionFailed");
        }
    }

    #[test]
    fn an_outcome_without_a_function_has_only_its_id() {
        let mut missing = outcome(Err(Error::new(ErrorKind::NotFound, "there is no function `x`")));
        (missing.start, missing.backend) = (None, None);
        let answer = finish(missing);
        assert_eq!(answer.status(), 404);
        let ours: Vec<_> =
            answer.headers().keys().filter(|name| name.as_str().starts_with("kiln-")).collect();
        assert_eq!(ours, ["kiln-error", "kiln-invocation-id"]);
    }
}
