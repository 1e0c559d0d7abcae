//! kiln-init as process 1, the pipes that it carries, and what is done where it can't be reached.

use crate::docker::{Engine, MUTE, SCRATCH, docker_or_skip};
use crate::driver::{Ready, config, echo, ending, noise, oneshot, over, piped, rest, soon, streaming, take};
use crate::engines::{Answer, Scripted};
use bollard::query_parameters::KillContainerOptionsBuilder;
use bytes::Bytes;
use kiln::backend::docker::{Docker, DockerConfig, Transport};
use kiln::backend::{Backend, Exit};
use kiln::function::MIB;
use kiln::{ErrorKind, Format, Function};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, UnixStream};

fn lone(reference: &str) -> Function {
    Function::image("f", reference).format(Format::Json).memory(32 * MIB)
}

/// The one container of a test.
async fn only(engine: &Engine) -> String {
    let mut all = engine.containers(&engine.host_id).await;
    assert_eq!(all.len(), 1);
    all.remove(0)
}

/// SEEDS.md I1: nothing is asked of the image, neither a shell, a library, a directory, nor root.
#[tokio::test]
async fn an_image_with_one_file_runs_as_its_own_user() {
    let Some(engine) = docker_or_skip("an_image_with_one_file_runs_as_its_own_user").await else { return };
    let backend = piped(&engine);
    let ready = Ready::new(&backend, lone(SCRATCH)).await;
    let mut sandbox = ready.start().await;
    echo(&mut *sandbox, b"from scratch").await;
    let seen = engine.client.inspect_container(&only(&engine).await, None).await.unwrap();
    assert_eq!(seen.config.unwrap().user.as_deref(), Some("4321"));
    let host = seen.host_config.unwrap();
    assert_eq!((host.readonly_rootfs, host.cap_drop), (Some(true), Some(vec!["ALL".to_owned()])));
    // Whole, through pipes that hold less, with one part of the request behind the other.
    let (head, body) = (noise(100), noise(5 << 20));
    sandbox.stdio().write(head.clone());
    sandbox.stdio().write(body.clone());
    sandbox.stdio().expect(head.len() + body.len());
    let came = take(&mut *sandbox, head.len() + body.len()).await;
    assert!(came == [&head[..], &body[..]].concat(), "5 MiB came back changed");
    assert_eq!(sandbox.stdio().stray(), None);
    assert_eq!(soon(sandbox.remove()).await, Exit::Killed);
}

#[tokio::test]
async fn an_image_without_a_command_is_told() {
    let Some(engine) = docker_or_skip("an_image_without_a_command_is_told").await else { return };
    let backend = piped(&engine);
    let error = Ready::new(&backend, lone(MUTE)).await.try_start().await.map(|_| ()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::FunctionFailed);
    assert!(error.message().contains("names no command"), "{error}");
    let mut function = lone(MUTE);
    function.args = vec!["/cat".into()];
    echo(&mut *Ready::new(&backend, function).await.start().await, b"with one").await;
    let mut function = lone(MUTE);
    function.args = vec!["/dog".into(), "-x".into()];
    let error = Ready::new(&backend, function).await.try_start().await.map(|_| ()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::FunctionFailed);
    assert!(error.message().contains("can't run `/dog -x`: the image has no such program"), "{error}");
}

#[tokio::test]
async fn stdio_can_be_opened_again_by_its_names() {
    let Some(engine) = docker_or_skip("stdio_can_be_opened_again_by_its_names").await else { return };
    let script = "echo out > /dev/stdout; echo err > /dev/stderr; cat /dev/stdin > /proc/self/fd/1";
    let ready = Ready::new(&piped(&engine), oneshot(script)).await;
    let (stdout, exit) = ready.run(b"in", &[]).await;
    assert_eq!((String::from_utf8_lossy(&stdout).as_ref(), exit), ("out\nin", Exit::Code(0)));
    assert_eq!(ready.logs.tail(), ["err"]);
}

#[tokio::test]
async fn processes_that_lose_their_parent_are_taken_in() {
    let Some(engine) = docker_or_skip("processes_that_lose_their_parent_are_taken_in").await else { return };
    // Each orphan ends when the pipe that it reads does; a zombie would be seen for ever.
    let script = "for i in 1 2 3; do sh -c 'cat </dev/null >/dev/null & exit 0'; done
        sh -c 'sleep 0.3 & exit 0'; sleep 0.5
        while grep -q '^State:.Z' /proc/[0-9]*/status 2>/dev/null; do sleep 0.05; done
        cat /proc/1/cmdline | tr '\\0' ' '";
    let (stdout, exit, _) = ending(&piped(&engine), streaming(script)).await;
    let first = String::from_utf8_lossy(&stdout).into_owned();
    assert!(first.starts_with("/.kiln/init run sh -c"), "kiln-init is who takes them in: {first}");
    assert_eq!(exit, Exit::Code(0));
}

#[tokio::test]
async fn a_signal_is_passed_on() {
    let Some(engine) = docker_or_skip("a_signal_is_passed_on").await else { return };
    let script = "trap 'echo got it; exit 5' TERM; echo ready; while :; do sleep 0.05; done";
    let ready = Ready::new(&piped(&engine), streaming(script)).await;
    let mut sandbox = ready.start().await;
    assert_eq!(take(&mut *sandbox, 6).await, b"ready\n");
    let options = KillContainerOptionsBuilder::default().signal("SIGTERM").build();
    engine.client.kill_container(&only(&engine).await, Some(options)).await.unwrap();
    assert_eq!(rest(&mut *sandbox).await, b"got it\n");
    assert_eq!(soon(sandbox.exit()).await, Exit::Code(5));
    soon(sandbox.remove()).await;
}

/// The container is there before its request, and what the request brings reaches it.
#[tokio::test]
async fn a_oneshot_started_ahead_runs_with_its_requests_environment() {
    let Some(engine) = docker_or_skip("a_oneshot_started_ahead_runs_with_its_requests_environment").await
    else {
        return;
    };
    let function = oneshot("echo $MINE $BOTH $YOURS; cat").env("MINE", "1").env("BOTH", "1");
    let ready = Ready::new(&piped(&engine), function).await;
    assert!(ready.program.prewarms_oneshot());
    let mut sandbox = ready.start().await;
    let id = only(&engine).await;
    let seen = engine.client.inspect_container(&id, None).await.unwrap();
    assert_eq!(seen.state.unwrap().running, Some(true));
    assert!(!sandbox.is_dead());
    let env = [("BOTH", "2"), ("YOURS", "a\nb")].map(|(name, value)| (name.into(), value.into()));
    soon(sandbox.launch(env.to_vec())).await.unwrap();
    assert_eq!(only(&engine).await, id, "it is the same container");
    sandbox.stdio().write(Bytes::from_static(b"body"));
    sandbox.stdio().close();
    assert_eq!(rest(&mut *sandbox).await, b"1 2 a b\nbody");
    assert_eq!(soon(sandbox.exit()).await, Exit::Code(0));
    assert_eq!(soon(sandbox.remove()).await, Exit::Code(0));
    // One that nobody launches ends as one that is idle does.
    let sandbox = ready.start().await;
    let ended = sandbox.ended().expect("it can end by itself");
    engine.client.kill_container(&only(&engine).await, None).await.unwrap();
    soon(ended).await;
    soon(sandbox.remove()).await;
    engine.none_left().await;
}

/// Nobody reads its stdout: whoever waits for its end takes its stderr.
#[tokio::test]
async fn an_idle_function_that_writes_stderr_goes_on() {
    let Some(engine) = docker_or_skip("an_idle_function_that_writes_stderr_goes_on").await else { return };
    let mut function = streaming("head -c 1000000 /dev/zero | tr '\\0' x >&2; echo >&2; exit 4");
    function.limits.max_logs = 10 << 20;
    let ready = Ready::new(&piped(&engine), function).await;
    let sandbox = ready.start().await;
    // It ends only if all of that was taken.
    soon(sandbox.ended().unwrap()).await;
    assert_eq!(soon(sandbox.remove()).await, Exit::Code(4));
    assert!(ready.logs.tail().last().unwrap().starts_with("xxx"));
}

/// Where a container's `/.kiln` was made, on this machine.
async fn room(engine: &Engine) -> PathBuf {
    let seen = engine.client.inspect_container(&only(engine).await, None).await.unwrap();
    let mounts = seen.host_config.unwrap().mounts.unwrap();
    let mount = mounts.into_iter().find(|mount| mount.target.as_deref() == Some("/.kiln")).unwrap();
    assert_eq!(mount.read_only, Some(true));
    mount.source.unwrap().into()
}

#[tokio::test]
async fn no_file_and_no_socket_is_left() {
    let Some(engine) = docker_or_skip("no_file_and_no_socket_is_left").await else { return };
    let backend = piped(&engine);
    let ready = Ready::new(&backend, streaming("")).await;
    let mut sandbox = ready.start().await;
    let room = room(&engine).await;
    let home: &Path = room.parent().unwrap();
    assert!(home.exists());
    assert!(!room.exists(), "it is gone as soon as kiln-init has connected");
    echo(&mut *sandbox, b"without it").await;
    // A start that is given up leaves none, either.
    let _ = tokio::time::timeout(Duration::from_millis(30), ready.program.start(ready.spec())).await;
    soon(sandbox.remove()).await;
    engine.none_left().await;
    let entries: Vec<_> = std::fs::read_dir(home).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(entries, ["init"]);
    let home = home.to_owned();
    drop((backend, ready));
    assert!(!home.exists());
}

#[tokio::test]
async fn an_engine_of_another_machine_is_attached_to() {
    let Some(engine) = docker_or_skip("an_engine_of_another_machine_is_attached_to").await else { return };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut near, _)) = listener.accept().await {
            tokio::spawn(async move {
                let host = std::env::var("DOCKER_HOST").unwrap_or_default();
                let real = host.strip_prefix("unix://").unwrap_or("/var/run/docker.sock");
                let mut far = UnixStream::connect(real).await.unwrap();
                let _ = copy_bidirectional(&mut near, &mut far).await;
            });
        }
    });
    let far = |transport| {
        let mut config = config(&engine);
        config.host = Some(format!("tcp://{address}"));
        config.transport = transport;
        Docker::new(config)
    };
    let ready = Ready::new(&far(Transport::Auto), streaming("")).await;
    assert!(!ready.program.prewarms_oneshot());
    let mut sandbox = ready.start().await;
    echo(&mut *sandbox, b"attached").await;
    soon(sandbox.remove()).await;
    let ready = Ready::new(&far(Transport::Auto), oneshot("cat")).await;
    assert_eq!(ready.run(b"attached", &[]).await.0, b"attached");
    let error =
        Ready::new(&far(Transport::Socket), streaming("")).await.try_start().await.map(|_| ()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(error.message().contains("another machine's"), "{error}");
    engine.none_left().await;
}

/// What an engine says that doesn't see this host's files, and one whose containers can't connect.
#[tokio::test]
async fn where_a_container_can_not_connect_it_is_attached_to_from_then_on() {
    let image = r#"{"Config":{"Cmd":["cat"]}}"#;
    let exited = r#"{"Id":"c1","State":{"Status":"exited","Running":false,"ExitCode":125}}"#;
    let unseen =
        r#"{"message":"invalid mount config for type \"bind\": bind source path does not exist: /x/.kiln/"}"#;
    for unseen in [Some(unseen), None] {
        let script = move |request: &str, nth: usize| match request {
            _ if request.starts_with("GET /images/") => Answer::says(200, image),
            _ if request.starts_with("DELETE") => Answer::says(404, r#"{"message":"no such container"}"#),
            _ if request.contains("/create") && nth == 0 && unseen.is_some() => {
                Answer::says(400, unseen.unwrap_or_default())
            }
            _ if request.contains("/create") => Answer::says(201, r#"{"Id":"c1","Warnings":[]}"#),
            _ if request.contains("/attach") => Answer::Upgrade,
            _ if request.contains("/start") => Answer::says(204, ""),
            _ => Answer::says(200, exited),
        };
        for transport in [Transport::Auto, Transport::Socket] {
            let engine = Scripted::new(script);
            let mut config = DockerConfig::new("kiln-test-scripted");
            config.host = Some(engine.host());
            // Their holders are created, too, whenever it suits them.
            (config.transport, config.kept_networks) = (transport, 0);
            let ready = Ready::new(&Docker::new(config), lone("echo:1")).await;
            let first = ready.try_start().await;
            assert_eq!(first.is_ok(), transport == Transport::Auto, "{:?}", first.map(|_| ()));
            if transport == Transport::Auto {
                ready.start().await;
                assert_eq!(engine.requests("/create").len(), 3, "only the first start was tried twice");
                assert_eq!(engine.requests("/attach").len(), 2);
                assert!(!ready.program.prewarms_oneshot());
            } else {
                assert_eq!(engine.requests("/attach").len(), 0);
            }
        }
    }
}

#[tokio::test]
async fn each_transport_gives_the_same_reply() {
    let Some(engine) = docker_or_skip("each_transport_gives_the_same_reply").await else { return };
    for transport in [Transport::Socket, Transport::Attach] {
        let ready = Ready::new(&over(&engine, transport), oneshot("cat; echo $X; exit 3")).await;
        let (stdout, exit) = ready.run(b"same ", &[("X", "y")]).await;
        assert_eq!((stdout.as_slice(), exit), (&b"same y\n"[..], Exit::Code(3)), "{transport:?}");
    }
    assert_eq!(soon(piped(&engine).clean_up()).await.unwrap(), 0);
}
