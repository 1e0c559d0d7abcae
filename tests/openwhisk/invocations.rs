//! Running actions: what they are given, what comes back, and as which status.

use crate::harness::{Api, api, with};
use kiln::openwhisk::Ranges;
use kiln::store::Store;
use serde_json::{Value, json};
use std::time::Duration;

async fn call(api: &Api, name: &str, query: &str, body: Value) -> crate::harness::Answer {
    api.ask("POST", &format!("actions/{name}?blocking=true{query}"), body).await
}

#[tokio::test]
async fn a_blocking_call_is_answered_with_its_activation_or_its_result() {
    let api = api().await;
    api.create("echo", "").await;
    let answer = call(&api, "echo", "", json!({"x": [1, 0.1]})).await;
    let id = answer.header("x-openwhisk-activation-id").to_owned();
    let activation = answer.ok();
    assert_eq!(activation["response"]["result"], json!({"x": [1, 0.1]}));
    assert_eq!(
        (&activation["response"]["status"], &activation["response"]["success"]),
        (&json!("success"), &json!(true))
    );
    assert_eq!((activation["activationId"].as_str(), id.len()), (Some(id.as_str()), 32));
    assert_eq!(api.activation(&id).await, activation);
    assert_eq!(call(&api, "echo", "&result=true", json!({"x": 1})).await.ok(), json!({"x": 1}));
    let empty = api.ask("POST", "actions/echo?blocking=true&result=true", Value::Null).await.ok();
    assert_eq!(empty, json!({}), "no body is no parameters");
    api.end().await;
}

#[tokio::test]
async fn a_call_that_isnt_waited_for_is_accepted_and_recorded() {
    let api = api().await;
    api.create("echo", "").await;
    for query in ["", "?blocking=false", "?result=true"] {
        let answer = api.ask("POST", &format!("actions/echo{query}"), json!({"x": 1})).await;
        assert_eq!(answer.status, 202);
        let id = answer.json()["activationId"].as_str().unwrap().to_owned();
        assert_eq!(answer.header("x-openwhisk-activation-id"), id);
        let activation = api.activation(&id).await;
        assert_eq!(activation["response"]["result"], json!({"x": 1}));
        assert_eq!((&activation["name"], &activation["version"]), (&json!("echo"), &json!("0.0.1")));
    }
    api.end().await;
}

#[tokio::test]
async fn parameters_are_merged_package_action_call() {
    let api = api().await;
    let list = |value: Value| {
        let pairs = value.as_object().unwrap().iter();
        Value::Array(pairs.map(|(key, value)| json!({"key": key, "value": value})).collect())
    };
    let package = json!({"parameters": list(json!({"a": "package", "b": "package", "c": "package"}))});
    api.ask("PUT", "packages/tools", package).await.ok();
    let action = json!({
        "exec": {"kind": "lines:1", "code": ""}, "parameters": list(json!({"b": "action", "c": "action"})),
    });
    api.ask("PUT", "actions/tools/echo", action).await.ok();
    let called = call(&api, "tools/echo", "&result=true", json!({"c": "call"})).await.ok();
    assert_eq!(called, json!({"a": "package", "b": "action", "c": "call"}));
    let shown = api.get("actions/tools/echo").await.ok();
    assert_eq!(shown["parameters"].as_array().unwrap().len(), 3, "{shown}");

    let change = json!({"annotations": [{"key": "final", "value": true}]});
    api.ask("PUT", "actions/tools/echo?overwrite=true", change).await.ok();
    let (status, text) = call(&api, "tools/echo", "", json!({"c": "call"})).await.error();
    assert_eq!(status, 400);
    assert!(text.starts_with("Request defines parameters that are not allowed"), "{text}");
    assert_eq!(call(&api, "tools/echo", "&result=true", json!({"d": 1})).await.ok()["d"], 1);
    api.end().await;
}

#[tokio::test]
async fn init_parameters_and_the_actions_name_are_its_environment() {
    let api = api().await;
    for (variable, value) in [
        ("LEVEL", "7"),
        ("__OW_ACTION_NAME", "/guest/env"),
        ("__OW_NAMESPACE", "guest"),
        ("__OW_ACTION_VERSION", "1.2.3"),
    ] {
        let action = json!({
            "exec": {"kind": "lines:1", "code": format!("env {variable}")}, "version": "1.2.3",
            "parameters": [{"key": "LEVEL", "value": 7, "init": true}],
        });
        api.ask("PUT", "actions/env?overwrite=true", action).await.ok();
        assert_eq!(call(&api, "env", "&result=true", json!({})).await.ok(), json!({ variable: value }));
    }
    api.end().await;
}

#[tokio::test]
async fn failures_are_502_with_whose_fault_it_was() {
    let api = api().await;
    api.create("echo", "").await;
    let own = call(&api, "echo", "", json!({"error": "mine", "more": 1})).await;
    assert_eq!(own.status, 502);
    assert_eq!(
        own.json()["response"],
        json!({
            "result": {"error": "mine"}, "status": "application error", "success": false, "size": 25,
        })
    );
    let own = call(&api, "echo", "&result=true", json!({"error": {"code": 1}})).await;
    assert_eq!((own.status, own.json()), (502, json!({"error": {"code": 1}})));

    api.create("broken", "log loading\nerror no such thing").await;
    let broken = call(&api, "broken", "", json!({})).await;
    assert_eq!(broken.status, 502);
    let broken = broken.json();
    assert_eq!(broken["response"]["status"], "action developer error");
    let text = broken["response"]["result"]["error"].as_str().unwrap();
    assert!(text.contains("broken:2: no such thing"), "file and line: {text}");
    let logs = broken["logs"].as_array().unwrap();
    assert!(logs.iter().any(|line| line.as_str().unwrap().ends_with(" stdout: loading")), "{logs:?}");

    api.create("gone", "exit 3").await;
    let gone = call(&api, "gone", "", json!({})).await;
    assert_eq!((gone.status, &gone.json()["response"]["status"]), (502, &json!("action developer error")));

    api.end().await;
}

#[tokio::test]
async fn what_is_too_large_or_cannot_be_read_is_refused() {
    let api = api().await;
    api.create("echo", "").await;
    let large = json!({"x": "y".repeat(1 << 20)});
    let (status, text) = call(&api, "echo", "", large).await.error();
    assert_eq!((status, text.as_str()), (413, "Request larger than allowed: 1048584 > 1048576 bytes."));
    for (query, part) in [
        ("&timeout=0", "Timeout must be number of milliseconds up to 60000."),
        ("&timeout=60001", "Timeout must be number of milliseconds up to 60000."),
        ("&timeout=x", "Timeout must be number of milliseconds up to 60000."),
        ("&result=perhaps", "query parameter 'result' was malformed"),
    ] {
        let (status, text) = call(&api, "echo", query, json!({})).await.error();
        assert_eq!(status, 400);
        assert!(text.contains(part), "{query}: {text}");
    }
    assert_eq!(call(&api, "echo", "", json!([1])).await.error().0, 400, "parameters are an object");
    api.end().await;
}

#[tokio::test]
async fn a_result_that_is_too_long_is_the_actions_error() {
    let ranges = Ranges { max_result: 10, ..Ranges::default() };
    let api = with(Store::memory().unwrap(), ranges, 512 << 20).await;
    api.create("echo", "").await;
    let answer = call(&api, "echo", "&result=true", json!({"x": "0123456789"})).await;
    assert_eq!(answer.status, 502);
    let text = answer.json()["error"].as_str().unwrap().to_owned();
    assert!(
        text.starts_with("The action produced a response that exceeded the allowed length: 18 > 10 bytes."),
        "{text}"
    );
    api.end().await;
}

/// It goes on, and its record says what became of it.
#[tokio::test]
async fn a_blocking_call_that_outlasts_its_wait_is_accepted() {
    let api = api().await;
    api.create("slow", "sleep 300").await;
    let answer = call(&api, "slow", "&timeout=1", json!({"x": 1})).await;
    assert_eq!(answer.status, 202, "{}", answer.text());
    let id = answer.json()["activationId"].as_str().unwrap().to_owned();
    assert_eq!(api.activation(&id).await["response"]["result"], json!({"x": 1}));
    api.end().await;
}

/// Nobody has room for a second of 512 MB within a budget of 512 MB while the first is being started.
#[tokio::test]
async fn what_nobody_has_room_for_is_429_where_it_is_waited_for_and_kept_where_it_isnt() {
    let api = with(Store::memory().unwrap(), Ranges::default(), 512 << 20).await;
    for name in ["first", "second"] {
        let action = json!({"exec": {"kind": "lines:1", "code": ""}, "limits": {"memory": 512}});
        api.ask("PUT", &format!("actions/{name}"), action).await.ok();
    }
    api.wasm.hold_starts();
    let first = api.ask("POST", "actions/first", json!({})).await;
    assert_eq!(first.status, 202);
    while api.host.figures().charged == 0 {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    let second = api.ask("POST", "actions/second", json!({})).await.json();
    let refused = call(&api, "second", "", json!({})).await;
    assert_eq!(refused.header("retry-after"), "1");
    assert_eq!(refused.error(), (429, "Too many concurrent requests in flight.".into()));
    api.wasm.let_starts_go();
    let kept = api.activation(second["activationId"].as_str().unwrap()).await;
    assert_eq!(kept["response"]["status"], "success");
    api.end().await;
}
