//! Guests that are up to no good, over kiln-init and a real engine: each is ended, none holds up its host.

use crate::docker::docker_or_skip;
use crate::driver::{Ready, echo, oneshot, piped, soon, streaming};
use kiln::backend::Exit;
use kiln::{ErrorKind, Host, Invocation};
use std::sync::Arc;
use std::time::Duration;

/// What may be anybody's runs as the same user as kiln-init.
#[tokio::test]
async fn none_has_a_hold_on_kiln_init() {
    let Some(engine) = docker_or_skip("none_has_a_hold_on_kiln_init").await else { return };
    let script = "cat /proc/1/environ /proc/1/auxv /proc/1/maps 2>/dev/null | wc -c
        for i in KILL STOP TSTP SEGV ABRT CHLD USR1; do trap '' $i 2>/dev/null; kill -$i 1; done
        cat /.kiln/socket 2>/dev/null; touch /.kiln/init 2>/dev/null || cat";
    for user in [None, Some("0:0")] {
        let mut function = oneshot(script);
        function.user = user.map(String::from);
        let ready = Ready::new(&piped(&engine), function).await;
        let (stdout, exit) = ready.run(b"lives", &[]).await;
        assert_eq!(
            (String::from_utf8_lossy(&stdout).as_ref(), exit),
            ("0\nlives", Exit::Code(0)),
            "{user:?}"
        );
    }
}

#[tokio::test]
async fn one_that_never_ends_is_ended() {
    let Some(engine) = docker_or_skip("one_that_never_ends_is_ended").await else { return };
    let host = Host::builder().backend(Arc::new(piped(&engine))).build().unwrap();
    for script in [
        "kill -STOP $$; cat",
        "kill -STOP 0; cat",
        "bomb() { bomb | bomb & }; while :; do bomb; done 2>/dev/null",
        "exec <&- >&- 2>&-; while :; do :; done",
    ] {
        host.deploy(oneshot(script).timeout(Duration::from_secs(2))).await.unwrap();
        let error = soon(host.invoke("f", Invocation::new("x"))).await.result.unwrap_err();
        // A bomb may hit another of its limits before its time is over.
        assert!(script.contains("bomb") || error.kind() == ErrorKind::TimedOut, "{script}: {error}");
    }
    soon(host.drain()).await;
    engine.none_left().await;
}

#[tokio::test]
async fn what_one_leaves_running_holds_nobody_up() {
    let Some(engine) = docker_or_skip("what_one_leaves_running_holds_nobody_up").await else { return };
    // It has stdout and stderr, a group and a parent of its own, and ignores what can be ignored.
    let script = "(trap '' TERM HUP PIPE; while :; do echo noise >&2; sleep 1; done &) & wait; echo done";
    let ready = Ready::new(&piped(&engine), oneshot(script)).await;
    let (stdout, exit) = ready.run(b"", &[]).await;
    assert_eq!((stdout.as_slice(), exit), (&b"done\n"[..], Exit::Code(0)));
}

#[tokio::test]
async fn one_is_paused_in_the_middle_of_what_it_writes() {
    let Some(engine) = docker_or_skip("one_is_paused_in_the_middle_of_what_it_writes").await else { return };
    let script = "(while :; do echo 0123456789012345678901234567890123456789 >&2; done) & cat";
    let ready = Ready::new(&piped(&engine), streaming(script)).await;
    let mut sandbox = ready.start().await;
    // Whoever waits for its end takes its stderr, too, as over an idle sandbox.
    let ended = tokio::spawn(sandbox.ended().unwrap());
    echo(&mut *sandbox, b"before").await;
    soon(sandbox.pause()).await.unwrap();
    assert!(!sandbox.is_dead());
    soon(sandbox.resume()).await.unwrap();
    echo(&mut *sandbox, b"after").await;
    soon(sandbox.pause()).await.unwrap();
    assert_eq!(soon(sandbox.remove()).await, Exit::Killed);
    soon(ended).await.unwrap();
    engine.none_left().await;
}

#[tokio::test]
async fn an_environment_is_as_long_as_the_kernel_takes() {
    let Some(engine) = docker_or_skip("an_environment_is_as_long_as_the_kernel_takes").await else { return };
    let ready = Ready::new(&piped(&engine), oneshot("env | wc -c")).await;
    let long = "x".repeat(100 << 10);
    let names: Vec<_> = (0..10).map(|n| format!("LONG_{n}")).collect();
    let env: Vec<_> = names.iter().map(|name| (name.as_str(), long.as_str())).collect();
    let (stdout, exit) = ready.run(b"", &env).await;
    let length: usize = String::from_utf8_lossy(&stdout).trim().parse().unwrap();
    assert!(length > 1000 << 10 && exit == Exit::Code(0), "{length}, {exit}");
    // One string of more than 128 KiB is refused, and the error says what by.
    let mut sandbox = ready.start().await;
    let error = soon(sandbox.launch(vec![("A".into(), "x".repeat(200 << 10))])).await.unwrap_err();
    assert!(error.message().contains("longer than the kernel takes"), "{error}");
    soon(sandbox.remove()).await;
    // What no environment can have is refused as well, and ends nobody.
    let mut sandbox = ready.start().await;
    let error = soon(sandbox.launch(vec![("A".into(), "a\0b".into())])).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::FunctionFailed, "{error}");
    soon(sandbox.remove()).await;
    engine.none_left().await;
}
