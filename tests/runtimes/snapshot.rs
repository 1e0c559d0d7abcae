//! Snapshots: the code is loaded once and for all, and what must not be shared isn't.

use crate::support::{Bed, HANG, bed, cache, result, source};
use kiln::{BackendKind, ErrorKind, Start};
use serde_json::json;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

fn with_snapshots(stems: u32) -> Option<Bed> {
    bed(cache(), |host, js| host.runtime(js.prewarm(BackendKind::Wasm, None, stems)))
}

async fn switched(bed: &Bed, name: &str) {
    let is = || bed.host.list().iter().any(|one| one.function.name == name && one.snapshot);
    let waited = async {
        while !is() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(HANG, waited).await.expect("no snapshot is taken");
}

fn millis() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as f64
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_has_loaded_the_code_and_its_environment() {
    let Some(bed) = with_snapshots(1) else { return };
    let code = "const table = Array.from({ length: 1000 }, (_, i) => i * i);\nlet n = 0;\n\
        function main({ i }) { return { n: ++n, square: table[i], LEVEL: process.env.LEVEL, id: process.env.__OW_ACTIVATION_ID } }";
    bed.host.deploy(source("squares", code).env("LEVEL", "info")).await.unwrap();
    let expected = |n, id: &str| json!({ "n": n, "square": 49, "LEVEL": "info", "id": id });
    let outcome = bed.call("squares", &json!({ "i": 7 })).await;
    let id = outcome.id.to_string();
    assert_eq!(result(outcome), expected(1, &id), "it is served meanwhile");
    switched(&bed, "squares").await;
    bed.until("the stem cell is gone", |it| it.idle + it.removing == 0).await;
    for (n, start) in [(1, Start::Cold), (2, Start::Warm)] {
        let outcome = bed.call("squares", &json!({ "i": 7 })).await;
        let id = outcome.id.to_string();
        assert_eq!(outcome.start, Some(start));
        assert_eq!(result(outcome), expected(n, &id));
    }
    bed.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clones_share_no_random_seed_and_no_clock() {
    let Some(bed) = with_snapshots(0) else { return };
    let code = "const loaded = Math.random();\nfunction main() {\n  const bytes = crypto.getRandomValues(new Uint8Array(8));\n\
        return { loaded, random: Math.random(), bytes: [...bytes], date: Date.now(), fresh: new Date().getTime(), clock: performance.now(), origin: performance.timeOrigin } }";
    let mut function = source("chance", code);
    // A clone for each request.
    function.limits.max_uses = Some(1);
    bed.host.deploy(function).await.unwrap();
    switched(&bed, "chance").await;
    let mut seen = Vec::new();
    for _ in 0..4 {
        let before = millis();
        let got = result(bed.call("chance", &json!({})).await);
        let after = millis();
        for date in [&got["date"], &got["fresh"]] {
            let date = date.as_f64().unwrap();
            assert!((before - 1.0..=after + 1.0).contains(&date), "{before} {date} {after}");
        }
        // The clock began with this clone, and not with the one that loaded the code.
        let (origin, clock) = (got["origin"].as_f64().unwrap(), got["clock"].as_f64().unwrap());
        assert!(origin >= before - 2.0 && clock >= 0.0 && origin + clock <= after + 2.0, "{got}");
        tokio::time::sleep(Duration::from_millis(3)).await;
        seen.push(got);
    }
    for (at, one) in seen.iter().enumerate() {
        assert_eq!(one["loaded"], seen[0]["loaded"], "what the code drew as it was loaded is in all of them");
        for other in &seen[..at] {
            assert_ne!(one["random"], other["random"]);
            assert_ne!(one["bytes"], other["bytes"]);
            assert_ne!(one["origin"], other["origin"]);
        }
    }
    bed.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn code_that_does_not_load_is_told_as_without() {
    let Some(bed) = with_snapshots(0) else { return };
    let mut broken = source("broken", "\nthrow new Error('at load')");
    broken.code.source.as_mut().unwrap().file = "broken.js".into();
    bed.host.deploy(broken).await.unwrap();
    let mut endless = source("endless", "for (;;) {}");
    endless.limits.start_timeout = Duration::from_millis(200);
    bed.host.deploy(endless).await.unwrap();
    for _ in 0..2 {
        let error = bed.call("broken", &json!({})).await.result.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::FunctionFailed);
        assert!(error.message().contains("broken.js:2") && error.message().contains("at load"), "{error}");
        let error = bed.call("endless", &json!({})).await.result.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TimedOut);
    }
    // Its turn comes after theirs.
    bed.host.deploy(source("sound", "function main() { return {} }")).await.unwrap();
    switched(&bed, "sound").await;
    assert_eq!(bed.host.list().iter().filter(|one| one.snapshot).count(), 1);
    bed.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_next_process_finds_it_in_the_cache() {
    let own = tempfile::tempdir().unwrap();
    let dir = own.path().join("cache");
    let open = || bed(dir.clone(), |host, js| host.runtime(js));
    let mut drawn = Vec::new();
    for round in 0..2 {
        let Some(bed) = open() else { return };
        let code = "const drawn = Math.random();\nfunction main() { return { drawn } }";
        bed.host.deploy(source("one", code)).await.unwrap();
        switched(&bed, "one").await;
        drawn.push(result(bed.call("one", &json!({})).await));
        let figures = bed.wasm.figures();
        // The runtime, the runtime instrumented, the snapshot.
        assert_eq!((figures.compiled, figures.loaded), if round == 0 { (3, 0) } else { (0, 2) });
        bed.end().await;
    }
    assert_eq!(drawn[0], drawn[1]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_nobody_wants_any_more_is_stopped() {
    let Some(bed) = with_snapshots(0) else { return };
    for round in 0..3 {
        let code = format!("const round = {round};\nconst at = Date.now();\nfor (;;) {{}}");
        bed.host.deploy(source("one", code)).await.unwrap();
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(bed.host.undeploy("_", "one"));
    // It loops for as long as its `start_timeout` otherwise, which is as long as this test may take.
    tokio::time::timeout(HANG / 3, bed.end()).await.expect("it is still being taken");
}
