//! `kiln bench start`.

use crate::docker::Engine;
use crate::engine::engine_or_skip;
use crate::kiln::Folder;
use crate::{FIXTURES, guests, json};
use serde_json::Value;
use std::time::Duration;

const KINDS: [&str; 5] = ["cold", "cached", "recreated", "prewarmed", "warm"];
const PHASES: [&str; 8] = ["host", "load", "queue", "create", "start", "init", "call", "rest"];

/// Each kind was seen as often as asked, and each run is made of its phases.
fn every_kind_is_there(found: &Value, kinds: &[&str], backend: &str, runs: usize) {
    for kind in kinds {
        let cases = found["results"]["cases"].as_array().unwrap();
        let case = cases.iter().find(|case| case["backend"] == backend && case["start"] == *kind);
        let case = case.unwrap_or_else(|| panic!("{kind} on {backend}: {found}"));
        let all = case["runs"].as_array().unwrap();
        assert_eq!(all.len(), runs, "{kind} on {backend}: {case}");
        assert_eq!(case["summary"]["count"], runs, "{case}");
        for run in all {
            let sum: u64 = PHASES.iter().map(|phase| run[phase].as_u64().unwrap()).sum();
            let total = run["total"].as_u64().unwrap();
            assert!(sum >= total && run["call"].as_u64().unwrap() > 0, "{kind}: {run}");
            let made = ["create", "start"].iter().any(|phase| run[phase].as_u64().unwrap() > 0);
            assert_eq!(
                made,
                ["cold", "cached", "recreated", "snapshot"].contains(kind),
                "{kind} on {backend}: {run}"
            );
            assert_eq!(run["host"].as_u64().unwrap() > 0, *kind == "cold", "{kind}: {run}");
        }
    }
}

#[test]
fn every_kind_of_start_of_a_module_is_seen() {
    let args = [
        "bench",
        "start",
        "-f",
        FIXTURES,
        "echo",
        "--backend",
        "wasm",
        "-n",
        "3",
        "--seed",
        "7",
        "-o",
        "json",
    ];
    let found = json(&Folder::new().kiln(&args, ""));
    every_kind_is_there(&found, &KINDS, "wasm", 3);
    let about = &found["about"];
    assert_eq!((&about["seed"], &about["command"][1]), (&7.into(), &"bench".into()), "{about}");
    assert!(about["machine"]["cores"].as_u64().unwrap() > 0, "{about}");
    assert_eq!(about["versions"]["kiln"], env!("CARGO_PKG_VERSION"));
}

#[tokio::test]
async fn every_kind_of_start_of_an_image_is_seen() {
    let Some(_engine) = engine_or_skip("every_kind_of_start_of_an_image_is_seen").await else { return };
    let args = ["bench", "start", "-f", FIXTURES, "echo", "-n", "2", "-o", "json"];
    let found = json(&Folder::new().kiln(&args, ""));
    every_kind_is_there(&found, &KINDS, "docker", 2);
    every_kind_is_there(&found, &KINDS, "wasm", 2);
    assert!(found["about"]["versions"]["engine"].is_string(), "{}", found["about"]);
}

/// A function from source, with its code loaded at its start, by a stem cell that was ready, and by a snapshot.
#[cfg(feature = "snapshot")]
#[test]
fn every_kind_of_start_of_a_source_is_seen() {
    let folder = Folder::new();
    folder.write("hello.js", "const main = ({ name }) => ({ greeting: `hello ${name ?? 'nobody'}` })");
    // Shared by the tests of runtimes, since an interpreter takes long to compile.
    let host = format!("[host]\ncache_dir = {:?}\n", concat!(env!("CARGO_TARGET_TMPDIR"), "/runtimes-wasm"));
    let manifest = format!("{host}[function.hello]\nsource = \"hello.js\"\n");
    folder.write("kiln.toml", &manifest);
    let args = ["bench", "start", "-n", "2", "-o", "json"];
    let found = json(&folder.kiln(&args, ""));
    every_kind_is_there(&found, &[&KINDS[..], &["snapshot"]].concat(), "wasm", 2);
    let cases = found["results"]["cases"].as_array().unwrap();
    assert!(cases.iter().all(|case| case["format"] == "frame"), "as its runtime is spoken to: {found}");
    for case in cases {
        // Its code is loaded before its first request, and only then.
        let loads = ["cold", "cached", "recreated", "prewarmed"].contains(&case["start"].as_str().unwrap());
        assert!(!loads || case["runs"][0]["init"].as_u64().unwrap() > 0, "{case}");
    }

    folder.write("kiln.toml", &format!("{manifest}snapshot = false\n"));
    let said = folder.kiln(&["bench", "start", "-n", "1"], "");
    let why = "hello on wasm, snapshot: not measured: its `snapshot` is false";
    assert!(said.err.contains(why) && !said.out.contains("snapshot"), "{}{}", said.out, said.err);
}

#[test]
fn a_table_for_people_and_csv_for_spreadsheets() {
    let folder = Folder::new();
    let args = ["bench", "start", "-f", FIXTURES, "echo", "--backend", "wasm", "-n", "2"];
    let said = folder.kiln(&args, "");
    assert_eq!(said.code, Some(0), "{}", said.err);
    let row = |line: &str, kind| line.split_whitespace().take(3).eq(["echo", "wasm", kind]);
    for kind in KINDS {
        assert_eq!(said.out.lines().filter(|line| row(line, kind)).count(), 2, "{kind} in\n{}", said.out);
    }
    // No bar where there is no terminal.
    assert!(!said.err.contains(['\u{1b}', '\r', '%']), "{:?}", said.err);

    let said = folder.kiln(&[&args[..], &["-o", "csv"]].concat(), "");
    let lines: Vec<_> = said.out.lines().collect();
    assert_eq!(lines.len(), 1 + 2 * KINDS.len(), "{}", said.out);
    assert!(lines[0].starts_with("function,backend,format,start,run,total_ns,host_ns"), "{}", lines[0]);
    assert!(lines.iter().all(|line| line.split(',').count() == 14), "{}", said.out);
}

/// A one-shot function is never warm: that is said, not left out.
#[test]
fn what_can_not_be_is_told_by_name() {
    let folder = Folder::new();
    folder.write("echo.wat", &guests::echo());
    folder.write("fail.wat", &guests::fail(3));
    folder.write("kiln.toml", "[function.once]\nwasm = \"echo.wat\"\n[function.fail]\nwasm = \"fail.wat\"\n");
    let said = folder.kiln(&["bench", "start", "-n", "1", "-o", "json"], "");
    let found = json(&said);
    let case = |function: &str, kind: &str| {
        let cases = found["results"]["cases"].as_array().unwrap();
        cases.iter().find(|case| case["function"] == function && case["start"] == kind).unwrap().clone()
    };
    assert_eq!(case("once", "cached")["runs"].as_array().unwrap().len(), 1, "{}", said.err);
    assert_eq!(case("once", "prewarmed")["runs"].as_array().unwrap().len(), 1, "{}", said.err);
    assert!(case("once", "warm")["absent"].as_str().unwrap().contains("one-shot"));
    assert!(said.err.contains("once on wasm, warm: not measured: it is one-shot"), "{}", said.err);
    // One that fails is no start, whatever it was.
    let failed = case("fail", "cold");
    assert_eq!((&failed["runs"], &failed["summary"]), (&Value::Array(vec![]), &Value::Null));
    assert!(failed["uncounted"][0]["why"].as_str().unwrap().starts_with("FunctionFailed: "), "{failed}");
    assert!(said.err.contains("fail on wasm, cold: 3 not counted"), "{}", said.err);
}

#[test]
fn without_an_engine_modules_go_on_and_images_are_told() {
    let folder = Folder::new();
    folder.write("echo.wat", &guests::echo());
    let host = "[host]\ndocker_host = \"unix:///nowhere/docker.sock\"\n";
    let both = "[function.both]\nwasm = \"echo.wat\"\nimage = \"a:1\"\n";
    folder.write("kiln.toml", &format!("{host}{both}"));
    let said = folder.kiln(&["bench", "start", "-n", "1"], "");
    assert_eq!(said.code, Some(0), "{}", said.err);
    assert!(said.out.contains("wasm     cached"), "{}", said.out);
    for kind in KINDS {
        let line = format!("both on docker, {kind}: not measured: ");
        assert!(said.err.contains(&line) && said.err.contains("/nowhere/docker.sock"), "{}", said.err);
    }
    let said = folder.kiln(&["bench", "start", "-n", "1", "--backend", "docker"], "");
    assert_eq!(said.code, Some(5), "{}", said.err);
}

#[test]
fn wrong_usage_is_named() {
    let folder = Folder::new();
    folder.write("echo.wat", &guests::echo());
    folder.write("kiln.toml", "[function.echo]\nwasm = \"echo.wat\"\n");
    for (args, code, part) in [
        (&["bench", "start", "nope"][..], 3, "kiln.toml has no function `nope`: it has `echo`"),
        (&["bench", "start", "-f", "nope.toml"], 2, "can't read the manifest nope.toml"),
        (&["bench", "start", "--backend", "docker"], 2, "has code for that backend"),
        (&["bench", "start", "-n", "0"], 2, "0 is not in 1.."),
        (&["bench", "start", "--report", "no/such/folder.html"], 2, "`--report` is no/such/folder.html"),
        (&["bench", "start", "-d", "@nope"], 2, "can't read \"nope\""),
        (&["doctor", "-o", "csv"], 2, "`-o csv` is for `kiln bench start`"),
        (&["bench"], 2, "Usage"),
    ] {
        let said = folder.kiln(args, "");
        assert_eq!((said.code, said.out.as_str()), (Some(code), ""), "{args:?}: {}", said.err);
        assert!(said.err.contains(part), "{args:?}: {}", said.err);
    }
}

/// Interrupted in the middle of starts, nothing is left on the engine.
#[tokio::test]
async fn a_signal_ends_it_and_removes_every_sandbox() {
    let Some(engine) = engine_or_skip("a_signal_ends_it_and_removes_every_sandbox").await else { return };
    let folder = Folder::new();
    let name = format!("bench-{}", std::process::id());
    let function = format!("[function.{name}]\nimage = \"kiln-fixture-echo:1\"\nformat = \"frame\"\n");
    folder.write("kiln.toml", &function);
    let started = folder.start(&["bench", "start", "-n", "10000"]);
    while of(&engine, &name).await == 0 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    started.signal("TERM");
    let said = tokio::task::spawn_blocking(|| started.end()).await.unwrap();
    assert_eq!((said.code, said.out.as_str()), (Some(130), ""), "{}", said.err);
    assert_eq!(of(&engine, &name).await, 0);
}

/// Containers of a function, running or not.
async fn of(engine: &Engine, function: &str) -> usize {
    use bollard::query_parameters::ListContainersOptionsBuilder;
    let filters = std::collections::HashMap::from([("label", vec![format!("kiln.function={function}")])]);
    let options = ListContainersOptionsBuilder::default().all(true).filters(&filters).build();
    engine.client.list_containers(Some(options)).await.unwrap().len()
}
