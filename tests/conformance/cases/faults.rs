//! What a function can do wrong: its caller is told what it was, and nobody else notices.

use crate::bench::{Bench, HANG, request};
use kiln::function::MIB;
use kiln::{BackendKind, ErrorKind, Format, Start};
use std::time::Duration;

/// After whatever happened, the function answers the next caller.
async fn answers_next(bench: &Bench) {
    assert_eq!(bench.text("faulty", "/ok", "next").await, "next");
}

pub async fn an_exit_code_is_told(bench: &mut Bench) {
    bench.deploy(bench.faulty("faulty")).await;
    for code in [7, 42] {
        let error = bench.error("faulty", &format!("/exit/{code}"), "").await;
        assert_eq!(error.kind(), ErrorKind::FunctionFailed, "{error}");
        let words = match bench.format {
            // OpenWhisk has words for it, and no code among them.
            Format::Openwhisk => "exited unexpectedly".into(),
            _ => bench.exit_code(code),
        };
        assert!(error.message().contains(&words), "{error}");
    }
    answers_next(bench).await;
}

pub async fn a_trap_is_told(bench: &mut Bench) {
    bench.deploy(bench.faulty("faulty")).await;
    let error = bench.error("faulty", "/trap", "").await;
    assert_eq!(error.kind(), ErrorKind::FunctionFailed, "{error}");
    let word = match (bench.kind(), bench.format) {
        (_, Format::Openwhisk) => "exited unexpectedly",
        (BackendKind::Wasm, _) => "trapped",
        (BackendKind::Docker, _) => "signal",
    };
    assert!(error.message().contains(word), "{error}");
    answers_next(bench).await;
}

pub async fn a_signal_is_told(bench: &mut Bench) {
    bench.deploy(bench.faulty("faulty")).await;
    let error = bench.error("faulty", "/signal/15", "").await;
    assert_eq!(error.kind(), ErrorKind::FunctionFailed, "{error}");
    if bench.kind() == BackendKind::Docker && bench.format != Format::Openwhisk {
        assert!(error.message().contains("signal 15"), "{error}");
    }
    answers_next(bench).await;
}

pub async fn half_a_reply_fails(bench: &mut Bench) {
    bench.deploy(bench.faulty("faulty")).await;
    let error = bench.error("faulty", "/half", "x".repeat(1000)).await;
    assert_eq!(error.kind(), ErrorKind::FunctionFailed, "{error}");
    answers_next(bench).await;
}

pub async fn an_endless_loop_times_out(bench: &mut Bench) {
    bench.deploy(bench.faulty("faulty").timeout(Duration::from_millis(300))).await;
    let error = bench.error("faulty", "/loop", "").await;
    assert_eq!(error.kind(), ErrorKind::TimedOut, "{error}");
    assert!(error.message().contains("300ms"), "{error}");
}

/// As many loops as this runtime has threads: others are answered all the same.
pub async fn an_endless_loop_holds_up_nobody_else(bench: &mut Bench) {
    bench.deploy(bench.faulty("faulty")).await;
    bench.deploy(bench.echo("echo")).await;
    let loops: Vec<_> = (0..2)
        .map(|_| {
            let (host, invocation) = (bench.host.clone(), request(bench.format, "/loop", ""));
            tokio::spawn(async move { host.invoke("faulty", invocation).await })
        })
        .collect();
    bench.until("both loops run", |figures| figures.active == 2).await;
    let calls = if bench.is_slow() { 3 } else { 30 };
    for _ in 0..calls {
        assert_eq!(bench.text("echo", "/", "still here").await, "still here");
    }
    for each in &loops {
        assert!(!each.is_finished(), "its time is not over");
        each.abort();
    }
    bench.until("the loops are gone", |figures| figures.active == 0 && figures.removing == 0).await;
}

pub async fn memory_exhaustion_is_told(bench: &mut Bench) {
    bench.deploy(bench.faulty("faulty")).await;
    let error = bench.error("faulty", "/hog", "").await;
    assert_eq!(error.kind(), ErrorKind::OutOfMemory, "{error}");
    answers_next(bench).await;
}

pub async fn a_flood_is_cut(bench: &mut Bench) {
    let mut function = bench.faulty("faulty");
    function.limits.max_reply = MIB;
    bench.deploy(function).await;
    let error = bench.error("faulty", "/flood", "").await;
    assert_eq!(error.kind(), ErrorKind::FunctionFailed, "{error}");
    answers_next(bench).await;
}

pub async fn silence_times_out(bench: &mut Bench) {
    bench.deploy(bench.faulty("faulty").timeout(Duration::from_millis(300))).await;
    let error = bench.error("faulty", "/silence", "").await;
    assert_eq!(error.kind(), ErrorKind::TimedOut, "{error}");
}

/// SEEDS.md E2: this caller has its reply; the sandbox, or its connection where it has several, is never used again.
pub async fn e2_stray_bytes_cost_the_sandbox(bench: &mut Bench) {
    replies_but_is_replaced(bench, "/stray").await;
}

/// SEEDS.md E2: the second reply is nobody's.
pub async fn e2_a_double_reply_reaches_nobody(bench: &mut Bench) {
    replies_but_is_replaced(bench, "/double").await;
}

async fn replies_but_is_replaced(bench: &Bench, path: &str) {
    let mut function = bench.faulty("faulty");
    function.limits.max_sandboxes = 1;
    bench.deploy(function).await;
    assert_eq!(bench.text("faulty", "/ok", "first").await, "first");
    for round in 0..3 {
        let mine = format!("mine {round}");
        assert_eq!(bench.text("faulty", path, mine.clone()).await, mine);
        let next = bench.invoke("faulty", "/ok", "next").await;
        // A server's connection is made anew instead: what came on the old one is nobody's either.
        let stays = matches!(bench.format, Format::Server | Format::HttpStream);
        assert_eq!(
            next.start == Some(Start::Warm),
            stays,
            "the poisoned sandbox was used again: {:?}",
            next.start
        );
        assert_eq!(&crate::bench::reply(next).body[..], b"next");
        let kept = bench.invoke("faulty", "/ok", "kept").await;
        assert_eq!(kept.start, Some(Start::Warm), "a good one is used again");
    }
}

/// SEEDS.md E2: what comes after the time-out goes to nobody.
pub async fn e2_a_late_reply_reaches_nobody(bench: &mut Bench) {
    let mut function = bench.faulty("faulty").timeout(Duration::from_secs(1));
    function.limits.max_sandboxes = 1;
    bench.deploy(function).await;
    assert_eq!(bench.text("faulty", "/ok", "first").await, "first");
    let error = bench.error("faulty", "/late/1500", "too late").await;
    assert_eq!(error.kind(), ErrorKind::TimedOut, "{error}");
    assert_eq!(bench.text("faulty", "/ok", "second").await, "second");
    tokio::time::sleep(Duration::from_millis(700)).await;
    assert_eq!(bench.text("faulty", "/ok", "third").await, "third");
}

/// SEEDS.md E1: a broken protocol is no time-out.
pub async fn e1_garbage_fails_at_once(bench: &mut Bench) {
    bench.deploy(bench.faulty("faulty").timeout(HANG * 2)).await;
    let error = bench.error("faulty", "/garbage", "").await;
    assert_eq!(error.kind(), ErrorKind::FunctionFailed, "{error}");
    assert!(error.message().contains("format"), "{error}");
    answers_next(bench).await;
}

pub async fn another_calls_id_fails(bench: &mut Bench) {
    bench.deploy(bench.faulty("faulty")).await;
    let error = bench.error("faulty", "/wrong-id", "").await;
    assert_eq!(error.kind(), ErrorKind::FunctionFailed, "{error}");
    answers_next(bench).await;
}

/// Where the format has a word for it, the sandbox is as good as before.
pub async fn the_functions_own_error_is_told(bench: &mut Bench) {
    bench.deploy(bench.faulty("faulty")).await;
    match bench.format {
        Format::Openwhisk => {
            let reply = bench.reply("faulty", "/error/too-bad", "").await;
            assert_eq!((reply.status, &reply.body[..]), (200, &br#"{"error":"too-bad"}"#[..]));
        }
        Format::WasiHttp => panic!("no row of the table has it: see tests/wasi_http/"),
        Format::Http | Format::Json | Format::Server => {
            let reply = bench.reply("faulty", "/error/too-bad", "").await;
            assert_eq!((reply.status, &reply.body[..]), (500, &b"too-bad"[..]));
        }
        Format::Frame | Format::HttpStream => {
            let error = bench.error("faulty", "/error/too-bad", "").await;
            assert_eq!(error.kind(), ErrorKind::FunctionFailed, "{error}");
            assert!(error.message().contains("too-bad"), "{error}");
        }
        Format::Default => {
            let error = bench.error("faulty", "/error/too-bad", "").await;
            assert_eq!(error.kind(), ErrorKind::FunctionFailed, "{error}");
            assert!(error.message().contains("code 1"), "{error}");
            assert!(error.logs().iter().any(|line| line.contains("too-bad")), "{:?}", error.logs());
        }
    }
    let next = bench.invoke("faulty", "/ok", "").await;
    assert_eq!(next.start == Some(Start::Warm), bench.format.is_streaming(), "{:?}", next.start);
}
