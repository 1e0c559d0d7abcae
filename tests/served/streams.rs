//! Long bodies through a server, both ways: nothing piles up, and who is slow slows the other down.

use crate::docker::docker_or_skip;
use crate::driver::{HANG, soon};
use crate::program::{configured, end, server, told};
use bytes::Bytes;
use kiln::format::Rest;
use kiln::function::DEFAULT_NAMESPACE;
use kiln::host::{BodySource, Streamed, Upload};
use kiln::invocation::Request;
use kiln::{Function, Host, Result};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::task::{Context, Poll};
use std::time::Duration;

const MIB: u64 = 1 << 20;
/// What this process may grow by while much more goes through it.
const GROWTH: u64 = 24 * MIB;
/// What may wait between the two ends: the kernel's buffers, and what Kiln holds.
const BETWEEN: u64 = 24 * MIB;

/// What goes through: 1 GiB with `KILN_LONG_STREAMS=1` or in a release build.
fn long() -> u64 {
    let asked = std::env::var("KILN_LONG_STREAMS").is_ok_and(|value| value == "1");
    if asked || !cfg!(debug_assertions) { 1024 * MIB } else { 128 * MIB }
}

/// A body of so many bytes, and how many have been taken.
struct Counted {
    left: u64,
    taken: Arc<AtomicU64>,
}

impl BodySource for Counted {
    fn poll_piece(&mut self, _: &mut Context<'_>) -> Poll<Option<Result<Bytes>>> {
        static PIECE: [u8; 60_000] = [b'g'; 60_000];
        let now = self.left.min(PIECE.len() as u64);
        self.left -= now;
        self.taken.fetch_add(now, Relaxed);
        Poll::Ready((now > 0).then(|| Ok(Bytes::from_static(&PIECE[..now as usize]))))
    }
}

async fn stream(host: &Host, path: &str, upload: Upload) -> Streamed {
    let request = Request { path, ..Request::new() };
    soon(host.stream(DEFAULT_NAMESPACE, "app", request, upload, 256 << 10)).await
}

fn sent(length: u64, known: bool) -> (Upload, Arc<AtomicU64>) {
    let taken = Arc::<AtomicU64>::default();
    let rest = if known { Rest::Bytes(length) } else { Rest::Unknown };
    (Upload::new("", rest, Counted { left: length, taken: taken.clone() }), taken)
}

/// Reads a reply to its end; its length.
async fn read(streamed: Streamed) -> u64 {
    let reply = streamed.result.unwrap_or_else(|error| panic!("{error}: {:?}", error.logs()));
    assert_eq!(reply.status, 200);
    let Some(mut parts) = streamed.parts else { return reply.body.len() as u64 };
    let mut length = 0;
    while let Some(part) = tokio::time::timeout(HANG, parts.next()).await.expect("a part in time") {
        let part = part.unwrap();
        assert!(part.iter().all(|&byte| byte == b'g'));
        length += part.len() as u64;
    }
    length
}

/// The most that this process has ever held, in bytes.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
}

fn function() -> Function {
    let mut function = server().timeout(HANG * 10);
    function.limits.max_reply = 4 << 30;
    function
}

#[tokio::test]
async fn long_bodies_go_through_both_ways_and_nothing_piles_up() {
    let Some(engine) = docker_or_skip("served-long").await else { return };
    let host = configured(&engine, function(), |builder| builder.max_body(4 << 30)).await;
    let length = long();
    assert_eq!(read(stream(&host, "/echo", sent(MIB, false).0).await).await, MIB);
    let before = peak();
    for known in [true, false] {
        assert_eq!(read(stream(&host, "/echo", sent(length, known).0).await).await, length);
    }
    let path = format!("/generate?bytes={length}");
    assert_eq!(read(stream(&host, &path, Bytes::new().into()).await).await, length);
    let sunk = stream(&host, "/sink", sent(length, false).0).await.result.unwrap();
    assert_eq!(sunk.body, length.to_string());
    let grown = peak().saturating_sub(before);
    assert!(grown < GROWTH, "{grown} bytes more are held after {length} went through");
    end(host, &engine).await;
}

/// Waits until there is a figure that has stood still for a while.
async fn still(figure: impl Fn() -> Option<u64>) -> u64 {
    let (mut last, mut same) = (figure(), 0);
    loop {
        tokio::time::sleep(Duration::from_millis(50)).await;
        let now = figure();
        same = if now == last { same + 1 } else { 0 };
        last = now;
        if let (Some(last), 10..) = (last, same) {
            return last;
        }
    }
}

#[tokio::test]
async fn a_slow_reader_stops_the_servers_writing() {
    let Some(engine) = docker_or_skip("served-reader").await else { return };
    let mut function = function();
    let told = told(&mut function);
    let host = configured(&engine, function, |builder| builder).await;
    let length = 256 * MIB;
    let streamed = stream(&host, &format!("/generate/left?bytes={length}"), Bytes::new().into()).await;
    let left = |dir: &Path| std::fs::read_to_string(dir.join("left")).ok()?.parse::<u64>().ok();
    let path = told.path().to_owned();
    let unsent = soon(still(|| left(&path))).await;
    assert!(unsent > length - BETWEEN, "{unsent} of {length} bytes are still to be written");
    assert_eq!(read(streamed).await, length);
    end(host, &engine).await;
}

#[tokio::test]
async fn a_slow_server_stops_its_callers_writing() {
    let Some(engine) = docker_or_skip("served-writer").await else { return };
    let mut function = function();
    let told = told(&mut function);
    let host = configured(&engine, function, |builder| builder.max_body(4 << 30)).await;
    let length = 256 * MIB;
    let (upload, taken) = sent(length, false);
    let figure = {
        let taken = taken.clone();
        move || taken.load(Relaxed)
    };
    let path = told.path().join("go");
    let released = async {
        let sent = still(|| Some(figure()).filter(|&sent| sent > 0)).await;
        std::fs::write(path, "").unwrap();
        sent
    };
    let (streamed, sent) = tokio::join!(stream(&host, "/hold/go", upload), released);
    assert!(sent < BETWEEN, "{sent} bytes were taken that nobody reads");
    assert_eq!(streamed.result.unwrap().body, length.to_string());
    assert_eq!(taken.load(Relaxed), length);
    end(host, &engine).await;
}
