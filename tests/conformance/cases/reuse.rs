//! One sandbox, many requests: state is kept where it should be, replies are never mixed up, and who goes away
//! leaves nothing running.

use crate::bench::{Bench, ask, reply, request};
use kiln::Start;
use std::time::Duration;

/// SEEDS.md I1: a streaming function's process serves them all, a one-shot function's one each.
pub async fn i1_two_hundred_in_a_row(bench: &mut Bench) {
    bench.deploy(bench.echo("echo")).await;
    let streaming = bench.format.is_streaming();
    let calls = if streaming || !bench.is_slow() { 200 } else { 10 };
    for call in 1..=calls {
        let outcome = bench.invoke("echo", "/count", "").await;
        let start = outcome.start;
        let count = reply(outcome).body;
        assert_eq!(&count[..], if streaming { call.to_string() } else { "1".into() }.as_bytes());
        assert_eq!(start == Some(Start::Warm), streaming && call > 1, "call {call} was started {start:?}");
    }
}

/// A fresh sandbox for each request, as a policy.
pub async fn one_use_each(bench: &mut Bench) {
    let mut function = bench.echo("echo");
    function.limits.max_uses = Some(1);
    bench.deploy(function).await;
    for _ in 0..4 {
        assert_eq!(bench.text("echo", "/count", "").await, "1");
    }
}

pub async fn three_uses_each(bench: &mut Bench) {
    let mut function = bench.echo("echo");
    function.limits.max_uses = Some(3);
    function.limits.max_sandboxes = 1;
    bench.deploy(function).await;
    for count in [1, 2, 3, 1, 2, 3, 1] {
        assert_eq!(bench.text("echo", "/count", "").await, count.to_string());
    }
}

/// SEEDS.md E10: the sandbox is ended and all it held is free again.
pub async fn e10_hanging_up_frees_the_sandbox(bench: &mut Bench) {
    let mut function = bench.faulty("faulty");
    function.limits.max_sandboxes = 1;
    bench.deploy(function).await;
    for path in ["/silence", "/loop"] {
        let (host, invocation) = (bench.host.clone(), request(bench.format, path, ""));
        let call = tokio::spawn(async move { host.invoke("faulty", invocation).await });
        bench.until("it runs", |figures| figures.active == 1).await;
        // One that was granted, but whose request was not sent yet, may be kept.
        tokio::time::sleep(Duration::from_millis(100)).await;
        call.abort();
        bench.until("nothing is charged", |figures| figures.charged == 0 && figures.active == 0).await;
        assert_eq!(bench.subject.living().await, 0, "{path}: the sandbox lives on");
        assert_eq!(bench.text("faulty", "/ok", "next").await, "next");
        if bench.format.is_streaming() {
            // It would be found idle by the next round: end it.
            bench.error("faulty", "/exit/1", "").await;
        }
        bench.until("it is gone", |figures| figures.charged == 0).await;
    }
}

/// SEEDS.md W2: one sandbox serves them all, several at a time, and every reply is its own caller's.
pub async fn w2_several_at_once_in_one_sandbox(bench: &mut Bench) {
    let mut function = bench.echo("echo");
    (function.limits.concurrency, function.limits.max_sandboxes) = (4, 1);
    bench.deploy(function).await;
    let all: Vec<_> = (0..8)
        .map(|caller| {
            let (host, format) = (bench.host.clone(), bench.format);
            tokio::spawn(async move {
                for round in 0..5 {
                    let body = format!("{caller}-{round}");
                    // Long enough for others to come in between.
                    let asked = ask(&host, format, "echo", request(format, "/sleep/30", body.clone())).await;
                    assert_eq!(String::from_utf8_lossy(&reply(asked).body), body);
                }
            })
        })
        .collect();
    bench.until("it is full", |figures| figures.waiting > 0 && figures.active == 1).await;
    for one in all {
        one.await.unwrap();
    }
    assert_eq!(bench.text("echo", "/count", "").await, "41", "one process has served them all");
    assert_eq!(bench.subject.living().await, 1);
}

/// Thirty-two callers, twenty requests each: every reply is its own caller's.
pub async fn every_caller_gets_its_own_reply(bench: &mut Bench) {
    let mut function = bench.echo("echo");
    function.limits.max_sandboxes = 4;
    bench.deploy(function).await;
    let dear = bench.is_slow() && !bench.format.is_streaming();
    let (callers, requests) = if dear { (4, 3) } else { (32, 20) };
    let all: Vec<_> = (0..callers)
        .map(|caller| {
            let (host, format) = (bench.host.clone(), bench.format);
            tokio::spawn(async move {
                for round in 0..requests {
                    // Of different lengths, so that a mixed-up stream would be out of step, too.
                    let body = format!("{caller}-{round}-").repeat(1 + (caller * 7 + round * 13) % 50);
                    let asked = ask(&host, format, "echo", request(format, "/", body.clone())).await;
                    assert_eq!(String::from_utf8_lossy(&reply(asked).body), body);
                }
            })
        })
        .collect();
    for one in all {
        one.await.unwrap();
    }
    assert_eq!(bench.host.figures().ended, (callers * requests) as u64);
}
