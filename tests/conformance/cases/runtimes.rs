//! Source functions: stem cells are a function's once they are taken, load its code once, and say what is wrong with it.

use crate::bench::{Bench, reply};
use crate::subject::Program;
use kiln::{ErrorKind, Function, Start};
use std::time::Duration;

/// The runtime on a host that keeps so many stem cells ready; `None` where the subject has none.
async fn with_stem_cells(bench: &mut Bench, count: u32) -> Option<()> {
    let runtime = match bench.subject.runtime().await {
        Ok(runtime) => runtime,
        Err(why) => {
            bench.skip(&why);
            return None;
        }
    };
    let kind = bench.kind();
    bench.language.clone_from(&runtime.name);
    bench.rebuild(|host| host.runtime(runtime.prewarm(kind, None, count))).await;
    are_ready(bench, count).await;
    Some(())
}

async fn are_ready(bench: &Bench, count: u32) {
    let reached = |prewarmed: usize, prewarming: usize| (prewarmed, prewarming) == (count as usize, 0);
    bench.until("the stem cells are ready", |it| reached(it.prewarmed, it.prewarming)).await;
}

fn source(bench: &Bench, name: &str, program: Program) -> Function {
    let code = bench.subject.source(program);
    let mut function = Function::source(name, &bench.language, code).timeout(crate::bench::HANG);
    function.code.source.as_mut().unwrap().file = "fn.src".into();
    function
}

/// SEEDS.md W3, W8.
pub async fn w3_w8_stem_cells_serve_any_function(bench: &mut Bench) {
    let Some(()) = with_stem_cells(bench, 1).await else { return };
    for name in ["one", "two"] {
        bench.deploy(source(bench, name, Program::Echo)).await;
        let body = format!(r#"{{"name":"{name}"}}"#);
        for start in [Start::Prewarmed, Start::Warm] {
            let outcome = bench.invoke(name, "/", body.clone()).await;
            assert_eq!(outcome.start, Some(start));
            assert_eq!(reply(outcome).body, body);
        }
        are_ready(bench, 1).await;
    }
}

/// SEEDS.md W22: what the code keeps stays from one request to the next.
pub async fn w22_the_code_is_loaded_once(bench: &mut Bench) {
    let Some(()) = with_stem_cells(bench, 0).await else { return };
    bench.deploy(source(bench, "count", Program::Count)).await;
    for count in 1..=20 {
        let outcome = bench.invoke("count", "/", "{}").await;
        assert_eq!(outcome.start == Some(Start::Cold), count == 1);
        assert!(count > 1 || !outcome.phases.init.is_zero(), "{:?}", outcome.phases);
        assert_eq!(reply(outcome).body, format!(r#"{{"count":{count}}}"#));
    }
}

/// SEEDS.md W2: neither what is kept nor the environment.
pub async fn w2_functions_share_nothing(bench: &mut Bench) {
    let Some(()) = with_stem_cells(bench, 2).await else { return };
    for (namespace, level) in [("a", Some("info")), ("b", None)] {
        for (name, program) in [("count", Program::Count), ("env", Program::Env)] {
            let mut function = source(bench, name, program);
            function.namespace = namespace.into();
            function.env.extend(level.map(|level| ("LEVEL".to_owned(), level.to_owned())));
            bench.deploy(function).await;
        }
    }
    for round in 1..=3 {
        for (namespace, level) in [("a", r#""info""#), ("b", "null")] {
            for (name, expected) in
                [("count", format!(r#"{{"count":{round}}}"#)), ("env", format!(r#"{{"LEVEL":{level}}}"#))]
            {
                let asked = bench.host.invoke_in(namespace, name, kiln::Invocation::new("{}")).await;
                assert_eq!(reply(asked).body, expected, "{namespace}/{name}");
            }
        }
    }
}

/// SEEDS.md W22: with file and line; each of its sandboxes is removed.
pub async fn w22_an_error_in_the_code_is_told(bench: &mut Bench) {
    let Some(()) = with_stem_cells(bench, 0).await else { return };
    bench.deploy(source(bench, "broken", Program::Broken)).await;
    for _ in 0..2 {
        let error = bench.error("broken", "/", "{}").await;
        assert_eq!(error.kind(), ErrorKind::FunctionFailed, "{error}");
        assert!(error.message().contains("broken") && error.message().contains("fn.src:2"), "{error}");
    }
    bench.until("nothing is charged", |figures| figures.charged == 0).await;
}

pub async fn code_that_never_loads_times_out(bench: &mut Bench) {
    let Some(()) = with_stem_cells(bench, 1).await else { return };
    let mut endless = source(bench, "endless", Program::Endless);
    endless.limits.start_timeout = Duration::from_millis(300);
    bench.deploy(endless).await;
    let error = bench.error("endless", "/", "{}").await;
    assert_eq!(error.kind(), ErrorKind::TimedOut, "{error}");
    are_ready(bench, 1).await;
    bench.until("its sandbox is gone", |it| it.active + it.idle + it.removing == 0).await;
}
