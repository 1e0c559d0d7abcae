//! When a server is ready, and what is told of one that never is.

use crate::docker::docker_or_skip;
use crate::program::{asked, end, failed, host, replied, server};
use kiln::{ErrorKind, Start};
use std::time::Duration;

#[tokio::test]
async fn a_server_is_asked_until_it_is_ready_and_that_is_its_starts_time() {
    let Some(engine) = docker_or_skip("served-ready").await else { return };
    let mut function = server().env("READY_AFTER", "3");
    function.ready_path = Some("/ready".into());
    let host = host(&engine, function).await;
    let outcome = asked(&host, "GET", "/", "").await;
    assert_eq!(outcome.start, Some(Start::Cold));
    assert!(outcome.phases.init > Duration::ZERO);
    let told = String::from_utf8(replied(outcome).body.to_vec()).unwrap();
    assert!(told.contains("connection 1, request 5"), "{told}");
    end(host, &engine).await;
}

#[tokio::test]
async fn one_that_never_is_ready_is_told_with_why_and_leaves_nothing() {
    let Some(engine) = docker_or_skip("served-unready").await else { return };
    for (path, how, kind, words) in [
        (Some("/status/500"), "", ErrorKind::TimedOut, "status 500"),
        (Some("/silent"), "", ErrorKind::TimedOut, "ended before its reply"),
        (Some("/exit"), "", ErrorKind::FunctionFailed, "code 7"),
        (None, "deaf", ErrorKind::TimedOut, "port 8080 doesn't listen"),
        (None, "dead", ErrorKind::FunctionFailed, "code 3"),
    ] {
        let mut function = server().env("HOW", how);
        function.ready_path = path.map(str::to_owned);
        let limit = if kind == ErrorKind::TimedOut { 5 } else { 60 };
        function.limits.start_timeout = Duration::from_secs(limit);
        let host = host(&engine, function).await;
        let error = failed(&host, "/").await;
        assert_eq!(error.kind(), kind, "{path:?} {how}: {error}");
        assert!(error.message().contains(words), "{path:?} {how}: {error}");
        end(host, &engine).await;
    }
}
