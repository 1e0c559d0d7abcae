//! Drives sandboxes as a host does: starts them, writes, reads, waits for their end, never longer than a hang takes.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]
#![allow(dead_code, reason = "each test binary uses a part of it")]

use crate::docker::{BUSYBOX, Engine};
use bytes::Bytes;
use kiln::backend::docker::{Docker, DockerConfig, Transport};
use kiln::backend::{Backend, Exit, Logs, Program, Sandbox, StartSpec};
use kiln::function::MIB;
use kiln::{Error, Format, Function};
use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Far beyond what anything here takes: only a hang is caught by it.
pub(crate) const HANG: Duration = Duration::from_secs(120);

pub(crate) async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(HANG, future).await.expect("it hangs")
}

/// A streaming function that runs a shell script, or the image's `cat`.
pub(crate) fn streaming(script: &str) -> Function {
    let mut function = Function::image("f", BUSYBOX).format(Format::Json).memory(32 * MIB);
    if !script.is_empty() {
        function.args = ["sh", "-c", script].map(String::from).to_vec();
    }
    function
}

pub(crate) fn oneshot(script: &str) -> Function {
    streaming(script).format(Format::Default)
}

pub(crate) fn config(engine: &Engine) -> DockerConfig {
    let mut config = DockerConfig::new(&engine.host_id);
    // The machine may be busy with other tests.
    config.call_timeout = Duration::from_secs(60);
    config.slow_call_timeout = Duration::from_secs(60);
    // They come and go by themselves: networks.rs is about them.
    config.kept_networks = 0;
    config
}

pub(crate) fn backend(engine: &Engine) -> Docker {
    Docker::new(config(engine))
}

/// A backend on this transport, and on nothing else.
pub(crate) fn over(engine: &Engine, transport: Transport) -> Docker {
    let mut config = config(engine);
    config.transport = transport;
    Docker::new(config)
}

pub(crate) fn piped(engine: &Engine) -> Docker {
    over(engine, Transport::Socket)
}

pub(crate) struct Ready {
    pub(crate) program: Arc<dyn Program>,
    pub(crate) logs: Arc<Logs>,
    pub(crate) revision: kiln::Revision,
}

impl Ready {
    pub(crate) async fn new(backend: &Docker, function: Function) -> Self {
        Self::try_new(backend, function).await.expect("the function is sound")
    }

    pub(crate) async fn try_new(backend: &Docker, function: Function) -> Result<Self, Error> {
        let function = Arc::new(function);
        let program = backend.prepare(function.clone()).await?;
        let logs = Arc::new(Logs::new(function.clone(), program.memory()));
        let revision = function.revision(program.code());
        Ok(Self { program, logs, revision })
    }

    pub(crate) fn spec(&self) -> StartSpec {
        static NUMBER: AtomicU64 = AtomicU64::new(1);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        StartSpec { revision: self.revision, number, env: vec![], logs: self.logs.clone() }
    }

    pub(crate) async fn try_start(&self) -> Result<Box<dyn Sandbox>, Error> {
        soon(self.program.start(self.spec())).await.map(|started| started.sandbox)
    }

    pub(crate) async fn start(&self) -> Box<dyn Sandbox> {
        self.try_start().await.expect("it starts")
    }

    /// Runs a one-shot function to its end.
    pub(crate) async fn run(&self, body: &[u8], env: &[(&str, &str)]) -> (Vec<u8>, Exit) {
        let mut sandbox = self.start().await;
        let env = env.iter().map(|&(name, value)| (name.into(), value.into())).collect();
        soon(sandbox.launch(env)).await.expect("it launches");
        sandbox.stdio().write(Bytes::copy_from_slice(body));
        sandbox.stdio().close();
        let stdout = rest(&mut *sandbox).await;
        let exit = soon(sandbox.exit()).await;
        assert_eq!(soon(sandbox.remove()).await, exit, "removal keeps the reason");
        (stdout, exit)
    }
}

pub(crate) async fn read(sandbox: &mut dyn Sandbox) -> Result<Option<Bytes>, Error> {
    soon(poll_fn(|cx| sandbox.stdio().poll_read(cx))).await
}

/// Exactly so many bytes of stdout.
pub(crate) async fn take(sandbox: &mut dyn Sandbox, count: usize) -> Vec<u8> {
    let mut all = Vec::new();
    while all.len() < count {
        all.extend_from_slice(&read(sandbox).await.expect("stdout is read").expect("stdout goes on"));
    }
    all
}

/// Stdout up to its end.
pub(crate) async fn rest(sandbox: &mut dyn Sandbox) -> Vec<u8> {
    let mut all = Vec::new();
    while let Some(piece) = read(sandbox).await.expect("stdout is read") {
        assert!(!piece.is_empty(), "a piece is never empty");
        all.extend_from_slice(&piece);
    }
    all
}

pub(crate) async fn echo(sandbox: &mut dyn Sandbox, text: &'static [u8]) {
    sandbox.stdio().write(Bytes::from_static(text));
    assert_eq!(take(sandbox, text.len()).await, text);
}

/// A streaming function's stdout and end.
pub(crate) async fn ending(backend: &Docker, function: Function) -> (Vec<u8>, Exit, Vec<String>) {
    let ready = Ready::new(backend, function).await;
    let mut sandbox = ready.start().await;
    let stdout = rest(&mut *sandbox).await;
    let exit = soon(sandbox.exit()).await;
    assert!(sandbox.is_dead());
    soon(sandbox.remove()).await;
    (stdout, exit, ready.logs.tail())
}

pub(crate) fn noise(length: usize) -> Bytes {
    let mut state = 1_u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    (0..length).map(|_| next()).collect()
}
