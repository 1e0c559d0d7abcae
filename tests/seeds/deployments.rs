//! Functions that come, change and go.

use crate::support::{call, error, modules, ms, soon, text};
use kiln::ErrorKind;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

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
