//! Which sandbox a request gets, and how it was started.

use crate::support::{bed, containers, error, modules, ms, soon, text};
use kiln::backend::Exit;
use kiln::function::MIB;
use kiln::{BackendKind, Error, ErrorKind, Invocation, Start};

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
