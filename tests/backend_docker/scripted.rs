//! An engine that says what no healthy one says: who is blamed, what is tried again, and what is asked only once.

use crate::driver::{Ready, soon, streaming};
use crate::engines::{Answer, Scripted};
use kiln::backend::Exit;
use kiln::backend::docker::{Docker, DockerConfig, Transport};
use kiln::function::PullPolicy;
use kiln::{ErrorKind, Function};
use std::time::Duration;

/// An image that says nothing about itself, and a container that can be made.
fn healthy(request: &str) -> Answer {
    match request {
        _ if request.starts_with("GET /images/") => Answer::says(200, "{}"),
        _ if request.starts_with("POST /containers/create") => {
            Answer::says(201, r#"{"Id":"c1","Warnings":[]}"#)
        }
        _ if request.contains("/attach") => Answer::Upgrade,
        _ if request.contains("/start") => Answer::says(204, ""),
        _ => Answer::says(404, r#"{"message":"no such thing"}"#),
    }
}

async fn scripted(
    function: Function,
    answer: impl Fn(&str, usize) -> Answer + Send + Sync + 'static,
) -> (Scripted, Ready) {
    let engine = Scripted::new(answer);
    let mut config = DockerConfig::new("kiln-test-scripted");
    config.host = Some(engine.host());
    config.starts_at_once = 2;
    config.slow_call_timeout = Duration::from_millis(300);
    // Nothing runs there that could connect.
    config.transport = Transport::Attach;
    let ready = Ready::new(&Docker::new(config), function).await;
    (engine, ready)
}

#[tokio::test]
async fn only_so_many_start_at_once_and_the_others_in_order() {
    let (engine, ready) = scripted(streaming(""), |request, _| match request {
        _ if request.contains("/create") => Answer::Hang,
        _ => healthy(request),
    })
    .await;
    let starts: Vec<_> = (0..6).map(|_| ready.program.start(ready.spec())).collect();
    for result in soon(futures_util::future::join_all(starts)).await {
        assert_eq!(result.map(|_| ()).unwrap_err().kind(), ErrorKind::Unavailable);
    }
    assert_eq!(engine.most_open("/create"), 2);
    let number = |request: String| {
        request.rsplit('-').next().and_then(|number| number.split('&').next()?.parse().ok())
    };
    let numbers: Vec<u64> = engine.requests("/create").into_iter().filter_map(number).collect();
    assert_eq!(numbers.len(), 6);
    // The two of each turn are created side by side.
    for (earlier, later) in numbers.chunks(2).zip(numbers.chunks(2).skip(1)) {
        assert!(earlier.iter().max() < later.iter().min(), "{numbers:?}");
    }
}

/// SEEDS.md D7: a removal is done when the engine says so, whatever it says before.
#[tokio::test]
async fn d7_a_removal_is_tried_until_the_engine_confirms_it() {
    let (engine, ready) =
        scripted(streaming(""), |request, nth| match (request.starts_with("DELETE"), nth) {
            (true, 0) => Answer::says(500, r#"{"message":"device or resource busy"}"#),
            (true, 1) => Answer::says(409, r#"{"message":"removal of container c1 is already in progress"}"#),
            (true, 2) => Answer::Hang,
            _ => healthy(request),
        })
        .await;
    let sandbox = ready.start().await;
    assert_eq!(soon(sandbox.remove()).await, Exit::Killed);
    assert_eq!(engine.requests("DELETE").len(), 4, "the fourth is told that it is gone");
}

#[tokio::test]
async fn a_container_that_turns_up_late_is_removed_by_its_name() {
    let (engine, ready) = scripted(streaming(""), |request, nth| match request {
        _ if request.contains("/create") => Answer::Hang,
        _ if request.starts_with("DELETE") && nth > 0 => Answer::says(204, ""),
        _ => healthy(request),
    })
    .await;
    let error = ready.try_start().await.map(|_| ()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    let swept = async {
        while engine.requests("DELETE").len() < 2 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    soon(swept).await;
    assert!(engine.requests("DELETE")[1].contains("/containers/kiln-kiln-test-scripted-"));
}

#[tokio::test]
async fn who_is_to_blame_for_a_failed_start_is_told_apart() {
    for (words, kind) in [
        ("write /var/lib/docker: no space left on device", ErrorKind::Unavailable),
        ("container init was OOM-killed (memory limit too low?)", ErrorKind::OutOfMemory),
        ("exec: \\\"x\\\": executable file not found in $PATH", ErrorKind::FunctionFailed),
    ] {
        let (_engine, ready) = scripted(streaming(""), move |request, _| match request {
            _ if request.contains("/start") => Answer::says(500, &format!(r#"{{"message":"{words}"}}"#)),
            _ => healthy(request),
        })
        .await;
        let error = ready.try_start().await.map(|_| ()).unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
    }
}

#[tokio::test]
async fn two_that_need_an_image_pull_it_once() {
    let pulled = r#"{"status":"Pulling"}
{"status":"Pulled"}
"#;
    let (engine, ready) = scripted(streaming(""), move |request, nth| match request {
        _ if request.starts_with("GET /images/") && nth < 3 => {
            Answer::says(404, r#"{"message":"no such image"}"#)
        }
        _ if request.starts_with("POST /images/create") => Answer::says(200, pulled),
        _ => healthy(request),
    })
    .await;
    let starts: Vec<_> = (0..3).map(|_| ready.program.start(ready.spec())).collect();
    for result in soon(futures_util::future::join_all(starts)).await {
        result.map(|_| ()).expect("it starts");
    }
    let pulls = engine.requests("POST /images/create");
    assert_eq!(pulls.len(), 1, "{pulls:?}");
    assert!(pulls[0].contains("fromImage=kiln-test-busybox&") && pulls[0].contains("tag=1"), "{pulls:?}");
}

#[tokio::test]
async fn always_pulls_once_for_a_revision_and_again_after_a_failure() {
    let mut function = streaming("");
    function.code.image.as_mut().unwrap().pull = PullPolicy::Always;
    let (engine, ready) =
        scripted(function, |request, nth| match (request.starts_with("POST /images/create"), nth) {
            (true, 0) => Answer::says(500, r#"{"message":"dial tcp: lookup registry: no such host"}"#),
            (true, _) => Answer::says(200, r#"{"status":"Pulled"}"#),
            _ => healthy(request),
        })
        .await;
    assert_eq!(ready.try_start().await.map(|_| ()).unwrap_err().kind(), ErrorKind::Unavailable);
    for _ in 0..2 {
        ready.start().await;
    }
    assert_eq!(engine.requests("POST /images/create").len(), 2);
}

#[tokio::test]
async fn a_registry_that_refuses_is_the_functions_fault() {
    for (status, words) in [
        (404, r#"{"message":"pull access denied for kiln-test-busybox"}"#),
        (200, r#"{"errorDetail":{"message":"manifest unknown"},"error":"manifest unknown"}"#),
    ] {
        let (_engine, ready) = scripted(streaming(""), move |request, _| match request {
            _ if request.starts_with("GET /images/") => Answer::says(404, "{}"),
            _ if request.starts_with("POST /images/create") => Answer::says(status, words),
            _ => healthy(request),
        })
        .await;
        let error = ready.try_start().await.map(|_| ()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::FunctionFailed, "{error}");
        assert!(error.message().contains("kiln-test-busybox:1"), "{error}");
    }
}
