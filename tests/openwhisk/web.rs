//! Web actions over HTTP.

use crate::harness::{Answer, Api, GUEST, api};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http_body_util::Full;
use hyper::Request;
use hyper::body::Bytes;
use serde_json::{Value, json};

async fn web(api: &Api, method: &str, path: &str, headers: &[(&str, &str)], body: &'static str) -> Answer {
    let mut request =
        Request::builder().method(method).uri(format!("http://{}/api/v1/web/guest/{path}", api.address));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    api.send(request.body(Full::new(Bytes::from_static(body.as_bytes()))).unwrap()).await
}

async fn export(api: &Api, name: &str, annotations: Value) {
    let mut all = vec![json!({"key": "web-export", "value": true})];
    all.extend(
        annotations.as_object().unwrap().iter().map(|(key, value)| json!({"key": key, "value": value})),
    );
    let action = json!({"exec": {"kind": "lines:1", "code": ""}, "annotations": all});
    api.ask("PUT", &format!("actions/{name}?overwrite=true"), action).await.ok();
}

const JSON: (&str, &str) = ("content-type", "application/json");

#[tokio::test]
async fn a_request_is_its_parameters_and_a_result_its_reply() {
    let api = api().await;
    export(&api, "echo", json!({})).await;
    let echoed = web(&api, "POST", "default/echo.json/a/b?x=1", &[JSON, ("x-own", "y")], r#"{"z": 2}"#).await;
    assert_eq!(echoed.header("access-control-allow-origin"), "*");
    assert_eq!(echoed.header("x-openwhisk-activation-id").len(), 32);
    let told = echoed.ok();
    assert_eq!((&told["x"], &told["z"]), (&json!("1"), &json!(2)));
    assert_eq!((&told["__ow_method"], &told["__ow_path"]), (&json!("post"), &json!("/a/b")));
    assert_eq!(told["__ow_headers"]["x-own"], "y");
    assert_eq!(told.get("__ow_user"), None);

    let body =
        r#"{"body": "aGk=", "statusCode": 201, "headers": {"content-type": "image/png", "X-A": ["1", "2"]}}"#;
    let reply = web(&api, "POST", "default/echo", &[JSON], body).await;
    assert_eq!((reply.status, reply.header("content-type"), reply.text().as_str()), (201, "image/png", "hi"));
    assert_eq!(reply.headers.get_all("x-a").iter().count(), 2);
    let text = web(&api, "POST", "default/echo.text", &[("content-type", "text/plain")], "x").await;
    assert_eq!(text.error(), (404, "Response does not include requested property.".into()));
    let html = web(&api, "GET", "default/echo.html?html=%3Cb%3E", &[], "").await;
    assert_eq!(
        (html.status, html.header("content-type"), html.text().as_str()),
        (200, "text/html; charset=UTF-8", "<b>")
    );
    // An application's error is its reply, too.
    let error = r#"{"error": {"statusCode": 404, "body": {"no": 1}}}"#;
    let failed = web(&api, "POST", "default/echo.http", &[JSON], error).await;
    assert_eq!((failed.status, failed.json()), (404, json!({"no": 1})));
    api.end().await;
}

#[tokio::test]
async fn what_isnt_exported_isnt_there() {
    let api = api().await;
    api.create("private", "").await;
    let missing = (404, "The requested resource does not exist.".to_owned());
    assert_eq!(web(&api, "GET", "default/private.json", &[], "").await.error(), missing);
    assert_eq!(web(&api, "GET", "default/nothing.json", &[], "").await.error(), missing);
    let key = format!("Basic {}", STANDARD.encode(GUEST));
    let with_key = [("authorization", key.as_str())];
    assert_eq!(web(&api, "GET", "default/private.json", &with_key, "").await.error(), missing);
    api.end().await;
}

#[tokio::test]
async fn raw_ones_get_body_and_query_as_they_are() {
    let api = api().await;
    export(&api, "raw", json!({"raw-http": true})).await;
    let told = web(&api, "PUT", "default/raw.json?a=%20b", &[JSON], r#"{"__ow_body": 1}"#).await.ok();
    assert_eq!(
        (&told["__ow_query"], &told["__ow_body"]),
        (&json!("a=%20b"), &json!("eyJfX293X2JvZHkiOiAxfQ=="))
    );
    let told = web(&api, "POST", "default/raw.json", &[("content-type", "text/plain")], "hi").await.ok();
    assert_eq!(told["__ow_body"], "hi");
    api.end().await;
}

#[tokio::test]
async fn reserved_and_final_parameters_are_the_actions() {
    let api = api().await;
    export(&api, "echo", json!({"final": true})).await;
    let change = json!({"parameters": [{"key": "mine", "value": 1}]});
    api.ask("PUT", "actions/echo?overwrite=true", change).await.ok();
    let refused =
        (400, "Request defines parameters that are not allowed (e.g., reserved properties).".to_owned());
    for path in ["default/echo.json?__ow_method=x", "default/echo.json?mine=2"] {
        assert_eq!(web(&api, "GET", path, &[], "").await.error(), refused, "{path}");
    }
    assert_eq!(web(&api, "GET", "default/echo.json?yours=2", &[], "").await.ok()["mine"], 1);
    api.end().await;
}

#[tokio::test]
async fn a_lock_opens_with_its_secret_or_any_key() {
    let api = api().await;
    export(&api, "secret", json!({"require-whisk-auth": "open sesame"})).await;
    export(&api, "keyed", json!({"require-whisk-auth": true})).await;
    assert_eq!(web(&api, "GET", "default/secret.json", &[], "").await.error().0, 401);
    let secret = [("x-require-whisk-auth", "open sesame")];
    assert_eq!(web(&api, "GET", "default/secret.json", &secret, "").await.status, 200);
    assert_eq!(web(&api, "GET", "default/keyed.json", &[], "").await.error().0, 401);
    let key = format!("Basic {}", STANDARD.encode(GUEST));
    let told = web(&api, "GET", "default/keyed.json", &[("authorization", key.as_str())], "").await.ok();
    assert_eq!(told["__ow_user"], "guest");
    api.end().await;
}

#[tokio::test]
async fn options_are_answered_for_an_action_unless_it_does_itself() {
    let api = api().await;
    export(&api, "echo", json!({})).await;
    let asked = [("access-control-request-headers", "x-mine")];
    let answer = web(&api, "OPTIONS", "default/echo.json", &asked, "").await;
    assert_eq!((answer.status, answer.body.len()), (200, 0));
    assert_eq!(answer.header("access-control-allow-headers"), "x-mine");
    assert_eq!(answer.header("access-control-allow-methods"), "OPTIONS, GET, DELETE, POST, PUT, HEAD, PATCH");
    export(&api, "own", json!({"web-custom-options": true})).await;
    let answer = web(&api, "OPTIONS", "default/own.json", &asked, "").await;
    assert_eq!(answer.header("access-control-allow-origin"), "");
    assert_eq!(answer.ok()["__ow_method"], "options");
    api.end().await;
}

/// `/r/<name>`: what a manifest declares is anybody's, an action is for whoever has its key.
#[tokio::test]
async fn any_request_reaches_a_function_from_source() {
    let api = api().await;
    api.host.deploy(kiln::Function::source("open", "lines", "")).await.unwrap();
    api.create("mine", "").await;
    let raw = async |method: &str, path: &str, headers: &[(&str, &str)], body: &'static str| {
        let mut request = Request::builder().method(method).uri(format!("http://{}/r/{path}", api.address));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        api.send(request.body(Full::new(Bytes::from_static(body.as_bytes()))).unwrap()).await
    };
    assert_eq!(
        raw("POST", "open", &[JSON], r#"{"a": 1, "body": 2}"#).await.json(),
        json!({"a": 1, "body": 2})
    );
    let told = raw("PUT", "open/x?b=1", &[("content-type", "text/html")], "<b>").await;
    // What it was told of has a `body` only as `__ow_body`: its result is JSON.
    let told = told.json();
    assert_eq!(
        (&told["__ow_body"], &told["__ow_path"], &told["b"]),
        (&json!("<b>"), &json!("/x"), &json!("1"))
    );
    let reply = raw("GET", "open?statusCode=418&body=tea", &[], "").await;
    assert_eq!((reply.status, reply.text().as_str()), (418, "tea"));
    assert_eq!(reply.header("kiln-start"), "warm");
    let broken = raw("PUT", "open", &[JSON], "{").await;
    assert_eq!((broken.status, broken.header("kiln-error")), (400, "InvalidInput"));

    assert_eq!(raw("POST", "mine", &[JSON], "{}").await.status, 404);
    let key = format!("Basic {}", STANDARD.encode(GUEST));
    let keyed = raw("POST", "mine", &[JSON, ("authorization", key.as_str())], r#"{"a": 1}"#).await;
    assert_eq!((keyed.status, keyed.json()), (200, json!({"a": 1})));
    assert_eq!(raw("POST", "open", &[JSON, ("authorization", key.as_str())], "{}").await.status, 200);
    api.end().await;
}
