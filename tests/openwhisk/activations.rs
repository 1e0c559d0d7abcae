//! The records: lists, single ones, their logs and results.

use crate::harness::{Api, OTHER, api};
use serde_json::{Value, json};

async fn run(api: &Api, name: &str) -> String {
    let answer = api.ask("POST", &format!("actions/{name}?blocking=true"), json!({"from": name})).await;
    answer.header("x-openwhisk-activation-id").to_owned()
}

fn ids(list: &Value) -> Vec<&str> {
    list.as_array().unwrap().iter().map(|row| row["activationId"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn lists_are_the_newest_first_by_name_time_and_window() {
    let api = api().await;
    api.ask("PUT", "packages/p", json!({})).await.ok();
    for name in ["a", "b", "p/a"] {
        api.create(name, "").await;
    }
    let mut all = Vec::new();
    for name in ["a", "b", "p/a", "a"] {
        all.push(run(&api, name).await);
        tokio::time::sleep(std::time::Duration::from_millis(3)).await;
    }
    let newest: Vec<_> = all.iter().rev().map(String::as_str).collect();
    assert_eq!(ids(&api.get("activations").await.ok()), newest);
    assert_eq!(ids(&api.get("activations?limit=2&skip=1").await.ok()), newest[1..3]);
    assert_eq!(ids(&api.get("activations?name=a").await.ok()), [newest[0], newest[3]]);
    assert_eq!(ids(&api.get("activations?name=p/a").await.ok()), [newest[1]]);
    assert_eq!(api.get("activations?count=true").await.ok(), json!({"activations": 4}));
    assert_eq!(api.get("activations?count=true&name=a&skip=1").await.ok(), json!({"activations": 1}));

    let rows = api.get("activations").await.ok();
    let second = rows[2]["start"].as_u64().unwrap();
    assert_eq!(ids(&api.get(&format!("activations?since={second}")).await.ok()), newest[..3]);
    assert_eq!(ids(&api.get(&format!("activations?upto={second}")).await.ok()), newest[2..]);
    for field in
        ["namespace", "name", "version", "publish", "annotations", "activationId", "start", "end", "duration"]
    {
        assert!(rows[0].get(field).is_some(), "{field}: {rows}");
    }
    assert_eq!((&rows[0]["statusCode"], rows[0].get("response")), (&json!(0), None));
    let docs = api.get("activations?docs=true&limit=1").await.ok();
    assert_eq!(docs[0]["response"]["result"], json!({"from": "a"}));

    for (query, part) in [
        ("docs=true&count=true", "The parameter 'docs' is not permitted with 'count'."),
        ("name=a/b/c", "Parameter may be a 'simple' name or 'package-name/simple' name: a/b/c"),
        ("since=x", "Parameter is not a valid value for epoch seconds: x"),
        ("limit=201", "not in the range of 0 to 200 for activations"),
    ] {
        let (status, text) = api.get(&format!("activations?{query}")).await.error();
        assert_eq!(status, 400, "{query}");
        assert!(text.contains(part), "{query}: {text}");
    }
    api.end().await;
}

#[tokio::test]
async fn one_is_shown_whole_or_in_parts_to_whoever_owns_it() {
    let api = api().await;
    api.create("a", "log one\nlog two").await;
    let id = run(&api, "a").await;
    let whole = api.get(&format!("activations/{id}")).await.ok();
    let annotation = |key: &str| {
        let all = whole["annotations"].as_array().unwrap();
        all.iter().find(|pair| pair["key"] == key).map(|pair| pair["value"].clone())
    };
    for (key, value) in [
        ("path", json!("guest/a")),
        ("kind", json!("lines:1")),
        ("timeout", json!(false)),
        ("limits", json!({"timeout": 60_000, "memory": 256, "logs": 10, "concurrency": 1})),
        ("start", json!("cold")),
        ("backend", json!("wasm")),
    ] {
        assert_eq!(annotation(key), Some(value), "{key}");
    }
    assert!(annotation("waitTime").is_some() && annotation("initTime").is_some(), "{whole}");
    let logs = api.get(&format!("activations/{id}/logs")).await.ok();
    let texts: Vec<_> =
        logs["logs"].as_array().unwrap().iter().map(|line| line.as_str().unwrap()[30..].to_owned()).collect();
    assert_eq!(texts, [" stdout: one", " stdout: two"]);
    assert_eq!(whole["logs"], logs["logs"]);
    let result = api.get(&format!("activations/{id}/result")).await.ok();
    assert_eq!(result, whole["response"]);
    assert_eq!((&whole["subject"], &whole["namespace"]), (&json!("guest"), &json!("guest")));

    let warm = run(&api, "a").await;
    let warm = api.get(&format!("activations/{warm}")).await.ok();
    let all = warm["annotations"].as_array().unwrap();
    assert!(all.iter().any(|pair| pair["key"] == "start" && pair["value"] == "warm"), "{warm}");
    assert!(!all.iter().any(|pair| pair["key"] == "initTime"), "{warm}");

    let others = api.ask_as(Some(OTHER), "GET", &format!("activations/{id}"), Value::Null).await;
    assert_eq!(others.error(), (404, "The requested resource does not exist.".into()));
    let short = api.get("activations/abc").await.error();
    assert_eq!(short, (400, "Activation id length is 3 but must be 32.".into()));
    let (status, _) = api.get(&format!("activations/{}", "Z".repeat(32))).await.error();
    assert_eq!(status, 400);
    api.end().await;
}
