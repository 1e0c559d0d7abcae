//! Triggers and rules: what is fired, what runs then, and what is recorded.

use crate::harness::{Api, api};
use serde_json::{Value, json};

/// An action, a trigger, and a rule that ties them.
async fn tied(api: &Api) {
    api.create("act", "").await;
    let trigger = json!({"parameters": [{"key": "a", "value": 1}, {"key": "b", "value": 1}]});
    api.ask("PUT", "triggers/tick", trigger).await.ok();
    let rule = json!({"trigger": "/_/tick", "action": "/_/act"});
    api.ask("PUT", "rules/tie", rule).await.ok();
}

#[tokio::test]
async fn a_fired_trigger_runs_the_actions_of_its_active_rules() {
    let api = api().await;
    tied(&api).await;
    let rule = json!({"trigger": "/guest/tick", "action": {"path": "guest", "name": "act"}});
    api.ask("PUT", "rules/off", rule).await.ok();
    assert_eq!(api.ask("POST", "rules/off", json!({"status": "inactive"})).await.status, 200);

    let answer = api.ask("POST", "triggers/tick", json!({"b": 2})).await;
    assert_eq!(answer.status, 202, "{}", answer.text());
    let id = answer.json()["activationId"].as_str().unwrap().to_owned();
    assert_eq!(answer.header("x-openwhisk-activation-id"), id);
    let fired = api.activation(&id).await;
    assert_eq!((&fired["name"], &fired["response"]["result"]), (&json!("tick"), &json!({"b": 2})));
    let logs: Vec<Value> = fired["logs"]
        .as_array()
        .unwrap()
        .iter()
        .map(|line| serde_json::from_str(line.as_str().unwrap()).unwrap())
        .collect();
    let of = |name: &str| logs.iter().find(|line| line["rule"] == name).unwrap();
    assert_eq!(of("guest/off")["success"], false);
    assert!(of("guest/off")["error"].as_str().unwrap().contains("is inactive"), "{logs:?}");
    let ran = of("guest/tie");
    assert_eq!(
        (&ran["action"], &ran["success"], &ran["statusCode"]),
        (&json!("guest/act"), &json!(true), &json!(0))
    );
    let ran = api.activation(ran["activationId"].as_str().unwrap()).await;
    let mut given = ran["response"]["result"].clone();
    let headers = given.as_object_mut().unwrap().remove("__ow_headers").unwrap();
    assert_eq!(given, json!({"a": 1, "b": 2}));
    assert!(headers["content-type"] == "application/json" && headers.get("authorization").is_none());
    api.end().await;
}

#[tokio::test]
async fn without_an_active_rule_nothing_is_run_or_recorded() {
    let api = api().await;
    tied(&api).await;
    api.ask("POST", "rules/tie", json!({"status": "inactive"})).await;
    assert_eq!(api.ask("POST", "triggers/tick", json!({})).await.status, 204);
    assert_eq!(api.get("activations").await.ok(), json!([]));
    assert_eq!(api.ask("POST", "triggers/none", json!({})).await.error().0, 404);
    api.end().await;
}

#[tokio::test]
async fn triggers_and_rules_are_declared_shown_listed_and_taken_away() {
    let api = api().await;
    tied(&api).await;
    let rule = api.get("rules/tie").await.ok();
    assert_eq!((&rule["status"], &rule["version"]), (&json!("active"), &json!("0.0.1")));
    assert_eq!(rule["trigger"], json!({"path": "guest", "name": "tick"}));
    assert_eq!(rule["action"], json!({"path": "guest", "name": "act"}));
    let trigger = api.get("triggers/tick").await.ok();
    assert_eq!(trigger["rules"]["guest/tie"]["status"], "active");
    assert_eq!((&trigger["limits"], &trigger["publish"]), (&json!({}), &json!(false)));
    let updated = api.ask("PUT", "triggers/tick?overwrite=true", json!({})).await.ok();
    assert_eq!((&updated["version"], &updated["parameters"]), (&json!("0.0.2"), &trigger["parameters"]));
    assert_eq!(
        api.ask("PUT", "triggers/tick", json!({})).await.error(),
        (409, "resource already exists".into())
    );
    assert_eq!(api.ask("PUT", "rules/tie", json!({})).await.error().0, 409);
    for (list, count) in [("triggers", 1), ("rules", 1)] {
        assert_eq!(api.get(list).await.ok().as_array().unwrap().len(), count);
        assert_eq!(api.get(&format!("{list}?count=true")).await.ok(), json!({ list: count }));
    }

    // A trigger that comes after the one that a rule was tied to isn't tied to it.
    api.ask("DELETE", "triggers/tick", Value::Null).await.ok();
    assert_eq!(api.get("rules/tie").await.ok()["status"], "inactive");
    let (status, text) = api.ask("POST", "rules/tie", json!({"status": "active"})).await.error();
    assert_eq!((status, text.as_str()), (404, "Only rules with existing triggers can be activated"));
    api.ask("PUT", "triggers/tick", json!({})).await.ok();
    assert_eq!(api.ask("POST", "triggers/tick", json!({})).await.status, 204);
    assert_eq!(api.ask("POST", "rules/tie", json!({"status": "active"})).await.status, 200);
    assert_eq!(api.ask("POST", "triggers/tick", json!({})).await.status, 202);
    assert_eq!(api.ask("DELETE", "rules/tie", Value::Null).await.ok()["status"], "inactive");
    assert_eq!(api.get("rules/tie").await.error().0, 404);
    api.end().await;
}

#[tokio::test]
async fn what_can_not_be_is_refused_in_openwhisks_words() {
    let api = api().await;
    tied(&api).await;
    for (method, path, body, status, said) in [
        (
            "PUT",
            "rules/x",
            json!({"trigger": "/_/tick"}),
            400,
            "rule requires a valid trigger and a valid action",
        ),
        (
            "PUT",
            "rules/x",
            json!({"trigger": "/_/no", "action": "/_/act"}),
            400,
            "trigger /guest/no does not exist",
        ),
        (
            "PUT",
            "rules/x",
            json!({"trigger": "/_/tick", "action": "/_/no"}),
            400,
            "action /guest/no does not exist",
        ),
        (
            "PUT",
            "rules/x",
            json!({"trigger": "tick", "action": "/_/act"}),
            400,
            "at least the namespace and the name",
        ),
        ("PUT", "rules/x", json!({"trigger": "/other/t", "action": "/_/act"}), 403, "not authorized"),
        ("POST", "rules/tie", json!({"status": "perhaps"}), 400, "must be one of ['active', 'inactive']"),
        ("POST", "rules/none", json!({"status": "active"}), 404, "does not exist"),
        (
            "PUT",
            "triggers/x",
            json!({"annotations": [{"key": "feed", "value": 1}]}),
            400,
            "Feed name is not valid",
        ),
        ("PUT", "triggers/x", json!({"parameters": {}}), 400, "parameters malformed"),
        ("DELETE", "triggers/x", Value::Null, 404, "does not exist"),
    ] {
        let (found, text) = api.ask(method, path, body.clone()).await.error();
        assert_eq!(found, status, "{method} {path} {body}: {text}");
        assert!(text.contains(said), "{method} {path} {body}: {text}");
    }
    api.end().await;
}

/// What is tied survives the server, as actions do.
#[tokio::test]
async fn they_are_there_after_a_restart() {
    use crate::harness::with;
    use kiln::{openwhisk::Ranges, store::Store};
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("kiln.redb");
    let first = with(Store::open(&file).unwrap(), Ranges::default(), 512 << 20).await;
    tied(&first).await;
    first.end().await;
    let second = with(Store::open(&file).unwrap(), Ranges::default(), 512 << 20).await;
    assert_eq!(second.ask("POST", "triggers/tick", json!({})).await.status, 202);
    second.end().await;
}
