//! Snapshots: a source function is switched over to one when it is there, and nobody notices but by the clock.

use crate::runtimes::{runtime, source};
use crate::support::{Bed, bed, call, error, ms, soon, text};
use kiln::{BackendKind, Invocation, Start};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

fn modules(ready: u32) -> Bed {
    bed(BackendKind::Wasm, |host| {
        host.runtime(runtime(BackendKind::Wasm).prewarm(BackendKind::Wasm, None, ready))
    })
}

async fn switched(bed: &Bed, name: &str) {
    let is = || bed.host.list().iter().any(|one| one.function.name == name && one.snapshot);
    soon(async {
        while !is() {
            tokio::time::sleep(ms(1)).await;
        }
    })
    .await;
}

fn is_snapshot(bed: &Bed) -> bool {
    bed.host.list()[0].snapshot
}

#[tokio::test]
async fn stem_cells_serve_until_it_is_there_and_nobody_afterwards() {
    let bed = modules(1);
    bed.fake.hold_snapshots();
    bed.until("a stem cell is ready", |it| (it.prewarmed, it.prewarming) == (1, 0)).await;
    let revision = bed.host.deploy(source("one", "a").env("A", "1")).await.unwrap();
    let outcome = bed.call("one", "/source").await;
    assert_eq!((outcome.start, text(outcome).as_str()), (Some(Start::Prewarmed), "a"));
    assert!(!is_snapshot(&bed));
    bed.fake.let_snapshots_go();
    switched(&bed, "one").await;
    bed.until("the old sandbox is gone", |it| it.idle + it.removing == 0).await;
    let outcome = bed.call("one", "/source").await;
    assert_eq!(outcome.start, Some(Start::Cold), "it has a kind of its own");
    assert_eq!(text(outcome), "a");
    assert_eq!(
        text(bed.call("one", "/count").await),
        "2",
        "it is warm, and was never initialised by the host"
    );
    let env = text(bed.call("one", "/env").await);
    assert!(env.contains("A=1\n"), "{env}");
    let listed = bed.host.list();
    assert_eq!((listed[0].revision, listed.len()), (revision, 1), "to who looks it is the same function");
    assert_eq!(bed.host.deploy(source("one", "a").env("A", "1")).await.unwrap(), revision);
    assert!(is_snapshot(&bed), "an unchanged one is left alone");
    bed.end().await;
}

#[tokio::test]
async fn an_invocations_id_reaches_a_snapshot() {
    let bed = modules(0);
    bed.deploy(source("one", "")).await;
    switched(&bed, "one").await;
    let mut invocation = Invocation::new("");
    invocation.path = "/id".into();
    let id = invocation.id.to_string();
    assert_eq!(text(bed.host.invoke("one", invocation).await), id);
    bed.end().await;
}

#[tokio::test]
async fn its_own_prewarm_follows_it() {
    let bed = modules(1);
    bed.fake.hold_snapshots();
    bed.deploy(source("one", "a").prewarm(2)).await;
    bed.until("three stem cells are ready", |it| (it.prewarmed, it.prewarming) == (3, 0)).await;
    bed.fake.let_snapshots_go();
    switched(&bed, "one").await;
    // Two of its own, and the runtime's one.
    bed.counted("the others are gone", |it| it.removed == 2 && it.living == 3).await;
    bed.until("they are ready", |it| (it.prewarmed, it.prewarming) == (3, 0)).await;
    let outcome = bed.call("one", "/source").await;
    assert_eq!((outcome.start, text(outcome).as_str()), (Some(Start::Prewarmed), "a"));
    bed.end().await;
}

#[tokio::test]
async fn no_request_is_lost_when_it_takes_over() {
    let bed = modules(2);
    for round in 0..5 {
        bed.fake.hold_snapshots();
        let code = format!("round {round}");
        bed.deploy(source("one", &code)).await;
        let done = Arc::new(AtomicBool::new(false));
        let callers: Vec<_> = (0..8)
            .map(|_| {
                let (host, done, code) = (bed.host.clone(), done.clone(), code.clone());
                tokio::spawn(async move {
                    let mut calls = 0;
                    while !done.load(Ordering::Relaxed) {
                        assert_eq!(text(call(&host, "one", "/source").await), code);
                        assert_eq!(text(call(&host, "one", "/sleep/1").await), "body");
                        calls += 1;
                    }
                    calls
                })
            })
            .collect();
        tokio::time::sleep(ms(10)).await;
        bed.fake.let_snapshots_go();
        switched(&bed, "one").await;
        tokio::time::sleep(ms(10)).await;
        done.store(true, Ordering::Relaxed);
        for caller in callers {
            assert!(soon(caller).await.unwrap() > 0);
        }
    }
    bed.end().await;
}

#[tokio::test]
async fn what_can_not_be_snapshotted_is_served_as_without() {
    let bed = modules(0);
    bed.deploy(source("broken", "error no main")).await;
    let message = error(bed.call("broken", "/").await).message().to_owned();
    assert_eq!(message, "broken:1: no main");
    assert!(!is_snapshot(&bed));
    let containers = self::bed(BackendKind::Docker, |host| host.runtime(runtime(BackendKind::Docker)));
    containers.deploy(source("one", "a")).await;
    assert_eq!(text(containers.call("one", "/source").await), "a");
    assert_eq!(containers.fake.counts().snapshots, 0);
    containers.end().await;
    bed.end().await;
}

#[tokio::test]
async fn none_is_taken_where_that_was_said() {
    let bed = modules(0);
    let mut function = source("one", "a");
    function.code.source.as_mut().unwrap().snapshot = false;
    bed.deploy(function).await;
    let off = self::bed(BackendKind::Wasm, |host| host.snapshots(false).runtime(runtime(BackendKind::Wasm)));
    off.deploy(source("one", "a")).await;
    for bed in [bed, off] {
        assert_eq!(text(bed.call("one", "/source").await), "a");
        tokio::time::sleep(ms(20)).await;
        assert_eq!((is_snapshot(&bed), bed.fake.counts().snapshots), (false, 0));
        bed.end().await;
    }
}

#[tokio::test]
async fn one_that_comes_too_late_is_dropped() {
    let bed = modules(0);
    bed.fake.hold_snapshots();
    bed.deploy(source("one", "a")).await;
    bed.deploy(source("one", "b")).await;
    bed.deploy(source("two", "c")).await;
    assert!(bed.host.undeploy("_", "two"));
    bed.fake.let_snapshots_go();
    switched(&bed, "one").await;
    assert_eq!(text(bed.call("one", "/source").await), "b");
    tokio::time::sleep(ms(20)).await;
    assert_eq!((bed.fake.counts().snapshots, bed.host.list().len()), (1, 1), "the others were stopped");
    bed.fake.hold_snapshots();
    bed.deploy(source("three", "d")).await;
    // A host that drains doesn't wait for it.
    bed.end().await;
}
