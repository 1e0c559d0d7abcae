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
