//! Where a function runs, and how it is spoken to.

use std::fmt;
use std::time::Duration;

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

/// How a request and a reply are written: on a sandbox's stdin and stdout (`SEEDS.md I9`), or to a server in it.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "kebab-case")]
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
    /// OpenWhisk's container contract: HTTP/1.1 to a server in the sandbox, `/init` once and `/run` for each request.
    Openwhisk,
    /// HTTP/1.1 to a server in the sandbox, as a proxy speaks it.
    Server,
    /// Fn's contract with its FDKs: HTTP/1.1 to a server on a Unix socket in the sandbox, `/call` for each request.
    HttpStream,
    /// A component's export `wasi:http/incoming-handler`, called for each request. It need not be said: the component shows it.
    #[serde(rename = "wasi-http")]
    WasiHttp,
}

/// Where in its sandbox a server listens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// A TCP port of its loopback.
    Port(u16),
    /// A Unix socket, by its path.
    Socket(&'static str),
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Port(port) => write!(f, "port {port}"),
            Self::Socket(path) => f.write_str(path),
        }
    }
}

impl Format {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Default,
        Self::Http,
        Self::Json,
        Self::Frame,
        Self::Openwhisk,
        Self::Server,
        Self::HttpStream,
        Self::WasiHttp,
    ];

    /// Those that are spoken on stdin and stdout, and so by modules and images alike.
    pub const STDIO: [Self; 4] = [Self::Default, Self::Http, Self::Json, Self::Frame];

    /// Its name in manifests and logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Default => "default",
            Self::Http => "http",
            Self::Json => "json",
            Self::Frame => "frame",
            Self::Openwhisk => "openwhisk",
            Self::Server => "server",
            Self::HttpStream => "http-stream",
            Self::WasiHttp => "wasi-http",
        }
    }

    /// Whether its guest is spoken to as a server is, and not on its stdin and stdout: its stdout is then log, as its stderr.
    pub const fn is_served(self) -> bool {
        matches!(self, Self::Openwhisk | Self::Server | Self::HttpStream)
    }

    /// The `start_timeout` of functions that don't say: Fn gives an FDK five seconds until it listens.
    pub const fn start_timeout(self) -> Duration {
        match self {
            Self::HttpStream => Duration::from_secs(5),
            _ => Duration::from_secs(60),
        }
    }

    /// Whether each sandbox is to be told once which function it is, whatever code it has already.
    pub const fn initialises(self) -> bool {
        matches!(self, Self::Openwhisk)
    }

    /// Whether one process serves many requests (`SEEDS.md I1`).
    pub const fn is_streaming(self) -> bool {
        !matches!(self, Self::Default)
    }

    /// Whether one sandbox can serve several requests at once (`SEEDS.md W2`): each has a connection of its own. Of `wasi-http`
    /// only components of WASI 0.3 do.
    pub const fn shares(self) -> bool {
        matches!(self, Self::Openwhisk | Self::Server | Self::WasiHttp)
    }

    /// Whether a runtime's sandbox can be given a function's source in it.
    pub const fn carries_source(self) -> bool {
        matches!(self, Self::Frame | Self::Openwhisk)
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
