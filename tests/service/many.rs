//! Several requests in one instance at once.

use crate::harness::{begin, count, proxy, request, serve};
use futures_util::future::join_all;
use http_body_util::BodyExt;
use kiln::Function;
use std::time::Duration;

fn shared(concurrency: u32) -> Function {
    let mut function = proxy();
    (function.limits.concurrency, function.limits.max_sandboxes) = (concurrency, 1);
    function
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn as_many_as_its_concurrency_are_in_one_instance_together() {
    let bed = serve([shared(20)]).await;
    for _ in 0..5 {
        // Each waits for all the others.
        let answers = join_all((0..20).map(|_| bed.get("/meet?n=20"))).await;
        assert!(answers.iter().all(|answer| answer.text() == "20\n"), "{answers:?}");
    }
    assert_eq!(count(&bed.get("/count").await), 101, "one instance served all");
    bed.until("idle", |figures| figures.idle == 1).await;
    assert!(bed.host.figures().charged > 128 << 10, "what it holds at rest is charged");
    bed.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_more_than_its_concurrency_are_in_it() {
    let bed = serve([shared(3)]).await;
    let waiting = join_all((0..3).map(|_| bed.get("/meet?n=4")));
    let fourth = async {
        bed.until("full", |figures| figures.active == 1).await;
        bed.until("waiting", |figures| figures.waiting > 0).await;
    };
    let more = bed.get("/meet?n=4");
    tokio::select! {
        _ = waiting => panic!("a fourth was let in"),
        _ = async { tokio::join!(more, fourth) } => panic!("a fourth was let in"),
        () = tokio::time::sleep(Duration::from_millis(500)) => {}
    }
    // All of their callers have gone.
    bed.until("free", |figures| figures.waiting == 0).await;
    bed.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn each_has_its_own_reply_and_bodies_go_both_ways_at_once() {
    let bed = serve([shared(16)]).await;
    let asked = (0..64_usize).map(|number| {
        let bed = &bed;
        async move {
            let body = vec![number as u8; 1000 * number * (number % 7)];
            let answer = bed.post("/echo", body.clone()).await;
            assert_eq!(answer.status, 200);
            assert!(answer.body == body, "{number}: another's body");
            let answer = bed.get(&format!("/bytes?n={}", 10_000 * number)).await;
            assert_eq!(answer.body.len(), 10_000 * number);
        }
    });
    join_all(asked).await;
    bed.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn one_that_waits_holds_up_nobody_else() {
    let bed = serve([shared(4)]).await;
    let quick = async {
        for _ in 0..50 {
            assert_eq!(bed.get("/hello").await.text(), "hello\n");
        }
        bed.get("/present").await
    };
    let answer = tokio::select! {
        _ = bed.get("/wait?ms=60000") => panic!("it didn't wait"),
        answer = quick => answer,
    };
    assert_eq!(count(&answer), 2, "the slow one is in the same instance");
    bed.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_trap_ends_all_that_are_in_it_and_the_next_have_a_new_one() {
    let bed = serve([shared(4)]).await;
    let waiting = join_all((0..3).map(|_| bed.get("/meet?n=9")));
    let trapped = async {
        loop {
            if count(&bed.get("/present").await) == 4 {
                break;
            }
        }
        bed.get("/trap").await
    };
    let (others, trapped) = tokio::join!(waiting, trapped);
    for answer in others.iter().chain([&trapped]) {
        let (kind, text) = answer.error();
        assert_eq!((answer.status, kind.as_str()), (502, "FunctionFailed"));
        assert!(text.contains("the function trapped: "), "{text}");
    }
    assert_eq!(count(&bed.get("/count").await), 1);
    bed.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_loop_is_ended_at_its_time_with_all_that_it_held_up() {
    let mut function = shared(4);
    function.limits.timeout = Duration::from_millis(500);
    let bed = serve([function]).await;
    // Held up before its reply or in the middle of it: either is told, and neither is waited for.
    let held_up = begin(request("GET", &bed.url("/hello"), ""));
    let (first, _, second) = tokio::join!(bed.get("/loop"), held_up, bed.get("/loop"));
    assert_eq!((first.status, second.status), (504, 504));
    assert_eq!(bed.get("/hello").await.text(), "hello\n", "in an instance of its own");
    bed.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_caller_that_goes_away_leaves_the_others_alone() {
    let bed = serve([shared(3)]).await;
    let staying = async { bed.get("/meet?n=3").await };
    let others = async {
        for path in ["/bytes?n=1000000000", "/wait?ms=60000"] {
            let call = tokio::spawn(begin(request("GET", &bed.url(path), "")));
            tokio::time::sleep(Duration::from_millis(50)).await;
            call.abort();
            let _ = call.await;
        }
        // An upload that breaks off in the middle.
        let (sender, body) = crate::streams::by_hand();
        let call = tokio::spawn(begin(hyper::Request::post(bed.url("/echo")).body(body).unwrap()));
        sender.send(hyper::body::Bytes::from(vec![1; 100_000])).await.unwrap();
        tokio::time::sleep(Duration::from_millis(50)).await;
        call.abort();
        let _ = call.await;
        tokio::join!(bed.get("/meet?n=3"), bed.get("/meet?n=3"))
    };
    let (first, (second, third)) = tokio::join!(staying, others);
    assert!([first, second, third].iter().all(|answer| answer.text() == "3\n"));
    assert!(count(&bed.get("/count").await) > 5, "all were in one instance");
    bed.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_it_does_after_its_reply_is_let_finish_and_logged() {
    for function in [proxy(), shared(4)] {
        let bed = serve([function]).await;
        let (status, body, _) = bed.logged("/late").await;
        assert_eq!((status, body.as_str()), (200, "early\n"));
        // The instance is let go only then.
        bed.until("at rest", |figures| figures.active == 0).await;
        bed.end().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_reader_that_waits_holds_up_only_its_own_reply() {
    let mut function = shared(4);
    function.limits.max_reply = 1 << 30;
    let bed = serve([function]).await;
    let mut slow = begin(request("GET", &bed.url("/bytes?n=50000000"), "")).await.into_body();
    let first = slow.frame().await.unwrap().unwrap().into_data().unwrap().len();
    for _ in 0..20 {
        assert_eq!(bed.get("/hello").await.text(), "hello\n");
    }
    let rest = slow.collect().await.unwrap().to_bytes().len();
    assert_eq!(first + rest, 50_000_000);
    bed.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn one_that_was_paused_goes_on() {
    let mut function = shared(2);
    function.pause_after = Some(Duration::from_millis(1));
    let bed = serve([function]).await;
    for so_far in 1..4 {
        assert_eq!(count(&bed.get("/count").await), so_far);
        bed.until("at rest", |figures| figures.active == 0).await;
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    bed.end().await;
}
