//! What goes in and what comes out, over a real engine.

use crate::docker::docker_or_skip;
use crate::driver::{Ready, backend, echo, ending, noise, oneshot, rest, soon, streaming, take};
use bytes::Bytes;
use kiln::backend::Exit;
use std::time::Duration;

#[tokio::test]
async fn what_goes_in_comes_out_from_nothing_to_8_mib() {
    let Some(engine) = docker_or_skip("what_goes_in_comes_out_from_nothing_to_8_mib").await else { return };
    let backend = backend(&engine);
    let ready = Ready::new(&backend, streaming("")).await;
    let mut sandbox = ready.start().await;
    for length in [1, 2, 255, 4096, 65_537, 1 << 20, 8 << 20] {
        let sent = noise(length);
        sandbox.stdio().write(sent.clone());
        assert!(take(&mut *sandbox, length).await == sent, "{length} bytes came back changed");
        assert_eq!(sandbox.stdio().stray(), None);
    }
    assert!(!sandbox.is_dead());
    sandbox.stdio().write(Bytes::new());
    sandbox.stdio().close();
    assert_eq!(rest(&mut *sandbox).await, b"");
    assert_eq!(soon(sandbox.exit()).await, Exit::Code(0));
    assert_eq!(soon(sandbox.remove()).await, Exit::Code(0));
    assert!(engine.containers(&engine.host_id).await.is_empty(), "remove returns when the container is gone");
}

#[tokio::test]
async fn a_oneshot_sees_its_own_environment_and_the_end_of_its_stdin() {
    let Some(engine) = docker_or_skip("a_oneshot_sees_its_own_environment_and_the_end_of_its_stdin").await
    else {
        return;
    };
    let backend = backend(&engine);
    let function = oneshot("echo $MINE $BOTH $YOURS; wc -c").env("MINE", "1").env("BOTH", "1");
    let ready = Ready::new(&backend, function).await;
    assert!(ready.program.prewarms_oneshot());
    let (stdout, exit) = ready.run(b"12345", &[("BOTH", "2"), ("YOURS", "3")]).await;
    assert_eq!((String::from_utf8_lossy(&stdout).as_ref(), exit), ("1 2 3\n5\n", Exit::Code(0)));
    // SEEDS.md E3: nothing of the first request is there for the second.
    let (stdout, exit) = ready.run(b"", &[]).await;
    assert_eq!((String::from_utf8_lossy(&stdout).as_ref(), exit), ("1 1\n0\n", Exit::Code(0)));
    let big = noise(3 << 20);
    let (stdout, _) = Ready::new(&backend, oneshot("cat")).await.run(&big, &[]).await;
    assert!(stdout == big, "3 MiB came back changed");
    engine.none_left().await;
}

/// SEEDS.md I6: stdout is the reply and nothing else, stderr is the log.
#[tokio::test]
async fn i6_stderr_is_apart_from_stdout() {
    let Some(engine) = docker_or_skip("i6_stderr_is_apart_from_stdout").await else { return };
    let script = "echo out 1; echo err 1 >&2; echo out 2; echo err 2 >&2; exit 3";
    let (stdout, exit, logs) = ending(&backend(&engine), streaming(script)).await;
    assert_eq!(stdout, b"out 1\nout 2\n");
    assert_eq!(exit, Exit::Code(3));
    assert_eq!(logs, ["err 1", "err 2"]);
}

#[tokio::test]
async fn a_flood_that_nobody_reads_does_not_lock_up_writes_and_is_removed() {
    let Some(engine) =
        docker_or_skip("a_flood_that_nobody_reads_does_not_lock_up_writes_and_is_removed").await
    else {
        return;
    };
    let ready = Ready::new(&backend(&engine), streaming("cat /dev/zero | tr '\\0' x")).await;
    let mut sandbox = ready.start().await;
    sandbox.stdio().write(noise(4 << 20));
    assert!(take(&mut *sandbox, 1 << 20).await.iter().all(|&byte| byte == b'x'));
    let more = async {
        while sandbox.stdio().stray().is_none() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    soon(more).await;
    assert_eq!(soon(sandbox.remove()).await, Exit::Killed);
    engine.none_left().await;
}

#[tokio::test]
async fn a_flood_of_stderr_is_read_while_the_reply_is_awaited() {
    let Some(engine) = docker_or_skip("a_flood_of_stderr_is_read_while_the_reply_is_awaited").await else {
        return;
    };
    let script = "head -c 8000000 /dev/zero | tr '\\0' x >&2; cat";
    let mut function = streaming(script);
    function.limits.max_logs = 1000;
    let ready = Ready::new(&backend(&engine), function).await;
    let mut sandbox = ready.start().await;
    echo(&mut *sandbox, b"behind the flood").await;
    assert_eq!(ready.logs.tail().last().unwrap(), "(stderr beyond 1000 bytes is dropped)");
    // One that never ends doesn't hold up whoever only looks.
    soon(sandbox.remove()).await;
    let ready = Ready::new(&backend(&engine), streaming("cat /dev/zero >&2; exit")).await;
    let mut sandbox = ready.start().await;
    for _ in 0..100 {
        assert_eq!(sandbox.stdio().stray(), None);
        assert!(!sandbox.is_dead());
        tokio::task::yield_now().await;
    }
    soon(sandbox.remove()).await;
}

/// SEEDS.md W20: paused when idle, resumed for the next request.
#[tokio::test]
async fn w20_a_paused_container_answers_after_it_is_resumed() {
    let Some(engine) = docker_or_skip("w20_a_paused_container_answers_after_it_is_resumed").await else {
        return;
    };
    let ready = Ready::new(&backend(&engine), streaming("")).await;
    assert!(ready.program.pauses());
    let mut sandbox = ready.start().await;
    echo(&mut *sandbox, b"before").await;
    soon(sandbox.pause()).await.expect("it is paused");
    assert!(!sandbox.is_dead());
    soon(sandbox.resume()).await.expect("it is resumed");
    echo(&mut *sandbox, b"after").await;
    // What can't be resumed is an error, so that its job can go elsewhere.
    assert!(soon(sandbox.resume()).await.is_err());
    soon(sandbox.pause()).await.expect("it is paused");
    assert_eq!(soon(sandbox.remove()).await, Exit::Killed, "a paused one can be removed");
    engine.none_left().await;
}
