//! How a container's end is told, and that nothing is left of it.

use crate::docker::docker_or_skip;
use crate::driver::{Ready, backend, echo, ending, rest, soon, streaming};
use kiln::ErrorKind;
use kiln::backend::{Backend, Exit};
use kiln::function::MIB;

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
