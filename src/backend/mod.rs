//! What makes sandboxes: the contract that every backend keeps.
//!
//! A backend knows neither the pool nor the formats. It turns a [`Function`] into a [`Program`] once, and the
//! program into [`Sandbox`]es as often as it is asked. The host drives a sandbox through its [`Stdio`] and
//! removes it; the backend says with the same words as every other why one ended ([`Exit`]).
//!
//! ```text
//!   Backend::prepare(function) ─► Program::start(spec) ─► Sandbox ─► stdio() · launch() · exit() · remove()
//!      once, at deploy               everything slow         many calls, one at a time
//! ```

#[cfg(feature = "docker")]
pub mod docker;
pub mod fake;
mod logs;
#[cfg(feature = "wasm")]
pub mod wasm;

pub use crate::invocation::Phases;
pub use logs::Logs;

use crate::error::{Error, ErrorKind, Result};
use crate::function::{BackendKind, Format, Function};
use async_trait::async_trait;
use bytes::Bytes;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

/// A boxed future of nothing that can be moved between threads.
pub type BoxFuture = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A maker of sandboxes.
#[async_trait]
pub trait Backend: Send + Sync + 'static {
    /// Which one it is.
    fn kind(&self) -> BackendKind;

    /// Makes a function ready to be started: reads and compiles a module, checks what can be checked.
    ///
    /// It needs nothing that may be away for a while: an image function is prepared without its daemon.
    async fn prepare(&self, function: Arc<Function>) -> Result<Arc<dyn Program>>;

    /// Whether the backend can start sandboxes now. `Unavailable`, with the reason, where it can't.
    async fn check(&self) -> Result<()>;

    /// Removes what an earlier life of the same host left behind, and returns how many sandboxes that were.
    /// Touches nothing else's.
    async fn clean_up(&self) -> Result<usize> {
        Ok(0)
    }

    /// Removes what it keeps ready for sandboxes to come. Called when the last sandbox is gone: nothing is started
    /// afterwards. Returns when that is done.
    async fn close(&self) {}
}

/// A function that a backend has made ready.
#[async_trait]
pub trait Program: Send + Sync + 'static {
    /// What stands for the code in the function's revision: the module's bytes' digest or the image's reference.
    fn code(&self) -> &[u8];

    /// The format that its code is spoken to in, where the code itself shows it: a component that exports `wasi:http`'s handler.
    /// The function is then one of that format, whether or not it was declared so.
    fn format(&self) -> Option<Format> {
        None
    }

    /// The memory limit of one sandbox, in bytes: what is charged while it runs.
    fn memory(&self) -> u64;

    /// Whether a sandbox of a one-shot function can be started before its request is known.
    fn prewarms_oneshot(&self) -> bool;

    /// Whether an idle sandbox is worth pausing.
    fn pauses(&self) -> bool;

    /// Whether a streaming sandbox has initialised when its start returns. Where that can't be seen, it can only say so
    /// itself, as the `frame` format's guests do.
    fn sees_initialisation(&self) -> bool;

    /// Starts one sandbox.
    ///
    /// A streaming function's program is running when this returns, and where the backend can see that, it has
    /// run to its first read of stdin. A one-shot function's waits for [`Sandbox::launch`]. Dropping the future
    /// leaves nothing behind. An error means that nothing is left behind either: its charge may be given back.
    /// Kinds: `Unavailable` (the backend can't now), `FunctionFailed` or `OutOfMemory` (the code can't start),
    /// `TimedOut` (it took longer than the function's `start_timeout`).
    async fn start(&self, spec: StartSpec) -> Result<Started>;

    /// The same runtime with a function's source loaded already: a program of that function's own, whose sandboxes
    /// serve from their start on.
    ///
    /// It may take seconds; dropping the future stops it soon. It is never needed: where it fails, a sandbox of the
    /// runtime is given the source as ever. Kinds: `Unavailable` (it can't be done here), `FunctionFailed` (the code can't be
    /// loaded, or not so).
    async fn snapshot(&self, spec: SnapshotSpec) -> Result<Arc<dyn Program>> {
        let backend = spec.function.backend().map_or("its", BackendKind::as_str);
        Err(Error::unavailable(format!("the {backend} backend takes no snapshots")))
    }
}

/// What one start needs to know beyond the function.
#[derive(Clone, Debug)]
pub struct StartSpec {
    /// The function's revision.
    pub revision: crate::Revision,
    /// The sandbox's number, unique in the host's life: for names and labels.
    pub number: u64,
    /// Environment beyond the function's own, the same for every sandbox of it; it wins over the function's own.
    pub env: Vec<(String, String)>,
    /// Where its stderr goes.
    pub logs: Arc<Logs>,
}

/// What one snapshot needs to know.
#[derive(Clone, Debug)]
pub struct SnapshotSpec {
    /// The function: its limits hold.
    pub function: Arc<Function>,
    /// What stdin would be given for its source, in order.
    pub stdin: [Bytes; 2],
    /// As its sandboxes' [`StartSpec::env`].
    pub env: Vec<(String, String)>,
    /// Where its stderr goes while it is loaded.
    pub logs: Arc<Logs>,
}

/// A sandbox that has started, and where the time of starting it went.
pub struct Started {
    /// The sandbox.
    pub sandbox: Box<dyn Sandbox>,
    /// The phases.
    pub phases: Phases,
}

/// One living container or wasm instance. Whoever holds it has it alone; several invocations share one through its
/// [lanes](Sandbox::lane).
///
/// Dropping one without [`Sandbox::remove`] must still end it, if later.
#[async_trait]
pub trait Sandbox: Send {
    /// Its stdin and stdout.
    fn stdio(&mut self) -> &mut dyn Stdio;

    /// Runs a one-shot function's process with `env` added to the function's own. Called once, before any use of
    /// its stdio; never for a streaming function.
    async fn launch(&mut self, env: Vec<(String, String)>) -> Result<Phases>;

    /// Freezes it. After an error it is to be removed.
    async fn pause(&mut self) -> Result<()>;

    /// Thaws it. After an error it is to be removed.
    async fn resume(&mut self) -> Result<()>;

    /// Why it ended; waits until it has. Called after its stdout has ended or failed.
    async fn exit(&mut self) -> Exit;

    /// Bytes that it really holds at rest, to be charged while it is idle: at most its program's `memory()`.
    fn held(&self) -> u64;

    /// Whether it has ended by itself, as far as that can be told without waiting. An end of its stdout is seen by
    /// [`Stdio::stray`], which is asked first where there is a stdio.
    fn is_dead(&mut self) -> bool;

    /// Completes when an idle sandbox ends by itself, so that its charge is given back at once. A backend whose idle
    /// sandboxes can't end by themselves never completes it. It borrows nothing: it is awaited beside the sandbox's use.
    fn ended(&self) -> Option<BoxFuture> {
        None
    }

    /// One more way into the same sandbox, for one invocation at a time beside others: a sandbox with its own stdio, whose
    /// `resume` thaws all of it, and whose removal ends only this way. `None` where its program can serve only one at a time.
    fn lane(&mut self) -> Option<Box<dyn Sandbox>> {
        None
    }

    /// Ends it and frees all it held. Returns when that is done, and says why it ended (`Killed` if by this).
    async fn remove(self: Box<Self>) -> Exit;
}

/// A sandbox's stdin and stdout.
///
/// `write` and `close` only queue: [`Stdio::poll_read`] is what moves bytes both ways, and where the sandbox runs in
/// this process, what runs it, on the caller's own task. Nothing moves while nobody polls, and dropping whatever
/// polls leaves the stream in the middle: such a sandbox is poisoned.
pub trait Stdio: Send {
    /// Queues bytes for stdin.
    fn write(&mut self, bytes: Bytes);

    /// Ends stdin after what is queued.
    fn close(&mut self);

    /// Bytes that were given to `write` and haven't left yet: how a long body knows when to wait. A backend that always
    /// says 0 has them queue without a limit.
    fn queued(&self) -> usize {
        0
    }

    /// The next piece of stdout, never empty; `None` at its end. An error is the transport's, not the function's.
    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>>>;

    /// Says that about `bytes` more are expected, so that they may come in one piece.
    fn expect(&mut self, bytes: usize) {
        let _ = bytes;
    }

    /// Ready when the sandbox is at rest after a reply: it waits for more of stdin, or has ended, or, where the
    /// backend can't see that, at once.
    fn poll_rest(&mut self, cx: &mut Context<'_>) -> Poll<()>;

    /// Gives up the connection over which a server in the sandbox is reached, with all that waits for it: what is written
    /// next goes over another. Where there is no server there is nothing to be done.
    fn renew(&mut self) {}

    /// What stdout holds that nobody asked for, without waiting: after `poll_rest`, or before a new request.
    fn stray(&mut self) -> Option<Bytes>;
}

/// Why a sandbox ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Its process ended with this code.
    Code(i32),
    /// A signal that it didn't handle ended it.
    Signal(i32),
    /// The module trapped; the reason.
    Trap(String),
    /// It hit its memory limit.
    OutOfMemory,
    /// Its deadline passed.
    TimedOut,
    /// It was removed while it ran.
    Killed,
    /// Nobody knows: the daemon or the connection went away; the reason.
    Lost(String),
}

impl Exit {
    /// The error that a caller gets whose request it ended.
    pub fn into_error(self) -> Error {
        let kind = match self {
            Self::OutOfMemory => ErrorKind::OutOfMemory,
            Self::TimedOut => ErrorKind::TimedOut,
            Self::Killed | Self::Lost(_) => ErrorKind::Unavailable,
            Self::Code(_) | Self::Signal(_) | Self::Trap(_) => ErrorKind::FunctionFailed,
        };
        Error::new(kind, self.to_string())
    }
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Code(code) => write!(f, "the function exited with code {code}"),
            Self::Signal(signal) => write!(f, "the function was ended by signal {signal}"),
            Self::Trap(reason) => write!(f, "the function trapped: {reason}"),
            Self::OutOfMemory => f.write_str("the function ran out of memory"),
            Self::TimedOut => f.write_str("the function exceeded its time limit"),
            Self::Killed => f.write_str("the function's sandbox was removed while it ran"),
            Self::Lost(reason) => write!(f, "the function's sandbox was lost: {reason}"),
        }
    }
}
