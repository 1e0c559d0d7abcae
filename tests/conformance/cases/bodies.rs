//! What goes in comes out: every size, every byte, and nothing of stderr.

use crate::bench::{Bench, request};
use bytes::Bytes;
use kiln::format::Rest;
use kiln::function::{DEFAULT_NAMESPACE, MIB};
use kiln::host::{BodySource, Upload};
use kiln::invocation::Request;
use kiln::{ErrorKind, Format, Result};
use std::task::{Context, Poll};

/// 0 B to 8 MiB, around the sizes at which a pipe or a buffer is full.
pub async fn every_size(bench: &mut Bench) {
    // A module keeps a large request and its reply in memory at once.
    bench.deploy(bench.echo("echo").memory(128 * MIB)).await;
    let pattern: String = ('a'..='z').cycle().take(8 << 20).collect();
    for size in [0, 1, 64, 4 << 10, (64 << 10) - 1, 64 << 10, (64 << 10) + 1, 1 << 20, 8 << 20] {
        let most = match bench.format {
            // Its results are at most that long, with all that is written around them.
            Format::Openwhisk => (1 << 20) - 64,
            _ if bench.subject.takes_long_bodies() => usize::MAX,
            _ => 4 << 10,
        };
        if size > most {
            continue;
        }
        let body = &pattern[pattern.len() - size..];
        let reply = bench.reply("echo", "/", body.to_owned()).await;
        assert_eq!(reply.status, 200);
        assert!(reply.body == body, "{size} bytes came back as {}", reply.body.len());
    }
}

/// A body that comes in pieces, and a reply that goes in parts wherever the format has them.
pub async fn long_ones_in_parts(bench: &mut Bench) {
    if !bench.subject.takes_long_bodies() {
        eprintln!("not with these guests: they can't hold long bodies");
        return;
    }
    bench.deploy(bench.echo("echo").memory(128 * MIB)).await;
    let body: Bytes = (b'a'..=b'z').cycle().take(5 << 20).collect();
    for known in [true, false] {
        let (start, rest) = (body.slice(..1000), body.slice(1000..));
        let length = if known { Rest::Bytes(rest.len() as u64) } else { Rest::Unknown };
        let asked = request(bench.format, "/", "");
        let asked = Request { path: &asked.path, ..Request::new() };
        let upload = Upload::new(start, length, Pieces(rest));
        let streamed = bench.host.stream(DEFAULT_NAMESPACE, "echo", asked, upload, 64 << 10).await;
        let reply = streamed.result.unwrap_or_else(|error| panic!("{error}: {:?}", error.logs()));
        assert_eq!((reply.status, streamed.parts.is_some()), (200, bench.format != Format::Json));
        let mut came = reply.body.to_vec();
        if let Some(mut parts) = streamed.parts {
            while let Some(part) = parts.next().await {
                came.extend_from_slice(&part.unwrap());
            }
        }
        assert!(came == body, "{} bytes came back as {}", body.len(), came.len());
    }
}

/// What is left of a body, in pieces that end anywhere.
struct Pieces(Bytes);

impl BodySource for Pieces {
    fn poll_piece(&mut self, _: &mut Context<'_>) -> Poll<Option<Result<Bytes>>> {
        let piece = self.0.split_to(self.0.len().min(99_991));
        Poll::Ready((!piece.is_empty()).then_some(Ok(piece)))
    }
}

/// Bytes that are no text, and some that would end a head, a line or a frame.
pub async fn every_byte(bench: &mut Bench) {
    bench.deploy(bench.echo("echo")).await;
    let every: Vec<u8> = (0..=255).cycle().take(256 * 300).collect();
    let bodies = [
        Bytes::from(every),
        Bytes::from_static(b"\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"),
        Bytes::from_static(b"{\"body\":\"\"}\n"),
        Bytes::from_static(b"\0\0\0\0\x03\0\0\0\0\0\0\0\0\0\0\0"),
        Bytes::from_static(b"\n"),
        Bytes::from_static(b"\xff\xfe\0"),
    ];
    for body in bodies {
        let came = bench.reply("echo", "/", body.clone()).await.body;
        assert!(
            came == body,
            "{:?} came back as {:?}",
            &body[..body.len().min(64)],
            &came[..came.len().min(64)]
        );
    }
}

/// Text of which each format would have to escape something.
pub async fn every_character(bench: &mut Bench) {
    bench.deploy(bench.echo("echo")).await;
    let control: String = ('\0'..=' ').collect();
    let odd =
        "\"quoted\" \\back\\ /slash/ \u{7f} é ß \u{2028}\u{2029} \u{feff} 漢字 \u{ffff} 🦀 \u{10ffff} }\n{";
    for body in [control.as_str(), odd, "\\u0041", "\\", "\""] {
        assert_eq!(bench.text("echo", "/", body.to_owned()).await, body);
    }
}

/// A format that can't carry a body says so, and the sandbox is as good as before.
pub async fn a_body_that_is_not_text_is_refused(bench: &mut Bench) {
    bench.deploy(bench.echo("echo")).await;
    assert_eq!(bench.text("echo", "/count", "").await, "1");
    let error = bench.error("echo", "/", vec![b'a', 0xff]).await;
    assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
    assert_eq!(bench.text("echo", "/count", "").await, "2");
}

/// SEEDS.md I6: stdout is the reply and nothing else.
pub async fn stderr_is_kept_apart(bench: &mut Bench) {
    bench.deploy(bench.echo("echo")).await;
    for _ in 0..3 {
        assert_eq!(bench.text("echo", "/log/said-on-stderr", "the reply").await, "the reply");
    }
    // What was said last is shown with a failure; only a one-shot function's own error is said on stderr.
    if bench.format == Format::Default {
        bench.deploy(bench.faulty("faulty")).await;
        let error = bench.error("faulty", "/error/my-last-words", "").await;
        assert!(error.logs().iter().any(|line| line.contains("my-last-words")), "{:?}", error.logs());
    }
}

/// More on stderr than a pipe holds doesn't hold up the reply, nor what is beyond `max_logs`.
pub async fn much_stderr_is_kept_apart(bench: &mut Bench) {
    let mut function = bench.faulty("faulty");
    function.limits.max_logs = 64 << 10;
    bench.deploy(function).await;
    for body in ["one", "two"] {
        assert_eq!(bench.text("faulty", "/chatter/512", body).await, body);
    }
}
