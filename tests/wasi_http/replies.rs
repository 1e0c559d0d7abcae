//! What a component is told, and what its caller gets.

use crate::harness::{count, proxy, request, send, serve};
use hyper::header::HeaderValue;

#[tokio::test]
async fn a_component_serves_as_it_is_and_nothing_need_be_said_of_it() {
    let bed = serve([proxy()]).await;
    let answer = bed.get("/hello").await;
    assert_eq!((answer.status, answer.text(), answer.header("content-type")), (200, "hello\n", "text/plain"));
    assert_eq!((answer.header("kiln-backend"), answer.header("kiln-start")), ("wasm", "cold"));
    for status in [201, 204, 304, 404, 418, 503, crate::LAST_STATUS] {
        assert_eq!(bed.get(&format!("/status/{status}")).await.status, status);
    }
    bed.end().await;
}

#[tokio::test]
async fn it_is_told_the_callers_method_path_and_headers() {
    let bed = serve([proxy()]).await;
    for method in ["GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "PURGE"] {
        let mut request = request(method, &bed.url("/headers/a%20b?c=d&e"), "");
        let headers = request.headers_mut();
        headers.insert("x-b", HeaderValue::from_static("2"));
        headers.append("x-a", HeaderValue::from_static("1"));
        headers.append("x-a", HeaderValue::from_static("1b"));
        // A name that `http` functions are given by the host is any other one here.
        headers.insert("fn-call-id", HeaderValue::from_static("mine"));
        headers.insert("connection", HeaderValue::from_static("x-hop"));
        headers.insert("x-hop", HeaderValue::from_static("1"));
        let answer = send(request).await;
        assert_eq!(answer.header("x-method"), method);
        assert_eq!(answer.header("x-path"), "/headers/a%20b?c=d&e");
        assert_eq!(answer.text(), "x-a: 1\nx-a: 1b\nx-b: 2\n", "{method}");
    }
    bed.end().await;
}

#[tokio::test]
async fn bodies_of_any_size_and_byte_come_back() {
    let bed = serve([proxy()]).await;
    for size in [0, 1, 4095, 4096, 65_536, 65_537, 1 << 20, 9 << 20] {
        let body: Vec<u8> = (0..size).map(|at| (at % 251) as u8).collect();
        let mut request = request("POST", &bed.url("/echo"), body.clone());
        request.headers_mut().insert("content-type", HeaderValue::from_static("a/b"));
        let answer = send(request).await;
        assert!(answer.status == 200 && answer.body == body, "{size} bytes differ: {}", answer.body.len());
        assert_eq!(answer.header("content-type"), "a/b");
    }
    bed.end().await;
}

#[tokio::test]
async fn each_request_has_an_instance_of_its_own_unless_more_are_said() {
    let mut kept = proxy();
    kept.limits.max_uses = Some(3);
    let (fresh, kept) = (serve([proxy()]).await, serve([kept]).await);
    let mut counts = Vec::new();
    for _ in 0..4 {
        assert_eq!(count(&fresh.get("/count").await), 1);
        let answer = kept.get("/count").await;
        counts.push((count(&answer), answer.header("kiln-start").to_owned()));
    }
    let counts: Vec<_> = counts.iter().map(|(count, start)| (*count, start.as_str())).collect();
    assert_eq!(counts, [(1, "cold"), (2, "warm"), (3, "warm"), (1, "cold")]);
    fresh.end().await;
    kept.end().await;
}

#[tokio::test]
async fn a_prewarmed_instance_is_there_before_its_request() {
    let bed = serve([proxy().prewarm(2)]).await;
    for _ in 0..4 {
        bed.until("ready", |figures| figures.prewarmed >= 2).await;
        let answer = bed.get("/count").await;
        assert_eq!((count(&answer), answer.header("kiln-start")), (1, "prewarmed"));
    }
    bed.end().await;
}

#[tokio::test]
async fn what_it_leaves_of_a_body_is_not_the_next_request() {
    let mut kept = proxy();
    kept.limits.max_uses = Some(100);
    let bed = serve([kept]).await;
    for so_far in 1..5 {
        // Nothing of it is read.
        let answer = bed.post("/count", vec![1; 50_000]).await;
        assert_eq!(count(&answer), so_far);
    }
    assert_eq!(bed.post("/echo", "whole").await.text(), "whole");
    bed.end().await;
}

#[tokio::test]
async fn its_environment_is_the_functions_and_its_output_the_functions_log() {
    let bed = serve([proxy().env("LEVEL", "info")]).await;
    assert!(bed.get("/env").await.text().lines().any(|line| line == "LEVEL=info"));
    assert_eq!(bed.logged("/log").await, (200, String::new(), "a line on stderr\na line on stdout".into()));
    bed.end().await;
}
