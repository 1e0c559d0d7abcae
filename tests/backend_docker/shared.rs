//! Several invocations at once in one container (`concurrency` above 1), each over a connection of its own.

use crate::action::{action, call, end, host, told};
use crate::docker::docker_or_skip;
use crate::driver::soon;
use futures_util::future::join_all;
use kiln::host::Upload;
use kiln::invocation::{Lines, Request};
use kiln::{ErrorKind, Function, Host, Start};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

fn shared(init: &str, concurrency: u32) -> Function {
    let mut function = action(init);
    (function.limits.concurrency, function.limits.max_sandboxes) = (concurrency, 1);
    function
}

/// As many calls as `wanted` that end only once all of them are in the same process.
async fn together(host: &Host, calls: u32, wanted: u32) -> Vec<(Option<Start>, Value)> {
    join_all((0..calls).map(|_| told(host, json!({"do": "together", "wanted": wanted})))).await
}

#[tokio::test]
async fn w2_requests_are_served_at_once_in_one_container_that_is_initialised_once() {
    let Some(engine) = docker_or_skip("shared").await else { return };
    let host = host(&engine, shared("slow", 8)).await;
    let mut runs: Vec<_> =
        together(&host, 8, 8).await.iter().map(|(_, told)| told["run"].as_u64().unwrap()).collect();
    runs.sort_unstable();
    assert_eq!(runs, (1..=8).collect::<Vec<_>>(), "all of them in one process");
    // A ninth waits until one has ended.
    let more = together(&host, 9, 16).await;
    assert!(more.iter().all(|(start, _)| *start == Some(Start::Warm)), "{more:?}");
    assert_eq!(host.figures().idle, 1);
    end(host, &engine).await;
}

#[tokio::test]
async fn replies_are_not_crossed_and_connections_are_used_again() {
    let Some(engine) = docker_or_skip("shared-many").await else { return };
    let host = host(&engine, shared("", 4)).await;
    let callers = (0..16).map(|caller| {
        let host = host.clone();
        tokio::spawn(async move {
            let mut connections = Vec::new();
            for request in 0..25 {
                let name = format!("{caller} {request}");
                let (_, told) = told(&host, json!({"name": name})).await;
                assert_eq!(told["asked"]["value"]["name"], name);
                connections.push(told["connection"].as_u64().unwrap());
            }
            connections.into_iter().max().unwrap()
        })
    });
    let most = join_all(callers).await.into_iter().map(Result::unwrap).max().unwrap();
    assert!(most <= 4, "no more connections than requests at once, not {most}");
    end(host, &engine).await;
}

#[tokio::test]
async fn w22_code_that_cannot_be_loaded_is_told_to_everybody() {
    let Some(engine) = docker_or_skip("shared-fail").await else { return };
    let host = host(&engine, shared("fail", 4)).await;
    for outcome in join_all((0..4).map(|_| call(&host, json!({})))).await {
        let error = outcome.result.unwrap_err();
        assert!(error.message().contains("there is no main"), "{error}");
    }
    end(host, &engine).await;
}

#[tokio::test]
async fn e10_who_goes_away_takes_neither_the_sandbox_nor_the_others_with_it() {
    let Some(engine) = docker_or_skip("shared-away").await else { return };
    let host = host(&engine, shared("", 3)).await;
    told(&host, json!({})).await;
    let gone = tokio::spawn({
        let host = host.clone();
        async move { call(&host, json!({"do": "hang"})).await }
    });
    let still = host.clone();
    let others = together(&still, 1, 2);
    let mut others = Box::pin(others);
    let waits = tokio::time::timeout(Duration::from_millis(300), others.as_mut()).await;
    assert!(waits.is_err(), "it waits for one more");
    gone.abort();
    assert!(gone.await.unwrap_err().is_cancelled());
    let (last, others) = tokio::join!(together(&host, 1, 2), others.as_mut());
    for (start, told) in last.iter().chain(&others) {
        assert!(*start == Some(Start::Warm) && told["run"].as_u64() > Some(1), "{start:?} {told}");
    }
    end(host, &engine).await;
}

#[tokio::test]
async fn a_time_limit_is_each_requests_own_and_the_sandbox_goes_when_the_others_are_done() {
    let Some(engine) = docker_or_skip("shared-time").await else { return };
    let host = host(&engine, shared("", 2).timeout(Duration::from_secs(2))).await;
    told(&host, json!({})).await;
    let hangs = call(&host, json!({"do": "hang"}));
    let late = async {
        tokio::time::sleep(Duration::from_millis(1200)).await;
        told(&host, json!({"do": "late"})).await
    };
    let (hung, (start, told_late)) = tokio::join!(hangs, late);
    assert_eq!(hung.result.unwrap_err().kind(), ErrorKind::TimedOut);
    assert_eq!((start, told_late["run"].as_u64().is_some()), (Some(Start::Warm), true), "{told_late}");
    let (start, told) = told(&host, json!({})).await;
    assert_eq!((start, &told["run"]), (Some(Start::Cold), &json!(1)));
    end(host, &engine).await;
}

#[tokio::test]
async fn a_server_that_dies_fails_all_that_were_in_it_and_no_more() {
    let Some(engine) = docker_or_skip("shared-dies").await else { return };
    let host = host(&engine, shared("", 3)).await;
    told(&host, json!({})).await;
    let waiting = join_all((0..2).map(|_| call(&host, json!({"do": "together", "wanted": 9}))));
    let exits = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        call(&host, json!({"do": "exit"})).await
    };
    let (waiting, exited) = tokio::join!(waiting, exits);
    for outcome in waiting.into_iter().chain([exited]) {
        let error = outcome.result.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::FunctionFailed, "{error}");
    }
    assert_eq!(told(&host, json!({})).await.0, Some(Start::Cold));
    end(host, &engine).await;
}

#[tokio::test]
async fn w20_a_paused_one_is_thawed_once_for_all_who_come() {
    let Some(engine) = docker_or_skip("shared-paused").await else { return };
    let mut function = shared("", 4);
    function.pause_after = Some(Duration::from_millis(100));
    let host = host(&engine, function).await;
    told(&host, json!({})).await;
    for wanted in [4, 8] {
        while host.list()[0].figures.paused == 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let all = together(&host, 4, wanted).await;
        assert!(all.iter().all(|(start, _)| *start == Some(Start::Warm)), "{all:?}");
    }
    end(host, &engine).await;
}

#[tokio::test]
async fn i6_a_line_is_told_to_each_whose_it_may_be() {
    let Some(engine) = docker_or_skip("shared-logs").await else { return };
    let host = host(&engine, shared("", 2)).await;
    let lines = |arguments: Value| {
        let host = host.clone();
        async move {
            let lines = Arc::new(Lines::default());
            let request = Request { lines: Some(&lines), ..Request::new() };
            let body = Upload::from(bytes::Bytes::from(arguments.to_string()));
            let streamed =
                soon(host.stream(kiln::function::DEFAULT_NAMESPACE, "act", request, body, usize::MAX)).await;
            streamed.result.unwrap();
            lines.finish().into_iter().map(|line| line.text).collect::<Vec<_>>()
        }
    };
    let alone = lines(json!({})).await;
    assert!(alone.iter().any(|line| line.starts_with("init ")), "{alone:?}");
    assert!(alone.contains(&"out 1".into()) && alone.contains(&"err 1".into()), "{alone:?}");
    let wait = json!({"do": "together", "wanted": 2});
    let (first, second) = tokio::join!(lines(wait.clone()), lines(wait));
    for run in ["out 2", "out 3"] {
        let told = [&first, &second].iter().filter(|lines| lines.contains(&run.to_owned())).count();
        assert!(told >= 1, "{first:?} {second:?}");
    }
    assert_eq!(lines(json!({})).await, ["out 4", "err 4"].map(str::to_owned));
    end(host, &engine).await;
}
