//! Runtimes: stem cells that are kept ready, become a function's, and load its code once.

use crate::support::{Bed, bed, error, ms, soon, text};
use kiln::backend::Exit;
use kiln::function::MIB;
use kiln::invocation::Outcome;
use kiln::runtime::Prewarm;
use kiln::{BackendKind, ErrorKind, Format, Function, Invocation, Runtime, Start};

const MEMORY: u64 = 32 * MIB;

pub(crate) fn runtime(kind: BackendKind) -> Runtime {
    let runtime = Runtime::new("lines").kind("lines:default").memory(MEMORY);
    match kind {
        BackendKind::Wasm => runtime.wasm(kiln::function::Module::Bytes("runtime".into())),
        BackendKind::Docker => runtime.image("runtime"),
    }
}

/// A host with one runtime, of which so many stem cells are kept ready.
fn with_runtime(kind: BackendKind, ready: u32) -> Bed {
    bed(kind, |host| host.snapshots(false).runtime(runtime(kind).prewarm(kind, None, ready)))
}

pub(crate) fn source(name: &str, code: &str) -> Function {
    Function::source(name, "lines", code.to_owned())
}

async fn call_in(bed: &Bed, namespace: &str, name: &str, path: &str, body: &str) -> Outcome {
    let mut invocation = Invocation::new(body.to_owned());
    invocation.path = path.into();
    bed.host.invoke_in(namespace, name, invocation).await
}

async fn ready(bed: &Bed, stems: usize) {
    bed.until("the stem cells are ready", |it| (it.prewarmed, it.prewarming) == (stems, 0)).await;
}

#[tokio::test]
async fn w3_w4_w8_stem_cells_serve_any_function_of_their_runtime_and_are_replaced() {
    for kind in BackendKind::ALL {
        let bed = with_runtime(kind, 2);
        ready(&bed, 2).await;
        for (name, code) in [("one", "a"), ("two", "b"), ("three", "c")] {
            bed.deploy(source(name, code)).await;
            let outcome = bed.call(name, "/source").await;
            assert_eq!(outcome.start, Some(Start::Prewarmed), "{name}");
            assert_eq!(text(outcome), code);
            ready(&bed, 2).await;
            assert_eq!(bed.call(name, "/").await.start, Some(Start::Warm));
        }
        assert_eq!(bed.fake.counts().prepared, 1, "its program is shared");
        bed.end().await;
    }
}

#[tokio::test]
async fn w8_the_memory_has_to_match() {
    let bed = with_runtime(BackendKind::Wasm, 1);
    ready(&bed, 1).await;
    bed.deploy(source("more", "").memory(MEMORY + MIB)).await;
    assert_eq!(bed.call("more", "/").await.start, Some(Start::Cold));
    bed.deploy(source("same", "").memory(MEMORY)).await;
    assert_eq!(bed.call("same", "/").await.start, Some(Start::Prewarmed));
    bed.end().await;
}

/// What functions ask for needn't be known beforehand.
#[tokio::test]
async fn w8_one_is_kept_ready_of_each_memory_that_functions_ask_for() {
    let bed =
        bed(BackendKind::Wasm, |host| host.snapshots(false).runtime(runtime(BackendKind::Wasm).ready(1)));
    for (at, (name, memory)) in
        [("one", MEMORY), ("two", 2 * MEMORY), ("three", 2 * MEMORY)].into_iter().enumerate()
    {
        bed.deploy(source(name, "").memory(memory)).await;
        ready(&bed, if at == 0 { 1 } else { 2 }).await;
        assert_eq!(bed.call(name, "/").await.start, Some(Start::Prewarmed), "{name}");
    }
    bed.end().await;
    // A container is charged all of its memory: nobody is asked for that unless it is said.
    let containers =
        self::bed(BackendKind::Docker, |host| host.runtime(runtime(BackendKind::Docker).ready(1)));
    containers.deploy(source("one", "")).await;
    assert_eq!(containers.call("one", "/").await.start, Some(Start::Cold));
    containers.end().await;
}

#[tokio::test]
async fn w3_a_functions_own_prewarm_adds_to_its_runtimes() {
    let bed = with_runtime(BackendKind::Wasm, 1);
    ready(&bed, 1).await;
    bed.deploy(source("one", "a").prewarm(2)).await;
    ready(&bed, 3).await;
    bed.deploy(source("one", "b").prewarm(2)).await;
    ready(&bed, 3).await;
    assert_eq!(bed.fake.counts().starts, 3, "a new revision wants what the old one wanted");
    bed.deploy(source("two", "c").prewarm(1).memory(MEMORY)).await;
    ready(&bed, 4).await;
    bed.host.undeploy("_", "one");
    ready(&bed, 2).await;
    bed.host.undeploy("_", "two");
    ready(&bed, 1).await;
    bed.end().await;
}

#[tokio::test]
async fn w2_a_claimed_stem_cell_is_nobody_elses() {
    let bed = with_runtime(BackendKind::Wasm, 0);
    for (namespace, name) in [("a", "keep"), ("b", "keep"), ("a", "other")] {
        let mut function = source(name, "x").env("WHOSE", format!("{namespace}/{name}"));
        function.namespace = namespace.into();
        bed.deploy(function).await;
    }
    for round in 0..3 {
        for (namespace, name) in [("a", "keep"), ("b", "keep"), ("a", "other")] {
            let own = format!("{namespace}/{name}");
            let before = text(call_in(&bed, namespace, name, "/keep", &own).await);
            assert_eq!(before, if round == 0 { "" } else { &own });
            let env = text(call_in(&bed, namespace, name, "/env", "").await);
            assert_eq!(env.matches("WHOSE=").count(), 1, "{env}");
            assert!(env.contains(&format!("WHOSE={own}\n")), "{env}");
            let names: serde_json::Value =
                serde_json::from_str(&text(call_in(&bed, namespace, name, "/names", "").await)).unwrap();
            let expected =
                serde_json::json!({ "namespace": namespace, "name": name, "main": "main", "file": name });
            assert_eq!(names, expected);
        }
    }
    assert_eq!(bed.fake.counts().starts, 3);
    bed.end().await;
}

#[tokio::test]
async fn w22_its_code_is_loaded_once_and_the_time_is_the_starts() {
    for kind in BackendKind::ALL {
        let bed = with_runtime(kind, 1);
        ready(&bed, 1).await;
        // Loading takes longer than a request may (E9).
        bed.deploy(source("slow", "sleep 600").timeout(ms(500))).await;
        let outcome = bed.call("slow", "/count").await;
        assert_eq!(outcome.start, Some(Start::Prewarmed));
        assert!(outcome.phases.init >= ms(600), "{:?}", outcome.phases);
        assert!(outcome.timings.start >= ms(600), "{:?}", outcome.timings);
        assert_eq!(text(outcome), "1");
        let outcome = bed.call("slow", "/count").await;
        assert!(outcome.timings.start.is_zero(), "{:?}", outcome.timings);
        assert!(outcome.phases.init >= ms(600), "it tells of its sandbox's start");
        assert_eq!(text(outcome), "2");
        bed.end().await;
    }
}

#[tokio::test]
async fn w22_a_cold_start_loads_it_too() {
    for kind in BackendKind::ALL {
        let bed = with_runtime(kind, 0);
        bed.deploy(source("slow", "sleep 600").timeout(ms(500))).await;
        let outcome = bed.call("slow", "/").await;
        assert_eq!(outcome.start, Some(Start::Cold));
        assert!(outcome.phases.init >= ms(600) && outcome.timings.start >= ms(600), "{:?}", outcome.phases);
        assert_eq!(text(outcome), "body");
        bed.end().await;
    }
}

#[tokio::test]
async fn w22_an_error_in_the_code_is_the_callers_with_file_line_and_last_words() {
    for kind in BackendKind::ALL {
        let bed = with_runtime(kind, 1);
        ready(&bed, 1).await;
        let mut broken = source("broken", "log before\nerror no main");
        broken.code.source.as_mut().unwrap().file = "broken.lines".into();
        bed.deploy(broken).await;
        for _ in 0..2 {
            let error = error(bed.call("broken", "/").await);
            assert_eq!(error.kind(), ErrorKind::FunctionFailed);
            assert_eq!(error.message(), "broken.lines:2: no main");
            assert_eq!(error.logs(), ["before"]);
        }
        bed.until("each is removed", |figures| figures.active + figures.idle + figures.removing == 0).await;
        bed.end().await;
    }
}

#[tokio::test]
async fn w22_one_that_dies_while_it_loads_says_how() {
    for (code, kind) in [("exit 7", ErrorKind::FunctionFailed), ("trap", ErrorKind::FunctionFailed)] {
        let bed = with_runtime(BackendKind::Wasm, 0);
        bed.deploy(source("dies", code)).await;
        let error = error(bed.call("dies", "/").await);
        assert_eq!(error.kind(), kind, "{error}");
        assert!(error.message().contains(if code == "trap" { "trapped" } else { "code 7" }), "{error}");
        bed.end().await;
    }
}

#[tokio::test]
async fn e1_one_that_answers_nonsense_is_poisoned_at_once() {
    let bed = with_runtime(BackendKind::Wasm, 0);
    bed.deploy(source("stray", "stray")).await;
    let error = error(bed.call("stray", "/").await);
    assert!(error.message().contains("broke its format"), "{error}");
    bed.counted("it is gone", |counts| counts.removed == 1 && counts.living == 0).await;
    bed.end().await;
}

#[tokio::test]
async fn one_that_never_loads_is_ended_by_its_start_timeout() {
    for kind in BackendKind::ALL {
        let bed = with_runtime(kind, 0);
        let mut silent = source("silent", "silence");
        silent.limits.start_timeout = ms(50);
        bed.deploy(silent).await;
        let error = error(soon(bed.call("silent", "/")).await);
        assert_eq!(error.kind(), ErrorKind::TimedOut);
        assert!(error.message().contains("`start_timeout`"), "{error}");
        bed.counted("it is gone", |counts| counts.removed == 1 && counts.living == 0).await;
        bed.end().await;
    }
}

#[tokio::test]
async fn e10_a_caller_that_goes_away_while_it_loads_leaves_nothing() {
    let bed = with_runtime(BackendKind::Wasm, 0);
    bed.deploy(source("silent", "silence")).await;
    let call = bed.spawn("silent", "/");
    bed.until("it loads", |figures| figures.active == 1).await;
    tokio::time::sleep(ms(20)).await;
    call.abort();
    bed.counted("it is gone", |counts| counts.removed == 1 && counts.living == 0).await;
    bed.until("so is its charge", |figures| figures.charged == 0).await;
    bed.end().await;
}

/// It may be found dead, or die as it is written to: either way another one serves.
#[tokio::test]
async fn w17_a_dead_stem_cell_costs_nobody_a_request() {
    let bed = with_runtime(BackendKind::Docker, 1);
    ready(&bed, 1).await;
    bed.deploy(source("one", "")).await;
    bed.fake.kill_idle_silently(Exit::Signal(9));
    let outcome = bed.call("one", "/").await;
    assert_eq!(text(outcome), "body");
    bed.end().await;
}

#[tokio::test]
async fn a_stem_cell_on_its_way_is_claimed_and_waited_for() {
    let bed = bed(BackendKind::Wasm, |host| host.snapshots(false).runtime(runtime(BackendKind::Wasm)));
    bed.fake.hold_starts();
    bed.deploy(source("one", "a").prewarm(1)).await;
    bed.counted("it starts", |counts| counts.starting == 1).await;
    let call = bed.spawn("one", "/source");
    bed.until("it is claimed", |figures| figures.starting == 1).await;
    bed.fake.let_starts_go();
    assert_eq!(text(soon(call).await.unwrap()), "a");
    bed.end().await;
}

/// The grant may come at the moment that its caller goes: the sandbox is the function's then, and has no code yet.
#[tokio::test]
async fn a_claimed_stem_cell_that_saw_no_request_still_loads_its_code() {
    let bed = bed(BackendKind::Wasm, |host| host.snapshots(false).runtime(runtime(BackendKind::Wasm)));
    let mut one = source("one", "a");
    one.limits.max_sandboxes = 1;
    bed.deploy(one).await;
    bed.fake.hold_starts();
    let gone = bed.spawn("one", "/source");
    bed.counted("it starts", |counts| counts.starting == 1).await;
    gone.abort();
    bed.until("it waits no more", |figures| figures.waiting == 0).await;
    bed.fake.let_starts_go();
    bed.until("it is a spare", |figures| figures.idle == 1).await;
    let outcome = bed.call("one", "/source").await;
    assert_eq!((outcome.start, bed.fake.counts().starts), (Some(Start::Warm), 1));
    assert_eq!(text(outcome), "a");
    bed.end().await;
}

#[tokio::test]
async fn the_invocations_id_reaches_the_function() {
    let bed = with_runtime(BackendKind::Wasm, 0);
    bed.deploy(source("one", "")).await;
    let mut invocation = Invocation::new("");
    invocation.path = "/id".into();
    let id = invocation.id.to_string();
    assert_eq!(text(bed.host.invoke("one", invocation).await), id);
    bed.end().await;
}

#[tokio::test]
async fn a_new_revision_of_the_source_is_what_answers_next() {
    let bed = with_runtime(BackendKind::Wasm, 1);
    let first = bed.host.deploy(source("one", "a")).await.unwrap();
    assert_eq!(text(bed.call("one", "/source").await), "a");
    assert_eq!(bed.host.deploy(source("one", "a")).await.unwrap(), first);
    assert_ne!(bed.host.deploy(source("one", "b")).await.unwrap(), first);
    assert_eq!(text(bed.call("one", "/source").await), "b");
    bed.end().await;
}

#[tokio::test]
async fn a_deployed_one_shows_what_its_runtime_decided() {
    let bed = with_runtime(BackendKind::Docker, 0);
    bed.deploy(source("one", "a")).await;
    let mut by_kind = source("two", "a");
    by_kind.code.source.as_mut().unwrap().runtime = "lines:default".into();
    bed.deploy(by_kind).await;
    for one in bed.host.list() {
        assert_eq!((one.backend, one.memory), (BackendKind::Docker, MEMORY));
        assert_eq!((one.function.format, one.function.backend), (Format::Frame, Some(BackendKind::Docker)));
        // What `list` gives can be deployed again, and is the same.
        assert_eq!(bed.host.deploy((*one.function).clone()).await.unwrap(), one.revision);
    }
    assert_eq!(bed.host.runtimes()[0].name, "lines");
    bed.end().await;
}

#[tokio::test]
async fn what_can_not_be_is_said_when_it_is_deployed() {
    let bed = with_runtime(BackendKind::Wasm, 0);
    let refused = |change: fn(&mut Function)| {
        let mut function = source("one", "a");
        change(&mut function);
        let deployed = bed.host.deploy(function);
        async move {
            let error = deployed.await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
            error.message().to_owned()
        }
    };
    let unknown = refused(|it| it.code.source.as_mut().unwrap().runtime = "ruby".into()).await;
    assert!(unknown.contains(r#"no runtime "ruby": give one of "lines", "lines:default""#), "{unknown}");
    let missing = refused(|it| it.backend = Some(BackendKind::Docker)).await;
    assert!(missing.contains(r#"runtime "lines" has no image"#), "{missing}");
    let format = refused(|it| it.format = Format::Json).await;
    assert!(format.contains("can't carry source"), "{format}");
    let large = refused(|it| {
        it.env.insert("BIG".into(), "x".repeat(70_000));
    });
    assert!(large.await.contains("environment takes"));
    let file = refused(|it| {
        it.code.source.as_mut().unwrap().code = kiln::function::Module::File("/nowhere/x.lines".into());
    });
    assert!(file.await.contains("/nowhere/x.lines"));
    bed.end().await;
}

#[tokio::test]
async fn a_runtime_that_can_not_be_is_refused_when_the_host_is_built() {
    let build = |set: fn(kiln::HostBuilder) -> kiln::HostBuilder| {
        set(kiln::Host::builder().memory(MEMORY)).build().err().map(|error| error.message().to_owned())
    };
    let wasm = || runtime(BackendKind::Wasm);
    assert_eq!(build(|host| host.snapshots(false).runtime(runtime(BackendKind::Wasm))), None);
    let nameless = build(|host| host.runtime(Runtime::new("js"))).unwrap();
    assert!(nameless.contains(r#"runtime "js": it has no code"#), "{nameless}");
    let twice = build(|host| {
        let (mut a, b) = (runtime(BackendKind::Wasm), runtime(BackendKind::Wasm));
        a.name = "other".into();
        host.runtime(a).runtime(b)
    });
    assert!(twice.unwrap().contains(r#"two runtimes are called "lines:default""#));
    let mut odd = wasm();
    odd.prewarm.push(Prewarm { backend: BackendKind::Docker, memory: None, count: 1 });
    assert!(odd.validate().is_err());
}
