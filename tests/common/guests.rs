//! Small modules in text, one for each thing that a function can do to its host.
#![allow(dead_code, reason = "each test binary uses some of them")]

/// What all of them begin with: the calls, a page of memory, and `$say`, which writes bytes of memory to a descriptor.
const HEAD: &str = r#"
  (import "wasi_snapshot_preview1" "fd_read" (func $read (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "poll_oneoff" (func $poll (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (memory (export "memory") 1)
  (func $say (param $fd i32) (param $at i32) (param $bytes i32)
    (i32.store (i32.const 0) (local.get $at))
    (i32.store (i32.const 4) (local.get $bytes))
    (drop (call $write (local.get $fd) (i32.const 0) (i32.const 1) (i32.const 8))))
  ;; Reads up to 8192 bytes to 1024, and says how many came.
  (func $hear (result i32)
    (i32.store (i32.const 0) (i32.const 1024))
    (i32.store (i32.const 4) (i32.const 8192))
    (drop (call $read (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 8)))
    (i32.load (i32.const 8)))
"#;

fn module(body: &str) -> String {
    format!("(module {HEAD} {body})")
}

/// One-shot: says what it hears.
pub fn echo() -> String {
    module(
        r#"(func (export "_start") (local $bytes i32)
             (loop $more
               (local.set $bytes (call $hear))
               (if (local.get $bytes) (then
                 (call $say (i32.const 1) (i32.const 1024) (local.get $bytes))
                 (br $more)))))"#,
    )
}

/// One-shot: says a text.
pub fn say(text: &str) -> String {
    assert!(text.is_ascii() && !text.contains(['"', '\\']));
    let bytes = text.len();
    module(&format!(
        r#"(data (i32.const 16) "{text}")
           (func (export "_start") (call $say (i32.const 1) (i32.const 16) (i32.const {bytes})))"#
    ))
}

/// One-shot: writes `oh no` to stderr and exits with a code.
pub fn fail(code: u32) -> String {
    module(&format!(
        r#"(data (i32.const 16) "oh no\n")
           (func (export "_start")
             (call $say (i32.const 2) (i32.const 16) (i32.const 6))
             (call $exit (i32.const {code})))"#
    ))
}

/// One-shot: never ends.
pub fn endless() -> String {
    module(r#"(func (export "_start") (loop $again (br $again)))"#)
}

/// One-shot: sleeps for some milliseconds, then says `done`.
pub fn slow(millis: u64) -> String {
    let nanos = millis * 1_000_000;
    // A subscription to the monotonic clock (1), relative: its timeout is at 24, all else is 0.
    module(&format!(
        r#"(data (i32.const 16) "done")
           (func (export "_start")
             (i32.store (i32.const 1040) (i32.const 1))
             (i64.store (i32.const 1048) (i64.const {nanos}))
             (drop (call $poll (i32.const 1024) (i32.const 2048) (i32.const 1) (i32.const 8)))
             (call $say (i32.const 1) (i32.const 16) (i32.const 4)))"#
    ))
}

/// Format `http`, for requests without a body: answers each with 418, headers of its own and `short`.
pub fn teapot() -> String {
    let reply = "HTTP/1.1 418 I am a teapot\\r\\nX-Function: yes\\r\\nKiln-Start: forged\\r\\n\
                 Content-Type: text/x-tea\\r\\nContent-Length: 5\\r\\n\\r\\nshort";
    let bytes = reply.replace("\\r\\n", "\r\n").len();
    module(&format!(
        r#"(data (i32.const 16) "{reply}")
           (func (export "_start")
             (loop $more
               (if (call $hear) (then
                 (call $say (i32.const 1) (i32.const 16) (i32.const {bytes}))
                 (br $more)))))"#
    ))
}

/// What the guests begin with that pass long bodies on: `$exactly`, which reads so many bytes (0: stdin has ended),
/// `$copy`, which passes so many on as they come, and `$head`, which reads a head of HTTP.
const COPY: &str = r#"
  (func $exactly (param $at i32) (param $bytes i32) (result i32)
    (loop $more
      (if (i32.eqz (local.get $bytes)) (then (return (i32.const 1))))
      (i32.store (i32.const 0) (local.get $at))
      (i32.store (i32.const 4) (local.get $bytes))
      (drop (call $read (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 8)))
      (if (i32.eqz (i32.load (i32.const 8))) (then (return (i32.const 0))))
      (local.set $at (i32.add (local.get $at) (i32.load (i32.const 8))))
      (local.set $bytes (i32.sub (local.get $bytes) (i32.load (i32.const 8))))
      (br $more))
    unreachable)
  (func $copy (param $bytes i32) (local $came i32)
    (loop $more
      (if (i32.eqz (local.get $bytes)) (then (return)))
      (i32.store (i32.const 0) (i32.const 1024))
      (i32.store (i32.const 4)
        (select (local.get $bytes) (i32.const 32768) (i32.lt_u (local.get $bytes) (i32.const 32768))))
      (drop (call $read (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 8)))
      (local.set $came (i32.load (i32.const 8)))
      (if (i32.eqz (local.get $came)) (then (return)))
      (call $say (i32.const 1) (i32.const 1024) (local.get $came))
      (local.set $bytes (i32.sub (local.get $bytes) (local.get $came)))
      (br $more)))
  (func $head (result i32) (local $last i32)
    (loop $more
      (if (i32.eqz (call $exactly (i32.const 1024) (i32.const 1))) (then (return (i32.const 0))))
      (local.set $last
        (i32.or (i32.shl (local.get $last) (i32.const 8)) (i32.load8_u (i32.const 1024))))
      (br_if $more (i32.ne (local.get $last) (i32.const 0x0d0a0d0a))))
    (i32.const 1))
"#;

/// Format `frame`: what is done with each request, whose frame's header is at 512, with `$body` for its body's length.
fn frames(then: &str) -> String {
    module(&format!(
        r#"{COPY}
           (func (export "_start") (local $body i32) (local $meta i32)
             (loop $more
               (if (i32.eqz (call $exactly (i32.const 512) (i32.const 16))) (then (return)))
               (local.set $meta (i32.load16_u (i32.const 518)))
               (local.set $body (i32.sub (i32.load (i32.const 512)) (local.get $meta)))
               (drop (call $exactly (i32.const 1024) (local.get $meta)))
               (i32.store (i32.const 512) (local.get $body))
               (i32.store (i32.const 516) (i32.const 3))
               {then}
               (br $more)))"#
    ))
}

/// Format `frame`: answers with each request's body while it reads it.
pub fn frame_echo() -> String {
    frames("(call $say (i32.const 1) (i32.const 512) (i32.const 16)) (call $copy (local.get $body))")
}

/// Format `frame`: as [`frame_echo`], but sleeps for some milliseconds before its first answer.
pub fn frame_stalls_once(millis: u64) -> String {
    let nanos = millis * 1_000_000;
    // The subscription is at 40,000, where all is 0 and no request is read to.
    frames(&format!(
        r#"(if (i32.eqz (i32.load (i32.const 40016))) (then
             (i32.store (i32.const 40016) (i32.const 1))
             (i64.store (i32.const 40024) (i64.const {nanos}))
             (drop (call $poll (i32.const 40000) (i32.const 41000) (i32.const 1) (i32.const 8)))))
           (call $say (i32.const 1) (i32.const 512) (i32.const 16)) (call $copy (local.get $body))"#
    ))
}

/// Format `frame`: answers `early` and reads no body.
pub fn frame_early() -> String {
    frames(
        r#"(i32.store (i32.const 512) (i32.const 5))
           (i64.store (i32.const 528) (i64.const 0x796c726165))
           (call $say (i32.const 1) (i32.const 512) (i32.const 21))"#,
    )
}

/// Format `frame`: announces all of the body, passes some of it on, and exits with code 7.
pub fn frame_breaks_off(after: u32) -> String {
    frames(&format!(
        r#"(call $say (i32.const 1) (i32.const 512) (i32.const 16))
           (call $copy (i32.const {after}))
           (call $exit (i32.const 7))"#
    ))
}

/// Format `http`: takes each request's body for one of `length` bytes, and answers with it while it reads it.
pub fn http_echo(length: u64) -> String {
    let reply = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n");
    module(&format!(
        r#"{COPY}
           (data (i32.const 16) "{}")
           (func (export "_start")
             (loop $more
               (if (i32.eqz (call $head)) (then (return)))
               (call $say (i32.const 1) (i32.const 16) (i32.const {}))
               (call $copy (i32.const {length}))
               (br $more)))"#,
        reply.replace("\r\n", "\\r\\n"),
        reply.len()
    ))
}

/// Format `http`: takes each request's body for one of `length` bytes, and answers with it in chunks while it reads it.
pub fn http_echo_chunked(length: u64) -> String {
    let reply = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    // A chunk of 0x1000 bytes, its end and the next one's size, or the last's, are at 256.
    let chunks = length / 0x1000;
    assert_eq!(length % 0x1000, 0);
    module(&format!(
        r#"{COPY}
           (data (i32.const 16) "{}")
           (data (i32.const 256) "1000\r\n\r\n0\r\n\r\n")
           (func (export "_start") (local $chunks i32)
             (loop $request
               (if (i32.eqz (call $head)) (then (return)))
               (call $say (i32.const 1) (i32.const 16) (i32.const {}))
               (local.set $chunks (i32.const {chunks}))
               (loop $more
                 (call $say (i32.const 1) (i32.const 256) (i32.const 6))
                 (call $copy (i32.const 0x1000))
                 (call $say (i32.const 1) (i32.const 260) (i32.const 2))
                 (br_if $more (local.tee $chunks (i32.sub (local.get $chunks) (i32.const 1)))))
               (call $say (i32.const 1) (i32.const 264) (i32.const 5))
               (br $request)))"#,
        reply.replace("\r\n", "\\r\\n"),
        reply.len()
    ))
}

/// One-shot: reads all there is, then says `done`.
pub fn swallow() -> String {
    module(
        r#"(data (i32.const 16) "done")
           (func (export "_start")
             (loop $more (br_if $more (call $hear)))
             (call $say (i32.const 1) (i32.const 16) (i32.const 4)))"#,
    )
}

/// One-shot: says the same for ever.
pub fn pour() -> String {
    module(
        r#"(func (export "_start")
             (loop $more (call $say (i32.const 1) (i32.const 1024) (i32.const 32768)) (br $more)))"#,
    )
}
