//! OpenWhisk's container contract, with an action's server in a container without a network.

use crate::action::{action, call, end, host, told};
use crate::docker::docker_or_skip;
use crate::driver::over;
use kiln::backend::docker::Transport;
use kiln::{Error, ErrorKind, Format, Function, Host, Start};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

async fn failed(host: &Host, arguments: Value) -> Error {
    call(host, arguments).await.result.expect_err("it should have failed")
}

#[tokio::test]
async fn an_action_is_initialised_once_and_runs_over_one_connection_without_a_network() {
    let Some(engine) = docker_or_skip("whisk").await else { return };
    let host = host(&engine, action("late")).await;
    for run in 1..=20 {
        let (start, told) = told(&host, json!({"name": "you"})).await;
        assert_eq!(start, Some(if run == 1 { Start::Cold } else { Start::Warm }));
        assert_eq!((&told["connection"], &told["run"]), (&json!(1), &json!(run)));
        let asked = &told["asked"];
        assert_eq!(asked["value"], json!({"name": "you"}));
        assert_eq!(asked["action_name"], "/guest/act".replace("guest", kiln::function::DEFAULT_NAMESPACE));
        assert_eq!(asked["activation_id"].as_str().unwrap().len(), 32);
        assert!(asked["deadline"].as_str().unwrap().parse::<u64>().unwrap() > 1_700_000_000_000);
    }
    let error = failed(&host, json!(1)).await;
    assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
    end(host, &engine).await;
}

#[tokio::test]
async fn a_connection_that_was_closed_between_two_requests_is_made_anew_before_the_next() {
    let Some(engine) = docker_or_skip("whisk-close").await else { return };
    let host = host(&engine, action("")).await;
    for connection in 1..=4 {
        let (_, told) = told(&host, json!({"do": "close"})).await;
        assert_eq!((&told["connection"], &told["run"]), (&json!(connection), &json!(connection)));
    }
    end(host, &engine).await;
}

#[tokio::test]
async fn a_run_that_fails_is_told_in_the_contracts_words_and_costs_the_sandbox() {
    let Some(engine) = docker_or_skip("whisk-run").await else { return };
    let host = host(&engine, action("")).await;
    let failures = [
        ("fail", ErrorKind::FunctionFailed, "it threw"),
        ("text", ErrorKind::FunctionFailed, "did not produce a valid JSON or JSON Array response: no JSON"),
        ("long", ErrorKind::FunctionFailed, "exceeded the allowed length: 1048587 > 1048576 bytes"),
        ("exit", ErrorKind::FunctionFailed, "did not produce a valid response and exited unexpectedly"),
        ("hog", ErrorKind::OutOfMemory, "exhausted its memory and was aborted"),
    ];
    for (what, kind, words) in failures {
        let error = failed(&host, json!({"do": what})).await;
        assert_eq!(error.kind(), kind, "{what}: {error}");
        assert!(error.message().contains(words), "{what}: {error}");
        let (start, told) = told(&host, json!({})).await;
        assert_eq!((start, &told["run"]), (Some(Start::Cold), &json!(1)), "{what}");
    }
    // An application's own error is a result.
    assert_eq!(told(&host, json!({"do": "own"})).await.1, json!({"error": "an application's own"}));
    assert_eq!(told(&host, json!({})).await.0, Some(Start::Warm));
    end(host, &engine).await;
}

#[tokio::test]
async fn an_init_that_fails_is_told_in_the_contracts_words() {
    let Some(engine) = docker_or_skip("whisk-init").await else { return };
    let failures = [
        ("fail", ErrorKind::FunctionFailed, "there is no main"),
        ("exit", ErrorKind::FunctionFailed, "did not initialize and exited unexpectedly"),
        ("dead", ErrorKind::FunctionFailed, "code 3"),
        ("hang", ErrorKind::TimedOut, "start_timeout"),
        ("deaf", ErrorKind::TimedOut, "port 8080"),
    ];
    for (how, kind, words) in failures {
        let mut function = action(how);
        function.limits.start_timeout = Duration::from_secs(if kind == ErrorKind::TimedOut { 3 } else { 60 });
        let host = host(&engine, function).await;
        let error = failed(&host, json!({})).await;
        assert_eq!(error.kind(), kind, "{how}: {error}");
        assert!(error.message().contains(words), "{how}: {error}");
        end(host, &engine).await;
    }
}

#[tokio::test]
async fn a_run_beyond_its_time_costs_the_sandbox() {
    let Some(engine) = docker_or_skip("whisk-time").await else { return };
    let host = host(&engine, action("").timeout(Duration::from_secs(1))).await;
    let error = failed(&host, json!({"do": "hang"})).await;
    assert_eq!(error.kind(), ErrorKind::TimedOut, "{error}");
    assert_eq!(told(&host, json!({})).await.1["run"], 1);
    end(host, &engine).await;
}

#[tokio::test]
async fn both_streams_are_log_without_their_sentinels() {
    let Some(engine) = docker_or_skip("whisk-logs").await else { return };
    let host = host(&engine, action("")).await;
    told(&host, json!({})).await;
    let error = failed(&host, json!({"do": "fail"})).await;
    let mut lines = error.logs().to_vec();
    lines.retain(|line| line.contains(' '));
    lines.sort();
    assert_eq!(lines, ["err 2", "out 2"], "{:?}", error.logs());
    // One that never says that its log is whole is used again after a silence; one that never stops isn't.
    told(&host, json!({"do": "mute"})).await;
    assert_eq!(told(&host, json!({})).await.0, Some(Start::Warm));
    told(&host, json!({"do": "flood"})).await;
    assert_eq!(told(&host, json!({})).await.1["run"], 1);
    end(host, &engine).await;
}

#[tokio::test]
async fn over_attach_it_is_refused_and_a_module_never_is_one() {
    let Some(engine) = docker_or_skip("whisk-attach").await else { return };
    let host = Host::builder().backend(Arc::new(over(&engine, Transport::Attach))).build().unwrap();
    host.deploy(action("")).await.unwrap();
    let error = failed(&host, json!({})).await;
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
    assert!(error.message().contains("kiln-init"), "{error}");
    let error = Function::wasm_bytes("m", "(module)").format(Format::Openwhisk).validate().unwrap_err();
    assert!(error.message().contains("give `image`"), "{error}");
    end(host, &engine).await;
}
