//! A backend in memory, steered by a handle: for tests of whatever drives backends.
//!
//! It keeps the whole contract of a [`Backend`], with no thread, process or daemon: its sandboxes run one of three
//! small guests, `echo`, `faulty` and `runtime`, which read all four formats from in-memory stdin and answer on in-memory
//! stdout. [`backend`] gives it together with a [`Handle`], by which a test makes starts slow, or hang, or fail,
//! lets sandboxes die, holds removals, and counts what happened.
//!
//! ```
//! use kiln::backend::{Backend, fake};
//! use kiln::{BackendKind, Function};
//! use std::sync::Arc;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> kiln::Result<()> {
//! let (backend, handle) = fake::backend(BackendKind::Docker);
//! let program = backend.prepare(Arc::new(Function::image("hello", "echo"))).await?;
//! assert_eq!(program.code(), b"echo");
//! assert_eq!(handle.counts().prepared, 1);
//! # Ok(())
//! # }
//! ```
//!
//! Which guest runs is said by the image's reference, the module's bytes or its file's name: the one that
//! contains `runtime`, `faulty` or, failing those, `echo`. What it does is said by the request's path:
//!
//! | guest | path | what it does |
//! | --- | --- | --- |
//! | `echo` | `/` and all others | the reply's body is the request's |
//! | | `/env`, `/args` | its environment or arguments, a line each |
//! | | `/count` | requests that this process has served, this one included |
//! | | `/meta` | what it was told of the request, as a JSON object |
//! | | `/status/<n>` | that status, with the header `X-Echo: yes` |
//! | | `/log/<text>` | a line on stderr, then the echo |
//! | | `/sleep/<ms>`, `/spin/<ms>` | the echo after that time |
//! | | `/memory/<MiB>` | the echo, after taking that much memory |
//! | `faulty` | `/exit/<code>`, `/trap`, `/signal/<n>` | ends so |
//! | | `/loop`, `/silence` | never answers |
//! | | `/hog` | takes memory until it has none |
//! | | `/flood` | begins a reply that never ends |
//! | | `/stray` | a reply, then bytes that don't belong there |
//! | | `/double` | its reply twice |
//! | | `/late/<ms>` | its reply after that time |
//! | | `/chatter/<KiB>` | so much on stderr, then its reply |
//! | | `/garbage` | what no format reads |
//! | | `/half` | half a reply, then exit 0 |
//! | | `/wrong-id` | another request's id (`frame`) |
//! | | `/error/<text>` | the function's own error |
//! | | all others | the reply's body is the request's |
//!
//! `runtime` loads a function's source first, and is `echo` then, or `faulty` if a line of it says so. Its other lines are
//! done while it is loaded: `log <text>`, `sleep <ms>`, `error <text>`, `exit <code>`, `trap`, `silence`, `stray`. Its
//! requests to `/source`, `/names` and `/id` are answered with what it was told, and `/keep` with the body of the one before;
//! with a line `count` or `env <name>` all of them are, with `{"count":<requests>}` or `{"<name>":<value or null>}`.
//!
//! Of one that is a module and loads, a snapshot can be taken, which takes no time unless it is held.
//!
//! All heed `KILN_INIT_LOG=<text>` and `KILN_INIT_MS=<n>` in their environment as they start, and `faulty` also
//! `KILN_INIT=exit|trap|loop|hog`.
//!
//! A fake of kind [`BackendKind::Wasm`] behaves as the wasm backend does: a start has seen the guest to its first
//! read, nothing runs unless polled, a resting sandbox holds little. One of kind [`BackendKind::Docker`] behaves as
//! containers do: a start tells nothing of the guest's initialisation, a sandbox can be paused, and is charged its limit always.

mod guest;
mod handle;
mod process;
mod sandbox;
#[cfg(test)]
mod tests;

pub use handle::{Counts, Handle};
pub use sandbox::OVERHEAD;

use crate::backend::{Backend, Phases, Program, SnapshotSpec, StartSpec, Started};
use crate::error::{Error, ErrorKind, Result};
use crate::function::{BackendKind, Function, MIB, Module};
use async_trait::async_trait;
use bytes::Bytes;
use guest::{Guest, Setup};
use handle::Shared;
use sandbox::{FakeSandbox, Place};
use std::sync::Arc;
use tokio::time::{Instant, sleep, timeout};

/// A backend in memory that stands in for one of a kind.
pub struct Fake {
    kind: BackendKind,
    shared: Arc<Shared>,
}

/// A new fake backend of a kind, and the handle that steers it.
pub fn backend(kind: BackendKind) -> (Arc<Fake>, Handle) {
    let shared = Arc::new(Shared::new());
    (Arc::new(Fake { kind, shared: shared.clone() }), Handle { shared })
}

#[async_trait]
impl Backend for Fake {
    fn kind(&self) -> BackendKind {
        self.kind
    }

    async fn prepare(&self, function: Arc<Function>) -> Result<Arc<dyn Program>> {
        let code = code(self.kind, &function)?;
        let guest = Guest::of(&code).ok_or_else(|| {
            Error::invalid(format!(
                "the fake backend has no guest {:?}: give a name that contains `echo`, `faulty` or `runtime`",
                String::from_utf8_lossy(&code)
            ))
        })?;
        let memory = function.limits.memory.unwrap_or(match self.kind {
            BackendKind::Wasm => OVERHEAD + 16 * MIB,
            BackendKind::Docker => 128 * MIB,
        });
        let said = self.shared.steering.lock().prewarms_oneshot;
        self.shared.count(|counts| counts.prepared += 1);
        Ok(Arc::new(FakeProgram {
            kind: self.kind,
            shared: self.shared.clone(),
            prewarms_oneshot: said.unwrap_or(self.kind == BackendKind::Wasm),
            function,
            code,
            guest,
            loaded: None,
            memory,
        }))
    }

    async fn check(&self) -> Result<()> {
        match &self.shared.steering.lock().down {
            Some(error) => Err(error.clone()),
            None => Ok(()),
        }
    }
}

/// What stands for the code of a function that a fake of this kind runs.
fn code(kind: BackendKind, function: &Function) -> Result<Bytes> {
    let code = match kind {
        BackendKind::Wasm => function.code.wasm.as_ref().map(|module| match module {
            Module::File(file) => Bytes::from(file.to_string_lossy().into_owned()),
            Module::Bytes(bytes) => bytes.clone(),
        }),
        BackendKind::Docker => function.code.image.as_ref().map(|image| Bytes::from(image.reference.clone())),
    };
    code.ok_or_else(|| Error::invalid(format!("function {:?} has no code for backend {kind}", function.name)))
}

/// A function that a fake backend has made ready.
struct FakeProgram {
    kind: BackendKind,
    shared: Arc<Shared>,
    function: Arc<Function>,
    code: Bytes,
    guest: Guest,
    /// What its guest was given before the snapshot was taken that this is.
    loaded: Option<Bytes>,
    memory: u64,
    prewarms_oneshot: bool,
}

#[async_trait]
impl Program for FakeProgram {
    fn code(&self) -> &[u8] {
        &self.code
    }

    fn memory(&self) -> u64 {
        self.memory
    }

    fn prewarms_oneshot(&self) -> bool {
        self.prewarms_oneshot
    }

    fn pauses(&self) -> bool {
        self.kind == BackendKind::Docker
    }

    fn sees_initialisation(&self) -> bool {
        self.kind == BackendKind::Wasm
    }

    async fn start(&self, spec: StartSpec) -> Result<Started> {
        let limit = self.function.limits.start_timeout;
        let started = timeout(limit, self.start_untimed(spec)).await.unwrap_or_else(|_| {
            Err(Error::new(
                ErrorKind::TimedOut,
                format!("it took longer than its start timeout of {limit:?} to start"),
            ))
        });
        if started.is_err() {
            self.shared.count(|counts| counts.failed += 1);
        }
        started
    }

    async fn snapshot(&self, spec: SnapshotSpec) -> Result<Arc<dyn Program>> {
        if self.kind != BackendKind::Wasm || self.guest != Guest::Runtime {
            return Err(Error::unavailable("only a module that is a runtime is snapshotted"));
        }
        self.shared.snapshots.pass().await;
        let [head, code] = spec.stdin;
        if !guest::loads(&code) {
            return Err(Error::failed("its code doesn't load"));
        }
        self.shared.count(|counts| counts.snapshots += 1);
        Ok(Arc::new(Self {
            kind: self.kind,
            shared: self.shared.clone(),
            function: self.function.clone(),
            code: self.code.clone(),
            guest: self.guest,
            loaded: Some([head, code].concat().into()),
            memory: self.memory,
            prewarms_oneshot: self.prewarms_oneshot,
        }))
    }
}

impl FakeProgram {
    async fn start_untimed(&self, spec: StartSpec) -> Result<Started> {
        let begun = Instant::now();
        let place = Place::starting(self.shared.clone(), self.memory);
        self.shared.starts.pass().await;
        let latency = self.shared.steering.lock().latency;
        if !latency.is_zero() {
            sleep(latency).await;
        }
        let failure = {
            let mut steering = self.shared.steering.lock();
            steering.down.clone().or_else(|| steering.start_errors.next())
        };
        if let Some(error) = failure {
            return Err(error);
        }
        let create = begun.elapsed();
        let own = self.function.env.iter().map(|(name, value)| (name.clone(), value.clone()));
        let setup = Setup {
            guest: self.guest,
            kind: self.kind,
            loaded: self.loaded.clone(),
            env: own.chain(spec.env).collect(),
            args: self.function.args.clone(),
        };
        let mut sandbox = FakeSandbox::new(self.kind, self.shared.clone(), place, setup, spec.logs);
        if self.function.format.is_streaming() {
            sandbox.begin().await?;
        }
        sandbox.started();
        let phases = Phases { create, init: begun.elapsed().saturating_sub(create), ..Phases::default() };
        Ok(Started { sandbox: Box::new(sandbox), phases })
    }
}
