//! What a user declares: a function, its code, its limits, and the revision that tells two of them apart.

use crate::error::{Error, Result};
use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

/// A mebibyte, in bytes.
pub const MIB: u64 = 1 << 20;

/// What makes a function's sandboxes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BackendKind {
    /// WebAssembly modules over wasmtime.
    Wasm,
    /// Container images over a Docker engine.
    Docker,
}

impl BackendKind {
    /// Both of them.
    pub const ALL: [Self; 2] = [Self::Wasm, Self::Docker];

    /// Its name in manifests, headers, logs and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Wasm => "wasm",
            Self::Docker => "docker",
        }
    }
}

impl fmt::Display for BackendKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How a request and a reply are written on a sandbox's stdin and stdout (`SEEDS.md I9`).
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// One process for each request: body in, end of file, the whole of stdout is the reply.
    #[default]
    Default,
    /// HTTP/1.1 both ways, one process for many requests.
    Http,
    /// One JSON object each way, one process for many requests.
    Json,
    /// Length-prefixed frames, one process for many requests.
    Frame,
}

impl Format {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Default, Self::Http, Self::Json, Self::Frame];

    /// Its name in manifests and logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Default => "default",
            Self::Http => "http",
            Self::Json => "json",
            Self::Frame => "frame",
        }
    }

    /// Whether one process serves many requests (`SEEDS.md I1`).
    pub const fn is_streaming(self) -> bool {
        !matches!(self, Self::Default)
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A module's bytes, or where to read them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Module {
    /// A `.wasm` or `.wat` file.
    File(PathBuf),
    /// The bytes themselves, binary or text.
    Bytes(bytes::Bytes),
}

/// When an image is pulled from its registry.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PullPolicy {
    /// Only what the engine already has.
    Never,
    /// When the engine doesn't have it.
    #[default]
    IfMissing,
    /// Before each deployed revision's first start.
    Always,
}

/// A container image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    /// Its reference, as `docker run` takes it.
    pub reference: String,
    /// When it is pulled.
    pub pull: PullPolicy,
}

/// A function's code: a module, an image, or both.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Code {
    /// The module, for the wasm backend.
    pub wasm: Option<Module>,
    /// The image, for the Docker backend.
    pub image: Option<Image>,
}

/// A directory of the host's that the function may open (a preopen, a bind mount).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dir {
    /// Where it is on the host.
    pub host: PathBuf,
    /// Where the function sees it.
    pub guest: String,
    /// Whether the function may write to it; not, unless said.
    pub writable: bool,
}

/// What a function may take of the machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Memory, in bytes. `None`: 128 MiB for images; for wasm the module's own minimum + 16 MiB.
    pub memory: Option<u64>,
    /// The longest that one request may run; waiting and starting don't count (`SEEDS.md E9`).
    pub timeout: Duration,
    /// The longest that one start may take.
    pub start_timeout: Duration,
    /// Requests that one sandbox serves at once.
    pub concurrency: u32,
    /// Sandboxes of this function at most (`SEEDS.md I2`).
    pub max_sandboxes: u32,
    /// Requests that one sandbox serves before it is replaced; `None`: no limit.
    pub max_uses: Option<u32>,
    /// Bytes of one reply at most.
    pub max_reply: u64,
    /// Bytes of stderr that are kept for one request at most.
    pub max_logs: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            memory: None,
            timeout: Duration::from_secs(30),
            start_timeout: Duration::from_secs(60),
            concurrency: 1,
            max_sandboxes: 64,
            max_uses: None,
            max_reply: 16 * MIB,
            max_logs: MIB,
        }
    }
}

/// A function, as declared. [`Function::validate`] says what of it can't be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Function {
    /// Whose it is. Sandboxes are never shared between namespaces (`SEEDS.md W2`).
    pub namespace: String,
    /// Its name, unique in the namespace.
    pub name: String,
    /// Module, image, or both.
    pub code: Code,
    /// Which of them runs. `None`: wasm where there is a module.
    pub backend: Option<BackendKind>,
    /// How requests and replies are written.
    pub format: Format,
    /// What it may take.
    pub limits: Limits,
    /// Sandboxes that are started before any request (`SEEDS.md W3`).
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
    /// The user inside the container. `None`: the image's own if it names one that isn't root, else `65534:65534`.
    pub user: Option<String>,
}

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
            limits: Limits::default(),
            prewarm: 0,
            idle_timeout: None,
            pause_after: None,
            env: BTreeMap::new(),
            args: Vec::new(),
            dirs: Vec::new(),
            user: None,
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

    /// The same function with a format.
    #[must_use]
    pub fn format(mut self, format: Format) -> Self {
        self.format = format;
        self
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

    /// The backend that runs it; `None` where it has no code.
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

    /// How often a sandbox of it may be used: one-shot functions once.
    pub fn max_uses(&self) -> Option<u32> {
        if self.format.is_streaming() { self.limits.max_uses } else { Some(1) }
    }

    /// Says what of it can't be, and what would be right.
    pub fn validate(&self) -> Result<()> {
        valid_name("function", &self.name)?;
        if self.namespace != DEFAULT_NAMESPACE {
            valid_name("namespace", &self.namespace)?;
        }
        match self.backend() {
            None => return Err(Error::invalid("it has no code: give it `wasm`, `image`, or both")),
            Some(BackendKind::Wasm) if self.code.wasm.is_none() => {
                return Err(Error::invalid("`backend = \"wasm\"` needs a module: give it `wasm`"));
            }
            Some(BackendKind::Docker) if self.code.image.is_none() => {
                return Err(Error::invalid("`backend = \"docker\"` needs an image: give it `image`"));
            }
            Some(_) => {}
        }
        let limits = &self.limits;
        // E6: a maximum of 0 would wait forever.
        for (key, value) in [
            ("max_sandboxes", u64::from(limits.max_sandboxes)),
            ("concurrency", u64::from(limits.concurrency)),
            ("max_uses", u64::from(limits.max_uses.unwrap_or(1))),
            ("memory", limits.memory.unwrap_or(1)),
            ("max_reply", limits.max_reply),
        ] {
            if value == 0 {
                return Err(Error::invalid(format!(
                    "`{key}` is 0, so nothing could ever run: give at least 1"
                )));
            }
        }
        for (key, value) in [("timeout", limits.timeout), ("start_timeout", limits.start_timeout)] {
            if value.is_zero() {
                return Err(Error::invalid(format!(
                    "`{key}` is 0, so nothing could ever finish: give at least 1ms"
                )));
            }
        }
        if limits.concurrency > 1 {
            return Err(Error::invalid(format!(
                "`concurrency` is {}, but format `{}` carries one request at a time: give 1 and raise `max_sandboxes`",
                limits.concurrency, self.format
            )));
        }
        if self.prewarm > limits.max_sandboxes {
            return Err(Error::invalid(format!(
                "`prewarm` is {}, but `max_sandboxes` is {}: give at most that",
                self.prewarm, limits.max_sandboxes
            )));
        }
        for name in self.env.keys() {
            if name.is_empty() || name.contains(['=', '\0']) {
                return Err(Error::invalid(format!(
                    "`env` has the name {name:?}: give one without `=` and NUL"
                )));
            }
        }
        let texts = self.env.values().chain(&self.args);
        if let Some(text) = texts.into_iter().find(|text| text.contains('\0')) {
            return Err(Error::invalid(format!(
                "`env` or `args` has the value {text:?}: give one without NUL"
            )));
        }
        Ok(())
    }
}

fn valid_name(what: &str, name: &str) -> Result<()> {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
    let starts = name.as_bytes().first().is_some_and(u8::is_ascii_alphanumeric);
    if !starts || name.len() > 63 || !name.bytes().all(fits) {
        return Err(Error::invalid(format!(
            "{what} name {name:?} can't be: give 1 to 63 letters, digits, `-`, `_` and `.`, a letter or digit first"
        )));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn echo() -> Function {
        Function::wasm("echo", "echo.wasm")
    }

    /// SEEDS.md E6: a maximum of 0 is refused when it is declared.
    #[test]
    fn e6_a_maximum_of_zero_is_refused() {
        let mut function = echo();
        function.limits.max_sandboxes = 0;
        let error = function.validate().unwrap_err();
        assert!(error.message().contains("`max_sandboxes` is 0"), "{error}");
    }

    #[test]
    fn names_that_would_break_a_path_are_refused() {
        for name in ["", "a/b", "../x", "-a", "é", "a b", &"x".repeat(64)] {
            assert!(Function::wasm(name, "x.wasm").validate().is_err(), "{name:?}");
        }
        assert!(Function::wasm("thumb-nail_2.0", "x.wasm").validate().is_ok());
    }

    #[test]
    fn the_backend_follows_the_code_unless_said() {
        let mut both = echo();
        both.code.image = Function::image("x", "echo:1").code.image;
        assert_eq!(both.backend(), Some(BackendKind::Wasm));
        both.backend = Some(BackendKind::Docker);
        assert_eq!(both.backend(), Some(BackendKind::Docker));
        assert!(both.validate().is_ok());
        both.code.image = None;
        assert!(both.validate().is_err());
    }
}
