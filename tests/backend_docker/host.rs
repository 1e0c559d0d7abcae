//! Containers behind a host, with a real engine: bodies in parts, what dies at a bad moment, and what is asked of the engine.

use crate::docker::{Engine, docker_or_skip};
use crate::driver::{HANG, config, oneshot, over, soon, streaming};
use crate::engines::{Answer, Proxy, Scripted, State};
use bollard::query_parameters::ListContainersOptionsBuilder;
use bytes::Bytes;
use kiln::backend::docker::{Docker, DockerConfig, Transport};
use kiln::format::Rest;
use kiln::function::DEFAULT_NAMESPACE;
use kiln::host::{BodySource, Streamed, Upload};
use kiln::invocation::Request;
use kiln::pool::Figures;
use kiln::{ErrorKind, Format, Function, Host, Invocation, Result, Start};
use std::collections::HashMap;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

const KIB: usize = 1 << 10;

/// What a server takes for a reply that is too long to be held, in bytes.
const PARTS_ABOVE: usize = 256 * KIB;

fn host(engine: &Engine, transport: Transport) -> Host {
    Host::builder().max_body(4 << 30).backend(Arc::new(over(engine, transport))).build().unwrap()
}

async fn stream(host: &Host, upload: Upload) -> Streamed {
    soon(host.stream(DEFAULT_NAMESPACE, "f", Request::new(), upload, PARTS_ABOVE)).await
}

async fn until(host: &Host, what: &str, reached: impl Fn(&Figures) -> bool) {
    let waited = async {
        while !reached(&host.figures()) {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    let came = tokio::time::timeout(HANG, waited).await;
    assert!(came.is_ok(), "never reached: {what}; {:?}", host.figures());
}

/// Whether one was started ahead and nothing else is there.
fn is_ready(figures: &Figures) -> bool {
    (figures.prewarmed, figures.prewarming, figures.active, figures.removing) == (1, 0, 0, 0)
}

/// A body that never ends, and how much of it was taken.
struct Endless(Arc<AtomicUsize>);

impl BodySource for Endless {
    fn poll_piece(&mut self, _: &mut Context<'_>) -> Poll<Option<Result<Bytes>>> {
        static PIECE: [u8; 64 << 10] = [b'x'; 64 << 10];
        self.0.fetch_add(PIECE.len(), Ordering::Relaxed);
        Poll::Ready(Some(Ok(Bytes::from_static(&PIECE))))
    }
}

#[tokio::test]
async fn what_a_container_does_not_read_is_not_taken_from_its_caller() {
    let Some(engine) = docker_or_skip("what_a_container_does_not_read_is_not_taken_from_its_caller").await
    else {
        return;
    };
    for transport in [Transport::Socket, Transport::Attach] {
        let host = host(&engine, transport);
        host.deploy(oneshot("sleep 1000").timeout(Duration::from_secs(3))).await.unwrap();
        let taken = Arc::<AtomicUsize>::default();
        let streamed = stream(&host, Upload::new("", Rest::Unknown, Endless(taken.clone()))).await;
        assert_eq!(streamed.result.unwrap_err().kind(), ErrorKind::TimedOut, "{transport:?}");
        // What may lie in front of it: in the host, and in the buffers of whoever passes it on.
        let taken = taken.load(Ordering::Relaxed);
        assert!(taken < 16 << 20, "{transport:?}: {taken} bytes were taken");
        soon(host.drain()).await;
    }
}

/// Words that the test says to a function, one at a time.
struct Words(UnboundedReceiver<Bytes>);

impl BodySource for Words {
    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes>>> {
        self.0.poll_recv(cx).map(|word| word.map(Ok))
    }
}

/// The function writes the next part only when its caller, who has the last one, says so. Whoever held a part back until
/// there is more would wait for ever.
#[tokio::test]
async fn a_long_reply_arrives_as_it_is_written() {
    const LENGTH: usize = 409_600;
    let Some(engine) = docker_or_skip("a_long_reply_arrives_as_it_is_written").await else { return };
    // The head alone, so that what is expected after it shows.
    let http = |framing: &str| {
        format!(
            "while read -r line && [ ${{#line}} -gt 1 ]; do :; done
            printf 'HTTP/1.1 200 OK\\r\\n{framing}'; sleep 0.3"
        )
    };
    let frame = "dd bs=16 count=1 of=/tmp/asked 2>/dev/null
        (printf '\\000\\100\\006\\000\\003\\000\\000\\000'; tail -c 8 /tmp/asked) > /tmp/head
        cat /tmp/head; sleep 0.3";
    let cases = [
        (Format::Http, http("Content-Length: 409600\\r\\n\\r\\n"), "", 9_600),
        (
            Format::Http,
            http("Transfer-Encoding: chunked\\r\\n\\r\\n64000\\r\\n"),
            "printf '\\r\\n0\\r\\n\\r\\n'",
            // That it is long shows only when so much of it is there.
            309_600,
        ),
        (Format::Frame, frame.to_owned(), "", 9_600),
        (Format::Default, String::new(), "", 309_600),
    ];
    for transport in [Transport::Socket, Transport::Attach] {
        let host = host(&engine, transport);
        for (format, head, tail, first) in &cases {
            let part = (LENGTH - first) / 10;
            let write = |count: usize| format!("read -r word; head -c {count} /dev/zero");
            let script = format!(
                "{head}\n{}\nfor i in 1 2 3 4 5 6 7 8 9 10; do {}; done\n{tail}\n{}",
                write(*first),
                write(part),
                if format.is_streaming() { "sleep 1000" } else { ":" },
            );
            let mut function = streaming(&script).format(*format).timeout(HANG);
            function.name = "f".into();
            host.deploy(function).await.unwrap();
            let (say, words) = unbounded_channel();
            let streamed = stream(&host, Upload::new("go\n", Rest::Bytes(30), Words(words))).await;
            let why = format!("{transport:?} {format} {head}");
            assert_eq!(streamed.result.unwrap_or_else(|error| panic!("{why}: {error}")).status, 200);
            let mut parts = streamed.parts.unwrap_or_else(|| panic!("{why}: in parts"));
            let (mut have, mut said) = (0, 0);
            while have < LENGTH {
                if said < 10 && have == first + said * part {
                    said += 1;
                    say.send(Bytes::from_static(b"go\n")).unwrap();
                }
                have += soon(parts.next()).await.unwrap_or_else(|| panic!("{why}: {have}")).unwrap().len();
            }
            assert_eq!((have, said), (LENGTH, 10), "{why}");
            drop(say);
            assert!(soon(parts.next()).await.is_none(), "{why}");
        }
        soon(host.drain()).await;
    }
}

/// SEEDS.md W17: nobody has run in it yet, so nobody needs to know.
#[tokio::test]
async fn w17_a_prewarmed_container_that_is_killed_is_replaced() {
    let Some(engine) = docker_or_skip("w17_a_prewarmed_container_that_is_killed_is_replaced").await else {
        return;
    };
    let host = host(&engine, Transport::Socket);
    host.deploy(oneshot("cat").prewarm(1)).await.unwrap();
    until(&host, "it is there", is_ready).await;
    let id = engine.containers(&engine.host_id).await.remove(0);
    // On this very thread, so that nothing of the host hears of it before the request comes.
    let killed = Command::new("docker").args(["kill", &id]).stdout(Stdio::null()).status().unwrap();
    assert!(killed.success());
    let outcome = soon(host.invoke("f", Invocation::new("body"))).await;
    assert_eq!(outcome.result.unwrap().body, "body");
    soon(host.drain()).await;
    engine.none_left().await;
}

/// Its engine is asked for nothing: it isn't even there.
#[tokio::test]
async fn neither_a_warm_call_nor_a_prewarmed_one_asks_the_engine() {
    let Some(engine) = docker_or_skip("neither_a_warm_call_nor_a_prewarmed_one_asks_the_engine").await else {
        return;
    };
    let proxy = Proxy::new();
    let mut config = config(&engine);
    (config.host, config.transport) = (Some(proxy.host().await), Transport::Socket);
    let host = Host::builder().backend(Arc::new(Docker::new(config))).build().unwrap();
    let reply = r#"while read -r line; do printf '{"body":"hi"}'; done"#;
    let named = |name: &str, function: Function| Function { name: name.into(), ..function };
    host.deploy(named("warm", streaming(reply))).await.unwrap();
    assert_eq!(soon(host.invoke("warm", Invocation::new(""))).await.start, Some(Start::Cold));
    host.deploy(named("ahead", streaming(reply).prewarm(1))).await.unwrap();
    until(&host, "it is there", is_ready).await;
    // Its stdout ends, and it says why, before anybody asks the engine.
    host.deploy(named("once", oneshot("cat; exit 0").prewarm(1))).await.unwrap();
    until(&host, "both are", |figures| (figures.prewarmed, figures.prewarming) == (2, 0)).await;

    proxy.set(State::Frozen).await;
    for (name, start) in [
        ("warm", Start::Warm),
        ("ahead", Start::Prewarmed),
        ("once", Start::Prewarmed),
        ("warm", Start::Warm),
    ] {
        let outcome = soon(host.invoke(name, Invocation::new("hi"))).await;
        assert_eq!(outcome.start, Some(start), "{name}");
        assert_eq!(outcome.result.unwrap().body, "hi", "{name}");
    }
    proxy.set(State::Passing).await;
    soon(host.drain()).await;
    engine.none_left().await;
}

/// What holds no container ahead of its request isn't charged for one.
#[tokio::test]
async fn where_containers_turn_out_to_be_attached_to_no_oneshot_is_kept_ready() {
    let exited = r#"{"Id":"c1","State":{"Status":"exited","Running":false,"ExitCode":125}}"#;
    let engine = Scripted::new(move |request: &str, _| match request {
        _ if request.starts_with("GET /images/") => Answer::says(200, r#"{"Config":{"Cmd":["cat"]}}"#),
        _ if request.starts_with("DELETE") => Answer::says(404, r#"{"message":"no such container"}"#),
        _ if request.contains("/create") => Answer::says(201, r#"{"Id":"c1","Warnings":[]}"#),
        _ if request.contains("/start") => Answer::says(204, ""),
        _ => Answer::says(200, exited),
    });
    let mut config = DockerConfig::new("kiln-test-scripted");
    (config.host, config.kept_networks) = (Some(engine.host()), 0);
    let host = Host::builder().backend(Arc::new(Docker::new(config))).build().unwrap();
    host.deploy(Function::image("f", "echo:1").prewarm(2)).await.unwrap();
    assert_eq!(host.figures().prewarmed, 2);
    until(&host, "none is kept", |figures| (figures.prewarmed, figures.charged) == (0, 0)).await;
    assert!(!engine.requests("/create").is_empty());
    soon(host.drain()).await;
}

/// The containers of a host id that run, as `docker ps` has them.
async fn running(engine: &Engine) -> usize {
    let filters = HashMap::from([("label", vec![format!("kiln.owner={}", engine.host_id)])]);
    let options = ListContainersOptionsBuilder::default().filters(&filters).build();
    engine.client.list_containers(Some(options)).await.unwrap().len()
}

const LIFE: &str = "KILN_TEST_LIFE_OF";

/// Not a test by itself: the life of a host that is killed.
#[tokio::test]
async fn a_life() {
    let Ok(host_id) = std::env::var(LIFE) else { return };
    let mut config = DockerConfig::new(host_id);
    (config.kept_networks, config.transport) = (1, Transport::Socket);
    let host = Host::builder().backend(Arc::new(Docker::new(config))).build().unwrap();
    host.deploy(streaming("trap '' TERM; sleep 1000").prewarm(1)).await.unwrap();
    host.deploy(Function { name: "g".into(), ..oneshot("cat").prewarm(1) }).await.unwrap();
    tokio::time::sleep(HANG).await;
}

/// A host that is killed can't end anything: its containers, and what holds their namespaces, see that and end.
#[tokio::test]
async fn what_a_killed_host_had_running_ends_by_itself() {
    let Some(engine) = docker_or_skip("what_a_killed_host_had_running_ends_by_itself").await else { return };
    let mut life = Command::new(std::env::current_exe().unwrap());
    life.args(["--exact", "host::a_life"])
        .env(LIFE, &engine.host_id)
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let mut life = life.spawn().unwrap();
    let came = |count| {
        let engine = &engine;
        async move {
            while running(engine).await != count {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    };
    // One of each function, and one that holds a namespace.
    let all = tokio::time::timeout(HANG, came(3)).await;
    life.kill().unwrap();
    life.wait().unwrap();
    assert!(all.is_ok(), "{} run", running(&engine).await);
    soon(came(0)).await;
}
