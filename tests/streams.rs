//! Requests and replies in parts, as an embedder has them, on fake backends: who waits for whom, and for how long.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

use bytes::Bytes;
use kiln::backend::fake;
use kiln::format::Rest;
use kiln::function::DEFAULT_NAMESPACE;
use kiln::host::{BodySource, Observer, ReplyParts, Streamed, Upload};
use kiln::invocation::{Outcome, Request, Timings};
use kiln::{BackendKind, Error, ErrorKind, Format, Function, Host, Invocation, Result};
use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::Sleep;

const KIB: usize = 1 << 10;
const PARTS_ABOVE: usize = 64 * KIB;

/// The function's time limit in all of these.
const LIMIT: Duration = Duration::from_secs(10);

/// More than the function's time, less than anybody is given up after.
const LONG: Duration = Duration::from_secs(20);

/// A body in pieces, with a pause before each.
struct Pieces {
    pieces: VecDeque<Result<Bytes>>,
    pause: Duration,
    sleep: Option<Pin<Box<Sleep>>>,
}

impl BodySource for Pieces {
    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes>>> {
        let pause = self.pause;
        if !pause.is_zero() {
            let sleep = self.sleep.get_or_insert_with(|| Box::pin(tokio::time::sleep(pause)));
            if sleep.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
            self.sleep = None;
        }
        Poll::Ready(self.pieces.pop_front())
    }
}

fn content(length: usize) -> Bytes {
    (0..length).map(|n| b'a' + (n % 23) as u8).collect()
}

/// An upload of that content in pieces.
fn upload(body: &Bytes, known: bool, pause: Duration) -> Upload {
    let mut pieces = body.chunks(40 * KIB).map(|piece| Ok(body.slice_ref(piece)));
    let start = pieces.next().transpose().unwrap().unwrap_or_default();
    let rest = if known { Rest::Bytes((body.len() - start.len()) as u64) } else { Rest::Unknown };
    Upload::new(start, rest, Pieces { pieces: pieces.collect(), pause, sleep: None })
}

/// What an observer was told: each invocation's error, if it had one, and its times.
#[derive(Clone, Default)]
struct Told {
    errors: Arc<Mutex<Vec<Option<ErrorKind>>>>,
    timings: Arc<Mutex<Vec<Timings>>>,
}

impl Observer for Told {
    fn ended(&self, _: Option<&Function>, outcome: &Outcome) {
        self.errors.lock().unwrap().push(outcome.result.as_ref().err().map(Error::kind));
        self.timings.lock().unwrap().push(outcome.timings);
    }
}

impl Told {
    fn so_far(&self) -> Vec<Option<ErrorKind>> {
        self.errors.lock().unwrap().clone()
    }
}

/// A host over one fake backend with `echo`.
async fn host(kind: BackendKind, format: Format) -> (Host, fake::Handle, Told) {
    let (backend, handle) = fake::backend(kind);
    let host = Host::builder().memory(512 << 20).backend(backend).build().unwrap();
    let mut function = match kind {
        BackendKind::Wasm => Function::wasm_bytes("echo", "echo"),
        BackendKind::Docker => Function::image("echo", "echo"),
    };
    function.limits.max_reply = 1 << 30;
    host.deploy(function.format(format).timeout(LIMIT)).await.unwrap();
    let told = Told::default();
    host.observe(Box::new(told.clone()));
    (host, handle, told)
}

async fn stream(host: &Host, upload: Upload) -> Streamed {
    host.stream(DEFAULT_NAMESPACE, "echo", Request::new(), upload, PARTS_ABOVE).await
}

/// The parts of a reply that has to come in parts.
async fn parts(host: &Host, upload: Upload) -> ReplyParts {
    let streamed = stream(host, upload).await;
    assert_eq!(streamed.result.unwrap().status, 200);
    streamed.parts.expect("a reply in parts")
}

/// All of a reply, with a pause before each part.
async fn read(parts: &mut ReplyParts, pause: Duration) -> Result<Bytes> {
    let mut whole = Vec::new();
    loop {
        tokio::time::sleep(pause).await;
        match parts.next().await.transpose()? {
            Some(part) => {
                assert!(!part.is_empty());
                whole.extend_from_slice(&part);
            }
            None => return Ok(whole.into()),
        }
    }
}

/// Waits until nothing is at work.
async fn at_rest(host: &Host) {
    while host.figures().active > 0 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn bodies_in_parts_are_what_they_are_whole() {
    for kind in [BackendKind::Wasm, BackendKind::Docker] {
        for format in Format::STDIO {
            let (host, _, told) = host(kind, format).await;
            for (length, known) in [(0, true), (KIB, true), (700 * KIB, true), (700 * KIB, false)] {
                let body = content(length);
                let streamed = stream(&host, upload(&body, known, Duration::ZERO)).await;
                let whole = streamed.result.unwrap_or_else(|error| panic!("{kind} {format}: {error}")).body;
                let in_parts = length > PARTS_ABOVE && format != Format::Json;
                assert_eq!(streamed.parts.is_some(), in_parts, "{kind} {format}: {length} bytes");
                let came = match streamed.parts {
                    Some(mut parts) => read(&mut parts, Duration::ZERO).await.unwrap(),
                    None => whole,
                };
                assert!(came == body, "{kind} {format}: {length} bytes came back as {}", came.len());
                at_rest(&host).await;
            }
            assert_eq!(told.so_far(), [None; 4], "{kind} {format}: each is told of once");
            let idle = usize::from(format.is_streaming());
            assert_eq!(host.figures().idle, idle, "{kind} {format}: one sandbox served all");
            host.drain().await;
        }
    }
}

/// The function's time is the function's: neither a slow caller uses it up, nor does it end with the caller's.
#[tokio::test(start_paused = true)]
async fn a_slow_caller_does_not_use_up_the_functions_time() {
    for format in [Format::Default, Format::Http, Format::Frame] {
        let (host, _, _) = host(BackendKind::Wasm, format).await;
        let body = content(300 * KIB);
        let mut parts = parts(&host, upload(&body, true, LONG)).await;
        assert!(read(&mut parts, LONG).await.unwrap() == body, "{format}");
        host.drain().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_slow_function_uses_up_its_time() {
    let (host, _, told) = host(BackendKind::Wasm, Format::Frame).await;
    let body = content(300 * KIB);
    let request = Request { path: "/sleep/11000", ..Request::new() };
    let upload = upload(&body, true, Duration::ZERO);
    let streamed = host.stream(DEFAULT_NAMESPACE, "echo", request, upload, PARTS_ABOVE).await;
    assert_eq!(streamed.result.unwrap_err().kind(), ErrorKind::TimedOut);
    assert_eq!(told.so_far(), [Some(ErrorKind::TimedOut)]);
    host.drain().await;
}

#[tokio::test(start_paused = true)]
async fn a_reader_who_stops_is_given_up() {
    let (host, handle, told) = host(BackendKind::Docker, Format::Http).await;
    let body = content(300 * KIB);
    let mut parts = parts(&host, upload(&body, true, Duration::ZERO)).await;
    parts.next().await.unwrap().unwrap();
    tokio::time::sleep(LONG).await;
    assert_eq!((host.figures().active, told.so_far()), (1, vec![]), "it has time");
    tokio::time::sleep(LONG * 3).await;
    assert_eq!(told.so_far(), [Some(ErrorKind::InvalidInput)]);
    assert_eq!((host.figures().active, host.figures().charged), (0, 0));
    assert_eq!(handle.counts().removed, 1);
    let error = read(&mut parts, Duration::ZERO).await.unwrap_err();
    assert!(error.message().contains("was not read for 30 s"), "{error}");
    assert!(parts.next().await.is_none(), "nothing comes after it");
}

/// SEEDS.md E10.
#[tokio::test(start_paused = true)]
async fn e10_parts_that_are_dropped_stop_the_function() {
    for format in [Format::Default, Format::Http, Format::Frame] {
        for read in [0, 1] {
            let (host, handle, told) = host(BackendKind::Wasm, format).await;
            let body = content(300 * KIB);
            let mut parts = parts(&host, upload(&body, true, Duration::ZERO)).await;
            for _ in 0..read {
                parts.next().await.unwrap().unwrap();
            }
            drop(parts);
            assert_eq!((host.figures().active, host.figures().charged), (0, 0), "{format}");
            assert_eq!(handle.counts().removed, 1, "{format}");
            assert_eq!(told.so_far(), [Some(ErrorKind::Cancelled)], "{format}");
        }
    }
}

/// SEEDS.md E10: whoever goes away while it waits or its function runs is told of, once.
#[tokio::test(start_paused = true)]
async fn e10_an_observer_hears_of_callers_that_went_away() {
    let (host, handle, told) = host(BackendKind::Docker, Format::Frame).await;
    let ask = |path: &str| {
        let invocation = Invocation { path: path.into(), ..Invocation::new("body") };
        tokio::time::timeout(Duration::from_secs(1), host.invoke("echo", invocation))
    };
    handle.hold_starts();
    assert!(ask("/").await.is_err(), "it waits for a start");
    assert_eq!(told.so_far(), [Some(ErrorKind::Cancelled)]);
    handle.let_starts_go();
    assert!(ask("/sleep/5000").await.is_err(), "it runs");
    assert_eq!(told.so_far(), [Some(ErrorKind::Cancelled); 2]);
    ask("/").await.unwrap().result.unwrap();
    assert_eq!(told.so_far()[2..], [None], "an answered one is no less told of");
    drop(ask("/"));
    assert_eq!(told.so_far().len(), 3, "one that never began is none");
    let timings = told.timings.lock().unwrap().clone();
    let second = Duration::from_secs(1);
    // The host's clock is the real one, which doesn't wait for this test's.
    assert!(timings[0].wait > Duration::ZERO && timings[0].run == Duration::ZERO, "{timings:?}");
    assert!(timings[1].total() <= second && timings[1].run > Duration::ZERO, "{timings:?}");
    host.drain().await;
}

#[tokio::test(start_paused = true)]
async fn a_host_that_stops_ends_what_nobody_reads() {
    let (host, _, told) = host(BackendKind::Wasm, Format::Frame).await;
    let body = content(300 * KIB);
    let mut parts = parts(&host, upload(&body, true, Duration::ZERO)).await;
    tokio::time::timeout(LONG, host.stop()).await.expect("it stops though nobody polls");
    // That nothing was read of it yet changes nothing.
    assert_eq!(read(&mut parts, Duration::ZERO).await.unwrap_err().kind(), ErrorKind::Unavailable);
    assert_eq!(told.so_far(), [Some(ErrorKind::Unavailable)]);
}

/// Whatever the source does wrong is the request's error, and its sandbox, which has half of it, goes.
#[tokio::test(start_paused = true)]
async fn a_body_that_does_not_come_as_it_should_ends_its_request() {
    let broken = |pieces: Vec<Result<Bytes>>, rest| {
        let pieces = Pieces { pieces: pieces.into(), pause: Duration::ZERO, sleep: None };
        Upload::new("start", rest, pieces)
    };
    for format in [Format::Default, Format::Http, Format::Frame] {
        let (host, handle, told) = host(BackendKind::Docker, format).await;
        let cases = [
            (broken(vec![Err(Error::invalid("it broke off"))], Rest::Bytes(3)), "it broke off"),
            (broken(vec![Ok("ab".into())], Rest::Bytes(3)), "the body ended 1 bytes before its length"),
            (broken(vec![Ok("abcd".into())], Rest::Bytes(3)), "the body is longer than its length"),
        ];
        for (upload, why) in cases {
            let error = stream(&host, upload).await.result.unwrap_err();
            assert_eq!((error.kind(), error.message()), (ErrorKind::InvalidInput, why), "{format}");
        }
        host.drain().await;
        assert_eq!((handle.counts().living, told.so_far()), (0, vec![Some(ErrorKind::InvalidInput); 3]));
    }
}
