//! `ANY /r/<function>`: what the caller gets of a function, or instead of one.

use crate::guests;
use crate::harness::{host, serve, serve_host};
use kiln::{Format, Function};
use std::time::Duration;

#[tokio::test(flavor = "multi_thread")]
async fn a_body_goes_in_and_a_body_comes_out() {
    let server = serve([Function::wasm_bytes("echo", guests::echo())]).await;
    for body in [Vec::new(), b"hello".to_vec(), (0..=255).cycle().take(3 << 20).collect()] {
        let answer = server.post("/r/echo", body.clone()).await;
        assert_eq!(answer.status, 200, "{:?}", String::from_utf8_lossy(&answer.body));
        assert!(answer.body == body, "{} bytes came back changed", body.len());
        assert_eq!(answer.header("kiln-backend"), "wasm");
        assert!(["cold", "prewarmed", "warm"].contains(&answer.header("kiln-start")), "{:?}", answer.headers);
        assert_eq!(answer.header("kiln-invocation-id").len(), 32);
        let phases: Vec<_> =
            answer.header("kiln-duration-us").split(", ").map(|pair| pair.split_once('=')).collect();
        let names: Vec<_> = phases.iter().map(|pair| pair.unwrap().0).collect();
        assert_eq!(names, ["wait", "start", "run"]);
        assert!(phases.iter().all(|pair| pair.unwrap().1.parse::<u64>().is_ok()), "{phases:?}");
    }
}

/// SEEDS.md E11: the function's status and headers reach the caller; what is Kiln's to say it can't forge.
#[tokio::test(flavor = "multi_thread")]
async fn e11_the_functions_status_and_headers_are_the_callers() {
    let server = serve([Function::wasm_bytes("tea", guests::teapot()).format(Format::Http)]).await;
    let first = server.get("/r/tea").await;
    assert_eq!(
        (first.status, first.header("x-function"), first.header("content-type")),
        (418, "yes", "text/x-tea")
    );
    assert_eq!((&first.body[..], first.header("content-length")), (&b"short"[..], "5"));
    assert_eq!(first.header("kiln-start"), "cold");
    assert_eq!(server.get("/r/tea").await.header("kiln-start"), "warm");
}

#[tokio::test(flavor = "multi_thread")]
async fn http2_with_prior_knowledge_is_spoken() {
    let server = serve([Function::wasm_bytes("echo", guests::echo())]).await;
    let answer = server.send(server.request("PUT", "/r/echo", "two"), true).await;
    assert_eq!((answer.status, &answer.body[..]), (200, &b"two"[..]));
}

/// Over HTTP/2 a body in a reply to `HEAD` would end its stream with an error.
#[tokio::test(flavor = "multi_thread")]
async fn head_is_answered_without_a_body_in_either_version() {
    let server = serve([Function::wasm_bytes("echo", guests::echo())]).await;
    for http2 in [false, true] {
        for (path, body, length) in
            [("/healthz", 0, "3"), ("/r/echo", 3, "3"), ("/r/echo", 400_000, "400000")]
        {
            let answer = server.send(server.request("HEAD", path, vec![b'a'; body]), http2).await;
            assert_eq!((answer.status, answer.body.len()), (200, 0), "{path} {http2}");
            assert_eq!(answer.header("content-length"), length, "{path} {http2}");
        }
        let answer = server.send(server.request("HEAD", "/r/nope", ""), http2).await;
        assert_eq!((answer.status, answer.header("kiln-error"), answer.body.len()), (404, "NotFound", 0));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_there_is_said_in_json() {
    let server = serve([]).await;
    let function = server.post("/r/nope", "").await;
    assert_eq!((function.status, function.header("kiln-error")), (404, "NotFound"));
    let body = function.json();
    assert_eq!(body["kind"], "NotFound");
    assert!(body["error"].as_str().unwrap().contains("nope"), "{body}");
    assert_eq!(body["invocation"], function.header("kiln-invocation-id"));
    let path = server.get("/nope").await;
    assert_eq!((path.status, path.header("kiln-error")), (404, "NotFound"));
    assert!(path.json()["error"].as_str().unwrap().contains("/r/<function>"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_function_that_fails_says_its_last_words() {
    let server = serve([Function::wasm_bytes("fail", guests::fail(3))]).await;
    let answer = server.post("/r/fail", "").await;
    assert_eq!((answer.status, answer.header("kiln-error")), (502, "FunctionFailed"));
    let body = answer.json();
    assert!(body["error"].as_str().unwrap().contains("code 3"), "{body}");
    assert_eq!(body["logs"], serde_json::json!(["oh no"]));
    assert!(!answer.header("kiln-start").is_empty(), "it had a sandbox");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_function_that_takes_too_long_is_stopped() {
    let endless = Function::wasm_bytes("endless", guests::endless()).timeout(Duration::from_millis(100));
    let server = serve([endless]).await;
    let answer = server.post("/r/endless", "").await;
    assert_eq!((answer.status, answer.header("kiln-error")), (504, "TimedOut"));
    server.until("its sandbox is gone", |host| host.figures().charged == 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_is_too_large_is_refused() {
    let host = host(|builder| builder.max_body(1024));
    let server = serve_host(host, [Function::wasm_bytes("echo", guests::echo())]).await;
    let answer = server.post("/r/echo", vec![0; 1025]).await;
    assert_eq!((answer.status, answer.header("kiln-error")), (413, "TooLarge"));
    assert!(answer.json()["error"].as_str().unwrap().contains("1024"));
    assert_eq!(server.post("/r/echo", vec![0; 1024]).await.status, 200);
}
