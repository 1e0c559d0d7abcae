//! Starts that are given up, take too long or can't be.

use crate::docker::docker_or_skip;
use crate::driver::{Ready, backend, streaming};
use kiln::function::PullPolicy;
use kiln::{ErrorKind, Format, Function};
use std::time::Duration;

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
