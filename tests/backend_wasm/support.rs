//! Guests in text form, and what drives them through the backend contract.

use bytes::Bytes;
use kiln::backend::wasm::{Wasm, WasmConfig};
use kiln::backend::{Backend, Exit, Logs, Program, Sandbox, StartSpec};
use kiln::function::Function;
use kiln::{Error, ErrorKind, Format};
use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// What hangs fails: far beyond what any of these takes.
pub(crate) const HANG: Duration = Duration::from_secs(60);

/// A module of the usual imports, two pages of memory, `$read` and `$write` (stream, address, length; the result is
/// the count, and an error traps), and the parts given.
pub(crate) fn module(parts: &str) -> String {
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
pub(crate) fn echo() -> String {
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
pub(crate) fn start_with(body: &str) -> String {
    module(&format!(r#"(func (export "_start") {body})"#))
}

pub(crate) fn backend() -> Wasm {
    with(|_| {})
}

pub(crate) fn with(change: impl FnOnce(&mut WasmConfig)) -> Wasm {
    let mut config = WasmConfig { cache_dir: None, max_instances: Some(8), ..WasmConfig::default() };
    change(&mut config);
    Wasm::new(config).unwrap()
}

pub(crate) fn oneshot(module: impl Into<Bytes>) -> Function {
    Function::wasm_bytes("guest", module)
}

pub(crate) fn streaming(module: impl Into<Bytes>) -> Function {
    oneshot(module).format(Format::Frame)
}

pub(crate) struct Made {
    pub(crate) function: Arc<Function>,
    pub(crate) program: Arc<dyn Program>,
}

pub(crate) struct Live {
    pub(crate) sandbox: Box<dyn Sandbox>,
    pub(crate) logs: Arc<Logs>,
}

pub(crate) async fn prepare(wasm: &Wasm, function: Function) -> Result<Made, Error> {
    let function = Arc::new(function);
    Ok(Made { program: wasm.prepare(Arc::clone(&function)).await?, function })
}

impl Made {
    pub(crate) async fn start(&self) -> Result<Live, Error> {
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

pub(crate) async fn live(wasm: &Wasm, function: Function) -> Live {
    prepare(wasm, function).await.unwrap().start().await.unwrap()
}

impl Live {
    pub(crate) fn write(&mut self, bytes: impl Into<Bytes>) {
        self.sandbox.stdio().write(bytes.into());
    }

    pub(crate) async fn piece(&mut self) -> Option<Bytes> {
        let read = poll_fn(|cx| self.sandbox.stdio().poll_read(cx));
        tokio::time::timeout(HANG, read).await.expect("a read hangs").unwrap()
    }

    /// Reads this many bytes, then waits for rest.
    pub(crate) async fn read(&mut self, count: usize) -> Vec<u8> {
        let mut all = Vec::new();
        while all.len() < count {
            self.sandbox.stdio().expect(count - all.len());
            all.extend_from_slice(&self.piece().await.expect("stdout has ended"));
        }
        self.rest().await;
        all
    }

    pub(crate) async fn rest(&mut self) {
        let rest = poll_fn(|cx| self.sandbox.stdio().poll_rest(cx));
        tokio::time::timeout(HANG, rest).await.expect("it doesn't come to rest");
    }

    pub(crate) async fn call(&mut self, request: impl Into<Bytes>) -> Vec<u8> {
        let request = request.into();
        let count = request.len();
        self.write(request);
        self.read(count).await
    }

    /// All of stdout, and why it ended.
    pub(crate) async fn finish(&mut self) -> (Vec<u8>, Exit) {
        let mut all = Vec::new();
        while let Some(piece) = self.piece().await {
            all.extend_from_slice(&piece);
        }
        let exit = tokio::time::timeout(HANG, self.sandbox.exit()).await.expect("it doesn't end");
        (all, exit)
    }
}

/// Runs a one-shot guest to its end.
pub(crate) async fn run(wasm: &Wasm, function: Function, stdin: &'static [u8]) -> (Vec<u8>, Exit, Live) {
    let mut live = live(wasm, function).await;
    live.sandbox.launch(vec![]).await.unwrap();
    live.write(stdin);
    live.sandbox.stdio().close();
    let (out, exit) = live.finish().await;
    (out, exit, live)
}

pub(crate) fn pattern(count: usize) -> Vec<u8> {
    (0..count).map(|at| (at * 31 + at / 251) as u8).collect()
}

pub(crate) async fn refused(wasm: &Wasm, function: Function, kind: ErrorKind, parts: &[&str]) {
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

/// Reads one byte, then never comes back.
pub(crate) fn spinner() -> String {
    start_with("(drop (call $read (i32.const 0) (i32.const 100) (i32.const 1))) (loop $l (br $l))")
}
