//! The rules of SEEDS.md that take a whole host to show, over the backend in memory; each test is named by its rule.
//!
//! The pool's clock is the real one, so limits here are short and nothing asserts how long anything took.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

use kiln::backend::Exit;
use kiln::backend::fake::{self, Handle};
use kiln::function::MIB;
use kiln::host::HostBuilder;
use kiln::invocation::Outcome;
use kiln::pool::Figures;
use kiln::{BackendKind, Error, ErrorKind, Format, Function, Host, Invocation, Start};
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::task::JoinHandle;

/// Only a hang is caught by it.
const HANG: Duration = Duration::from_secs(30);

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// A host over a fake of a kind, and the fake's handle.
struct Bed {
    host: Host,
    fake: Handle,
    kind: BackendKind,
}

fn bed(kind: BackendKind, set: impl FnOnce(HostBuilder) -> HostBuilder) -> Bed {
    let (backend, fake) = fake::backend(kind);
    let host = set(Host::builder().memory(512 * MIB)).backend(backend).build().unwrap();
    Bed { host, fake, kind }
}

fn containers() -> Bed {
    bed(BackendKind::Docker, |host| host)
}

fn modules() -> Bed {
    bed(BackendKind::Wasm, |host| host)
}

impl Bed {
    fn function(&self, name: &str, guest: &str) -> Function {
        match self.kind {
            BackendKind::Wasm => Function::wasm_bytes(name, guest.to_owned()),
            BackendKind::Docker => Function::image(name, guest),
        }
        .format(Format::Frame)
        .memory(32 * MIB)
        .timeout(HANG)
    }

    fn echo(&self, name: &str) -> Function {
        self.function(name, "echo")
    }

    /// The echo, of which at most one sandbox lives.
    fn single(&self, name: &str) -> Function {
        let mut function = self.echo(name);
        function.limits.max_sandboxes = 1;
        function
    }

    async fn deploy(&self, function: Function) {
        self.host.deploy(function).await.unwrap();
    }

    async fn call(&self, name: &str, path: &str) -> Outcome {
        call(&self.host, name, path).await
    }

    /// The same on a task of its own.
    fn spawn(&self, name: &'static str, path: &'static str) -> JoinHandle<Outcome> {
        let host = self.host.clone();
        tokio::spawn(async move { call(&host, name, path).await })
    }

    async fn until(&self, what: &str, reached: impl Fn(&Figures) -> bool) {
        let waited = async {
            while !reached(&self.host.figures()) {
                tokio::time::sleep(ms(1)).await;
            }
        };
        let in_time = tokio::time::timeout(HANG, waited).await;
        assert!(in_time.is_ok(), "never: {what}; {:?}; {:?}", self.host.figures(), self.fake.counts());
    }

    async fn counted(&self, what: &str, reached: impl FnMut(&fake::Counts) -> bool) -> fake::Counts {
        match tokio::time::timeout(HANG, self.fake.until(reached)).await {
            Ok(counts) => counts,
            Err(_) => panic!("never: {what}; {:?}; {:?}", self.host.figures(), self.fake.counts()),
        }
    }

    /// Drains. Nothing is left in the books or at the backend, and every sandbox was removed properly.
    async fn end(self) {
        soon(self.host.drain()).await;
        let figures = self.host.figures();
        assert_eq!((figures.charged, figures.active, figures.waiting, figures.removing), (0, 0, 0, 0));
        let counts = self.fake.counts();
        assert_eq!(
            (counts.starting, counts.living, counts.memory, counts.dropped),
            (0, 0, 0, 0),
            "{counts:?}"
        );
        assert_eq!(self.host.credits(), figures.ended, "a credit for each job that ended (D1)");
    }
}

async fn call(host: &Host, name: &str, path: &str) -> Outcome {
    let mut invocation = Invocation::new("body");
    invocation.path = path.into();
    host.invoke(name, invocation).await
}

async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(HANG, future).await.expect("it hangs")
}

fn text(outcome: Outcome) -> String {
    let reply = outcome.result.unwrap_or_else(|error| panic!("{}: {error}", error.kind()));
    String::from_utf8(reply.body.into()).unwrap()
}

fn error(outcome: Outcome) -> Error {
    outcome.result.expect_err("it should have failed")
}

#[tokio::test]
async fn w2_e7_namespaces_and_names_share_no_sandbox() {
    let bed = modules();
    let keys = [("a", "b.c"), ("a.b", "c"), ("a", "b"), ("b", "b")];
    for (namespace, name) in keys {
        let mut function = bed.echo(name);
        function.namespace = namespace.into();
        bed.deploy(function).await;
    }
    for round in ["1", "2"] {
        for (namespace, name) in keys {
            let mut invocation = Invocation::new("");
            invocation.path = "/count".into();
            assert_eq!(text(bed.host.invoke_in(namespace, name, invocation).await), round);
        }
    }
    assert_eq!(bed.fake.counts().starts, 4);
    bed.end().await;
}

#[tokio::test]
async fn w4_w16_prewarmed_ones_are_refilled_when_taken_and_when_they_die() {
    let bed = modules();
    bed.deploy(bed.echo("echo").prewarm(2)).await;
    bed.counted("both are started", |counts| counts.living == 2).await;
    assert_eq!(bed.host.figures().prewarmed, 2);
    assert_eq!(bed.call("echo", "/").await.start, Some(Start::Prewarmed));
    bed.counted("one is refilled", |counts| counts.living == 3).await;
    assert_eq!(bed.host.figures().prewarmed, 2);
    assert_eq!(bed.call("echo", "/").await.start, Some(Start::Warm), "a warm one goes first (W7)");
    assert_eq!(bed.fake.kill_idle(Exit::Signal(9)), 3);
    bed.counted("both are refilled", |counts| counts.living == 2 && counts.removed == 3).await;
    bed.until("both are known", |figures| figures.prewarmed == 2 && figures.idle == 0).await;
    bed.end().await;
}

#[tokio::test]
async fn w9_containers_tell_how_they_were_started() {
    let bed = bed(BackendKind::Docker, |host| host.memory(64 * MIB).prewarm_outside_budget(true));
    for name in ["one", "two", "three"] {
        bed.deploy(bed.echo(name)).await;
    }
    assert_eq!(bed.call("one", "/").await.start, Some(Start::Cold));
    assert_eq!(bed.call("one", "/").await.start, Some(Start::Warm));
    assert_eq!(bed.call("two", "/").await.start, Some(Start::Cold));
    assert_eq!(bed.call("three", "/").await.start, Some(Start::Recreated));
    bed.deploy(bed.echo("four").prewarm(1)).await;
    bed.counted("it is there", |counts| counts.starting == 0 && counts.living == 3).await;
    assert_eq!(bed.call("four", "/").await.start, Some(Start::RecreatedPrewarm));
    assert_eq!(bed.host.figures().evicted, 2);
    bed.end().await;
}

#[tokio::test]
async fn w9_a_request_that_got_no_sandbox_in_the_end_names_no_start() {
    let bed = containers();
    bed.deploy(bed.single("echo")).await;
    text(bed.call("echo", "/").await);
    bed.fake.kill_idle_silently(Exit::Signal(9));
    bed.fake.start_latency(ms(20));
    bed.fake.fail_starts(1, Error::unavailable("no daemon"));
    let outcome = bed.call("echo", "/").await;
    assert_eq!(outcome.start, None);
    assert!(outcome.timings.wait >= ms(20), "{:?}", outcome.timings);
    assert!(error(outcome).message().contains("no daemon"));
    bed.end().await;
}

#[tokio::test]
async fn w17_a_dead_sandbox_is_replaced_and_its_caller_never_knows() {
    for kind in BackendKind::ALL {
        let bed = bed(kind, |host| host);
        bed.deploy(bed.single("echo")).await;
        assert_eq!(text(bed.call("echo", "/count").await), "1");
        assert_eq!(bed.fake.kill_idle_silently(Exit::Signal(9)), 1);
        let outcome = bed.call("echo", "/count").await;
        assert_ne!(outcome.start, Some(Start::Warm));
        assert_eq!(text(outcome), "1");
        bed.counted("the dead one is gone", |counts| counts.removed == 1).await;
        bed.end().await;
    }
}

/// One that was started for a job which another sandbox then served has lain idle like any other.
#[tokio::test]
async fn w17_a_spare_that_died_unused_is_replaced_and_its_caller_never_knows() {
    let bed = containers();
    bed.deploy(bed.echo("echo")).await;
    let first = bed.spawn("echo", "/sleep/100");
    bed.until("it runs", |figures| figures.active == 1).await;
    bed.fake.hold_starts();
    let second = bed.spawn("echo", "/count");
    bed.counted("one more is started", |counts| counts.starting == 1).await;
    text(soon(first).await.unwrap());
    let second = soon(second).await.unwrap();
    assert_eq!((second.start, text(second)), (Some(Start::Warm), "2".into()), "the released one came first");
    bed.fake.let_starts_go();
    bed.until("both are idle", |figures| figures.idle == 2).await;
    assert_eq!(bed.fake.kill_idle_silently(Exit::Signal(9)), 2);
    assert_eq!(text(soon(bed.call("echo", "/count")).await), "1");
    bed.end().await;
}

/// Of a one-shot function, too, of which the request has yet to run.
#[tokio::test]
async fn w17_one_that_died_prewarmed_is_replaced_and_its_caller_never_knows() {
    for format in [Format::Default, Format::Frame] {
        let bed = bed(BackendKind::Wasm, |host| host);
        bed.deploy(bed.echo("echo").format(format).prewarm(1)).await;
        bed.until("it is there", |figures| (figures.prewarmed, figures.prewarming) == (1, 0)).await;
        assert_eq!(bed.fake.kill_idle_silently(Exit::Signal(9)), 1, "{format}");
        assert_eq!(text(soon(bed.call("echo", "/count")).await), "1", "{format}");
        bed.end().await;
    }
}

/// SEEDS.md I7, W16: nobody has to come for a dead sandbox's memory to be given back.
#[tokio::test]
async fn w16_an_idle_sandbox_that_dies_is_removed_at_once() {
    let bed = containers();
    bed.deploy(bed.echo("echo")).await;
    text(bed.call("echo", "/").await);
    assert_eq!(bed.host.figures().charged, 32 * MIB);
    bed.fake.kill_idle(Exit::Code(1));
    bed.until("nothing is charged", |figures| figures.charged == 0).await;
    assert_eq!(bed.fake.counts().removed, 1);
    bed.end().await;
}

#[tokio::test]
async fn w20_idle_containers_are_paused_and_resumed() {
    let bed = containers();
    let mut function = bed.echo("echo");
    function.pause_after = Some(ms(20));
    bed.deploy(function).await;
    for count in 1..=3 {
        assert_eq!(text(bed.call("echo", "/count").await), count.to_string());
        bed.counted("it is paused", |counts| counts.pauses == count).await;
        bed.until("the pool knows", |figures| figures.idle == 1).await;
    }
    assert_eq!(bed.fake.counts().resumes, 2);
    bed.end().await;
}

/// SEEDS.md D2: and nobody who waits behind it is forgotten.
#[tokio::test]
async fn w20_d2_a_resume_that_fails_reschedules_and_removes() {
    let bed = containers();
    let mut function = bed.single("echo");
    function.pause_after = Some(ms(20));
    bed.deploy(function).await;
    text(bed.call("echo", "/").await);
    bed.counted("it is paused", |counts| counts.pauses == 1).await;
    bed.fake.fail_resumes(1, Error::internal("it stays frozen"));
    let callers: Vec<_> = (0..5).map(|_| bed.spawn("echo", "/")).collect();
    for caller in callers {
        assert_eq!(text(soon(caller).await.unwrap()), "body");
    }
    bed.counted("the frozen one is gone", |counts| counts.removed >= 1).await;
    bed.end().await;
}

/// The last of the paused ones is granted to a caller who has given up by then: it is frozen still, and at rest.
#[tokio::test]
async fn w20_a_paused_one_that_nobody_came_for_is_resumed_for_the_next() {
    let bed = containers();
    let mut function = bed.echo("echo").memory(16 * MIB).timeout(ms(2_000));
    function.pause_after = Some(ms(50));
    function.limits.max_sandboxes = 17;
    bed.deploy(function).await;
    let callers: Vec<_> = (0..17).map(|_| bed.spawn("echo", "/sleep/300")).collect();
    for caller in callers {
        text(soon(caller).await.unwrap());
    }
    bed.counted("all are paused", |counts| counts.pauses == 17 && counts.living == 17).await;
    bed.fake.fail_resumes(16, Error::internal("it stays frozen"));
    assert_eq!(error(soon(bed.call("echo", "/")).await).kind(), ErrorKind::Unavailable);
    bed.counted("the frozen ones are gone", |counts| counts.living == 1).await;
    assert_eq!(text(soon(bed.call("echo", "/")).await), "body");
    bed.counted("it is paused again", |counts| counts.pauses == 18).await;
    bed.end().await;
}

#[tokio::test]
async fn w20_a_pause_that_fails_removes() {
    let bed = containers();
    let mut function = bed.echo("echo");
    function.pause_after = Some(ms(20));
    bed.deploy(function).await;
    bed.fake.fail_pauses(1, Error::internal("it can't be frozen"));
    text(bed.call("echo", "/").await);
    bed.counted("it is removed", |counts| counts.removed == 1).await;
    assert_eq!(text(bed.call("echo", "/count").await), "1");
    bed.end().await;
}

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

fn error_kind(outcome: &Outcome) -> Option<ErrorKind> {
    outcome.result.as_ref().err().map(Error::kind)
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

#[tokio::test]
async fn w22_all_who_wait_for_a_start_that_fails_get_its_error() {
    let bed = containers();
    bed.deploy(bed.single("echo")).await;
    bed.fake.hold_starts();
    let callers: Vec<_> = (0..5).map(|_| bed.spawn("echo", "/")).collect();
    bed.until("all wait", |figures| figures.waiting + figures.starting == 5).await;
    bed.fake.fail_starts(usize::MAX, Error::unavailable("no daemon"));
    bed.fake.let_starts_go();
    let mut errors = Vec::new();
    for caller in callers {
        let error = error(soon(caller).await.unwrap());
        assert_eq!(error.kind(), ErrorKind::Unavailable);
        errors.push(error.message().to_owned());
    }
    assert!(errors[0].contains("no daemon"), "{}", errors[0]);
    assert!(errors.iter().all(|error| *error == errors[0]), "{errors:?}");
    let counts = bed.fake.counts();
    assert!(counts.failed <= 5 && counts.peak_sandboxes == 1, "no start but for a caller: {counts:?}");
    bed.fake.fail_starts(0, Error::unavailable("no daemon"));
    assert_eq!(text(bed.call("echo", "/").await), "body");
    bed.end().await;
}

#[tokio::test]
async fn i2_sandboxes_are_started_on_demand_up_to_the_maximum() {
    let bed = modules();
    let mut function = bed.echo("echo");
    function.limits.max_sandboxes = 2;
    bed.deploy(function).await;
    assert_eq!(bed.fake.counts().starts, 0);
    for _ in 0..5 {
        text(bed.call("echo", "/").await);
    }
    assert_eq!(bed.fake.counts().starts, 1, "one is enough for one caller");
    let callers: Vec<_> = (0..8).map(|_| bed.spawn("echo", "/sleep/30")).collect();
    for caller in callers {
        assert_eq!(text(soon(caller).await.unwrap()), "body");
    }
    assert_eq!((bed.fake.counts().starts, bed.fake.counts().peak_sandboxes), (2, 2));
    bed.end().await;
}

/// Fifty callers of one sandbox: each waits its turn in the function's one queue.
#[tokio::test]
async fn i3_one_sandbox_serves_one_request_at_a_time() {
    let bed = modules();
    bed.deploy(bed.single("echo")).await;
    let callers: Vec<_> = (0..50).map(|_| bed.spawn("echo", "/count")).collect();
    let mut counts = Vec::new();
    for caller in callers {
        counts.push(text(soon(caller).await.unwrap()).parse::<u32>().unwrap());
    }
    counts.sort_unstable();
    assert_eq!(counts, (1..=50).collect::<Vec<_>>());
    assert_eq!(bed.fake.counts().peak_sandboxes, 1);
    bed.end().await;
}

#[tokio::test]
async fn i4_an_idle_sandbox_is_stopped_and_a_busy_one_is_not_idle() {
    let bed = modules();
    let mut function = bed.echo("echo");
    function.idle_timeout = Some(ms(40));
    bed.deploy(function).await;
    assert_eq!(text(bed.call("echo", "/sleep/200").await), "body");
    assert_eq!(bed.fake.counts().starts, 1);
    bed.counted("it is stopped", |counts| counts.removed == 1 && counts.living == 0).await;
    assert_eq!(text(bed.call("echo", "/count").await), "1");
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

#[tokio::test]
async fn e4_a_saturated_function_blocks_no_other() {
    let bed = modules();
    bed.deploy(bed.single("busy")).await;
    bed.deploy(bed.echo("other")).await;
    let busy: Vec<_> = (0..10).map(|_| bed.spawn("busy", "/sleep/50")).collect();
    bed.until("it is saturated", |figures| figures.active == 1 && figures.waiting == 9).await;
    assert_eq!(text(bed.call("other", "/").await), "body");
    assert!(!busy.iter().all(JoinHandle::is_finished));
    for each in busy {
        assert_eq!(text(soon(each).await.unwrap()), "body");
    }
    bed.end().await;
}

#[tokio::test]
async fn e5_a_request_that_comes_while_the_last_sandbox_idles_out_is_served() {
    let bed = containers();
    let mut function = bed.single("echo");
    function.idle_timeout = Some(ms(20));
    bed.deploy(function).await;
    text(bed.call("echo", "/").await);
    bed.fake.hold_removals();
    bed.counted("its removal hangs", |counts| counts.removing == 1).await;
    assert_eq!(text(soon(bed.call("echo", "/count")).await), "1");
    bed.fake.let_removals_go();
    bed.end().await;
}

#[tokio::test]
async fn e6_a_maximum_of_zero_is_refused_when_deployed() {
    let bed = modules();
    let mut function = bed.echo("echo");
    function.limits.max_sandboxes = 0;
    let error = bed.host.deploy(function).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    assert!(error.message().contains("max_sandboxes") && error.message().contains("echo"), "{error}");
    bed.end().await;
}

#[tokio::test]
async fn e9_a_start_is_not_the_requests_time() {
    let bed = modules();
    bed.deploy(bed.echo("echo").timeout(ms(200))).await;
    bed.fake.start_latency(ms(500));
    let outcome = bed.call("echo", "/").await;
    assert!(outcome.timings.start >= ms(500) && outcome.timings.run < ms(200), "{:?}", outcome.timings);
    assert_eq!(text(outcome), "body");
    bed.end().await;
}

#[tokio::test]
async fn e9_a_request_that_is_refused_leaves_the_boot_to_the_next() {
    let bed = containers();
    bed.deploy(bed.echo("echo").env("KILN_INIT_MS", "600").timeout(ms(300))).await;
    let mut invalid = Invocation::new("body");
    invalid.headers.push(("no token".into(), "x".into()));
    assert_eq!(error(bed.host.invoke("echo", invalid).await).kind(), ErrorKind::InvalidInput);
    let outcome = bed.call("echo", "/count").await;
    assert_eq!(outcome.start, Some(Start::Warm));
    assert_eq!(text(outcome), "1");
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

#[tokio::test]
async fn d1_w18_there_is_a_credit_for_each_job_that_ended() {
    let bed = bed(BackendKind::Docker, |host| host.memory(64 * MIB));
    bed.deploy(bed.single("echo")).await;
    bed.deploy(bed.function("faulty", "faulty").timeout(ms(50))).await;
    bed.fake.fail_starts(2, Error::unavailable("no daemon"));
    let paths = ["/ok", "/exit/1", "/stray", "/silence", "/garbage"];
    let callers: Vec<_> = (0..40)
        .map(|n| bed.spawn(if n % 2 == 0 { "echo" } else { "faulty" }, paths[n % paths.len()]))
        .collect();
    for (n, caller) in callers.into_iter().enumerate() {
        if n % 7 == 0 {
            caller.abort();
        } else {
            drop(soon(caller).await.unwrap());
        }
    }
    bed.until("all have ended", |figures| figures.waiting == 0 && figures.active == 0).await;
    assert_eq!(bed.host.credits(), bed.host.figures().ended);
    bed.end().await;
}

#[tokio::test]
async fn d5_what_can_never_fit_is_refused_at_once_with_both_figures() {
    let bed = bed(BackendKind::Docker, |host| host.memory(64 * MIB));
    bed.deploy(bed.echo("big").memory(65 * MIB)).await;
    bed.deploy(bed.echo("small")).await;
    let error = error(soon(bed.call("big", "/")).await);
    assert_eq!(error.kind(), ErrorKind::Impossible);
    for figure in [65 * MIB, 64 * MIB] {
        assert!(error.message().contains(&figure.to_string()), "{error}");
    }
    assert_eq!(text(bed.call("small", "/").await), "body", "it blocks nobody");
    bed.end().await;
}

/// SEEDS.md E8: the budget holds on the machine, not only in the books.
#[tokio::test]
async fn d7_e8_memory_is_free_when_its_removal_is_confirmed() {
    let bed = bed(BackendKind::Docker, |host| host.memory(64 * MIB));
    for name in ["one", "two", "three"] {
        bed.deploy(bed.echo(name)).await;
    }
    text(bed.call("one", "/").await);
    text(bed.call("two", "/").await);
    bed.fake.hold_removals();
    let third = bed.spawn("three", "/");
    bed.counted("one is evicted", |counts| counts.removing == 1).await;
    let counts = bed.fake.counts();
    assert_eq!((counts.starting, counts.living), (0, 2), "nothing is started in memory that isn't free");
    let figures = bed.host.figures();
    assert_eq!((figures.charged, figures.waiting), (64 * MIB, 1));
    bed.fake.let_removals_go();
    assert_eq!(text(soon(third).await.unwrap()), "body");
    assert_eq!(bed.fake.counts().peak_memory, 64 * MIB);
    bed.end().await;
}

/// Many functions, little memory, late removals: the backend never holds more than the budget.
#[tokio::test]
async fn d7_the_budget_holds_under_load() {
    const NAMES: [&str; 6] = ["a", "b", "c", "d", "e", "f"];
    let bed = bed(BackendKind::Docker, |host| host.memory(100 * MIB));
    for (name, memory) in NAMES.into_iter().zip([8, 16, 32, 32, 64, 96]) {
        bed.deploy(bed.echo(name).memory(memory * MIB)).await;
    }
    bed.fake.removal_latency(ms(2));
    let callers: Vec<_> = (0..300).map(|n| bed.spawn(NAMES[n * 7 % NAMES.len()], "/sleep/1")).collect();
    for caller in callers {
        assert_eq!(text(soon(caller).await.unwrap()), "body");
    }
    let peak = bed.fake.counts().peak_memory;
    assert!(peak <= 100 * MIB, "{peak} bytes at the backend");
    bed.end().await;
}

#[tokio::test]
async fn a_new_revision_drains_the_old_one_and_loses_no_request() {
    let bed = modules();
    bed.deploy(bed.echo("echo").env("VERSION", "0")).await;
    let done = Arc::new(AtomicBool::new(false));
    let callers: Vec<_> = (0..8)
        .map(|_| {
            let (host, done) = (bed.host.clone(), done.clone());
            tokio::spawn(async move {
                let mut calls = 0;
                while !done.load(Ordering::Relaxed) {
                    assert_eq!(text(call(&host, "echo", "/sleep/1").await), "body");
                    calls += 1;
                }
                calls
            })
        })
        .collect();
    for version in 1..=5 {
        tokio::time::sleep(ms(20)).await;
        bed.deploy(bed.echo("echo").env("VERSION", version.to_string())).await;
        let env = text(bed.call("echo", "/env").await);
        assert!(env.contains(&format!("VERSION={version}\n")), "{env}");
    }
    done.store(true, Ordering::Relaxed);
    for caller in callers {
        assert!(soon(caller).await.unwrap() > 0);
    }
    assert_eq!(bed.host.list().len(), 1);
    let idle = bed.host.list()[0].figures.idle as usize;
    bed.counted("only the last revision's live", |counts| counts.living == idle).await;
    bed.end().await;
}

#[tokio::test]
async fn an_unchanged_function_is_left_alone() {
    let bed = modules();
    let first = bed.host.deploy(bed.echo("echo")).await.unwrap();
    assert_eq!(text(bed.call("echo", "/count").await), "1");
    assert_eq!(bed.host.deploy(bed.echo("echo")).await.unwrap(), first);
    assert_eq!(text(bed.call("echo", "/count").await), "2");
    bed.end().await;
}

#[tokio::test]
async fn what_waits_for_an_undeployed_function_is_still_served() {
    let bed = modules();
    bed.deploy(bed.single("echo")).await;
    bed.fake.hold_starts();
    let waiting: Vec<_> = (0..3).map(|_| bed.spawn("echo", "/")).collect();
    bed.counted("a start hangs", |counts| counts.starting == 1).await;
    bed.until("all are there", |figures| figures.waiting + figures.starting == 3).await;
    assert!(bed.host.undeploy("_", "echo"));
    assert!(!bed.host.undeploy("_", "echo"));
    assert_eq!(error(bed.call("echo", "/").await).kind(), ErrorKind::NotFound);
    bed.fake.let_starts_go();
    for each in waiting {
        assert_eq!(text(soon(each).await.unwrap()), "body");
    }
    bed.counted("its sandbox is gone", |counts| counts.living == 0 && counts.removed == 1).await;
    bed.end().await;
}

#[tokio::test]
async fn more_than_may_wait_are_refused_and_nobody_waits_for_ever() {
    let bed = bed(BackendKind::Wasm, |host| host.max_waiting(1).max_wait(ms(200)));
    bed.deploy(bed.single("echo")).await;
    let running = bed.spawn("echo", "/sleep/1000");
    bed.until("it runs", |figures| figures.active == 1).await;
    let waiting = bed.spawn("echo", "/");
    bed.until("one waits", |figures| figures.waiting == 1).await;
    assert_eq!(error(bed.call("echo", "/").await).kind(), ErrorKind::Overloaded);
    assert_eq!(error(soon(waiting).await.unwrap()).kind(), ErrorKind::Overloaded);
    assert_eq!(text(running.await.unwrap()), "body");
    bed.end().await;
}

#[tokio::test]
async fn a_backend_that_is_away_is_told_and_used_again_when_it_is_back() {
    let bed = containers();
    bed.fake.down(Error::unavailable("no daemon"));
    bed.deploy(bed.echo("echo")).await;
    let checks = bed.host.check().await;
    assert!(matches!(&checks[..], [(BackendKind::Docker, Err(error))] if error.message() == "no daemon"));
    let error = error(bed.call("echo", "/").await);
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(error.message().contains("no daemon"), "{error}");
    bed.fake.up();
    assert_eq!(text(bed.call("echo", "/").await), "body");
    bed.end().await;
}

/// What isn't async may be called from any thread.
#[test]
fn a_function_is_undeployed_from_outside_the_runtime() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let bed = runtime.block_on(async {
        let bed = modules();
        bed.deploy(bed.echo("echo")).await;
        text(bed.call("echo", "/").await);
        bed.fake.removal_latency(ms(1));
        bed
    });
    assert!(bed.host.undeploy("_", "echo"));
    runtime.block_on(bed.end());
}

/// Hang-ups, deaths, failed starts, pauses and resumes, new revisions and other budgets, all at once.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn d7_nothing_is_lost_whatever_happens_at_once() {
    const NAMES: [&str; 4] = ["a", "b", "c", "d"];
    for kind in BackendKind::ALL {
        let bed = bed(kind, |host| host.memory(160 * MIB));
        let function = |n: usize, version: usize| {
            let guest = ["echo", "faulty"][n % 2];
            let mut function =
                bed.function(NAMES[n], guest).memory([16, 24, 16, 32][n] * MIB).timeout(ms(100));
            function.pause_after = Some(ms(2));
            function.idle_timeout = Some(ms([5, 100, 5, 400][n]));
            function.limits.max_sandboxes = 5;
            function.prewarm = (n as u32 + version as u32) % 3;
            if n == 2 {
                function.format = Format::Default;
            }
            function.env("VERSION", version.to_string())
        };
        for n in 0..4 {
            bed.deploy(function(n, 0)).await;
        }
        // One that is idle between its requests, and so paused and resumed.
        let mut calm = bed.echo("calm").memory(8 * MIB).timeout(ms(100));
        calm.pause_after = Some(ms(1));
        bed.deploy(calm).await;
        let host = bed.host.clone();
        let calm = tokio::spawn(async move {
            for _ in 0..60 {
                let _ = tokio::time::timeout(ms(4_000), call(&host, "calm", "/")).await;
                tokio::time::sleep(ms(6)).await;
            }
        });
        let mut callers: Vec<_> = (0..12usize)
            .map(|c| {
                let host = bed.host.clone();
                tokio::spawn(async move {
                    let paths =
                        ["/", "/late/3", "/sleep/2", "/count", "/exit/1", "/", "/stray", "/sleep/300"];
                    for n in 0..60usize {
                        let (name, path) = (NAMES[(n * 7 + c) % 4], paths[(n * 5 + c * 3) % paths.len()]);
                        let limit = ms([1, 3, 2_000, 4_000, 2_000][(n + c) % 5]);
                        let _ = tokio::time::timeout(limit, call(&host, name, path)).await;
                        tokio::time::sleep(ms(n as u64 % 3)).await;
                    }
                })
            })
            .collect();
        callers.push(calm);
        let mut version = 0;
        while !callers.iter().all(JoinHandle::is_finished) {
            version += 1;
            tokio::time::sleep(ms(3)).await;
            match version % 9 {
                0 => drop(bed.fake.kill_idle(Exit::Signal(9))),
                1 => drop(bed.fake.kill_idle_silently(Exit::Signal(9))),
                2 => bed.fake.fail_starts(1, Error::unavailable("no daemon")),
                3 => bed.fake.fail_resumes(1, Error::internal("frozen")),
                4 => bed.fake.fail_pauses(2, Error::internal("not frozen")),
                5 => bed.host.set_memory([100, 160, 60][version % 3] * MIB),
                6 => drop(bed.fake.kill_all(Exit::OutOfMemory)),
                7 => bed.deploy(function(version % 4, version)).await,
                _ => {
                    bed.fake.removal_latency(ms(version as u64 % 3));
                    bed.fake.start_latency(ms(version as u64 % 4));
                }
            }
        }
        for each in callers {
            each.await.unwrap();
        }
        bed.host.set_memory(160 * MIB);
        bed.fake.fail_starts(0, Error::unavailable("no daemon"));
        bed.until("all have ended", |figures| figures.waiting == 0 && figures.active == 0).await;
        let peak = bed.fake.counts().peak_memory;
        // Idle modules hold less than their limits, which is what the fake counts.
        assert!(kind == BackendKind::Wasm || peak <= 160 * MIB, "{peak} bytes at the backend");
        bed.end().await;
    }
}
