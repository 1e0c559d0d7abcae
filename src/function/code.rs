//! What a function is made of.

use super::Source;
use std::path::PathBuf;

/// A module's bytes, or where to read them: WebAssembly, or a language's source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Module {
    /// A file: `.wasm` or `.wat`, or a language's own.
    File(PathBuf),
    /// The bytes themselves; WebAssembly's binary or text.
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

/// A function's code: a module, an image, or both; or source and neither; or an image and the source that it loads itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Code {
    /// The module, for the wasm backend.
    pub wasm: Option<Module>,
    /// The image, for the Docker backend.
    pub image: Option<Image>,
    /// Source that a runtime loads: then there is neither module nor image. Or what an image of format `openwhisk` loads.
    pub source: Option<Source>,
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
