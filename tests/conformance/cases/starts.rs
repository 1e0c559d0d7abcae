//! How a sandbox comes to be: each kind of start is told truly, and a start that fails says why.

use crate::bench::{Bench, request};
use kiln::function::MIB;
use kiln::pool::Figures;
use kiln::{BackendKind, ErrorKind, Format, Start};
use std::time::Duration;

/// SEEDS.md W9; and the rest of what an outcome tells.
pub async fn w9_cold_then_warm(bench: &mut Bench) {
    bench.deploy(bench.echo("echo")).await;
    for first in [true, false] {
        let invocation = request(bench.format, "/", "x");
        let id = invocation.id;
        let outcome = bench.host.invoke("echo", invocation).await;
        let warm = !first && bench.format.is_streaming();
        assert_eq!(outcome.start, Some(if warm { Start::Warm } else { Start::Cold }));
        assert_eq!((outcome.id, outcome.backend), (id, Some(bench.kind())));
        assert!(!outcome.timings.run.is_zero());
        assert!(warm || !outcome.timings.start.is_zero(), "{:?}", outcome.timings);
        crate::bench::reply(outcome);
    }
}

/// Whether one was started ahead, as the pool knows it: the backend knows of a sandbox before its start has returned.
fn is_ready(figures: &Figures) -> bool {
    (figures.prewarmed, figures.prewarming) == (1, 0)
}

/// SEEDS.md W4, W8, W9.
pub async fn w9_prewarmed(bench: &mut Bench) {
    bench.deploy(bench.echo("echo").prewarm(1)).await;
    if bench.format == Format::Default && !bench.subject.prewarms_oneshot() {
        // Its container can't start before its request is known: the declaration has no effect.
        let outcome = bench.invoke("echo", "/", "x").await;
        assert_eq!(outcome.start, Some(Start::Cold));
        return;
    }
    bench.until("it is there", is_ready).await;
    let outcome = bench.invoke("echo", "/count", "").await;
    assert_eq!(outcome.start, Some(Start::Prewarmed));
    assert_eq!(&crate::bench::reply(outcome).body[..], b"1");
    bench.until("its replacement is there", |figures| figures.prewarmed == 1).await;
}

/// SEEDS.md W7, W9: there is room for one.
pub async fn w9_recreated(bench: &mut Bench) {
    bench.rebuild(|host| host.memory(32 * MIB)).await;
    for name in ["one", "two"] {
        bench.deploy(bench.echo(name)).await;
    }
    assert_eq!(bench.invoke("one", "/", "x").await.start, Some(Start::Cold));
    for name in ["two", "one"] {
        let outcome = bench.invoke(name, "/count", "").await;
        assert_eq!(outcome.start, Some(Start::Recreated));
        assert_eq!(&crate::bench::reply(outcome).body[..], b"1");
    }
    assert_eq!(bench.host.figures().evicted, 2);
}

/// SEEDS.md W7, W9: what was started ahead takes of the budget only when it is used.
pub async fn w9_recreated_prewarm(bench: &mut Bench) {
    bench.rebuild(|host| host.memory(32 * MIB).prewarm_outside_budget(true)).await;
    bench.deploy(bench.echo("one")).await;
    assert_eq!(bench.invoke("one", "/", "x").await.start, Some(Start::Cold));
    bench.deploy(bench.echo("two").prewarm(1)).await;
    bench.until("it is there", is_ready).await;
    let outcome = bench.invoke("two", "/", "x").await;
    assert_eq!(outcome.start, Some(Start::RecreatedPrewarm));
    crate::bench::reply(outcome);
}

/// SEEDS.md W22: all who wait for it are told the same.
pub async fn w22_a_failed_initialisation_is_told(bench: &mut Bench) {
    for (init, kind) in [
        ("exit", ErrorKind::FunctionFailed),
        ("trap", ErrorKind::FunctionFailed),
        ("hog", ErrorKind::OutOfMemory),
    ] {
        let mut function = bench.faulty(init).env("KILN_INIT", init);
        function.limits.max_sandboxes = 1;
        bench.deploy(function).await;
        let callers: Vec<_> = (0..3)
            .map(|_| {
                let (host, invocation) = (bench.host.clone(), request(bench.format, "/", ""));
                tokio::spawn(async move { host.invoke(init, invocation).await })
            })
            .collect();
        for caller in callers {
            let error = caller.await.unwrap().result.unwrap_err();
            assert_eq!(error.kind(), kind, "{init}: {error}");
            assert!(init != "exit" || error.message().contains(&bench.exit_code(3)), "{error}");
        }
    }
}

/// SEEDS.md W22, of formats whose guests are told which function they are: the fixture refuses a second `/init` with 403, as
/// OpenWhisk's runtimes do, and so would fail the second request. One that was started ahead has been told before its first.
pub async fn w22_it_is_initialised_once(bench: &mut Bench) {
    bench.deploy(bench.echo("echo").prewarm(1)).await;
    bench.until("it is there", is_ready).await;
    for start in [Start::Prewarmed, Start::Warm, Start::Warm] {
        let outcome = bench.invoke("echo", "/", "x").await;
        assert_eq!(outcome.start, Some(start));
        assert_eq!(&crate::bench::reply(outcome).body[..], b"x");
    }
}

/// A start has its own time limit; where the backend can't tell it from the request, the request's.
pub async fn an_initialisation_without_end_times_out(bench: &mut Bench) {
    let mut function = bench.faulty("faulty").env("KILN_INIT", "loop").timeout(Duration::from_secs(1));
    function.limits.start_timeout = Duration::from_secs(1);
    bench.deploy(function).await;
    let error = bench.error("faulty", "/ok", "").await;
    assert_eq!(error.kind(), ErrorKind::TimedOut, "{error}");
}

/// SEEDS.md E9.
pub async fn e9_initialisation_is_not_the_requests_time(bench: &mut Bench) {
    let says = bench.format == Format::Frame || bench.format.is_served();
    if bench.kind() == BackendKind::Docker && !says {
        // Only `frame` says when the initialisation is done, and a server by listening: in the others a container's first
        // reply is the first that is heard of it. Its own start doesn't count, which every other case relies on.
        eprintln!("not on containers: `{}` doesn't say when its initialisation is done", bench.format);
        return;
    }
    bench.deploy(bench.echo("echo").env("KILN_INIT_MS", "2500").timeout(Duration::from_millis(1500))).await;
    let outcome = bench.invoke("echo", "/", "x").await;
    assert!(outcome.timings.run < Duration::from_millis(1500), "{:?}", outcome.timings);
    assert_eq!(&crate::bench::reply(outcome).body[..], b"x");
}
