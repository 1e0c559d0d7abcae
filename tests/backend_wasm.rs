//! The wasm backend, driven through the backend contract with small guests in text form.

#![cfg(feature = "wasm")]

use kiln::backend::wasm::{Wasm, WasmConfig};
use kiln::backend::{Backend, Exit, Logs, Program, Sandbox, StartSpec};
use kiln::function::{Dir, Function, MIB};
use kiln::{Error, ErrorKind, Format};
use std::future::poll_fn;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Poll;
use std::time::Duration;

/// What hangs fails: far beyond what any of these takes.
const HANG: Duration = Duration::from_secs(60);

/// A module of the usual imports, two pages of memory, `$read` and `$write` (stream, address, length; the result is
/// the count, and an error traps), and the parts given.
fn module(parts: &str) -> String {
    format!(
        r#"(module $guest
          (import "wasi_snapshot_preview1" "fd_read" (func $fd_read (param i32 i32 i32 i32) (result i32)))
          (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
          (import "wasi_snapshot_preview1" "fd_close" (func $fd_close (param i32) (result i32)))
          (import "wasi_snapshot_preview1" "fd_renumber" (func $fd_renumber (param i32 i32) (result i32)))
          (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
          (import "wasi_snapshot_preview1" "environ_sizes_get" (func $env_sizes (param i32 i32) (result i32)))
          (import "wasi_snapshot_preview1" "environ_get" (func $env (param i32 i32) (result i32)))
          (import "wasi_snapshot_preview1" "args_sizes_get" (func $args_sizes (param i32 i32) (result i32)))
          (import "wasi_snapshot_preview1" "args_get" (func $args (param i32 i32) (result i32)))
          (import "wasi_snapshot_preview1" "poll_oneoff" (func $poll (param i32 i32 i32 i32) (result i32)))
          (import "wasi_snapshot_preview1" "path_open" (func $open
            (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
          (memory (export "memory") 2)
          (func $read (param $fd i32) (param $at i32) (param $len i32) (result i32)
            (i32.store (i32.const 0) (local.get $at)) (i32.store (i32.const 4) (local.get $len))
            (if (call $fd_read (local.get $fd) (i32.const 0) (i32.const 1) (i32.const 8)) (then unreachable))
            (i32.load (i32.const 8)))
          (func $write (param $fd i32) (param $at i32) (param $len i32)
            (i32.store (i32.const 0) (local.get $at)) (i32.store (i32.const 4) (local.get $len))
            (if (call $fd_write (local.get $fd) (i32.const 0) (i32.const 1) (i32.const 8)) (then unreachable))
            (if (i32.ne (i32.load (i32.const 8)) (local.get $len)) (then unreachable)))
          {parts})"#
    )
}

/// Says `ready` on stderr, then gives back what it reads until stdin ends.
fn echo() -> String {
    module(
        r#"(data (i32.const 32) "ready\n")
        (func (export "_start") (local $n i32)
          (call $write (i32.const 2) (i32.const 32) (i32.const 6))
          (loop $again
            (local.set $n (call $read (i32.const 0) (i32.const 65536) (i32.const 65536)))
            (if (i32.eqz (local.get $n)) (then return))
            (call $write (i32.const 1) (i32.const 65536) (local.get $n))
            (br $again)))"#,
    )
}

/// `_start` with this body.
fn start_with(body: &str) -> String {
    module(&format!(r#"(func (export "_start") {body})"#))
}

fn backend() -> Wasm {
    with(|_| {})
}

fn with(change: impl FnOnce(&mut WasmConfig)) -> Wasm {
    let mut config = WasmConfig { cache_dir: None, max_instances: Some(8), ..WasmConfig::default() };
    change(&mut config);
    Wasm::new(config).unwrap()
}

fn oneshot(module: impl Into<bytes::Bytes>) -> Function {
    Function::wasm_bytes("guest", module)
}

fn streaming(module: impl Into<bytes::Bytes>) -> Function {
    oneshot(module).format(Format::Frame)
}

struct Made {
    function: Arc<Function>,
    program: Arc<dyn Program>,
}

struct Live {
    sandbox: Box<dyn Sandbox>,
    logs: Arc<Logs>,
}

async fn prepare(wasm: &Wasm, function: Function) -> Result<Made, Error> {
    let function = Arc::new(function);
    Ok(Made { program: wasm.prepare(Arc::clone(&function)).await?, function })
}

impl Made {
    async fn start(&self) -> Result<Live, Error> {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let logs = Arc::new(Logs::new(Arc::clone(&self.function), self.program.memory()));
        let spec = StartSpec {
            revision: self.function.revision(self.program.code()),
            number: NUMBER.fetch_add(1, Ordering::Relaxed),
            env: vec![("OF_START".into(), "start".into()), ("WHO".into(), "start".into())],
            logs: Arc::clone(&logs),
        };
        let started = tokio::time::timeout(HANG, self.program.start(spec)).await.expect("a start hangs")?;
        Ok(Live { sandbox: started.sandbox, logs })
    }
}

async fn live(wasm: &Wasm, function: Function) -> Live {
    prepare(wasm, function).await.unwrap().start().await.unwrap()
}

impl Live {
    fn write(&mut self, bytes: impl Into<bytes::Bytes>) {
        self.sandbox.stdio().write(bytes.into());
    }

    async fn piece(&mut self) -> Option<bytes::Bytes> {
        let read = poll_fn(|cx| self.sandbox.stdio().poll_read(cx));
        tokio::time::timeout(HANG, read).await.expect("a read hangs").unwrap()
    }

    /// Reads this many bytes, then waits for rest.
    async fn read(&mut self, count: usize) -> Vec<u8> {
        let mut all = Vec::new();
        while all.len() < count {
            self.sandbox.stdio().expect(count - all.len());
            all.extend_from_slice(&self.piece().await.expect("stdout has ended"));
        }
        self.rest().await;
        all
    }

    async fn rest(&mut self) {
        let rest = poll_fn(|cx| self.sandbox.stdio().poll_rest(cx));
        tokio::time::timeout(HANG, rest).await.expect("it doesn't come to rest");
    }

    async fn call(&mut self, request: impl Into<bytes::Bytes>) -> Vec<u8> {
        let request = request.into();
        let count = request.len();
        self.write(request);
        self.read(count).await
    }

    /// All of stdout, and why it ended.
    async fn to_end(&mut self) -> (Vec<u8>, Exit) {
        let mut all = Vec::new();
        while let Some(piece) = self.piece().await {
            all.extend_from_slice(&piece);
        }
        let exit = tokio::time::timeout(HANG, self.sandbox.exit()).await.expect("it doesn't end");
        (all, exit)
    }
}

/// Runs a one-shot guest to its end.
async fn run(wasm: &Wasm, function: Function, stdin: &'static [u8]) -> (Vec<u8>, Exit, Live) {
    let mut live = live(wasm, function).await;
    live.sandbox.launch(vec![]).await.unwrap();
    live.write(stdin);
    live.sandbox.stdio().close();
    let (out, exit) = live.to_end().await;
    (out, exit, live)
}

fn pattern(count: usize) -> Vec<u8> {
    (0..count).map(|at| (at * 31 + at / 251) as u8).collect()
}

async fn refused(wasm: &Wasm, function: Function, kind: ErrorKind, parts: &[&str]) {
    let error = match prepare(wasm, function).await {
        Ok(made) => made.start().await.err().expect("it starts"),
        Err(error) => error,
    };
    assert_eq!(error.kind(), kind, "{error}");
    for part in parts {
        assert!(error.to_string().contains(part), "{error:?} lacks {part:?}");
    }
    assert_eq!(wasm.figures().live, 0);
}

#[tokio::test]
async fn an_echo_gives_back_any_size_and_any_byte() {
    let mut live = live(&backend(), streaming(echo())).await;
    for size in [0, 1, 64, 65_535, 65_536, 65_537, 1 << 20, 8 << 20] {
        let request = pattern(size);
        assert!(live.call(request.clone()).await == request, "{size} bytes differ");
        assert!(live.sandbox.stdio().stray().is_none());
        assert!(!live.sandbox.is_dead());
    }
    assert_eq!(live.sandbox.remove().await, Exit::Killed);
}

#[tokio::test]
async fn two_hundred_calls_in_a_row_on_one_instance() {
    let wasm = backend();
    let mut live = live(&wasm, streaming(echo())).await;
    for number in 0..200 {
        let request = format!("request {number}");
        assert_eq!(live.call(request.clone()).await, request.as_bytes());
    }
    assert_eq!(wasm.figures().live, 1);
}

#[tokio::test]
async fn several_queued_pieces_are_one_read() {
    let mut live = live(&backend(), streaming(echo())).await;
    live.write("head ");
    live.write("");
    live.write("body");
    assert_eq!(live.piece().await.unwrap(), "head body");
}

#[tokio::test]
async fn a_prewarmed_instance_has_run_its_initialisation_and_waits() {
    let mut live = live(&backend(), streaming(echo())).await;
    assert_eq!(live.logs.tail(), ["ready"]);
    assert!(live.sandbox.stdio().stray().is_none(), "stderr came on stdout");
    live.rest().await;
    // Closing its stdin is how it is asked to end.
    live.sandbox.stdio().close();
    assert_eq!(live.to_end().await, (vec![], Exit::Code(0)));
    assert!(live.sandbox.is_dead());
}

#[tokio::test]
async fn a_guest_that_reads_while_it_owes_a_reply_stays_pending() {
    let mut live = live(&backend(), streaming(echo())).await;
    let read = poll_fn(|cx| live.sandbox.stdio().poll_read(cx));
    assert!(tokio::time::timeout(Duration::from_millis(20), read).await.is_err());
    assert_eq!(live.call("x").await, b"x");
}

#[tokio::test]
async fn a_oneshot_gets_its_requests_environment_and_ends_with_its_code() {
    // Writes its arguments and its environment, then what it reads, then exits with 200.
    let guest = start_with(
        r#"(local $n i32)
        (drop (call $args_sizes (i32.const 16) (i32.const 20)))
        (drop (call $args (i32.const 1024) (i32.const 4096)))
        (call $write (i32.const 1) (i32.const 4096) (i32.load (i32.const 20)))
        (drop (call $env_sizes (i32.const 16) (i32.const 20)))
        (drop (call $env (i32.const 1024) (i32.const 4096)))
        (call $write (i32.const 1) (i32.const 4096) (i32.load (i32.const 20)))
        (loop $again
          (local.set $n (call $read (i32.const 0) (i32.const 65536) (i32.const 3)))
          (call $write (i32.const 1) (i32.const 65536) (local.get $n))
          (br_if $again (local.get $n)))
        (call $exit (i32.const 200))"#,
    );
    let mut function = oneshot(guest).env("OF_FUNCTION", "function").env("WHO", "function");
    function.args = vec!["-v".into()];
    let made = prepare(&backend(), function).await.unwrap();
    assert!(made.program.prewarms_oneshot() && !made.program.pauses());
    for who in ["first", "second"] {
        let mut live = made.start().await.unwrap();
        live.sandbox.launch(vec![("WHO".into(), who.into())]).await.unwrap();
        live.write("the body");
        live.sandbox.stdio().close();
        let (out, exit) = live.to_end().await;
        let expected = format!("guest\0-v\0OF_FUNCTION=function\0OF_START=start\0WHO={who}\0the body");
        assert_eq!(String::from_utf8(out).unwrap(), expected);
        assert_eq!(exit, Exit::Code(200));
        assert_eq!(live.sandbox.remove().await, Exit::Code(200));
    }
}

#[tokio::test]
async fn a_oneshot_that_is_prewarmed_has_not_begun() {
    let mut live = live(&backend(), oneshot(echo())).await;
    assert!(live.logs.tail().is_empty());
    let error = poll_fn(|cx| live.sandbox.stdio().poll_read(cx)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Internal);
    live.sandbox.launch(vec![]).await.unwrap();
    assert_eq!(live.sandbox.launch(vec![]).await.unwrap_err().kind(), ErrorKind::Internal);
    live.sandbox.stdio().close();
    assert_eq!(live.to_end().await, (vec![], Exit::Code(0)));
    assert_eq!(live.logs.tail(), ["ready"]);
}

#[tokio::test]
async fn exits_and_traps_say_what_happened_and_where() {
    let wasm = backend();
    let ends = [
        ("", Exit::Code(0)),
        ("(call $exit (i32.const 0))", Exit::Code(0)),
        ("(call $exit (i32.const 7))", Exit::Code(7)),
        ("(call $exit (i32.const 255))", Exit::Code(255)),
    ];
    for (body, expected) in ends {
        assert_eq!(run(&wasm, oneshot(start_with(body)), b"").await.1, expected, "{body}");
    }
    let traps = [
        (
            r#"(func $inner unreachable) (func $outer (call $inner))
            (func $main (export "_start") (call $outer))"#,
            "wasm `unreachable` instruction executed in inner, called by outer, called by main",
        ),
        (
            r#"(func $deep (param i64) (result i64) (i64.add (i64.const 1) (call $deep (local.get 0))))
            (func (export "_start") (drop (call $deep (i64.const 1))))"#,
            "call stack exhausted in deep",
        ),
        (
            r#"(func $far (export "_start") (drop (i32.load (i32.const -4))))"#,
            "out of bounds memory access in far",
        ),
    ];
    for (parts, expected) in traps {
        let (_, exit, _) = run(&wasm, oneshot(module(parts)), b"").await;
        assert!(matches!(&exit, Exit::Trap(reason) if reason.starts_with(expected)), "{exit:?}");
    }
    assert_eq!(wasm.figures().live, 0, "an ended guest keeps its slot");
}

#[tokio::test]
async fn i7_a_guest_that_dies_in_a_request_says_so_after_what_it_wrote() {
    let guest = start_with(
        r#"(drop (call $read (i32.const 0) (i32.const 100) (i32.const 100)))
        (call $write (i32.const 1) (i32.const 100) (i32.const 2))
        unreachable"#,
    );
    let mut live = live(&backend(), streaming(guest)).await;
    live.write("half");
    let (out, exit) = live.to_end().await;
    assert_eq!(out, b"ha");
    assert!(matches!(exit, Exit::Trap(_)));
    assert!(live.sandbox.is_dead());
    assert_eq!(live.sandbox.held(), 64 << 10, "an ended guest holds no memory");
}

#[tokio::test]
async fn a_start_that_fails_says_why_and_leaves_nothing() {
    let wasm = backend();
    let failed = ErrorKind::FunctionFailed;
    refused(&wasm, streaming(start_with("(call $exit (i32.const 3))")), failed, &["code 3", "first request"])
        .await;
    refused(&wasm, streaming(start_with("")), failed, &["code 0", "loop"]).await;
    refused(&wasm, streaming(start_with("unreachable")), failed, &["trapped", "unreachable"]).await;
    let in_start = r#"(func $s unreachable) (start $s) (func (export "_start"))"#;
    refused(&wasm, oneshot(module(in_start)), failed, &["trapped"]).await;
    let mut endless = streaming(start_with("(loop $l (br $l))"));
    endless.limits.start_timeout = Duration::from_millis(30);
    refused(&wasm, endless, ErrorKind::TimedOut, &["start_timeout", "30ms"]).await;
    let mut endless = oneshot(module(r#"(func $s (loop $l (br $l))) (start $s) (func (export "_start"))"#));
    endless.limits.start_timeout = Duration::from_millis(30);
    refused(&wasm, endless, ErrorKind::TimedOut, &["start_timeout"]).await;
    let mut no_dir = oneshot(echo());
    no_dir.dirs.push(Dir { host: "/does/not/exist".into(), guest: "/".into(), writable: false });
    refused(&wasm, no_dir, ErrorKind::InvalidInput, &["/does/not/exist"]).await;
}

const HOG: &str = "(loop $l (br_if $l (i32.ne (memory.grow (i32.const 16)) (i32.const -1))))";

#[tokio::test]
async fn a_guest_that_dies_of_a_refused_grow_ran_out_of_memory() {
    let wasm = backend();
    for death in ["unreachable", "(call $exit (i32.const 1))"] {
        let guest = oneshot(start_with(&format!("{HOG} {death}"))).memory(8 * MIB);
        assert_eq!(run(&wasm, guest, b"").await.1, Exit::OutOfMemory, "{death}");
    }
    let survives = oneshot(start_with(HOG)).memory(8 * MIB);
    assert_eq!(run(&wasm, survives, b"").await.1, Exit::Code(0));
    // The module's own maximum is a limit, too.
    let own = r#"(module (memory (export "memory") 1 2) (func (export "_start")
        (drop (memory.grow (i32.const 2))) unreachable))"#;
    assert_eq!(run(&wasm, oneshot(own), b"").await.1, Exit::OutOfMemory);
    let table = r#"(module (memory (export "memory") 1) (table $t 1 funcref) (func (export "_start")
        (drop (table.grow $t (ref.null func) (i32.const 99999))) unreachable))"#;
    assert_eq!(run(&wasm, oneshot(table).memory(MIB / 2), b"").await.1, Exit::OutOfMemory);
}

#[tokio::test]
async fn what_was_refused_in_one_request_is_not_blamed_in_the_next() {
    let guest = start_with(&format!(
        r#"(drop (call $read (i32.const 0) (i32.const 100) (i32.const 100))) {HOG}
        (call $write (i32.const 1) (i32.const 100) (i32.const 1))
        (drop (call $read (i32.const 0) (i32.const 100) (i32.const 100))) unreachable"#
    ));
    let mut live = live(&backend(), streaming(guest).memory(8 * MIB)).await;
    assert_eq!(live.call("x").await, b"x");
    live.write("y");
    assert!(matches!(live.to_end().await.1, Exit::Trap(_)));
}

#[tokio::test]
async fn a_resting_sandbox_holds_what_its_memory_is() {
    let grows = start_with(
        r#"(loop $l
          (drop (call $read (i32.const 0) (i32.const 100) (i32.const 1)))
          (drop (memory.grow (i32.const 16)))
          (call $write (i32.const 1) (i32.const 100) (i32.const 1))
          (br $l))"#,
    );
    let made = prepare(&backend(), streaming(grows).memory(4 * MIB)).await.unwrap();
    assert_eq!(made.program.memory(), 4 * MIB);
    let mut live = made.start().await.unwrap();
    let at_first = live.sandbox.held();
    assert_eq!(at_first, (2 + 1) * (64 << 10));
    live.call("x").await;
    assert_eq!(live.sandbox.held(), at_first + MIB);
    for _ in 0..5 {
        live.call("x").await;
    }
    assert_eq!(live.sandbox.held(), at_first + 3 * MIB);
    // Without a declared limit it is the module's own minimum and 16 MiB.
    let made = prepare(&backend(), oneshot(echo())).await.unwrap();
    assert_eq!(made.program.memory(), 2 * (64 << 10) + 16 * MIB);
}

#[tokio::test]
async fn memory_limits_that_cannot_be_name_both_figures() {
    let wasm = with(|config| config.max_memory = 32 * MIB);
    let invalid = ErrorKind::InvalidInput;
    refused(&wasm, oneshot(echo()).memory(65_536), invalid, &["65536", "131072"]).await;
    refused(&wasm, oneshot(echo()).memory(64 * MIB), invalid, &["67108864", "33554432"]).await;
    let large = r#"(module (memory (export "memory") 1024) (func (export "_start")))"#;
    refused(&wasm, oneshot(large), invalid, &[]).await;
}

#[tokio::test]
async fn a_module_that_cannot_run_says_what_is_wrong() {
    let wasm = backend();
    let invalid = ErrorKind::InvalidInput;
    let none = Function::wasm("guest", "/does/not/exist.wasm");
    refused(&wasm, none, invalid, &["/does/not/exist.wasm", "no such file"]).await;
    refused(&wasm, oneshot(&b"\x7fELF"[..]), invalid, &["not WebAssembly"]).await;
    refused(&wasm, oneshot(""), invalid, &["not WebAssembly"]).await;
    refused(&wasm, oneshot(&b"\0asm\x01\0\0\0junk"[..]), invalid, &["not a module that can run"]).await;
    refused(&wasm, oneshot("(module (func"), invalid, &["not a module that can run"]).await;
    refused(&wasm, oneshot("(component)"), invalid, &["components are not run yet"]).await;
    refused(&wasm, oneshot(wat::parse_str("(component)").unwrap()), invalid, &["components are not run yet"])
        .await;
    let cases = [
        (r#"(module (memory (export "memory") 1))"#, "no `_start`"),
        (r#"(module (memory (export "memory") 1) (func (export "_initialize")))"#, "a library"),
        (r#"(module (memory (export "memory") 1) (func (export "_start") (param i32)))"#, "`_start`"),
        (r#"(module (func (export "_start")))"#, "no `memory`"),
        (
            r#"(module (import "env" "magic" (func)) (memory (export "memory") 1) (func (export "_start")))"#,
            "`magic` from `env`",
        ),
        (
            r#"(module (import "wasi_snapshot_preview1" "fd_read" (func)) (memory (export "memory") 1)
            (func (export "_start")))"#,
            "imports don't fit",
        ),
    ];
    for (text, part) in cases {
        refused(&wasm, oneshot(text), invalid, &[part]).await;
    }
    let file = tempfile::Builder::new().suffix(".wat").tempfile().unwrap();
    std::fs::write(&file, "(module)").unwrap();
    let path = file.path().to_owned();
    refused(&wasm, Function::wasm("guest", &path), invalid, &[path.to_str().unwrap(), "no `_start`"]).await;
}

/// Reads one byte, then never comes back.
fn spinner() -> String {
    start_with("(drop (call $read (i32.const 0) (i32.const 100) (i32.const 1))) (loop $l (br $l))")
}

#[tokio::test(flavor = "current_thread")]
async fn an_endless_loop_lets_others_answer_on_the_same_thread() {
    let wasm = backend();
    let mut spins = live(&wasm, streaming(spinner())).await;
    let mut answers = live(&wasm, streaming(echo())).await;
    spins.write("x");
    let loop_task = tokio::spawn(async move {
        let _ = poll_fn(|cx| spins.sandbox.stdio().poll_read(cx)).await;
    });
    for _ in 0..20 {
        tokio::task::yield_now().await;
        assert_eq!(answers.call("still here").await, b"still here");
    }
    assert!(!loop_task.is_finished());
    loop_task.abort();
    assert!(loop_task.await.unwrap_err().is_cancelled());
    assert_eq!(wasm.figures().live, 1);
}

#[tokio::test(flavor = "current_thread")]
async fn e10_a_sandbox_dropped_in_the_middle_of_a_call_is_gone() {
    let wasm = backend();
    for _ in 0..20 {
        let mut spins = live(&wasm, streaming(spinner())).await;
        spins.write("x");
        let first = poll_fn(|cx| Poll::Ready(spins.sandbox.stdio().poll_read(cx))).await;
        assert!(first.is_pending());
        assert_eq!(wasm.figures().live, 1);
        assert_eq!(spins.sandbox.remove().await, Exit::Killed);
        assert_eq!(wasm.figures().live, 0);
    }
    assert_eq!(live(&wasm, streaming(echo())).await.call("x").await, b"x");
}

#[tokio::test(flavor = "current_thread")]
async fn a_call_beyond_its_time_can_be_given_up() {
    let mut spins = live(&backend(), streaming(spinner())).await;
    spins.write("x");
    let read = poll_fn(|cx| spins.sandbox.stdio().poll_read(cx));
    assert!(tokio::time::timeout(Duration::from_millis(10), read).await.is_err());
    assert!(!spins.sandbox.is_dead());
}

#[tokio::test]
async fn a_flood_of_output_waits_for_its_reader() {
    let flood = start_with(
        r#"(drop (call $read (i32.const 0) (i32.const 100) (i32.const 1)))
        (loop $l (call $write (i32.const 1) (i32.const 0) (i32.const 131072)) (br $l))"#,
    );
    let mut live = live(&backend(), streaming(flood)).await;
    live.write("x");
    for _ in 0..100 {
        let piece = live.piece().await.unwrap();
        assert!(piece.len() <= 64 << 10, "{} bytes were buffered", piece.len());
    }
    // It never rests by itself, and whoever waits for that is told.
    live.rest().await;
    assert!(live.sandbox.stdio().stray().is_some());
}

#[tokio::test]
async fn an_expected_reply_comes_in_one_piece() {
    let large = module(
        r#"(func (export "_start")
          (drop (memory.grow (i32.const 64)))
          (loop $l
            (drop (call $read (i32.const 0) (i32.const 100) (i32.const 1)))
            (call $write (i32.const 1) (i32.const 0) (i32.const 4194304))
            (br $l)))"#,
    );
    let mut live = live(&backend(), streaming(large)).await;
    for _ in 0..2 {
        live.write("x");
        live.sandbox.stdio().expect(4 << 20);
        assert_eq!(live.piece().await.unwrap().len(), 4 << 20);
        live.rest().await;
    }
    assert!(live.sandbox.stdio().stray().is_none());
}

#[tokio::test]
async fn exit_lets_a_guest_that_still_reads_or_writes_end() {
    let wasm = backend();
    let mut reads = live(&wasm, streaming(echo())).await;
    assert_eq!(reads.sandbox.exit().await, Exit::Code(0));
    let writes = r#"(local $i i32) (drop (call $read (i32.const 0) (i32.const 100) (i32.const 1)))
        (loop $l (call $write (i32.const 1) (i32.const 0) (i32.const 131072))
          (br_if $l (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 50))))"#;
    let mut writes = live(&wasm, streaming(start_with(writes))).await;
    assert_eq!(writes.sandbox.exit().await, Exit::Code(0));
}

/// A subscription to a clock in so many nanoseconds at 1000, and one to stdin at 1048.
const SUBSCRIBE: &str = r#"(func $subscribe (param $nanos i64)
    (i64.store (i32.const 1000) (i64.const 1)) (i32.store8 (i32.const 1008) (i32.const 0))
    (i32.store (i32.const 1016) (i32.const 1)) (i64.store (i32.const 1024) (local.get $nanos))
    (i64.store (i32.const 1032) (i64.const 0)) (i32.store16 (i32.const 1040) (i32.const 0))
    (i64.store (i32.const 1048) (i64.const 2)) (i32.store8 (i32.const 1056) (i32.const 1))
    (i32.store (i32.const 1064) (i32.const 0)))"#;

#[tokio::test(flavor = "current_thread")]
async fn a_guest_sleeps_without_its_thread() {
    let sleeps = module(&format!(
        r#"{SUBSCRIBE} (func (export "_start")
          (drop (call $read (i32.const 0) (i32.const 100) (i32.const 1)))
          (call $subscribe (i64.const 20000000))
          (if (call $poll (i32.const 1000) (i32.const 2000) (i32.const 1) (i32.const 8)) (then unreachable))
          (call $write (i32.const 1) (i32.const 100) (i32.const 1))
          (drop (call $read (i32.const 0) (i32.const 100) (i32.const 1))))"#
    ));
    let wasm = backend();
    let mut sleeper = live(&wasm, streaming(sleeps)).await;
    let mut answers = live(&wasm, streaming(echo())).await;
    sleeper.write("x");
    let slept = poll_fn(|cx| Poll::Ready(sleeper.sandbox.stdio().poll_read(cx))).await;
    assert!(slept.is_pending());
    assert_eq!(answers.call("meanwhile").await, b"meanwhile");
    assert_eq!(sleeper.read(1).await, b"x");
}

#[tokio::test(flavor = "current_thread")]
async fn a_guest_that_polls_stdin_beside_a_clock_is_at_rest() {
    // Writes the number that it gave the subscription that fired, once more than it reads.
    let polls = module(&format!(
        r#"{SUBSCRIBE} (func (export "_start")
          (loop $l
            (call $subscribe (i64.const 3600000000000))
            (if (call $poll (i32.const 1000) (i32.const 2000) (i32.const 2) (i32.const 8)) (then unreachable))
            (if (i32.ne (i32.load (i32.const 8)) (i32.const 1)) (then unreachable))
            (drop (call $read (i32.const 0) (i32.const 100) (i32.const 10)))
            (i32.store8 (i32.const 100) (i32.add (i32.const 48) (i32.load (i32.const 2000))))
            (call $write (i32.const 1) (i32.const 100) (i32.const 1))
            (br $l)))"#
    ));
    let mut live = live(&backend(), streaming(polls)).await;
    for _ in 0..3 {
        assert_eq!(live.call("x").await, b"2");
    }
}

/// Opens `name` in its one directory with these flags, exits with the error; copies what it can read to stdout.
fn opens(name: &str, oflags: u32, rights: u64) -> String {
    module(&format!(
        r#"(data (i32.const 32) "{name}")
        (func (export "_start") (local $errno i32) (local $n i32)
          (local.set $errno (call $open (i32.const 3) (i32.const 0) (i32.const 32) (i32.const {})
            (i32.const {oflags}) (i64.const {rights}) (i64.const 0) (i32.const 0) (i32.const 16)))
          (if (local.get $errno) (then (call $exit (local.get $errno))))
          (if (i32.eqz (i32.const {oflags})) (then
            (loop $l
              (local.set $n (call $read (i32.load (i32.const 16)) (i32.const 65536) (i32.const 4)))
              (call $write (i32.const 1) (i32.const 65536) (local.get $n))
              (br_if $l (local.get $n)))))
          (if (i32.const {oflags}) (then (call $write (i32.load (i32.const 16)) (i32.const 32) (i32.const 3))))
          (if (call $fd_close (i32.load (i32.const 16))) (then unreachable)))"#,
        name.len()
    ))
}

#[tokio::test]
async fn a_directory_is_read_only_unless_said_and_ends_at_its_root() {
    const READ: u64 = 2;
    const WRITE: u64 = 64;
    let wasm = backend();
    let root = tempfile::tempdir().unwrap();
    let dir = root.path().join("shared");
    std::fs::create_dir(&dir).unwrap();
    std::fs::write(dir.join("in"), "what the host wrote").unwrap();
    std::fs::write(root.path().join("secret"), "secret").unwrap();
    let of = |text: String, writable| {
        let mut function = oneshot(text);
        function.dirs.push(Dir { host: dir.clone(), guest: "/data".into(), writable });
        function
    };
    let (out, exit, _) = run(&wasm, of(opens("in", 0, READ), false), b"").await;
    assert_eq!((out.as_slice(), exit), (&b"what the host wrote"[..], Exit::Code(0)));
    let (out, exit, _) = run(&wasm, of(opens("../secret", 0, READ), true), b"").await;
    assert!(out.is_empty() && matches!(exit, Exit::Code(1..)), "{exit:?}");
    let (_, exit, _) = run(&wasm, of(opens("new", 1, WRITE), false), b"").await;
    assert!(matches!(exit, Exit::Code(1..)) && !dir.join("new").exists(), "{exit:?}");
    let (_, exit, _) = run(&wasm, of(opens("new", 1, WRITE), true), b"").await;
    assert_eq!(exit, Exit::Code(0));
    assert_eq!(std::fs::read(dir.join("new")).unwrap(), b"new");
    // Without a directory there is nothing to open.
    let (_, exit, _) = run(&wasm, oneshot(opens("in", 0, READ)), b"").await;
    assert_eq!(exit, Exit::Code(8));
}

#[tokio::test]
async fn the_standard_streams_are_what_they_are() {
    const CODE_OF: [(&str, i32); 7] = [
        // Closed, it is nobody's.
        (
            "(drop (call $fd_close (i32.const 1))) (call $exit (call $fd_write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)))",
            8,
        ),
        ("(call $exit (call $fd_renumber (i32.const 2) (i32.const 1)))", 58),
        ("(call $exit (call $fd_read (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)))", 8),
        ("(call $exit (call $fd_write (i32.const 9) (i32.const 0) (i32.const 1) (i32.const 8)))", 8),
        // Addresses outside of memory.
        ("(call $exit (call $fd_write (i32.const 1) (i32.const -4) (i32.const 1) (i32.const 8)))", 21),
        ("(call $exit (call $fd_read (i32.const 0) (i32.const 0) (i32.const 1) (i32.const -1)))", 21),
        (
            "(i32.store (i32.const 0) (i32.const 131000)) (i32.store (i32.const 4) (i32.const 4096)) (call $exit (call $fd_write (i32.const 2) (i32.const 0) (i32.const 1) (i32.const 8)))",
            21,
        ),
    ];
    let wasm = backend();
    for (body, code) in CODE_OF {
        assert_eq!(run(&wasm, oneshot(start_with(body)), b"").await.1, Exit::Code(code), "{body}");
    }
}

#[tokio::test]
async fn too_many_instances_are_refused_until_one_is_gone() {
    let wasm = with(|config| config.max_instances = Some(2));
    assert!(wasm.figures().pooled);
    let made = prepare(&wasm, streaming(echo())).await.unwrap();
    let (first, second) = (made.start().await.unwrap(), made.start().await.unwrap());
    let error = made.start().await.err().unwrap();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(error.to_string().contains("all 2 wasm instances are in use: `max_instances` is 2"), "{error}");
    drop(first);
    assert_eq!(made.start().await.unwrap().call("x").await, b"x");
    drop(second);
    assert_eq!(wasm.figures().live, 0);
}

#[tokio::test]
async fn d7_a_hundred_starts_and_removals_leave_nothing() {
    let wasm = with(|config| config.max_instances = Some(1));
    let made = prepare(&wasm, streaming(echo())).await.unwrap();
    for _ in 0..100 {
        let mut live = made.start().await.unwrap();
        assert_eq!(live.call("x").await, b"x");
        assert_eq!(live.sandbox.remove().await, Exit::Killed);
    }
}

#[tokio::test]
async fn instances_share_nothing() {
    // Counts its requests in memory.
    let counts = start_with(
        r#"(loop $l
          (drop (call $read (i32.const 0) (i32.const 100) (i32.const 1)))
          (i32.store8 (i32.const 200) (i32.add (i32.load8_u (i32.const 200)) (i32.const 1)))
          (call $write (i32.const 1) (i32.const 200) (i32.const 1))
          (br $l))"#,
    );
    let wasm = with(|config| config.max_instances = Some(2));
    let made = prepare(&wasm, streaming(counts)).await.unwrap();
    let mut first = made.start().await.unwrap();
    for count in 1..=5 {
        assert_eq!(first.call("x").await, [count]);
    }
    let mut second = made.start().await.unwrap();
    assert_eq!(second.call("x").await, [1]);
    drop(first);
    // In a slot that was used before, too.
    assert_eq!(made.start().await.unwrap().call("x").await, [1]);
}

#[tokio::test]
async fn the_epoch_stands_still_while_nothing_runs() {
    let wasm = backend();
    let mut live = live(&wasm, streaming(echo())).await;
    for _ in 0..3 {
        let before = wasm.figures().epochs;
        live.call("x").await;
        let moves_then_stops = async {
            while wasm.figures().epochs == before {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            loop {
                let at = wasm.figures().epochs;
                tokio::time::sleep(Duration::from_millis(100)).await;
                if wasm.figures().epochs == at {
                    break;
                }
            }
        };
        tokio::time::timeout(HANG, moves_then_stops).await.expect("the epoch doesn't move, or doesn't stop");
    }
}

struct CacheDir(tempfile::TempDir);

impl CacheDir {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self) -> std::path::PathBuf {
        self.0.path().join("kiln").join("wasm")
    }

    fn files(&self, ending: &str) -> Vec<std::path::PathBuf> {
        let files = std::fs::read_dir(self.path()).unwrap().map(|entry| entry.unwrap().path());
        files.filter(|path| path.extension().is_some_and(|found| found == ending)).collect()
    }

    /// Runs a module in a new backend: how many were compiled, how many loaded.
    async fn run(&self, text: String) -> (u64, u64) {
        let wasm = with(|config| config.cache_dir = Some(self.path()));
        assert_eq!(live(&wasm, streaming(text)).await.call("x").await, b"x");
        let figures = wasm.figures();
        (figures.compiled, figures.loaded)
    }
}

const COMPILED: (u64, u64) = (1, 0);
const LOADED: (u64, u64) = (0, 1);

#[tokio::test]
async fn a_module_is_compiled_once_for_all_processes() {
    let cache = CacheDir::new();
    assert_eq!(cache.run(echo()).await, COMPILED);
    assert_eq!(cache.run(echo()).await, LOADED);
    assert_eq!(cache.run(format!("{} ;; another", echo())).await, COMPILED);
    assert_eq!(cache.files("new"), Vec::<std::path::PathBuf>::new());
    assert_eq!(cache.files("mine"), Vec::<std::path::PathBuf>::new());
}

#[tokio::test]
async fn an_unsound_cache_entry_is_compiled_again_and_mended() {
    type Spoil = fn(&Path, &Path);
    let cases: [(&str, Spoil); 7] = [
        ("a changed byte", |code, _| {
            let mut bytes = std::fs::read(code).unwrap();
            let middle = bytes.len() / 2;
            bytes[middle] ^= 1;
            std::fs::write(code, bytes).unwrap();
        }),
        ("cut short", |code, _| {
            let bytes = std::fs::read(code).unwrap();
            std::fs::write(code, &bytes[..bytes.len() / 2]).unwrap();
        }),
        ("empty", |code, _| std::fs::write(code, "").unwrap()),
        ("foreign", |code, _| std::fs::write(code, "#!/bin/sh").unwrap()),
        ("gone", |code, _| std::fs::remove_file(code).unwrap()),
        ("a key that is none", |_, key| std::fs::write(key, "../../../etc/passwd").unwrap()),
        ("a key cut short", |_, key| std::fs::write(key, "ab").unwrap()),
    ];
    let cache = CacheDir::new();
    assert_eq!(cache.run(echo()).await, COMPILED);
    for (name, spoil) in cases {
        let (codes, keys) = (cache.files("cwasm"), cache.files("key"));
        assert_eq!((codes.len(), keys.len()), (1, 1));
        spoil(&codes[0], &keys[0]);
        assert_eq!(cache.run(echo()).await, COMPILED, "{name}");
        assert_eq!(cache.run(echo()).await, LOADED, "{name}: not mended");
    }
}

#[tokio::test]
async fn sound_bytes_that_are_not_compiled_code_are_not_run() {
    // An attacker with the same user's rights could do worse; a bug of ours shall not.
    let cache = CacheDir::new();
    assert_eq!(cache.run(echo()).await, COMPILED);
    let junk = b"not an object file";
    let name: String =
        <sha2::Sha256 as sha2::Digest>::digest(junk).iter().map(|byte| format!("{byte:02x}")).collect();
    std::fs::write(cache.path().join(format!("{name}.cwasm")), junk).unwrap();
    std::fs::write(&cache.files("key")[0], name).unwrap();
    assert_eq!(cache.run(echo()).await, COMPILED);
    assert_eq!(cache.run(echo()).await, LOADED);
}

#[cfg(unix)]
#[tokio::test]
async fn a_cache_directory_that_others_reach_is_not_used() {
    use std::os::unix::fs::PermissionsExt;
    let cache = CacheDir::new();
    assert_eq!(cache.run(echo()).await, COMPILED);
    let mode = std::fs::metadata(cache.path()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
    std::fs::set_permissions(cache.path(), std::fs::Permissions::from_mode(0o770)).unwrap();
    assert_eq!(cache.run(echo()).await, COMPILED);
    std::fs::set_permissions(cache.path(), std::fs::Permissions::from_mode(0o700)).unwrap();
    assert_eq!(cache.run(echo()).await, LOADED);
    let link = CacheDir::new();
    std::fs::create_dir(link.0.path().join("kiln")).unwrap();
    std::os::unix::fs::symlink(cache.path(), link.path()).unwrap();
    assert_eq!(link.run(echo()).await, COMPILED);
}
