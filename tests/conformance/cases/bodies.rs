//! What goes in comes out: every size, every byte, and nothing of stderr.

use crate::bench::Bench;
use kiln::function::MIB;
use kiln::{ErrorKind, Format};

/// 0 B to 8 MiB, around the sizes at which a pipe or a buffer is full.
pub async fn every_size(bench: &mut Bench) {
    // A module keeps a large request and its reply in memory at once.
    bench.deploy(bench.echo("echo").memory(128 * MIB)).await;
    let pattern: String = ('a'..='z').cycle().take(8 << 20).collect();
    for size in [0, 1, 64, 4 << 10, (64 << 10) - 1, 64 << 10, (64 << 10) + 1, 1 << 20, 8 << 20] {
        let body = &pattern[pattern.len() - size..];
        let reply = bench.reply("echo", "/", body.to_owned()).await;
        assert_eq!(reply.status, 200);
        assert!(reply.body == body, "{size} bytes came back as {}", reply.body.len());
    }
}

/// Bytes that are no text, and some that would end a head, a line or a frame.
pub async fn every_byte(bench: &mut Bench) {
    bench.deploy(bench.echo("echo")).await;
    let every: Vec<u8> = (0..=255).cycle().take(256 * 300).collect();
    let bodies: [&[u8]; 6] = [
        &every,
        b"\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
        b"{\"body\":\"\"}\n",
        b"\0\0\0\0\x03\0\0\0\0\0\0\0\0\0\0\0",
        b"\n",
        b"\xff\xfe\0",
    ];
    for body in bodies {
        assert!(bench.reply("echo", "/", body).await.body == body, "{:?}", &body[..body.len().min(64)]);
    }
}

/// Text of which each format would have to escape something.
pub async fn every_character(bench: &mut Bench) {
    bench.deploy(bench.echo("echo")).await;
    let control: String = ('\0'..=' ').collect();
    let odd = "\"quoted\" \\back\\ /slash/ \u{7f} é ß \u{2028}\u{2029} \u{feff} 漢字 \u{ffff} 🦀 \u{10ffff} }\n{";
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
