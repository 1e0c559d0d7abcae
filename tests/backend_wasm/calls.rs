//! Requests and replies: any size, any byte, in order, apart from stderr and from other instances.

use crate::support::*;
use kiln::ErrorKind;
use kiln::backend::Exit;
use std::future::poll_fn;
use std::time::Duration;

#[tokio::test]
async fn an_echo_gives_back_any_size_and_any_byte() {
    let mut live = live(&backend(), streaming(echo())).await;
    for size in [0, 1, 64, 65_535, 65_536, 65_537, 1 << 20, 8 << 20] {
        let request = pattern(size);
        assert!(live.call(request.clone()).await == request, "{size} bytes differ");
        assert!(live.sandbox.stdio().stray().is_none());
        assert!(!live.sandbox.is_dead());
    }
    assert_eq!(live.sandbox.remove().await, Exit::Killed);
}

#[tokio::test]
async fn two_hundred_calls_in_a_row_on_one_instance() {
    let wasm = backend();
    let mut live = live(&wasm, streaming(echo())).await;
    for number in 0..200 {
        let request = format!("request {number}");
        assert_eq!(live.call(request.clone()).await, request.as_bytes());
    }
    assert_eq!(wasm.figures().live, 1);
}

#[tokio::test]
async fn several_queued_pieces_are_one_read() {
    let mut live = live(&backend(), streaming(echo())).await;
    live.write("head ");
    live.write("");
    live.write("body");
    assert_eq!(live.piece().await.unwrap(), "head body");
}

#[tokio::test]
async fn a_prewarmed_instance_has_run_its_initialisation_and_waits() {
    let mut live = live(&backend(), streaming(echo())).await;
    assert_eq!(live.logs.tail(), ["ready"]);
    assert!(live.sandbox.stdio().stray().is_none(), "stderr came on stdout");
    live.rest().await;
    // Closing its stdin is how it is asked to end.
    live.sandbox.stdio().close();
    assert_eq!(live.finish().await, (vec![], Exit::Code(0)));
    assert!(live.sandbox.is_dead());
}

#[tokio::test]
async fn a_guest_that_reads_while_it_owes_a_reply_stays_pending() {
    let mut live = live(&backend(), streaming(echo())).await;
    let read = poll_fn(|cx| live.sandbox.stdio().poll_read(cx));
    assert!(tokio::time::timeout(Duration::from_millis(20), read).await.is_err());
    assert_eq!(live.call("x").await, b"x");
}

#[tokio::test]
async fn a_oneshot_gets_its_requests_environment_and_ends_with_its_code() {
    // Writes its arguments and its environment, then what it reads, then exits with 200.
    let guest = start_with(
        r#"(local $n i32)
        (drop (call $args_sizes (i32.const 16) (i32.const 20)))
        (drop (call $args (i32.const 1024) (i32.const 4096)))
        (call $write (i32.const 1) (i32.const 4096) (i32.load (i32.const 20)))
        (drop (call $env_sizes (i32.const 16) (i32.const 20)))
        (drop (call $env (i32.const 1024) (i32.const 4096)))
        (call $write (i32.const 1) (i32.const 4096) (i32.load (i32.const 20)))
        (loop $again
          (local.set $n (call $read (i32.const 0) (i32.const 65536) (i32.const 3)))
          (call $write (i32.const 1) (i32.const 65536) (local.get $n))
          (br_if $again (local.get $n)))
        (call $exit (i32.const 200))"#,
    );
    let mut function = oneshot(guest).env("OF_FUNCTION", "function").env("WHO", "function");
    function.args = vec!["-v".into()];
    let made = prepare(&backend(), function).await.unwrap();
    assert!(made.program.prewarms_oneshot() && !made.program.pauses());
    for who in ["first", "second"] {
        let mut live = made.start().await.unwrap();
        live.sandbox.launch(vec![("WHO".into(), who.into())]).await.unwrap();
        live.write("the body");
        live.sandbox.stdio().close();
        let (out, exit) = live.finish().await;
        let expected = format!("guest\0-v\0OF_FUNCTION=function\0OF_START=start\0WHO={who}\0the body");
        assert_eq!(String::from_utf8(out).unwrap(), expected);
        assert_eq!(exit, Exit::Code(200));
        assert_eq!(live.sandbox.remove().await, Exit::Code(200));
    }
}

#[tokio::test]
async fn a_oneshot_that_is_prewarmed_has_not_begun() {
    let mut live = live(&backend(), oneshot(echo())).await;
    assert!(live.logs.tail().is_empty());
    let error = poll_fn(|cx| live.sandbox.stdio().poll_read(cx)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Internal);
    live.sandbox.launch(vec![]).await.unwrap();
    assert_eq!(live.sandbox.launch(vec![]).await.unwrap_err().kind(), ErrorKind::Internal);
    live.sandbox.stdio().close();
    assert_eq!(live.finish().await, (vec![], Exit::Code(0)));
    assert_eq!(live.logs.tail(), ["ready"]);
}

#[tokio::test]
async fn a_flood_of_output_waits_for_its_reader() {
    let flood = start_with(
        r#"(drop (call $read (i32.const 0) (i32.const 100) (i32.const 1)))
        (loop $l (call $write (i32.const 1) (i32.const 0) (i32.const 131072)) (br $l))"#,
    );
    let mut live = live(&backend(), streaming(flood)).await;
    live.write("x");
    for _ in 0..100 {
        let piece = live.piece().await.unwrap();
        // One write is taken whole, so that a reply needn't be joined; the next one waits.
        assert!(piece.len() <= 128 << 10, "{} bytes were buffered", piece.len());
    }
    // It never rests by itself, and whoever waits for that is told.
    live.rest().await;
    assert!(live.sandbox.stdio().stray().is_some());
}

#[tokio::test]
async fn an_expected_reply_comes_in_one_piece() {
    let large = module(
        r#"(func (export "_start")
          (drop (memory.grow (i32.const 64)))
          (loop $l
            (drop (call $read (i32.const 0) (i32.const 100) (i32.const 1)))
            (call $write (i32.const 1) (i32.const 0) (i32.const 4194304))
            (br $l)))"#,
    );
    let mut live = live(&backend(), streaming(large)).await;
    for _ in 0..2 {
        live.write("x");
        live.sandbox.stdio().expect(4 << 20);
        assert_eq!(live.piece().await.unwrap().len(), 4 << 20);
        live.rest().await;
    }
    assert!(live.sandbox.stdio().stray().is_none());
}

#[tokio::test]
async fn instances_share_nothing() {
    // Counts its requests in memory.
    let counts = start_with(
        r#"(loop $l
          (drop (call $read (i32.const 0) (i32.const 100) (i32.const 1)))
          (i32.store8 (i32.const 200) (i32.add (i32.load8_u (i32.const 200)) (i32.const 1)))
          (call $write (i32.const 1) (i32.const 200) (i32.const 1))
          (br $l))"#,
    );
    let wasm = with(|config| config.max_instances = Some(2));
    let made = prepare(&wasm, streaming(counts)).await.unwrap();
    let mut first = made.start().await.unwrap();
    for count in 1..=5 {
        assert_eq!(first.call("x").await, [count]);
    }
    let mut second = made.start().await.unwrap();
    assert_eq!(second.call("x").await, [1]);
    drop(first);
    // In a slot that was used before, too.
    assert_eq!(made.start().await.unwrap().call("x").await, [1]);
}
