//! Packages and bindings.

use crate::harness::{OTHER, api};
use serde_json::{Value, json};

#[tokio::test]
async fn a_package_is_declared_changed_shown_and_taken_away() {
    let api = api().await;
    let created =
        api.ask("PUT", "packages/tools", json!({"parameters": [{"key": "a", "value": 1}]})).await.ok();
    assert_eq!((&created["version"], &created["binding"]), (&json!("0.0.1"), &json!({})));
    assert_eq!(api.ask("PUT", "packages/tools", json!({})).await.error().0, 409);
    let changed = api.ask("PUT", "packages/tools?overwrite=true", json!({"publish": true})).await.ok();
    assert_eq!((&changed["version"], &changed["publish"]), (&json!("0.0.2"), &json!(true)));
    assert_eq!(changed["parameters"], json!([{"key": "a", "value": 1}]));

    api.create("tools/hello", "").await;
    let shown = api.get("packages/tools").await.ok();
    assert_eq!((&shown["actions"][0]["name"], &shown["feeds"]), (&json!("hello"), &json!([])));
    assert_eq!(api.get("actions/tools/").await.ok()[0]["namespace"], "guest/tools");
    assert_eq!(api.get("packages").await.ok()[0]["name"], "tools");

    let full = api.ask("DELETE", "packages/tools", Value::Null).await.error();
    assert_eq!(
        full,
        (409, "Package not empty (contains 1 entity). Set force param or delete package contents.".into())
    );
    assert_eq!(api.ask("DELETE", "packages/tools?force=true", Value::Null).await.ok()["name"], "tools");
    assert_eq!(api.get("packages/tools").await.error().0, 404);
    assert_eq!(api.get("actions").await.ok(), json!([]));
    assert_eq!(
        api.ask("PUT", "packages/default", json!({})).await.error(),
        (400, "Package name 'default' is reserved.".into())
    );
    api.end().await;
}

#[tokio::test]
async fn a_binding_lends_a_shared_packages_actions() {
    let api = api().await;
    let bind = |name: &str| json!({"binding": {"namespace": "guest", "name": name}, "parameters": [{"key": "b", "value": 2}]});
    let as_other =
        |method: &'static str, path: &'static str, body: Value| api.ask_as(Some(OTHER), method, path, body);
    api.ask("PUT", "packages/shared", json!({"publish": true, "parameters": [{"key": "a", "value": 1}]}))
        .await
        .ok();
    api.ask("PUT", "packages/private", json!({})).await.ok();
    api.create("shared/echo", "").await;
    api.create("private/echo", "").await;

    as_other("PUT", "packages/mine", bind("shared")).await.ok();
    assert_eq!(as_other("PUT", "packages/no", bind("private")).await.error().0, 403);
    let missing = as_other("PUT", "packages/no", bind("nothing")).await.error();
    assert_eq!(missing, (400, "Binding references a package that does not exist.".into()));
    let called = as_other("POST", "actions/mine/echo?blocking=true", json!({"c": 3})).await.ok();
    assert_eq!(called["response"]["result"], json!({"a": 1, "b": 2, "c": 3}));
    let annotations = called["annotations"].as_array().unwrap();
    assert!(annotations.contains(&json!({"key": "binding", "value": "other/mine"})), "{called}");
    assert!(annotations.contains(&json!({"key": "path", "value": "guest/shared/echo"})), "{called}");
    assert_eq!(called["namespace"], "other", "the record is the caller's");
    let listed = as_other("GET", "activations", Value::Null).await.ok();
    assert_eq!(listed.as_array().unwrap().len(), 1);

    let exec = json!({"exec": {"kind": "lines:1", "code": ""}});
    let refused = as_other("PUT", "actions/mine/new", exec).await.error();
    assert_eq!(refused, (400, "Operation not permitted on package binding.".into()));
    let shown = as_other("GET", "packages/mine", Value::Null).await.ok();
    assert_eq!(shown["actions"][0]["name"], "echo");
    let public = as_other("GET", "/api/v1/namespaces/guest/packages", Value::Null).await.ok();
    assert_eq!(public.as_array().unwrap().len(), 1, "{public}");
    assert_eq!(
        as_other("POST", "/api/v1/namespaces/guest/actions/private/echo", json!({})).await.error().0,
        403
    );
    api.end().await;
}
