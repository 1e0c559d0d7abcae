//! What a user declares: a function, its code, its limits.
//!
//! | file | what is in it |
//! | --- | --- |
//! | `code.rs`, `source.rs` | what it is made of: a module, an image, or source for a runtime |
//! | `kinds.rs` | which backend runs it, and in which format it is spoken to |
//! | `limits.rs` | what it may take |
//! | `outbound.rs` | whom it may send requests to |
//! | `validate.rs` | what of a declaration can't be |

mod code;
mod kinds;
mod limits;
mod outbound;
mod source;
mod validate;

pub use code::{Code, Dir, Image, Module, PullPolicy};
pub use kinds::{BackendKind, Format, Target};
pub use limits::Limits;
pub use outbound::Outbound;
pub use source::Source;
pub(crate) use validate::valid_name;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

/// A mebibyte, in bytes.
pub const MIB: u64 = 1 << 20;

/// A function, as declared. [`Function::validate`] says what of it can't be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Function {
    /// Whose it is. Sandboxes are never shared between namespaces (`SEEDS.md W2`).
    pub namespace: String,
    /// Its name, unique in the namespace.
    pub name: String,
    /// Module, image, or both; or source for a runtime.
    pub code: Code,
    /// Which of them runs. `None`: wasm where there is a module, or where the source's runtime has one.
    pub backend: Option<BackendKind>,
    /// How requests and replies are written. A source function's is its runtime's; it may be left as it is.
    pub format: Format,
    /// Where an image of `server` listens. `None`: [`DEFAULT_PORT`].
    pub port: Option<u16>,
    /// What an image of `server` answers with 2xx once it is ready. `None`: it is ready when it listens.
    pub ready_path: Option<String>,
    /// What it may take.
    pub limits: Limits,
    /// Sandboxes that are started before any request (`SEEDS.md W3`). A source function's are stem cells of its runtime,
    /// kept ready beside those that the runtime itself asks for: any function of that runtime and memory may take them.
    pub prewarm: u32,
    /// How long an idle sandbox is kept. `None`: 30 s for wasm, 10 min for images (`SEEDS.md I4`).
    pub idle_timeout: Option<Duration>,
    /// How long an idle container runs before it is paused (`SEEDS.md W20`). `None`: 10 s. Wasm needs no pause.
    pub pause_after: Option<Duration>,
    /// Environment.
    pub env: BTreeMap<String, String>,
    /// Arguments after the program's name.
    pub args: Vec<String>,
    /// Directories that it may open.
    pub dirs: Vec<Dir>,
    /// The engine's network that its containers join, by name. `None`: none, but for their own loopback.
    pub network: Option<String>,
    /// The user inside the container. `None`: the image's own if it names one that isn't root, else `65534:65534`.
    pub user: Option<String>,
    /// Hosts with their ports that a component may send HTTP requests to, as `api.example.com:443`.
    pub outbound: Vec<Outbound>,
}

/// Where a server listens that doesn't say.
pub const DEFAULT_PORT: u16 = 8080;

/// Where Fn's contract has its FDKs listen.
pub(crate) const FN_SOCKET: &str = "/tmp/iofs/lsnr.sock";

/// The namespace of functions that name none.
pub const DEFAULT_NAMESPACE: &str = "_";

impl Function {
    fn new(name: impl Into<String>) -> Self {
        Self {
            namespace: DEFAULT_NAMESPACE.into(),
            name: name.into(),
            code: Code::default(),
            backend: None,
            format: Format::Default,
            port: None,
            ready_path: None,
            limits: Limits::default(),
            prewarm: 0,
            idle_timeout: None,
            pause_after: None,
            env: BTreeMap::new(),
            args: Vec::new(),
            dirs: Vec::new(),
            network: None,
            user: None,
            outbound: Vec::new(),
        }
    }

    /// A function from a `.wasm` or `.wat` file.
    pub fn wasm(name: impl Into<String>, file: impl Into<PathBuf>) -> Self {
        let mut function = Self::new(name);
        function.code.wasm = Some(Module::File(file.into()));
        function
    }

    /// A function from a module's bytes, binary or text.
    pub fn wasm_bytes(name: impl Into<String>, module: impl Into<bytes::Bytes>) -> Self {
        let mut function = Self::new(name);
        function.code.wasm = Some(Module::Bytes(module.into()));
        function
    }

    /// A function from a container image.
    pub fn image(name: impl Into<String>, reference: impl Into<String>) -> Self {
        let mut function = Self::new(name);
        function.code.image = Some(Image { reference: reference.into(), pull: PullPolicy::default() });
        function
    }

    /// A function from source, which a runtime loads. `runtime` is the runtime's name or one of its kinds.
    pub fn source(
        name: impl Into<String>,
        runtime: impl Into<String>,
        code: impl Into<bytes::Bytes>,
    ) -> Self {
        let mut function = Self::new(name);
        function.code.source = Some(Source::new(runtime, Module::Bytes(code.into())));
        function
    }

    /// The same function with a format.
    #[must_use]
    pub fn format(mut self, format: Format) -> Self {
        self.set_format(format);
        self
    }

    /// Gives it a format, and that format's `start_timeout` unless it had another than its old one's.
    pub(crate) fn set_format(&mut self, format: Format) {
        if self.limits.start_timeout == self.format.start_timeout() {
            self.limits.start_timeout = format.start_timeout();
        }
        self.format = format;
    }

    /// Where in its sandbox it listens, if it is a server.
    pub fn target(&self) -> Option<Target> {
        match self.format {
            Format::Openwhisk => Some(Target::Port(DEFAULT_PORT)),
            Format::Server => Some(Target::Port(self.port.unwrap_or(DEFAULT_PORT))),
            Format::HttpStream => Some(Target::Socket(FN_SOCKET)),
            Format::Default | Format::Http | Format::Json | Format::Frame | Format::WasiHttp => None,
        }
    }

    /// The same function with a memory limit, in bytes.
    #[must_use]
    pub fn memory(mut self, bytes: u64) -> Self {
        self.limits.memory = Some(bytes);
        self
    }

    /// The same function with a time limit for each request.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.limits.timeout = timeout;
        self
    }

    /// The same function with sandboxes started ahead.
    #[must_use]
    pub fn prewarm(mut self, count: u32) -> Self {
        self.prewarm = count;
        self
    }

    /// The same function with one more environment variable.
    #[must_use]
    pub fn env(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.env.insert(name.into(), value.into());
        self
    }

    /// The backend that runs it; `None` where it has no code, and where its source's runtime decides, as long as it isn't
    /// deployed.
    pub fn backend(&self) -> Option<BackendKind> {
        self.backend.or(match (&self.code.wasm, &self.code.image) {
            (Some(_), _) => Some(BackendKind::Wasm),
            (None, Some(_)) => Some(BackendKind::Docker),
            (None, None) => None,
        })
    }

    /// How long an idle sandbox of it is kept.
    pub fn idle_timeout(&self) -> Duration {
        self.idle_timeout.unwrap_or(match self.backend() {
            Some(BackendKind::Docker) => Duration::from_secs(600),
            _ => Duration::from_secs(30),
        })
    }

    /// How often a sandbox of it may be used: one-shot functions once, and `wasi-http` ones unless more is said.
    pub fn max_uses(&self) -> Option<u32> {
        match self.format {
            Format::Default => Some(1),
            // As the hosts do that such components are written for: one request can't see another's memory unless said.
            // One that many are let into at once is for many in turn, too.
            Format::WasiHttp if self.limits.concurrency > 1 => self.limits.max_uses,
            Format::WasiHttp => self.limits.max_uses.or(Some(1)),
            _ => self.limits.max_uses,
        }
    }
}
