//! Declaring, showing, listing and taking away actions; who may, and what is refused how.

use crate::harness::{GUEST, OTHER, api};
use serde_json::{Value, json};

#[tokio::test]
async fn an_action_is_declared_changed_shown_and_taken_away() {
    let api = api().await;
    let created = api.create("hello", "a").await;
    let expected = json!({
        "namespace": "guest", "name": "hello", "version": "0.0.1", "publish": false,
        "exec": {"kind": "lines:1", "binary": false, "code": "a"}, "parameters": [],
        "limits": {"timeout": 60_000, "memory": 256, "logs": 10, "concurrency": 1},
        "annotations": [{"key": "provide-api-key", "value": false}, {"key": "exec", "value": "lines:1"}],
        "updated": created["updated"],
    });
    assert_eq!(created, expected);

    let again = json!({"exec": {"kind": "lines:1", "code": "b"}});
    assert_eq!(api.ask("PUT", "actions/hello", again).await.error(), (409, "resource already exists".into()));
    let change = json!({"parameters": [{"key": "a", "value": 1}]});
    let changed = api.ask("PUT", "actions/hello?overwrite=true", change).await.ok();
    assert_eq!((&changed["version"], &changed["exec"]["code"]), (&json!("0.0.2"), &json!("a")));

    let shown = api.get("actions/hello").await.ok();
    assert_eq!(shown, changed);
    let without = api.get("/api/v1/namespaces/guest/actions/hello?code=false").await.ok();
    assert_eq!(without["exec"], json!({"kind": "lines:1", "binary": false}));

    assert_eq!(api.ask("DELETE", "actions/hello", Value::Null).await.ok(), changed);
    let missing = (404, "The requested resource does not exist.".to_owned());
    assert_eq!(api.get("actions/hello").await.error(), missing);
    assert_eq!(api.ask("DELETE", "actions/hello", Value::Null).await.error(), missing);
    assert_eq!(api.ask("POST", "actions/hello", json!({})).await.error(), missing);
    assert!(api.host.list().is_empty(), "nothing of it is left on the host");
    api.end().await;
}

#[tokio::test]
async fn lists_are_the_last_changed_first_and_may_be_counted() {
    let api = api().await;
    for name in ["a", "b", "c"] {
        api.create(name, "x").await;
        tokio::time::sleep(std::time::Duration::from_millis(2)).await;
    }
    let names = |list: Value| -> Vec<String> {
        list.as_array().unwrap().iter().map(|row| row["name"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(names(api.get("actions").await.ok()), ["c", "b", "a"]);
    assert_eq!(names(api.get("actions/?limit=1&skip=1").await.ok()), ["b"]);
    assert_eq!(api.get("actions?count=true").await.ok(), json!({"actions": 3}));
    let row = &api.get("actions").await.ok()[0];
    assert_eq!(row["exec"], json!({"binary": false}));
    assert_eq!(row["limits"]["memory"], 256);
    let (status, text) = api.get("actions?limit=201").await.error();
    assert_eq!(status, 400);
    assert!(text.contains("not in the range of 0 to 200 for actions"), "{text}");
    api.end().await;
}

#[tokio::test]
async fn a_key_opens_its_own_namespace_only() {
    let api = api().await;
    api.create("hello", "a").await;
    let of = |key, path: &'static str| api.ask_as(key, "GET", path, Value::Null);
    let none = of(None, "actions").await;
    assert_eq!(none.header("www-authenticate"), "Basic realm=\"OpenWhisk secure realm\",charset=UTF-8");
    assert_eq!(none.error().0, 401);
    let wrong = of(Some("a:b"), "actions").await.error();
    assert_eq!(wrong, (401, "The supplied authentication is invalid".into()));
    assert_eq!(of(Some(OTHER), "actions/hello").await.error().0, 404, "`_` is the key's own");
    for (method, path) in [
        ("GET", "/api/v1/namespaces/guest/actions/hello"),
        ("POST", "/api/v1/namespaces/guest/actions/hello"),
        ("DELETE", "/api/v1/namespaces/guest/actions/hello"),
        ("PUT", "/api/v1/namespaces/guest/actions/new"),
        ("GET", "/api/v1/namespaces/guest/actions"),
        ("GET", "/api/v1/namespaces/guest/activations"),
        ("PUT", "/api/v1/namespaces/guest/packages/p"),
    ] {
        let body = json!({"exec": {"kind": "lines:1", "code": "x"}});
        let (status, text) = api.ask_as(Some(OTHER), method, path, body).await.error();
        assert_eq!(status, 403, "{method} {path}");
        assert!(text.starts_with("The supplied authentication is not authorized to access 'guest"), "{text}");
    }
    assert_eq!(of(Some(OTHER), "/api/v1/namespaces").await.ok(), json!(["other"]));
    assert_eq!(of(Some(GUEST), "/api/v1/namespaces").await.ok(), json!(["guest"]));
    api.end().await;
}

#[tokio::test]
async fn what_cannot_be_is_refused_with_openwhisks_words() {
    let api = api().await;
    for (path, body, status, part) in [
        ("actions/a", json!({}), 400, "exec undefined"),
        (
            "actions/a",
            json!({"exec": {"kind": "cobol", "code": "x"}}),
            400,
            "'cobol' is not supported by this platform",
        ),
        ("actions/a", json!({"exec": {"kind": "lines:1"}}), 400, "'code' must be a string"),
        ("actions/a%21", json!({}), 400, "illegal characters"),
        ("actions/none/a", json!({"exec": {"kind": "lines:1", "code": "x"}}), 404, "does not exist"),
        (
            "actions/a",
            json!({"exec": {"kind": "lines:1", "code": "x"}, "limits": {"memory": 1024}}),
            400,
            "memory size 1024 MB exceeds allowed threshold of 512 MB",
        ),
        (
            "actions/a",
            json!({"exec": {"kind": "sequence", "components": []}}),
            400,
            "No component specified for the sequence.",
        ),
    ] {
        let (found, text) = api.ask("PUT", path, body.clone()).await.error();
        assert_eq!(found, status, "{path} {body}: {text}");
        assert!(text.contains(part), "{path} {body}: {text}");
    }
    let image = json!({"exec": {"kind": "blackbox", "image": "nothing"}});
    assert_eq!(api.ask("PUT", "actions/a", image).await.status, 400, "the backend doesn't take it");
    assert_eq!(api.get("actions").await.ok(), json!([]), "nothing of all that was kept");
    let method = api.ask("PATCH", "actions/a", json!({})).await;
    assert_eq!((method.status, method.header("allow")), (405, "PUT, GET, DELETE, POST"));
    assert_eq!(api.get("/api/v1/nothing").await.error().0, 404);
    api.end().await;
}

#[tokio::test]
async fn a_change_that_cannot_run_leaves_what_was() {
    let api = api().await;
    let put = |image: &str, overwrite: &str| {
        let frame = json!([{"key": "format", "value": "frame"}]);
        let exec = json!({"exec": {"kind": "blackbox", "image": image}, "annotations": frame});
        let (api, path) = (&api, format!("actions/a{overwrite}"));
        async move { api.ask("PUT", &path, exec).await }
    };
    put("echo", "").await.ok();
    assert_eq!(put("nothing", "?overwrite=true").await.status, 400);
    assert_eq!(api.get("actions/a").await.ok()["version"], "0.0.1");
    let called = api.ask("POST", "actions/a?blocking=true&result=true", json!({"x": 1})).await.ok();
    assert_eq!(called, json!({"x": 1}));
    api.end().await;
}

#[tokio::test]
async fn the_platform_says_what_it_is() {
    let api = api().await;
    let open = |path: &'static str| api.ask_as(None, "GET", path, Value::Null);
    let controller = open("/").await.ok();
    assert_eq!(
        (&controller["description"], &controller["api_paths"]),
        (&json!("OpenWhisk"), &json!(["/api/v1"]))
    );
    assert_eq!(controller["runtimes"]["lines"][0]["kind"], "lines:default");
    assert_eq!(open("/api/v1").await.ok()["api_version_path"], "v1");
    assert_eq!(open("/ping").await.text(), "pong");
    let limits = api.get("limits").await.ok();
    assert_eq!((&limits["maxActionMemory"], &limits["minActionTimeout"]), (&json!(512), &json!(100)));
    let all = api.get("/api/v1/namespaces/_").await.ok();
    assert_eq!(all, json!({"actions": [], "packages": [], "triggers": [], "rules": []}));
    for list in ["triggers", "rules"] {
        assert_eq!(api.get(list).await.ok(), json!([]));
    }
    let answer = api.get("actions").await;
    assert_eq!(answer.header("access-control-allow-origin"), "*");
    assert!(!answer.header("x-request-id").is_empty());
    let preflight = api.ask_as(None, "OPTIONS", "actions", Value::Null).await;
    assert_eq!(
        (preflight.status, preflight.header("access-control-allow-methods")),
        (200, "GET, DELETE, POST, PUT, HEAD")
    );
    api.end().await;
}
