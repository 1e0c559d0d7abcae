//! What goes wrong on a connection fails its request, and the server stays for as long as it lives.

use crate::docker::docker_or_skip;
use crate::driver::{config, soon};
use crate::program::{asked, configured, end, failed, get, host, server, text};
use kiln::backend::docker::{Docker, Transport};
use kiln::format::Rest;
use kiln::function::DEFAULT_NAMESPACE;
use kiln::host::{BodySource, Upload};
use kiln::invocation::Request;
use kiln::{ErrorKind, Host, Result, Start};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

#[tokio::test]
async fn a_connection_that_the_server_gives_up_is_made_anew_before_the_next_request() {
    let Some(engine) = docker_or_skip("served-close").await else { return };
    let host = host(&engine, server()).await;
    for connection in ["1", "2", "3"] {
        assert_eq!(text(&host, "/close").await, connection);
    }
    assert_eq!(text(&host, "/until-end?bytes=100000").await.len(), 100_000);
    // What nobody asked for is nobody's reply.
    assert_eq!(text(&host, "/more").await, "5");
    assert_eq!(text(&host, "/more").await, "6");
    let outcome = asked(&host, "GET", "/", "").await;
    assert_eq!(outcome.start, Some(Start::Warm));
    end(host, &engine).await;
}

#[tokio::test]
async fn no_answer_or_half_of_one_fails_the_request_and_keeps_the_server() {
    let Some(engine) = docker_or_skip("served-half").await else { return };
    let mut function = server();
    function.limits.max_reply = 1 << 20;
    let host = host(&engine, function).await;
    get(&host, "/").await;
    for (path, words) in [
        ("/silent", "after 0 bytes of its head"),
        ("/half", "4 of 1000000 bytes"),
        ("/garbage", "isn't HTTP/1.1"),
        ("/switch", "101"),
        ("/generate?bytes=1048577", "max_reply"),
        ("/until-end?bytes=1048577", "max_reply"),
    ] {
        let error = failed(&host, path).await;
        assert_eq!(error.kind(), ErrorKind::FunctionFailed, "{path}: {error}");
        assert!(error.message().contains(words), "{path}: {error}");
        let outcome = asked(&host, "GET", "/", "").await;
        assert_eq!(outcome.start, Some(Start::Warm), "{path}");
        outcome.result.unwrap();
    }
    end(host, &engine).await;
}

#[tokio::test]
async fn a_server_that_ends_or_hangs_fails_its_request_and_is_replaced() {
    let Some(engine) = docker_or_skip("served-exit").await else { return };
    let host = host(&engine, server().timeout(Duration::from_secs(2))).await;
    for (path, kind, words) in [
        ("/exit", ErrorKind::FunctionFailed, "code 7"),
        ("/until-death", ErrorKind::FunctionFailed, "code 7"),
        ("/hang", ErrorKind::TimedOut, "time limit"),
    ] {
        let error = failed(&host, path).await;
        assert_eq!(error.kind(), kind, "{path}: {error}");
        assert!(error.message().contains(words), "{path}: {error}");
        let told = text(&host, "/").await;
        assert!(told.contains("connection 1, request 1"), "{path}: {told}");
    }
    end(host, &engine).await;
}

/// Zeros without an end.
struct Endless;

impl BodySource for Endless {
    fn poll_piece(&mut self, _: &mut Context<'_>) -> Poll<Option<Result<bytes::Bytes>>> {
        Poll::Ready(Some(Ok(bytes::Bytes::from_static(&[0; 8192]))))
    }
}

#[tokio::test]
async fn a_server_that_answers_before_it_has_read_all_is_heard_and_kept() {
    let Some(engine) = docker_or_skip("served-early").await else { return };
    let host = configured(&engine, server(), |builder| builder.max_body(4 << 30)).await;
    for (path, rest) in [
        ("/early", Rest::Unknown),
        ("/early-kept", Rest::Unknown),
        ("/early", Rest::Bytes(3 << 30)),
        ("/early-kept", Rest::Bytes(3 << 30)),
    ] {
        let request = Request { path, ..Request::new() };
        let upload = Upload::new("start", rest, Endless);
        let streamed = soon(host.stream(DEFAULT_NAMESPACE, "app", request, upload, 1 << 18)).await;
        let reply = streamed.result.unwrap_or_else(|error| panic!("{path}: {error}"));
        assert_eq!((reply.status, &reply.body[..]), (413, &b"too much"[..]), "{path}");
        let outcome = asked(&host, "GET", "/", "").await;
        assert_eq!(outcome.start, Some(Start::Warm), "{path}");
        outcome.result.unwrap();
    }
    end(host, &engine).await;
}

#[tokio::test]
async fn a_reply_that_ends_with_a_broken_connection_is_none() {
    let Some(engine) = docker_or_skip("served-reset").await else { return };
    let host = host(&engine, server()).await;
    // More than the server reads ahead, so that some of it is left when it closes.
    let body = "b".repeat(1 << 20);
    let error = asked(&host, "POST", "/reset", &body).await.result.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::FunctionFailed, "{error}");
    assert!(error.message().contains("its connection broke"), "{error}");
    assert_eq!(asked(&host, "GET", "/", "").await.start, Some(Start::Warm));
    end(host, &engine).await;
}

#[tokio::test]
async fn both_of_its_streams_are_log_and_nobody_waits_for_more_of_it() {
    let Some(engine) = docker_or_skip("served-log").await else { return };
    let host = host(&engine, server()).await;
    get(&host, "/log/1").await;
    let error = failed(&host, "/silent").await;
    assert!(!error.logs().iter().any(|line| line.contains('1')), "{:?}", error.logs());
    get(&host, "/log/2").await;
    let error = failed(&host, "/exit").await;
    assert!(!error.logs().iter().any(|line| line.contains("listening")), "{:?}", error.logs());
    end(host, &engine).await;
}

#[tokio::test]
async fn over_attach_it_is_refused() {
    let Some(engine) = docker_or_skip("served-attach").await else { return };
    let mut config = config(&engine);
    config.transport = Transport::Attach;
    let host = Host::builder().backend(Arc::new(Docker::new(config))).build().unwrap();
    host.deploy(server()).await.unwrap();
    let error = failed(&host, "/").await;
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
    assert!(error.message().contains("kiln-init"), "{error}");
    end(host, &engine).await;
}
