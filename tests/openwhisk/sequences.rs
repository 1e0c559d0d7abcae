//! Sequences: what each of their actions is given, how they end, and what is recorded of them.

use crate::harness::{Api, OTHER, api};
use serde_json::{Value, json};

async fn sequence(api: &Api, name: &str, components: &[&str]) -> Value {
    let exec = json!({"exec": {"kind": "sequence", "components": components}});
    api.ask("PUT", &format!("actions/{name}?overwrite=true"), exec).await.ok()
}

async fn refused(api: &Api, name: &str, components: Value) -> (u16, String) {
    let exec = json!({"exec": {"kind": "sequence", "components": components}});
    api.ask("PUT", &format!("actions/{name}?overwrite=true"), exec).await.error()
}

/// An action that answers with its parameters, and has one of its own.
async fn adding(api: &Api, name: &str, key: &str) {
    let body = json!({
        "exec": {"kind": "lines:1", "code": ""}, "parameters": [{"key": key, "value": name}],
    });
    api.ask("PUT", &format!("actions/{name}"), body).await.ok();
}

#[tokio::test]
async fn each_is_given_what_the_one_before_gave_and_has_a_record_of_its_own() {
    let api = api().await;
    adding(&api, "one", "a").await;
    adding(&api, "two", "b").await;
    let made = sequence(&api, "both", &["/_/one", "guest/two"]).await;
    assert_eq!(made["exec"], json!({"kind": "sequence", "components": ["/guest/one", "/guest/two"]}));
    assert_eq!(made["parameters"], json!([{"key": "_actions", "value": ["/guest/one", "/guest/two"]}]));

    let answer = api.ask("POST", "actions/both?blocking=true", json!({"x": 1})).await;
    let id = answer.header("x-openwhisk-activation-id").to_owned();
    let whole = answer.ok();
    assert_eq!(whole["response"]["result"], json!({"x": 1, "a": "one", "b": "two"}));
    assert_eq!(api.activation(&id).await, whole);
    let annotation = |of: &Value, key: &str| {
        let all = of["annotations"].as_array().unwrap();
        all.iter().find(|one| one["key"] == key).map(|one| one["value"].clone())
    };
    assert_eq!(annotation(&whole, "kind"), Some(json!("sequence")));
    assert_eq!(annotation(&whole, "topmost"), Some(json!(true)));
    let ids = whole["logs"].as_array().unwrap();
    let mut names = Vec::new();
    for part in ids {
        let part = api.activation(part.as_str().unwrap()).await;
        assert_eq!((&part["cause"], annotation(&part, "causedBy")), (&json!(id), Some(json!("sequence"))));
        names.push(part["name"].as_str().unwrap().to_owned());
    }
    assert_eq!(names, ["one", "two"]);
    let bare = api.ask("POST", "actions/both?blocking=true&result=true", json!({})).await.ok();
    assert_eq!(bare, json!({"a": "one", "b": "two"}));
    api.end().await;
}

#[tokio::test]
async fn it_ends_with_the_first_that_fails() {
    let api = api().await;
    adding(&api, "good", "a").await;
    api.create("own", "").await;
    api.create("broken", "error no such thing").await;
    sequence(&api, "fails", &["/_/good", "/_/broken", "/_/good"]).await;
    let answer = api.ask("POST", "actions/fails?blocking=true", json!({})).await;
    assert_eq!(answer.status, 502);
    let whole = answer.json();
    assert_eq!(whole["response"]["status"], "action developer error");
    assert_eq!(whole["logs"].as_array().unwrap().len(), 2, "the third was not run: {whole}");

    sequence(&api, "own-error", &["/_/own", "/_/good"]).await;
    let answer =
        api.ask("POST", "actions/own-error?blocking=true&result=true", json!({"error": "mine"})).await;
    assert_eq!((answer.status, answer.json()), (502, json!({"error": "mine"})));

    // One that has gone since is told as the sequence's error.
    api.ask("DELETE", "actions/own", Value::Null).await.ok();
    let answer = api.ask("POST", "actions/own-error?blocking=true&result=true", json!({})).await;
    assert_eq!(
        (answer.status, answer.json()["error"].clone()),
        (502, json!("Sequence component does not exist."))
    );
    api.end().await;
}

#[tokio::test]
async fn sequences_within_sequences_are_run_and_none_is_within_itself() {
    let api = api().await;
    adding(&api, "one", "a").await;
    sequence(&api, "inner", &["/_/one", "/_/one"]).await;
    sequence(&api, "outer", &["/_/inner", "/_/one"]).await;
    let whole = api.ask("POST", "actions/outer?blocking=true", json!({})).await.ok();
    assert_eq!(whole["response"]["result"], json!({"a": "one"}));
    let inner = api.activation(whole["logs"][0].as_str().unwrap()).await;
    assert_eq!((&inner["name"], &inner["cause"]), (&json!("inner"), &whole["activationId"]));
    assert_eq!(inner["logs"].as_array().unwrap().len(), 2);

    for (name, components, status, said) in [
        ("inner", json!(["/_/outer"]), 400, "Sequence may not refer to itself."),
        ("inner", json!(["/_/inner"]), 400, "Sequence may not refer to itself."),
        ("x", json!([]), 400, "No component specified for the sequence."),
        ("x", json!(["/_/nothing"]), 400, "Sequence component does not exist."),
        ("x", json!(["/other/a"]), 403, "not authorized to access 'other/a'"),
        ("x", json!(vec!["/_/one"; 51]), 400, "Too many actions in the sequence."),
        ("x", json!("/_/one"), 400, "'components' must be an array"),
    ] {
        let (found, text) = refused(&api, name, components.clone()).await;
        assert_eq!(found, status, "{components}");
        assert!(text.contains(said), "{components}: {text}");
    }
    assert_eq!(api.ask_as(Some(OTHER), "POST", "actions/outer", json!({})).await.status, 404);
    api.end().await;
}

#[tokio::test]
async fn one_that_nobody_waits_for_is_kept_and_recorded() {
    let api = api().await;
    adding(&api, "one", "a").await;
    sequence(&api, "seq", &["/_/one"]).await;
    let answer = api.ask("POST", "actions/seq", json!({"x": 1})).await;
    assert_eq!(answer.status, 202);
    let id = answer.json()["activationId"].as_str().unwrap().to_owned();
    let whole = api.activation(&id).await;
    assert_eq!(whole["response"]["result"], json!({"x": 1, "a": "one"}));
    assert_eq!(whole["logs"].as_array().unwrap().len(), 1);
    api.end().await;
}

#[tokio::test]
async fn an_action_may_become_a_sequence_and_a_sequence_an_action() {
    let api = api().await;
    adding(&api, "one", "a").await;
    adding(&api, "changing", "b").await;
    sequence(&api, "changing", &["/_/one"]).await;
    let call = async || api.ask("POST", "actions/changing?blocking=true&result=true", json!({})).await.ok();
    assert_eq!(call().await, json!({"a": "one"}));
    assert!(!api.host.takes_parameters("guest", "changing"), "its function is gone");
    let code = json!({"exec": {"kind": "lines:1", "code": ""}});
    let made = api.ask("PUT", "actions/changing?overwrite=true", code).await.ok();
    assert_eq!(made["parameters"], json!([]), "a sequence's components aren't inherited");
    assert_eq!(call().await, json!({}));
    api.end().await;
}
