//! How requests end before they are answered: a limit, a death, a caller or a host that goes.

use crate::support::{containers, error, error_kind, modules, ms, soon, text};
use kiln::ErrorKind;
use kiln::backend::Exit;

#[tokio::test]
async fn w21_i8_draining_waits_for_what_runs_and_takes_nothing_new() {
    let bed = modules();
    bed.deploy(bed.echo("echo")).await;
    let running = bed.spawn("echo", "/sleep/300");
    bed.until("it runs", |figures| figures.active == 1).await;
    let drained = tokio::spawn({
        let host = bed.host.clone();
        async move { host.drain().await }
    });
    while error_kind(&bed.call("echo", "/").await) != Some(ErrorKind::Unavailable) {
        tokio::task::yield_now().await;
    }
    assert!(!drained.is_finished());
    assert_eq!(text(running.await.unwrap()), "body");
    soon(drained).await.unwrap();
    assert_eq!(bed.fake.counts().living, 0);
    bed.end().await;
}

#[tokio::test]
async fn stopping_ends_what_runs_and_leaves_nothing() {
    let bed = modules();
    bed.deploy(bed.function("faulty", "faulty")).await;
    let running = bed.spawn("faulty", "/silence");
    bed.until("it runs", |figures| figures.active == 1).await;
    soon(bed.host.stop()).await;
    assert_eq!(error(running.await.unwrap()).kind(), ErrorKind::Unavailable);
    bed.end().await;
}

/// Each request is well within the time limit, all together are far beyond it.
#[tokio::test]
async fn i5_the_time_limit_is_the_requests_and_not_the_sandboxes() {
    let bed = modules();
    bed.deploy(bed.single("echo").timeout(ms(400))).await;
    for count in 1..=6 {
        assert_eq!(text(bed.call("echo", "/sleep/100").await), "body");
        assert_eq!(bed.fake.counts().starts, 1, "after {count} requests");
    }
    bed.end().await;
}

#[tokio::test]
async fn i7_a_sandbox_that_dies_fails_its_request_at_once_and_says_why() {
    let cases = [
        (Exit::Signal(9), ErrorKind::FunctionFailed, "signal 9"),
        (Exit::Code(5), ErrorKind::FunctionFailed, "code 5"),
        (Exit::OutOfMemory, ErrorKind::OutOfMemory, "memory"),
        (Exit::Lost("the daemon is gone".into()), ErrorKind::Unavailable, "the daemon is gone"),
    ];
    let bed = containers();
    let mut function = bed.function("faulty", "faulty");
    function.limits.max_sandboxes = 1;
    bed.deploy(function).await;
    for (exit, kind, said) in cases {
        let running = bed.spawn("faulty", "/silence");
        bed.until("it runs", |figures| figures.active == 1).await;
        // It is busy once it has taken its request, which its caller's task sees to.
        while bed.fake.kill_all(exit.clone()) == 0 {
            tokio::task::yield_now().await;
        }
        let error = error(soon(running).await.unwrap());
        assert_eq!(error.kind(), kind, "{error}");
        assert!(error.message().contains(said), "{error}");
        assert_eq!(text(bed.call("faulty", "/ok").await), "body", "its slot is free again");
        bed.fake.kill_idle(Exit::Code(0));
        bed.until("all is free", |figures| figures.charged == 0).await;
    }
    bed.end().await;
}

/// While it waits for a start, for its turn, and while it runs.
#[tokio::test]
async fn e10_a_caller_that_hangs_up_leaves_nothing() {
    let bed = modules();
    bed.deploy(bed.single("echo")).await;
    bed.fake.hold_starts();
    let first = bed.spawn("echo", "/");
    let second = bed.spawn("echo", "/");
    bed.counted("a start hangs", |counts| counts.starting == 1).await;
    first.abort();
    second.abort();
    bed.until("nobody waits", |figures| figures.waiting == 0).await;
    bed.fake.let_starts_go();
    assert_eq!(text(bed.call("echo", "/").await), "body");
    let running = bed.spawn("echo", "/sleep/20000");
    bed.until("it runs", |figures| figures.active == 1).await;
    let waiting = bed.spawn("echo", "/count");
    bed.until("one waits", |figures| figures.waiting == 1).await;
    running.abort();
    assert_eq!(text(soon(waiting).await.unwrap()), "1", "in a new sandbox: the other one was poisoned");
    bed.end().await;
}
