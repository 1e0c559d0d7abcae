//! Many requests at once in one server, each over a connection of its own.

use crate::docker::docker_or_skip;
use crate::driver::soon;
use crate::program::{asked, end, failed, host, replied, server, text};
use kiln::{ErrorKind, Function, Start};
use std::time::Duration;

const CALLERS: u32 = 32;

fn shared() -> Function {
    let mut function = server();
    function.limits.concurrency = CALLERS;
    function.limits.max_sandboxes = 1;
    function
}

#[tokio::test]
async fn as_many_callers_as_it_takes_are_inside_one_server_together() {
    let Some(engine) = docker_or_skip("served-together").await else { return };
    let host = host(&engine, shared()).await;
    // Each is answered only when all of them are inside.
    let path = format!("/barrier?n={CALLERS}");
    let callers = (0..CALLERS).map(|_| asked(&host, "GET", &path, ""));
    let outcomes = soon(futures_util::future::join_all(callers)).await;
    let mut came: Vec<u32> =
        outcomes.into_iter().map(|it| String::from_utf8_lossy(&replied(it).body).parse().unwrap()).collect();
    came.sort_unstable();
    assert_eq!(came, (1..=CALLERS).collect::<Vec<_>>());
    assert_eq!(engine.containers(&engine.host_id).await.len(), 1);
    end(host, &engine).await;
}

#[tokio::test]
async fn no_reply_is_lost_or_crossed_and_connections_are_kept() {
    let Some(engine) = docker_or_skip("served-crossed").await else { return };
    let host = host(&engine, shared()).await;
    let caller = async |caller: u32| {
        for round in 0..50 {
            let body = format!("caller {caller}, round {round}");
            let reply = replied(asked(&host, "POST", "/echo", &body).await);
            assert_eq!(reply.body, body);
        }
    };
    soon(futures_util::future::join_all((0..CALLERS).map(caller))).await;
    let told = text(&host, "/").await;
    let connection = told.rsplit_once("connection ").unwrap().1.split(',').next().unwrap().parse::<u32>();
    // The one that its start made, and one for each.
    assert!(connection.unwrap() <= CALLERS + 1, "{told}");
    end(host, &engine).await;
}

#[tokio::test]
async fn what_goes_wrong_for_one_caller_is_no_others() {
    let Some(engine) = docker_or_skip("served-alone").await else { return };
    let host = host(&engine, shared().timeout(Duration::from_secs(100))).await;
    text(&host, "/").await;
    let waiting = asked(&host, "GET", "/barrier?n=2", "");
    let meanwhile = async {
        for (path, kind) in [
            ("/silent", ErrorKind::FunctionFailed),
            ("/garbage", ErrorKind::FunctionFailed),
            ("/half", ErrorKind::FunctionFailed),
        ] {
            assert_eq!(failed(&host, path).await.kind(), kind, "{path}");
        }
        // One that goes away takes its connection with it, and nothing else.
        let left = tokio::time::timeout(Duration::from_millis(50), asked(&host, "GET", "/hang", "")).await;
        assert!(left.is_err());
        asked(&host, "GET", "/barrier?n=2", "").await
    };
    let (waited, last) = soon(async { tokio::join!(waiting, meanwhile) }).await;
    assert_eq!((waited.start, last.start), (Some(Start::Warm), Some(Start::Warm)));
    assert_eq!((replied(waited).status, replied(last).status), (200, 200));
    assert_eq!(engine.containers(&engine.host_id).await.len(), 1);
    end(host, &engine).await;
}
