//! Where a function runs, and how it is spoken to.

use std::fmt;

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

    /// Whether a runtime's sandbox can be given a function's source in it.
    pub const fn carries_source(self) -> bool {
        matches!(self, Self::Frame)
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
