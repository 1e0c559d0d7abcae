//! How guests end, and what is said about it.

use crate::support::*;
use kiln::ErrorKind;
use kiln::backend::Exit;
use kiln::function::Dir;
use std::future::poll_fn;
use std::task::Poll;
use std::time::Duration;

#[tokio::test]
async fn exits_and_traps_say_what_happened_and_where() {
    let wasm = backend();
    let ends = [
        ("", Exit::Code(0)),
        ("(call $exit (i32.const 0))", Exit::Code(0)),
        ("(call $exit (i32.const 7))", Exit::Code(7)),
        ("(call $exit (i32.const 255))", Exit::Code(255)),
    ];
    for (body, expected) in ends {
        assert_eq!(run(&wasm, oneshot(start_with(body)), b"").await.1, expected, "{body}");
    }
    let traps = [
        (
            r#"(func $inner unreachable) (func $outer (call $inner))
            (func $main (export "_start") (call $outer))"#,
            "wasm `unreachable` instruction executed in inner, called by outer, called by main",
        ),
        (
            r#"(func $deep (param i64) (result i64) (i64.add (i64.const 1) (call $deep (local.get 0))))
            (func (export "_start") (drop (call $deep (i64.const 1))))"#,
            "call stack exhausted in deep",
        ),
        (
            r#"(func $far (export "_start") (drop (i32.load (i32.const -4))))"#,
            "out of bounds memory access in far",
        ),
    ];
    for (parts, expected) in traps {
        let (_, exit, _) = run(&wasm, oneshot(module(parts)), b"").await;
        assert!(matches!(&exit, Exit::Trap(reason) if reason.starts_with(expected)), "{exit:?}");
    }
    assert_eq!(wasm.figures().live, 0, "an ended guest keeps its slot");
}

#[tokio::test]
async fn i7_a_guest_that_dies_in_a_request_says_so_after_what_it_wrote() {
    let guest = start_with(
        r#"(drop (call $read (i32.const 0) (i32.const 100) (i32.const 100)))
        (call $write (i32.const 1) (i32.const 100) (i32.const 2))
        unreachable"#,
    );
    let mut live = live(&backend(), streaming(guest)).await;
    live.write("half");
    let (out, exit) = live.finish().await;
    assert_eq!(out, b"ha");
    assert!(matches!(exit, Exit::Trap(_)));
    assert!(live.sandbox.is_dead());
    assert_eq!(live.sandbox.held(), 64 << 10, "an ended guest holds no memory");
}

#[tokio::test]
async fn a_start_that_fails_says_why_and_leaves_nothing() {
    let wasm = backend();
    let failed = ErrorKind::FunctionFailed;
    refused(&wasm, streaming(start_with("(call $exit (i32.const 3))")), failed, &["code 3", "first request"])
        .await;
    refused(&wasm, streaming(start_with("")), failed, &["code 0", "loop"]).await;
    refused(&wasm, streaming(start_with("unreachable")), failed, &["trapped", "unreachable"]).await;
    let in_start = r#"(func $s unreachable) (start $s) (func (export "_start"))"#;
    refused(&wasm, oneshot(module(in_start)), failed, &["trapped"]).await;
    let mut endless = streaming(start_with("(loop $l (br $l))"));
    endless.limits.start_timeout = Duration::from_millis(30);
    refused(&wasm, endless, ErrorKind::TimedOut, &["start_timeout", "30ms"]).await;
    let mut endless = oneshot(module(r#"(func $s (loop $l (br $l))) (start $s) (func (export "_start"))"#));
    endless.limits.start_timeout = Duration::from_millis(30);
    refused(&wasm, endless, ErrorKind::TimedOut, &["start_timeout"]).await;
    let mut no_dir = oneshot(echo());
    no_dir.dirs.push(Dir { host: "/does/not/exist".into(), guest: "/".into(), writable: false });
    refused(&wasm, no_dir, ErrorKind::InvalidInput, &["/does/not/exist"]).await;
}

#[tokio::test(flavor = "current_thread")]
async fn e10_a_sandbox_dropped_in_the_middle_of_a_call_is_gone() {
    let wasm = backend();
    for _ in 0..20 {
        let mut spins = live(&wasm, streaming(spinner())).await;
        spins.write("x");
        let first = poll_fn(|cx| Poll::Ready(spins.sandbox.stdio().poll_read(cx))).await;
        assert!(first.is_pending());
        assert_eq!(wasm.figures().live, 1);
        assert_eq!(spins.sandbox.remove().await, Exit::Killed);
        assert_eq!(wasm.figures().live, 0);
    }
    assert_eq!(live(&wasm, streaming(echo())).await.call("x").await, b"x");
}

#[tokio::test]
async fn exit_lets_a_guest_that_still_reads_or_writes_end() {
    let wasm = backend();
    let mut reads = live(&wasm, streaming(echo())).await;
    assert_eq!(reads.sandbox.exit().await, Exit::Code(0));
    let writes = r#"(local $i i32) (drop (call $read (i32.const 0) (i32.const 100) (i32.const 1)))
        (loop $l (call $write (i32.const 1) (i32.const 0) (i32.const 131072))
          (br_if $l (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 50))))"#;
    let mut writes = live(&wasm, streaming(start_with(writes))).await;
    assert_eq!(writes.sandbox.exit().await, Exit::Code(0));
}
