//! Memory and waiting: the budget, who waits, who is refused.

use crate::support::{bed, error, modules, ms, soon, text};
use kiln::function::MIB;
use kiln::{BackendKind, Error, ErrorKind};
use tokio::task::JoinHandle;

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
