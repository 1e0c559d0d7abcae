//! The Docker backend with an engine that is absent, hangs, dies, thaws, or says what no healthy one says.

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
#[path = "common/engines.rs"]
mod engines;

use bytes::Bytes;
use docker::docker_or_skip;
use driver::{Ready, config, echo, read, soon, streaming};
use engines::{Answer, Proxy, Scripted, State};
use kiln::backend::docker::{Docker, DockerConfig, Transport};
use kiln::backend::{Backend, Exit};
use kiln::function::{MIB, PullPolicy};
use kiln::{ErrorKind, Format, Function};
use std::time::Duration;
use tokio::net::UnixListener;

#[tokio::test]
async fn what_can_be_checked_without_an_engine_is() {
    let mut config = DockerConfig::new("kiln-test");
    config.host = Some("unix:///nowhere/docker.sock".into());
    let backend = Docker::new(config);
    for (function, words) in [
        (Function::image("f", "../containers/json"), "reference"),
        (Function::image("f", "echo:1").memory(MIB), "6MiB"),
        (Function::wasm("f", "f.wasm"), "image"),
    ] {
        let Err(error) = Ready::try_new(&backend, function).await else { panic!("{words} is refused") };
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        assert!(error.message().contains(words), "{error}");
    }
    let ready = Ready::new(&backend, Function::image("f", "echo:1")).await;
    assert_eq!(ready.program.memory(), 128 * MIB);
    assert_eq!(ready.program.code(), b"echo:1");
}

#[tokio::test]
async fn an_absent_engine_is_unavailable_at_once() {
    for host in ["unix:///nowhere/docker.sock", "tcp://127.0.0.1:1", "ftp://x"] {
        let mut config = DockerConfig::new("kiln-test-absent");
        config.host = Some(host.into());
        let backend = Docker::new(config);
        let ready = Ready::new(&backend, Function::image("f", "echo:1").format(Format::Json)).await;
        let start = ready.try_start().await.map(|_| ()).unwrap_err();
        for error in
            [start, soon(backend.check()).await.unwrap_err(), soon(backend.clean_up()).await.unwrap_err()]
        {
            assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
            assert!(error.message().contains(host), "{error}");
        }
    }
}

#[tokio::test]
async fn an_engine_that_hangs_is_unavailable_within_its_time_limit() {
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("docker.sock");
    // It accepts, by its backlog, and never says a word.
    let _listener = UnixListener::bind(&socket).unwrap();
    let mut config = DockerConfig::new("kiln-test-hangs");
    config.host = Some(format!("unix://{}", socket.display()));
    config.call_timeout = Duration::from_millis(100);
    config.slow_call_timeout = Duration::from_millis(100);
    let backend = Docker::new(config);
    let ready = Ready::new(&backend, Function::image("f", "echo:1").format(Format::Json)).await;
    let start = ready.try_start().await.map(|_| ()).unwrap_err();
    for error in [start, soon(backend.check()).await.unwrap_err()] {
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
        assert!(error.message().contains("within 100ms"), "{error}");
    }
}

#[tokio::test]
async fn an_engine_that_dies_in_a_call_loses_it_and_serves_again_when_it_is_back() {
    let Some(engine) =
        docker_or_skip("an_engine_that_dies_in_a_call_loses_it_and_serves_again_when_it_is_back").await
    else {
        return;
    };
    let proxy = Proxy::new();
    let mut config = config(&engine);
    config.host = Some(proxy.host().await);
    config.transport = Transport::Attach;
    let backend = Docker::new(config);
    let ready = Ready::new(&backend, streaming("")).await;
    let mut sandbox = ready.start().await;
    echo(&mut *sandbox, b"before").await;

    sandbox.stdio().write(Bytes::from_static(b"during"));
    proxy.set(State::Cut).await;
    while let Ok(Some(_)) = read(&mut *sandbox).await {}
    assert!(sandbox.is_dead());
    let exit = soon(sandbox.exit()).await;
    assert!(matches!(&exit, Exit::Lost(why) if why.contains("docker engine")), "{exit:?}");
    assert_eq!(exit.into_error().kind(), ErrorKind::Unavailable);
    assert_eq!(ready.try_start().await.map(|_| ()).unwrap_err().kind(), ErrorKind::Unavailable);

    // SEEDS.md D7: its memory is given back when the engine has confirmed the removal, and not before.
    let mut removal = tokio::spawn(sandbox.remove());
    assert!(tokio::time::timeout(Duration::from_millis(300), &mut removal).await.is_err());
    assert_eq!(engine.containers(&engine.host_id).await.len(), 1);
    proxy.set(State::Passing).await;
    soon(removal).await.unwrap();
    assert!(engine.containers(&engine.host_id).await.is_empty());

    let mut sandbox = ready.start().await;
    echo(&mut *sandbox, b"again").await;
    soon(sandbox.remove()).await;
}

/// A call over pipes has nothing to do with the engine, and what it ran ends without it.
#[tokio::test]
async fn a_container_on_pipes_outlives_its_engines_absence_and_not_its_host() {
    let name = "a_container_on_pipes_outlives_its_engines_absence_and_not_its_host";
    let Some(engine) = docker_or_skip(name).await else { return };
    let proxy = Proxy::new();
    let mut config = config(&engine);
    config.host = Some(proxy.host().await);
    config.transport = Transport::Socket;
    let ready = Ready::new(&Docker::new(config), streaming("")).await;
    let mut sandbox = ready.start().await;
    proxy.set(State::Cut).await;
    echo(&mut *sandbox, b"alone").await;
    assert!(!sandbox.is_dead());
    let id = engine.containers(&engine.host_id).await.pop().expect("it runs");
    let ended = sandbox.ended().expect("an idle container can end by itself");
    // Its removal can't be asked for: that its host's end of the line is gone is all it hears.
    drop(sandbox);
    soon(ended).await;
    let gone = async {
        loop {
            let seen = engine.client.inspect_container(&id, None).await.expect("nobody removed it");
            if seen.state.and_then(|state| state.running) == Some(false) {
                break;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    soon(gone).await;
    proxy.set(State::Passing).await;
    engine.none_left().await;
}

#[tokio::test]
async fn an_engine_that_freezes_in_a_start_times_out_and_nothing_is_left_when_it_thaws() {
    let Some(engine) =
        docker_or_skip("an_engine_that_freezes_in_a_start_times_out_and_nothing_is_left_when_it_thaws").await
    else {
        return;
    };
    let proxy = Proxy::new();
    let mut config = config(&engine);
    config.host = Some(proxy.host().await);
    config.slow_call_timeout = Duration::from_millis(200);
    let backend = Docker::new(config);
    let mut function = streaming("");
    function.limits.start_timeout = Duration::from_millis(500);
    let ready = Ready::new(&backend, function).await;
    for after in [5, 30, 60] {
        let start = ready.try_start();
        let freeze = async {
            tokio::time::sleep(Duration::from_millis(after)).await;
            proxy.set(State::Frozen).await;
        };
        let (started, ()) = tokio::join!(start, freeze);
        match started {
            Ok(sandbox) => drop(sandbox),
            Err(error) => {
                assert!(matches!(error.kind(), ErrorKind::TimedOut | ErrorKind::Unavailable), "{error}");
            }
        }
        proxy.set(State::Passing).await;
    }
    tokio::time::sleep(Duration::from_millis(500)).await;
    engine.none_left().await;
}

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
