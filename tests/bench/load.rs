//! `kiln bench load`.

use crate::kiln::{Folder, Said};
use crate::{guests, json};
use serde_json::Value;

fn folder() -> Folder {
    let folder = Folder::new();
    folder.write("echo.wat", &guests::echo());
    folder.write("fail.wat", &guests::fail(3));
    folder.write("kiln.toml", "[function.echo]\nwasm = \"echo.wat\"\n[function.fail]\nwasm = \"fail.wat\"\n");
    folder
}

/// How many values a distribution has.
fn count(values: &Value) -> u64 {
    values.as_array().unwrap().iter().map(|step| step[1].as_u64().unwrap()).sum()
}

fn all_is_answered(said: &Said, meant: u64) -> Value {
    let results = json(said)["results"].clone();
    assert_eq!(
        (&results["kind"], &results["meant"], &results["answered"]),
        (&"load".into(), &meant.into(), &meant.into()),
        "{}",
        said.err
    );
    assert_eq!((count(&results["latency"]), count(&results["lateness"])), (meant, meant));
    assert_eq!(
        results["starts"].as_object().unwrap().values().map(|n| n.as_u64().unwrap()).sum::<u64>(),
        meant
    );
    assert_eq!(results["errors"], serde_json::json!({}));
    results
}

#[test]
fn a_function_is_loaded_in_process() {
    let folder = folder();
    let args =
        ["bench", "load", "echo", "--rate", "100/s", "-t", "1s", "--arrivals", "uniform", "-o", "json"];
    let results = all_is_answered(&folder.kiln(&args, ""), 100);
    assert_eq!((&results["backend"], &results["url"]), (&"wasm".into(), &Value::Null));

    // A seed is a load: as many arrivals, whatever the machine.
    let poisson = ["bench", "load", "echo", "--rate", "200/s", "-t", "500ms", "--seed", "3", "-o", "json"];
    let meant = || json(&folder.kiln(&poisson, ""))["results"]["meant"].as_u64().unwrap();
    let first = meant();
    assert!((50..=150).contains(&first), "{first}");
    assert_eq!(meant(), first);

    let said = folder.kiln(&["bench", "load", "echo", "--rate", "50/s", "-t", "200ms"], "");
    assert!(said.out.contains("P99.9") && said.out.contains("answered"), "{}", said.out);
    let said = folder.kiln(&["bench", "load", "echo", "--rate", "50/s", "-t", "200ms", "-o", "csv"], "");
    assert!(said.out.starts_with("function,measure,ns,share\necho,latency,"), "{}", said.out);
}

#[test]
fn a_server_is_loaded_over_http() {
    let folder = folder();
    let (server, url) = folder.serve(&[]);
    let load = |function: &str, more: &[&str]| {
        let args =
            ["bench", "load", function, "--rate", "100", "-t", "1s", "--arrivals", "uniform", "-o", "json"];
        folder.kiln(&[&args[..], &["--url", &url], more].concat(), "")
    };
    let results = all_is_answered(&load("echo", &[]), 100);
    assert_eq!(results["url"], *url);
    let said = load("nope", &[]);
    assert_eq!(said.code, Some(3), "{}", said.err);
    assert!(said.err.contains("it has `echo`, `fail`"), "{}", said.err);
    server.signal("TERM");
    assert_eq!(server.end().code, Some(0));
    assert_eq!(load("echo", &[]).code, Some(5), "nobody is there any more");
}

#[test]
fn errors_are_counted_by_kind() {
    let said = folder().kiln(
        &["bench", "load", "fail", "--rate", "20", "-t", "500ms", "--arrivals", "uniform", "-o", "json"],
        "",
    );
    // The result is whole, but nothing of it is good.
    assert_eq!(said.code, Some(1), "{}", said.err);
    let found: Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!(found["results"]["errors"], serde_json::json!({ "FunctionFailed": 10 }));
    assert_eq!(found["results"]["answered"], 0);
}

/// A distribution's values, each as often as it was seen.
fn values(values: &Value) -> Vec<u64> {
    let step = |step: &Value| vec![step[0].as_u64().unwrap(); step[1].as_u64().unwrap() as usize];
    values.as_array().unwrap().iter().flat_map(step).collect()
}

/// One call stalls for half a second, and its sandbox is the only one: every request that was meant to arrive in that time
/// has to show it, and not only the one that a caller would have been waiting for.
#[test]
fn a_stall_is_in_the_latency_of_all_who_arrive_meanwhile() {
    let folder = Folder::new();
    folder.write("stalls.wat", &guests::frame_stalls_once(500));
    folder.write(
        "kiln.toml",
        "[function.stalls]\nwasm = \"stalls.wat\"\nformat = \"frame\"\nmax_sandboxes = 1\n",
    );
    let args =
        ["bench", "load", "stalls", "--rate", "100", "-t", "1s", "--arrivals", "uniform", "-o", "json"];
    let results = all_is_answered(&folder.kiln(&args, ""), 100);
    let latency = values(&results["latency"]);
    // The first arrives at 0 ms and ends the stall no sooner than at 500 ms; a slow machine only makes it later.
    for (waited, meant_by_then) in [(490_000_000, 1), (400_000_000, 10), (100_000_000, 40), (10_000_000, 49)]
    {
        let found = latency.iter().filter(|nanos| **nanos >= waited).count();
        assert!(
            found >= meant_by_then,
            "{found} of them waited {waited} ns, {meant_by_then} must have: {results}"
        );
    }
}

/// What a request is late because the generator is comes on top of what its reply took.
#[test]
fn latencies_count_from_the_meant_arrival() {
    let folder = Folder::new();
    folder.write("echo.wat", &guests::frame_echo());
    folder.write("kiln.toml", "[function.echo]\nwasm = \"echo.wat\"\nformat = \"frame\"\n");
    // Far more than one thread can send, and no more than may be unanswered at once.
    let args =
        ["bench", "load", "echo", "--rate", "2000000/s", "-t", "2ms", "--arrivals", "uniform", "-o", "json"];
    let found = json(&folder.kiln(&args, ""));
    let results = &found["results"];
    assert_eq!((&results["sent"], &results["answered"]), (&4000.into(), &4000.into()), "{results}");
    let sum = |name: &str| values(&results[name]).iter().sum::<u64>() as f64;
    let [latency, service, lateness] = ["latency", "service", "lateness"].map(sum);
    // They are kept to three digits.
    let off = (latency - service - lateness).abs() / latency;
    assert!(off < 0.002, "{latency} is not {service} and {lateness}");
    assert!(lateness / latency > 0.002, "a generator that is asked for too much isn't late: {results}");
    assert!(results["behind"].is_string(), "and says so: {results}");
}

/// What is meant to come is not counted before it comes: a day of it at the greatest rate is begun, and ended, at once.
#[test]
fn a_signal_ends_the_longest_of_loads() {
    let folder = folder();
    // Of the log only a line from before the load: nobody reads on meanwhile, and it would fill its pipe.
    let log = "off,kiln::backend::wasm::core=debug";
    let mut started =
        folder.start(&["--log", log, "bench", "load", "echo", "--rate", "10000000", "-t", "1d"]);
    started.line_with("wasm engine is up");
    std::thread::sleep(std::time::Duration::from_millis(500));
    started.signal("TERM");
    let said = started.end();
    assert_eq!((said.code, said.out.as_str()), (Some(130), ""), "{}", said.err);
}

/// Its functions run in this process: they end with it, in the middle of a load, and nothing is printed as a result.
#[test]
fn a_signal_ends_it() {
    let folder = Folder::new();
    // One call never ends, so that there always is one to be stopped.
    folder.write("endless.wat", &guests::endless());
    folder.write("kiln.toml", "[function.endless]\nwasm = \"endless.wat\"\ntimeout = \"1h\"\n");
    let mut started =
        folder.start(&["--log", "kiln=debug", "bench", "load", "endless", "--rate", "20", "-t", "1h"]);
    started.line_with("no sandbox is at hand");
    started.signal("TERM");
    let said = started.end();
    assert_eq!((said.code, said.out.as_str()), (Some(130), ""), "{}", said.err);
}

#[test]
fn wrong_usage_is_named() {
    let folder = folder();
    for (args, code, part) in [
        (&["bench", "load", "echo"][..], 2, "--rate"),
        (&["bench", "load", "echo", "--rate", "fast"], 2, "give requests a second"),
        (&["bench", "load", "echo", "--rate", "1", "-t", "0s"], 2, "nothing arrives in no time"),
        (&["bench", "load", "echo", "--rate", "1", "-t", "2d"], 2, "give a day or less"),
        (&["bench", "load", "echo", "--rate", "1", "--arrivals", "bursty"], 2, "give poisson or uniform"),
        (&["bench", "load", "nope", "--rate", "1"], 3, "has no function `nope`"),
        (&["bench", "load", "echo", "--rate", "1", "--backend", "docker"], 2, "needs an image"),
        (
            &["bench", "load", "echo", "--rate", "1", "--url", "localhost"],
            2,
            "give one such as http://127.0.0.1:8080",
        ),
        (&["bench", "load", "echo", "--rate", "1", "--url", "http://127.0.0.1:1"], 5, "no server answers"),
    ] {
        let said = folder.kiln(args, "");
        assert_eq!((said.code, said.out.as_str()), (Some(code), ""), "{args:?}: {}", said.err);
        assert!(said.err.contains(part), "{args:?}: {}", said.err);
    }
}
