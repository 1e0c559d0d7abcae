//! The Docker backend with an engine that is absent, hangs, dies or thaws.

use crate::docker::docker_or_skip;
use crate::driver::{Ready, config, echo, read, soon, streaming};
use crate::engines::{Proxy, State};
use bytes::Bytes;
use kiln::backend::docker::{Docker, DockerConfig, Transport};
use kiln::backend::{Backend, Exit};
use kiln::function::MIB;
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
