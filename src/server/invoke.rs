//! `ANY /r/<function>`: a request becomes an invocation, its outcome a reply.

use super::reply::{self, Answer, AnswerBody};
use super::{body, headers, value};
use crate::error::{Error, Result};
use crate::host::{Host, ReplyParts, STREAM_ABOVE, Streamed};
use crate::invocation::{Address, Headers, Reply, Request};
use bytes::Bytes;
use http::header::{HOST, HeaderMap, HeaderName, HeaderValue};
use http::{Method, Response, StatusCode, Uri, Version};
use hyper::body::Body;
use std::borrow::Cow;
use std::net::IpAddr;

const INVOCATION_ID: HeaderName = HeaderName::from_static("kiln-invocation-id");
const START: HeaderName = HeaderName::from_static("kiln-start");
const BACKEND: HeaderName = HeaderName::from_static("kiln-backend");
const DURATION: HeaderName = HeaderName::from_static("kiln-duration-us");

/// What a request asks for. The header map is given away: the reply uses it again.
pub(super) struct Asked<'a> {
    pub(super) method: &'a Method,
    pub(super) uri: &'a Uri,
    pub(super) version: Version,
    pub(super) headers: HeaderMap,
    pub(super) peer: Option<IpAddr>,
}

/// What is asked for: a function, and the name in the path that led to it.
#[derive(Clone, Copy)]
pub(super) struct Callee<'a> {
    pub(super) namespace: &'a str,
    pub(super) function: &'a str,
    pub(super) name: &'a str,
}

/// Runs it. Whoever drops this future, as hyper does when the caller hangs up, stops the function (`SEEDS.md E10`).
pub(super) async fn answer<B>(host: &Host, callee: Callee<'_>, asked: Asked<'_>, body: B) -> Answer
where
    B: Body<Data = Bytes> + Unpin + Send + 'static,
    B::Error: std::fmt::Display,
{
    let mut request = Request::new();
    if headers::asks_for_websocket(&asked.headers) {
        let mut answer = reply::no_websocket(request.id);
        insert(answer.headers_mut(), INVOCATION_ID, value::id(request.id));
        return answer;
    }
    let body = match body::read(body, host.max_body()).await {
        Ok(body) => body,
        Err(error) => {
            let mut answer = reply::error(&error, Some(request.id));
            insert(answer.headers_mut(), INVOCATION_ID, value::id(request.id));
            return answer;
        }
    };
    let path = path_after(asked.uri, callee.name);
    #[cfg(feature = "openwhisk")]
    if host.takes_parameters(callee.namespace, callee.function) {
        return super::source::answer(host, callee, asked, request.id, &path, body).await;
    }
    let inward = headers::inward(&asked.headers);
    request.method = asked.method.as_str();
    request.path = &path;
    request.url = url(asked.uri, &asked.headers);
    request.headers = Headers::lent(&inward);
    request.peer = asked.peer;
    // A reply to HEAD is never read; and HTTP/1.0 couldn't tell that one has broken off.
    let whole = asked.method == Method::HEAD || asked.version < Version::HTTP_11;
    let parts_above = if whole { usize::MAX } else { STREAM_ABOVE };
    let answered = host.stream(callee.namespace, callee.function, request, body, parts_above).await;
    drop(inward);
    finish(answered, asked.headers)
}

/// What follows the function's name, the query included, led by `/`.
fn path_after<'a>(uri: &'a Uri, name: &str) -> Cow<'a, str> {
    let whole = uri.path_and_query().map_or("", |path| path.as_str());
    match whole.get("/r/".len() + name.len()..).unwrap_or("") {
        "" => Cow::Borrowed("/"),
        after if after.starts_with('/') => Cow::Borrowed(after),
        query => Cow::Owned(format!("/{query}")),
    }
}

/// The whole URL: HTTP/2 and proxies' requests carry the authority in it, HTTP/1.1 in `Host`.
fn url<'a>(uri: &'a Uri, headers: &'a HeaderMap) -> Address<'a> {
    let named = headers.get(HOST).and_then(|host| host.to_str().ok());
    let authority = uri.authority().map(|authority| authority.as_str()).or(named).unwrap_or("localhost");
    Address::Parts { authority, path: uri.path_and_query().map_or("/", |path| path.as_str()) }
}

/// The reply of an outcome. It takes the request's header map, whose memory is at hand, for its own.
pub(super) fn finish(outcome: Streamed, mut map: HeaderMap) -> Answer {
    map.clear();
    let parts = outcome.parts;
    let answer = outcome.result.and_then(|reply| reply_of(reply, parts, map));
    let mut answer = answer.unwrap_or_else(|error| reply::error(&error, Some(outcome.id)));
    let headers = answer.headers_mut();
    insert(headers, INVOCATION_ID, value::id(outcome.id));
    if let Some(backend) = outcome.backend {
        headers.insert(BACKEND, HeaderValue::from_static(backend.as_str()));
        insert(headers, DURATION, value::microseconds(outcome.timings));
    }
    if let Some(start) = outcome.start {
        headers.insert(START, HeaderValue::from_static(start.as_str()));
    }
    answer
}

fn reply_of(reply: Reply, parts: Option<ReplyParts>, map: HeaderMap) -> Result<Answer> {
    let status = StatusCode::from_u16(reply.status)
        .ok()
        .filter(|status| !status.is_informational())
        .ok_or_else(|| {
            Error::failed(format!(
                "the function answered with status {}: give one from 200 to 999",
                reply.status
            ))
        })?;
    let body = parts.map_or_else(|| AnswerBody::whole(reply.body), AnswerBody::parts);
    let mut answer = Response::new(body);
    *answer.status_mut() = status;
    *answer.headers_mut() = map;
    headers::outward(reply.headers, answer.headers_mut());
    Ok(answer)
}

fn insert(headers: &mut HeaderMap, name: HeaderName, value: Option<HeaderValue>) {
    if let Some(value) = value {
        headers.insert(name, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;
    use crate::function::BackendKind;
    use crate::invocation::{InvocationId, Start, Timings};
    use std::time::Duration;

    #[test]
    fn what_follows_the_name_is_the_functions_path() {
        for (uri, path) in [
            ("/r/echo", "/"),
            ("/r/echo?x=1", "/?x=1"),
            ("/r/echo/", "/"),
            ("/r/echo/a/b?x=/r/echo", "/a/b?x=/r/echo"),
            ("http://other/r/echo/a", "/a"),
        ] {
            assert_eq!(path_after(&uri.parse().unwrap(), "echo"), path, "{uri}");
        }
    }

    #[test]
    fn the_url_is_whole() {
        let mut headers = HeaderMap::new();
        let url = |uri: &str, headers: &HeaderMap| url(&uri.parse().unwrap(), headers).to_string();
        assert_eq!(url("/r/echo?x=1", &headers), "http://localhost/r/echo?x=1");
        headers.insert(HOST, HeaderValue::from_static("example.org:8080"));
        assert_eq!(url("/r/echo?x=1", &headers), "http://example.org:8080/r/echo?x=1");
        assert_eq!(url("http://other/r/echo", &headers), "http://other/r/echo");
    }

    /// A caller's headers, none of which may be in the reply.
    fn asked() -> HeaderMap {
        HeaderMap::from_iter([
            (HOST, HeaderValue::from_static("localhost")),
            (START, HeaderValue::from_static("x")),
        ])
    }

    fn outcome(result: Result<Reply>) -> Streamed {
        let micros = Duration::from_micros;
        Streamed {
            id: InvocationId::new(),
            start: Some(Start::RecreatedPrewarm),
            backend: Some(BackendKind::Docker),
            timings: Timings { wait: micros(12), start: Duration::from_nanos(1999), run: micros(345) },
            phases: crate::invocation::Phases::default(),
            result,
            parts: None,
        }
    }

    /// SEEDS.md E11 and W9: the function's status and headers reach the caller, and how it was started with them.
    #[test]
    fn e11_w9_status_headers_and_start_reach_the_caller() {
        let headers = vec![("X-A".to_owned(), "1".to_owned()), ("Kiln-Start".to_owned(), "warm".to_owned())];
        let outcome = outcome(Ok(Reply { status: 201, headers, body: Bytes::from_static(b"hi") }));
        let id = outcome.id;
        let answer = finish(outcome, asked());
        assert_eq!(answer.status(), 201);
        let header = |name: &str| answer.headers()[name].to_str().unwrap();
        assert_eq!(header("x-a"), "1");
        assert_eq!(header("kiln-invocation-id"), id.to_string());
        assert_eq!(header("kiln-start"), "recreated-prewarm");
        assert_eq!(header("kiln-backend"), "docker");
        assert_eq!(header("kiln-duration-us"), "wait=12, start=1, run=345");
        assert!(!answer.headers().contains_key("kiln-error") && !answer.headers().contains_key("host"));
    }

    #[test]
    fn a_status_that_no_reply_can_have_is_the_functions_failure() {
        for status in [0, 99, 101, 1000] {
            let answer =
                finish(outcome(Ok(Reply { status, headers: Vec::new(), body: Bytes::new() })), asked());
            assert_eq!(answer.status(), 502, "{status}");
            assert_eq!(answer.headers()["kiln-error"], "FunctionFailed");
        }
    }

    #[test]
    fn an_outcome_without_a_function_has_only_its_id() {
        let mut missing = outcome(Err(Error::new(ErrorKind::NotFound, "there is no function `x`")));
        (missing.start, missing.backend) = (None, None);
        let answer = finish(missing, asked());
        assert_eq!(answer.status(), 404);
        let ours: Vec<_> =
            answer.headers().keys().filter(|name| name.as_str().starts_with("kiln-")).collect();
        assert_eq!(ours, ["kiln-error", "kiln-invocation-id"]);
    }
}
