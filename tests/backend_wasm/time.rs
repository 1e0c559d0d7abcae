//! Endless loops, sleeping guests, and the thread that makes them yield.

use crate::support::*;
use std::future::poll_fn;
use std::task::Poll;
use std::time::Duration;

#[tokio::test(flavor = "current_thread")]
async fn an_endless_loop_lets_others_answer_on_the_same_thread() {
    let wasm = backend();
    let mut spins = live(&wasm, streaming(spinner())).await;
    let mut answers = live(&wasm, streaming(echo())).await;
    spins.write("x");
    let loop_task = tokio::spawn(async move {
        let _ = poll_fn(|cx| spins.sandbox.stdio().poll_read(cx)).await;
    });
    for _ in 0..20 {
        tokio::task::yield_now().await;
        assert_eq!(answers.call("still here").await, b"still here");
    }
    assert!(!loop_task.is_finished());
    loop_task.abort();
    assert!(loop_task.await.unwrap_err().is_cancelled());
    assert_eq!(wasm.figures().live, 1);
}

#[tokio::test(flavor = "current_thread")]
async fn a_call_beyond_its_time_can_be_given_up() {
    let mut spins = live(&backend(), streaming(spinner())).await;
    spins.write("x");
    let read = poll_fn(|cx| spins.sandbox.stdio().poll_read(cx));
    assert!(tokio::time::timeout(Duration::from_millis(10), read).await.is_err());
    assert!(!spins.sandbox.is_dead());
}

/// A subscription to a clock in so many nanoseconds at 1000, and one to stdin at 1048.
const SUBSCRIBE: &str = r#"(func $subscribe (param $nanos i64)
    (i64.store (i32.const 1000) (i64.const 1)) (i32.store8 (i32.const 1008) (i32.const 0))
    (i32.store (i32.const 1016) (i32.const 1)) (i64.store (i32.const 1024) (local.get $nanos))
    (i64.store (i32.const 1032) (i64.const 0)) (i32.store16 (i32.const 1040) (i32.const 0))
    (i64.store (i32.const 1048) (i64.const 2)) (i32.store8 (i32.const 1056) (i32.const 1))
    (i32.store (i32.const 1064) (i32.const 0)))"#;

#[tokio::test(flavor = "current_thread")]
async fn a_guest_sleeps_without_its_thread() {
    let sleeps = module(&format!(
        r#"{SUBSCRIBE} (func (export "_start")
          (drop (call $read (i32.const 0) (i32.const 100) (i32.const 1)))
          (call $subscribe (i64.const 20000000))
          (if (call $poll (i32.const 1000) (i32.const 2000) (i32.const 1) (i32.const 8)) (then unreachable))
          (call $write (i32.const 1) (i32.const 100) (i32.const 1))
          (drop (call $read (i32.const 0) (i32.const 100) (i32.const 1))))"#
    ));
    let wasm = backend();
    let mut sleeper = live(&wasm, streaming(sleeps)).await;
    let mut answers = live(&wasm, streaming(echo())).await;
    sleeper.write("x");
    let slept = poll_fn(|cx| Poll::Ready(sleeper.sandbox.stdio().poll_read(cx))).await;
    assert!(slept.is_pending());
    assert_eq!(answers.call("meanwhile").await, b"meanwhile");
    assert_eq!(sleeper.read(1).await, b"x");
}

/// Writes the number that it gave the subscription that fired, once more than it reads.
pub(crate) fn polls_stdin_beside_a_clock() -> String {
    module(&format!(
        r#"{SUBSCRIBE} (func (export "_start")
          (loop $l
            (call $subscribe (i64.const 3600000000000))
            (if (call $poll (i32.const 1000) (i32.const 2000) (i32.const 2) (i32.const 8)) (then unreachable))
            (if (i32.ne (i32.load (i32.const 8)) (i32.const 1)) (then unreachable))
            (drop (call $read (i32.const 0) (i32.const 100) (i32.const 10)))
            (i32.store8 (i32.const 100) (i32.add (i32.const 48) (i32.load (i32.const 2000))))
            (call $write (i32.const 1) (i32.const 100) (i32.const 1))
            (br $l)))"#
    ))
}

#[tokio::test(flavor = "current_thread")]
async fn a_guest_that_polls_stdin_beside_a_clock_is_at_rest() {
    let mut live = live(&backend(), streaming(polls_stdin_beside_a_clock())).await;
    for _ in 0..3 {
        assert_eq!(live.call("x").await, b"2");
    }
}

#[tokio::test]
async fn the_epoch_stands_still_while_nothing_runs() {
    let wasm = backend();
    let mut live = live(&wasm, streaming(echo())).await;
    for _ in 0..3 {
        let before = wasm.figures().epochs;
        live.call("x").await;
        let moves_then_stops = async {
            while wasm.figures().epochs == before {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            loop {
                let at = wasm.figures().epochs;
                tokio::time::sleep(Duration::from_millis(100)).await;
                if wasm.figures().epochs == at {
                    break;
                }
            }
        };
        tokio::time::timeout(HANG, moves_then_stops).await.expect("the epoch doesn't move, or doesn't stop");
    }
}
