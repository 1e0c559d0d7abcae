//! Sandboxes at rest: paused, stopped, dead.

use crate::support::{bed, containers, error, modules, ms, soon, text};
use kiln::backend::Exit;
use kiln::function::MIB;
use kiln::{BackendKind, Error, ErrorKind, Format, Start};

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
