//! Components that don't do as they should, and callers that go away.

use crate::harness::{HANG, begin, count, proxy, request, serve};
use http_body_util::BodyExt;
use std::time::Duration;

#[tokio::test]
async fn a_trap_is_told_with_what_was_said_before_it_and_the_next_request_is_served() {
    let mut kept = proxy();
    kept.limits.max_uses = Some(100);
    let bed = serve([kept]).await;
    assert_eq!(count(&bed.get("/count").await), 1);
    let answer = bed.get("/trap").await;
    let (kind, text) = answer.error();
    assert_eq!((answer.status, kind.as_str()), (502, "FunctionFailed"));
    assert!(text.contains("the function trapped: "), "{text}");
    assert_eq!(count(&bed.get("/count").await), 1, "what trapped is gone");
    bed.end().await;
}

#[tokio::test]
async fn an_endless_loop_is_ended_at_its_time() {
    let bed = serve([proxy().timeout(Duration::from_millis(200))]).await;
    let answer = bed.get("/loop").await;
    assert_eq!((answer.status, answer.error().0.as_str()), (504, "TimedOut"));
    assert_eq!(bed.get("/hello").await.status, 200);
    bed.end().await;
}

#[tokio::test]
async fn what_takes_too_much_memory_ends_and_is_told_so() {
    let bed = serve([proxy().memory(16 << 20)]).await;
    let answer = bed.get("/grow").await;
    assert_eq!((answer.status, answer.error().0.as_str()), (502, "OutOfMemory"));
    assert_eq!(bed.get("/hello").await.status, 200);
    bed.end().await;
}

#[tokio::test]
async fn one_that_sets_no_reply_is_told_of() {
    let bed = serve([proxy()]).await;
    let answer = bed.get("/silent").await;
    let (kind, text) = answer.error();
    assert_eq!((answer.status, kind.as_str()), (502, "FunctionFailed"));
    assert!(text.contains(crate::NO_REPLY), "{text}");
    bed.end().await;
}

#[tokio::test]
async fn a_reply_is_not_longer_than_it_may_be() {
    let mut short = proxy();
    short.limits.max_reply = 100_000;
    let bed = serve([short]).await;
    assert_eq!(bed.post("/echo", vec![1; 100_000]).await.body.len(), 100_000);
    // It has begun by then, so it breaks off.
    let response = begin(request("POST", &bed.url("/echo"), vec![1; 1 << 20])).await;
    let body = tokio::time::timeout(HANG, response.into_body().collect()).await.unwrap();
    assert!(body.is_err() || body.unwrap().to_bytes().len() < 1 << 20, "all of it came");
    bed.end().await;
}

#[tokio::test]
async fn a_caller_that_goes_away_takes_its_instance_with_it() {
    let bed = serve([proxy()]).await;
    let call = tokio::spawn(begin(request("GET", &bed.url("/loop"), "")));
    bed.until("running", |figures| figures.active == 1).await;
    call.abort();
    let _ = call.await;
    bed.until("gone", |figures| figures.active == 0 && figures.charged == 0).await;
    bed.end().await;
}

#[tokio::test]
async fn what_it_does_after_its_reply_does_not_change_that() {
    let bed = serve([proxy()]).await;
    assert_eq!(bed.get("/late").await.text(), "early\n");
    assert_eq!(bed.get("/fall").await.text(), "before\n", "it traps once its reply is whole");
    bed.end().await;
}
