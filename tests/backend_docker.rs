//! The Docker backend against a real engine, through the contract that every backend keeps.

#![cfg(feature = "docker")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

#[path = "common/docker.rs"]
mod docker;
#[path = "common/driver.rs"]
mod driver;

use bytes::Bytes;
use docker::docker_or_skip;
use driver::{Ready, backend, echo, ending, noise, oneshot, rest, soon, streaming, take};
use kiln::backend::{Backend, Exit};
use kiln::function::{Dir, MIB, PullPolicy};
use kiln::{ErrorKind, Format, Function};
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

/// SEEDS.md I7: why it died, whatever ended it.
#[tokio::test]
async fn i7_the_reason_of_an_end_is_told() {
    let Some(engine) = docker_or_skip("i7_the_reason_of_an_end_is_told").await else { return };
    let backend = backend(&engine);
    let mut crash = streaming("");
    crash.args = vec!["crash".into()];
    assert_eq!(ending(&backend, crash).await.1, Exit::Signal(4));
    // The program itself, though it is the first that its container was made for.
    assert_eq!(ending(&backend, streaming("kill -TERM $$")).await.1, Exit::Signal(15));
    // The kernel isn't the only one who sends this: nothing ran out of memory.
    assert_eq!(ending(&backend, streaming("kill -KILL $$")).await.1, Exit::Signal(9));
    // What a program exits with isn't read as anything else.
    let child = "sh -c 'kill -TERM $$'; exit $?";
    assert_eq!(ending(&backend, streaming(child)).await.1, Exit::Code(143));
    assert_eq!(ending(&backend, streaming("exit 77")).await.1, Exit::Code(77));

    let ready = Ready::new(&backend, streaming("")).await;
    let mut sandbox = ready.start().await;
    let ended = sandbox.ended().expect("an idle container can end by itself");
    let id = engine.containers(&engine.host_id).await.pop().expect("it runs");
    engine.client.kill_container(&id, None).await.expect("it is killed");
    soon(ended).await;
    assert_eq!(rest(&mut *sandbox).await, b"");
    assert_eq!(soon(sandbox.exit()).await, Exit::Signal(9));
    assert!(sandbox.is_dead());
    assert_eq!(soon(sandbox.remove()).await, Exit::Signal(9));
    assert_eq!(Exit::Signal(9).into_error().kind(), ErrorKind::FunctionFailed);
}

#[tokio::test]
async fn a_memory_hog_is_out_of_memory_and_not_a_signal() {
    let Some(engine) = docker_or_skip("a_memory_hog_is_out_of_memory_and_not_a_signal").await else { return };
    let hog = streaming("exec tail -c 200000000 /dev/zero").memory(24 * MIB);
    let (_, exit, _) = ending(&backend(&engine), hog).await;
    assert_eq!(exit, Exit::OutOfMemory);
    assert_eq!(exit.into_error().kind(), ErrorKind::OutOfMemory);
    // A hog that a shell started: the shell outlives it.
    let hog = streaming("tail -c 200000000 /dev/zero; exit 1").memory(24 * MIB);
    assert_eq!(ending(&backend(&engine), hog).await.1, Exit::OutOfMemory);
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

#[tokio::test]
async fn a_function_has_no_more_rights_than_it_needs() {
    let Some(engine) = docker_or_skip("a_function_has_no_more_rights_than_it_needs").await else { return };
    let backend = backend(&engine);
    let host = tempfile::tempdir().unwrap();
    std::fs::write(host.path().join("given"), "given").unwrap();
    let open = std::os::unix::fs::PermissionsExt::from_mode(0o777);
    std::fs::set_permissions(host.path(), open).unwrap();
    let script = "id -u; id -g
        touch /new 2>/dev/null || echo root is read-only
        touch /tmp/new && echo tmp is writable
        ls /sys/class/net
        grep -E '^(CapEff|CapBnd|NoNewPrivs)' /proc/self/status
        cat /data/given; echo; touch /data/new 2>/dev/null || echo data is read-only";
    let mut function = oneshot(script);
    function.dirs = vec![Dir { host: host.path().into(), guest: "/data".into(), writable: false }];
    let (stdout, _) = Ready::new(&backend, function.clone()).await.run(b"", &[]).await;
    assert_eq!(
        String::from_utf8_lossy(&stdout),
        "65534\n65534\nroot is read-only\ntmp is writable\nlo\n\
         CapEff:\t0000000000000000\nCapBnd:\t0000000000000000\nNoNewPrivs:\t1\ngiven\ndata is read-only\n"
    );
    function.dirs[0].writable = true;
    function.user = Some("1234:99".into());
    function.args[2] = "id -u; id -g; touch /data/new && echo data is writable".into();
    let (stdout, _) = Ready::new(&backend, function).await.run(b"", &[]).await;
    assert_eq!(String::from_utf8_lossy(&stdout), "1234\n99\ndata is writable\n");
    assert!(host.path().join("new").exists());
}

#[tokio::test]
async fn a_containers_limits_and_owner_are_on_the_engine() {
    let Some(engine) = docker_or_skip("a_containers_limits_and_owner_are_on_the_engine").await else {
        return;
    };
    let ready = Ready::new(&backend(&engine), streaming("")).await;
    let sandbox = ready.start().await;
    assert_eq!((sandbox.held(), ready.program.memory()), (32 * MIB, 32 * MIB));
    let id = engine.containers(&engine.host_id).await.pop().expect("it runs");
    let seen = engine.client.inspect_container(&id, None).await.expect("it is there");
    let (config, host) = (seen.config.unwrap(), seen.host_config.unwrap());
    assert_eq!((host.memory, host.memory_swap), (Some(32 << 20), Some(32 << 20)));
    assert_eq!(host.pids_limit, Some(256));
    assert_eq!(host.log_config.unwrap().typ.as_deref(), Some("none"));
    assert_eq!(config.healthcheck.unwrap().test.unwrap(), ["NONE"]);
    let labels = config.labels.unwrap();
    for (label, value) in [
        ("kiln.owner", engine.host_id.as_str()),
        ("kiln.namespace", "_"),
        ("kiln.function", "f"),
        ("kiln.revision", &ready.revision.to_string()),
    ] {
        assert_eq!(labels[label], value, "{label}");
    }
    assert!(seen.name.unwrap().starts_with("/kiln-a_containers_limits"));
    soon(sandbox.remove()).await;
}

#[tokio::test]
async fn a_start_that_is_dropped_anywhere_leaves_nothing_behind() {
    let Some(engine) = docker_or_skip("a_start_that_is_dropped_anywhere_leaves_nothing_behind").await else {
        return;
    };
    let ready = Ready::new(&backend(&engine), streaming("")).await;
    for after in [0, 1, 3, 6, 10, 20, 40, 80, 160] {
        let start = ready.program.start(ready.spec());
        let dropped = tokio::time::timeout(Duration::from_millis(after), start).await;
        drop(dropped);
    }
    // A creation that nobody waits for is still under way for a moment.
    tokio::time::sleep(Duration::from_millis(500)).await;
    engine.none_left().await;
}

#[tokio::test]
async fn a_start_that_takes_too_long_says_so_and_leaves_nothing_behind() {
    let Some(engine) = docker_or_skip("a_start_that_takes_too_long_says_so_and_leaves_nothing_behind").await
    else {
        return;
    };
    let mut function = streaming("");
    function.limits.start_timeout = Duration::from_millis(60);
    let ready = Ready::new(&backend(&engine), function).await;
    let Err(error) = ready.try_start().await else { panic!("no engine starts a container in 60 ms") };
    assert_eq!(error.kind(), ErrorKind::TimedOut);
    assert!(error.message().contains("start_timeout"), "{error}");
    assert!(engine.containers(&engine.host_id).await.is_empty(), "an error says that nothing is left");
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

#[tokio::test]
async fn a_sandbox_that_is_only_dropped_is_removed() {
    let Some(engine) = docker_or_skip("a_sandbox_that_is_only_dropped_is_removed").await else { return };
    let sandbox = Ready::new(&backend(&engine), streaming("")).await.start().await;
    assert_eq!(engine.containers(&engine.host_id).await.len(), 1);
    drop(sandbox);
    engine.none_left().await;
}

#[tokio::test]
async fn clean_up_takes_an_earlier_lifes_containers_and_nobody_elses() {
    let Some(engine) = docker_or_skip("clean_up_takes_an_earlier_lifes_containers_and_nobody_elses").await
    else {
        return;
    };
    let Some(other) =
        docker_or_skip("clean_up_takes_an_earlier_lifes_containers_and_nobody_elses-other").await
    else {
        return;
    };
    let foreign = Ready::new(&backend(&other), streaming("")).await.start().await;
    // An earlier life that ended without a chance to remove anything.
    for _ in 0..2 {
        std::mem::forget(Ready::new(&backend(&engine), streaming("")).await.start().await);
    }
    let now = backend(&engine);
    let mut own = Ready::new(&now, streaming("")).await.start().await;
    assert_eq!(soon(now.clean_up()).await.expect("it cleans up"), 2);
    assert_eq!(engine.containers(&engine.host_id).await.len(), 1, "this life's own stays");
    echo(&mut *own, b"alive").await;
    assert_eq!(other.containers(&other.host_id).await.len(), 1, "another host's stays");
    assert_eq!(soon(now.clean_up()).await.expect("it cleans up"), 0);
    soon(own.remove()).await;
    soon(foreign.remove()).await;
}

#[tokio::test]
async fn what_can_not_start_is_told_in_the_engines_words() {
    let Some(engine) = docker_or_skip("what_can_not_start_is_told_in_the_engines_words").await else {
        return;
    };
    let backend = backend(&engine);
    let mut nowhere = Function::image("f", "kiln-test-no-such-image:1").format(Format::Json);
    nowhere.code.image.as_mut().unwrap().pull = PullPolicy::Never;
    let mut program = streaming("");
    program.args = vec!["/no/such/program".into()];
    let mut user = streaming("");
    user.user = Some("nobody-here".into());
    for (function, words) in
        [(nowhere, "kiln-test-no-such-image:1"), (program, "/no/such/program"), (user, "nobody-here")]
    {
        let Err(error) = Ready::new(&backend, function).await.try_start().await else {
            panic!("{words} can't start")
        };
        assert_eq!(error.kind(), ErrorKind::FunctionFailed, "{error}");
        assert!(error.message().contains(words), "{error}");
    }
    assert!(engine.containers(&engine.host_id).await.is_empty(), "an error says that nothing is left");
}

#[tokio::test]
async fn a_registry_that_can_not_be_asked_is_unavailable() {
    let Some(engine) = docker_or_skip("a_registry_that_can_not_be_asked_is_unavailable").await else {
        return;
    };
    // Nothing listens on port 1. Two at once are one pull.
    let function = Function::image("f", "127.0.0.1:1/kiln-test/none:1").format(Format::Json);
    let ready = Ready::new(&backend(&engine), function).await;
    let (one, two) = tokio::join!(ready.try_start(), ready.try_start());
    for result in [one, two] {
        let Err(error) = result else { panic!("there is no such registry") };
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
        assert!(error.message().contains("127.0.0.1:1/kiln-test/none:1"), "{error}");
    }
}
