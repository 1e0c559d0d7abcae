//! Bodies that are too long to be held: they go through both ways at once, and nothing piles up.

use crate::guests;
use crate::harness::{HANG, Running, host, serve_host};
use http_body_util::BodyExt;
use hyper::body::{Body, Bytes, Frame, SizeHint};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use kiln::{Format, Function};
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const MIB: u64 = 1 << 20;

/// What goes through in the tests of how much does.
const LONG: u64 = 256 * MIB;

/// What this process may grow by meanwhile, caller and server together: a fraction of what goes through.
const GROWTH: u64 = 48 * MIB;

/// Bytes of which no two pieces of a page are alike, nor any like the end of chunks.
fn content() -> &'static Bytes {
    static CONTENT: OnceLock<Bytes> = OnceLock::new();
    CONTENT
        .get_or_init(|| (0..65_521_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8 | 0x80).collect())
}

/// The bytes from `at` on, as far as they lie together.
fn from(at: u64) -> Bytes {
    content().slice((at % content().len() as u64) as usize..)
}

/// A body of that content.
struct Sent {
    at: u64,
    length: u64,
    /// Whether it says how long it is.
    known: bool,
    /// What of it has been taken.
    taken: Arc<AtomicU64>,
}

impl Sent {
    fn new(length: u64, known: bool) -> Self {
        Self { at: 0, length, known, taken: Arc::default() }
    }
}

impl Body for Sent {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let mut piece = from(self.at);
        piece.truncate((self.length - self.at).min(30_011) as usize);
        self.at += piece.len() as u64;
        self.taken.store(self.at, Relaxed);
        Poll::Ready((!piece.is_empty()).then(|| Ok(Frame::data(piece))))
    }

    fn size_hint(&self) -> SizeHint {
        if self.known { SizeHint::with_exact(self.length - self.at) } else { SizeHint::default() }
    }
}

/// Checks that bytes are those from `at` on.
fn check(mut came: &[u8], mut at: u64) {
    while !came.is_empty() {
        let due = from(at);
        let (now, later) = came.split_at(came.len().min(due.len()));
        assert!(now == &due[..now.len()], "the bytes from {at} on came back changed");
        (came, at) = (later, at + now.len() as u64);
    }
}

fn function(name: &str, module: String, format: Format) -> Function {
    let mut function = Function::wasm_bytes(name, module).format(format).timeout(HANG * 10);
    function.limits.max_reply = 4 * LONG;
    function
}

async fn server(functions: impl IntoIterator<Item = Function>) -> Running {
    serve_host(host(|builder| builder.max_body(4 * LONG)), functions).await
}

/// Sends a long body and checks what comes back; its length in all, and what the reply said that it would be.
async fn echoed(server: &Running, name: &str, length: u64, known: bool, http2: bool) -> (u64, Option<u64>) {
    let client = Client::builder(TokioExecutor::new()).http2_only(http2).build_http();
    let request = hyper::Request::post(format!("http://{}/r/{name}", server.address));
    let request = request.body(Sent::new(length, known)).unwrap();
    let answer = tokio::time::timeout(HANG, client.request(request)).await.expect("a head in time").unwrap();
    assert_eq!(answer.status(), 200, "{:?}", answer.headers());
    let body = answer.into_body();
    let said = body.size_hint().exact();
    (read(body).await, said)
}

/// Reads a reply and checks that it is the content; its length.
async fn read(mut body: hyper::body::Incoming) -> u64 {
    let mut at = 0;
    while let Some(frame) = tokio::time::timeout(HANG, body.frame()).await.expect("a part in time") {
        let part = frame.unwrap().into_data().unwrap_or_default();
        check(&part, at);
        at += part.len() as u64;
    }
    at
}

/// The most that this process has ever held, in bytes.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
}

#[tokio::test(flavor = "multi_thread")]
async fn long_bodies_go_through_in_every_format_and_nothing_piles_up() {
    let server = server([
        function("frame", guests::frame_echo(), Format::Frame),
        function("http", guests::http_echo(LONG), Format::Http),
        function("chunks", guests::http_echo_chunked(LONG), Format::Http),
        function("default", guests::echo(), Format::Default),
    ])
    .await;
    // What the first call of each costs, and the caller's own buffers.
    for name in ["frame", "default"] {
        assert_eq!(echoed(&server, name, MIB, true, false).await.0, MIB, "{name}");
    }
    let before = peak();
    for (name, known, http2, says) in [
        ("frame", true, false, true),
        ("http", true, false, true),
        ("chunks", true, false, false),
        ("chunks", true, true, false),
        ("default", false, false, false),
        ("default", true, true, false),
    ] {
        let (length, said) = echoed(&server, name, LONG, known, http2).await;
        assert_eq!((length, said), (LONG, says.then_some(LONG)), "{name}");
        let grown = peak() - before;
        assert!(grown < GROWTH, "{name}: {} MiB went through, and {} MiB were held", LONG / MIB, grown / MIB);
    }
    // What has served a long request serves the next.
    server.until("none is at work", |host| host.figures().active == 0).await;
    assert_eq!(server.host.figures().idle, 3, "{:?}", server.host.figures());
}

/// `frame` and `http` need a body whole whose length nobody says.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_format_needs_whole_is_gathered() {
    let server = server([
        function("frame", guests::frame_echo(), Format::Frame),
        function("http", guests::http_echo(3 * MIB), Format::Http),
    ])
    .await;
    for name in ["frame", "http"] {
        assert_eq!(echoed(&server, name, 3 * MIB, false, false).await, (3 * MIB, Some(3 * MIB)));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_body_that_turns_out_too_long_is_refused() {
    let host = host(|builder| builder.max_body(MIB));
    let server = serve_host(host, [Function::wasm_bytes("echo", guests::swallow())]).await;
    for known in [true, false] {
        let client = Client::builder(TokioExecutor::new()).build_http();
        let request = hyper::Request::post(format!("http://{}/r/echo", server.address));
        let request = request.body(Sent::new(2 * MIB, known)).unwrap();
        let answer = tokio::time::timeout(HANG, client.request(request)).await.expect("an answer in time");
        // One who still sends may find the connection closed before it reads why.
        if let Ok(answer) = answer {
            assert_eq!(
                (answer.status().as_u16(), &answer.headers()["kiln-error"]),
                (413, &"TooLarge".parse().unwrap())
            );
        }
        server.until("nothing is left of it", |host| host.figures().charged == 0).await;
    }
}

/// Its caller has the answer; the sandbox, which has yet to read the rest, goes (`SEEDS.md E2`).
#[tokio::test(flavor = "multi_thread")]
async fn a_function_may_answer_before_it_has_read_everything() {
    let server = server([function("early", guests::frame_early(), Format::Frame)]).await;
    let mut caller = TcpStream::connect(server.address).await.unwrap();
    let head = format!("POST /r/early HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n", 64 * MIB);
    caller.write_all(head.as_bytes()).await.unwrap();
    caller.write_all(&from(0)).await.unwrap();
    let answer = read_until(&mut caller, b"early").await;
    assert!(answer.starts_with(b"HTTP/1.1 200 OK\r\n"), "{}", answer.escape_ascii());
    server.until("its sandbox is gone", |host| host.figures().charged == 0).await;
}

/// Reads until what came ends so; all of it.
async fn read_until(caller: &mut TcpStream, end: &[u8]) -> Vec<u8> {
    let mut came = Vec::new();
    let read = async {
        while !came.ends_with(end) {
            let count = caller.read_buf(&mut came).await.unwrap();
            assert!(count > 0, "it ended with {}", came.escape_ascii());
        }
    };
    tokio::time::timeout(HANG, read).await.expect("an answer in time");
    came
}

/// Half of a reply is never taken for all of it: neither with a length nor in chunks nor over HTTP/2.
#[tokio::test(flavor = "multi_thread")]
async fn a_function_that_dies_in_the_middle_breaks_its_reply_off() {
    let dies = guests::frame_breaks_off(3 << 20);
    let floods = Function::wasm_bytes("floods", guests::pour()).timeout(HANG);
    let server = server([function("dies", dies, Format::Frame), floods]).await;
    for (name, http2) in [("dies", false), ("dies", true), ("floods", false), ("floods", true)] {
        let client = Client::builder(TokioExecutor::new()).http2_only(http2).build_http();
        let request = hyper::Request::post(format!("http://{}/r/{name}", server.address));
        let request = request.body(Sent::new(8 * MIB, true)).unwrap();
        let answer =
            tokio::time::timeout(HANG, client.request(request)).await.expect("a head in time").unwrap();
        assert_eq!(answer.status(), 200);
        let body = tokio::time::timeout(HANG, answer.into_body().collect()).await.expect("an end in time");
        assert!(body.is_err(), "{name}: {} bytes are taken for the reply", body.unwrap().to_bytes().len());
        server.until("its sandbox is gone", |host| host.figures().charged == 0).await;
    }
}

/// SEEDS.md E10, in the middle of a long request and of a long reply.
#[tokio::test(flavor = "multi_thread")]
async fn e10_hanging_up_in_the_middle_stops_the_function() {
    let mut pour = function("pour", guests::pour(), Format::Default);
    pour.limits.max_reply = u64::MAX >> 1;
    let server = server([function("echo", guests::echo(), Format::Default), pour]).await;
    let head = |name: &str, length: u64| {
        format!("POST /r/{name} HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n")
    };

    let mut sender = TcpStream::connect(server.address).await.unwrap();
    sender.write_all(head("echo", 64 * MIB).as_bytes()).await.unwrap();
    sender.write_all(&from(0)).await.unwrap();
    server.until("it runs", |host| host.figures().active == 1).await;
    drop(sender);
    server.until("it has stopped", |host| host.figures().charged == 0).await;

    let mut reader = TcpStream::connect(server.address).await.unwrap();
    reader.write_all(head("pour", 0).as_bytes()).await.unwrap();
    let mut some = vec![0; MIB as usize];
    reader.read_exact(&mut some).await.unwrap();
    assert!(some.starts_with(b"HTTP/1.1 200 OK\r\n"));
    assert_eq!(server.host.figures().active, 1);
    drop(reader);
    server.until("it has stopped", |host| host.figures().charged == 0).await;
}

/// A reader that stops holds its function, which stands still, and nothing piles up; then it reads on.
#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_stops_stops_the_function() {
    let server = server([function("echo", guests::echo(), Format::Default)]).await;
    for http2 in [false, true] {
        let sent = Sent::new(64 * MIB, true);
        let (length, taken) = (sent.length, sent.taken.clone());
        let client = Client::builder(TokioExecutor::new()).http2_only(http2).build_http();
        let request = hyper::Request::post(format!("http://{}/r/echo", server.address)).body(sent).unwrap();
        let answer =
            tokio::time::timeout(HANG, client.request(request)).await.expect("a head in time").unwrap();
        // Nothing is read: what is taken stands still when all buffers are full.
        let mut before = u64::MAX;
        while taken.load(Relaxed) != before {
            before = taken.load(Relaxed);
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
        assert!(before < length / 2, "{before} of {length} bytes were taken of one who reads nothing");
        assert_eq!(server.host.figures().active, 1);
        assert_eq!(read(answer.into_body()).await, length);
        server.until("none is at work", |host| host.figures().active == 0).await;
    }
}
