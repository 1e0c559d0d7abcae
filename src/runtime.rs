//! A language's runtime: a module, an image or both, whose sandboxes are started before it is known which function they
//! will be.
//!
//! Such a sandbox is a *stem cell* until the host has written a function's source into it, once; from then on it is that
//! function's for life. It has no environment and no directories of any function's.

use crate::error::{Error, Result};
use crate::function::{BackendKind, Format, Image, MIB, Module, PullPolicy, valid_name};
use std::collections::BTreeMap;

/// A runtime, as declared. [`Runtime::validate`] says what of it can't be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Runtime {
    /// Its name, which source functions are declared with: `js`.
    pub name: String,
    /// Other names that source functions may use for it: `nodejs:default`.
    pub kinds: Vec<String>,
    /// The module, for the wasm backend.
    pub wasm: Option<Module>,
    /// The image, for the Docker backend.
    pub image: Option<Image>,
    /// How source, requests and replies are written; one that can carry source. Default `frame`.
    pub format: Format,
    /// The memory of one sandbox, in bytes, for functions that declare none. `None`: 128 MiB for images; for wasm the
    /// module's own minimum + 16 MiB.
    pub memory: Option<u64>,
    /// What each of its sandboxes is started with as its environment, whichever function it will be.
    pub env: BTreeMap<String, String>,
    /// Stem cells that are kept ready (`SEEDS.md W3`).
    pub prewarm: Vec<Prewarm>,
    /// Stem cells that are kept ready on wasm, beside those, of each memory that functions ask for, from the first such
    /// function on.
    pub ready: u32,
}

/// Stem cells of one backend and memory that are kept ready. They serve exactly the functions with that memory
/// (`SEEDS.md W8`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Prewarm {
    /// Where they run.
    pub backend: BackendKind,
    /// The memory of each, in bytes. `None`: what functions get that declare none.
    pub memory: Option<u64>,
    /// How many.
    pub count: u32,
}

impl Runtime {
    /// A runtime without code: give it a module, an image, or both.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            kinds: Vec::new(),
            wasm: None,
            image: None,
            format: Format::Frame,
            memory: None,
            env: BTreeMap::new(),
            prewarm: Vec::new(),
            ready: 0,
        }
    }

    /// The same runtime with a module.
    #[must_use]
    pub fn wasm(mut self, module: Module) -> Self {
        self.wasm = Some(module);
        self
    }

    /// The same runtime with an image.
    #[must_use]
    pub fn image(mut self, reference: impl Into<String>) -> Self {
        self.image = Some(Image { reference: reference.into(), pull: PullPolicy::default() });
        self
    }

    /// The same runtime with one more name that functions may use for it.
    #[must_use]
    pub fn kind(mut self, kind: impl Into<String>) -> Self {
        self.kinds.push(kind.into());
        self
    }

    /// The same runtime with a memory for functions that declare none, in bytes.
    #[must_use]
    pub fn memory(mut self, bytes: u64) -> Self {
        self.memory = Some(bytes);
        self
    }

    /// The same runtime with stem cells kept ready. `memory` in bytes; `None`: what functions get that declare none.
    #[must_use]
    pub fn prewarm(mut self, backend: BackendKind, memory: Option<u64>, count: u32) -> Self {
        self.prewarm.push(Prewarm { backend, memory, count });
        self
    }

    /// The same runtime with so many stem cells kept ready on wasm of each memory that functions ask for.
    #[must_use]
    pub fn ready(mut self, count: u32) -> Self {
        self.ready = count;
        self
    }

    /// Nothing of it is kept ready: for whoever measures its starts, or is gone at once.
    #[cfg(feature = "cli")]
    pub(crate) fn keep_none(&mut self) {
        self.prewarm.clear();
        self.ready = 0;
    }

    /// JavaScript on QuickJS, as a module that is built in: `runtimes/README.md` says what a function is there.
    #[cfg(feature = "js")]
    pub fn js() -> Self {
        const MODULE: &[u8] = include_bytes!("../runtimes/js/js.wasm");
        let js = Self::new("js").wasm(Module::Bytes(bytes::Bytes::from_static(MODULE)));
        js.kind("nodejs").kind("nodejs:default").memory(64 * MIB).ready(1)
    }

    /// Whether a function may mean this one by `name`.
    pub fn is_called(&self, name: &str) -> bool {
        self.name == name || self.kinds.iter().any(|kind| kind == name)
    }

    /// Whether it has code for a backend.
    pub fn runs_on(&self, backend: BackendKind) -> bool {
        match backend {
            BackendKind::Wasm => self.wasm.is_some(),
            BackendKind::Docker => self.image.is_some(),
        }
    }

    /// The backend of functions that name none: wasm where it has a module.
    pub fn backend(&self) -> Option<BackendKind> {
        BackendKind::ALL.into_iter().find(|backend| self.runs_on(*backend))
    }

    /// Says what of it can't be, and what would be right.
    pub fn validate(&self) -> Result<()> {
        valid_name("runtime", &self.name)?;
        if let Some(kind) =
            self.kinds.iter().find(|kind| kind.is_empty() || kind.contains(char::is_whitespace))
        {
            return Err(Error::invalid(format!(
                "`kinds` has {kind:?}: give names without space, as \"nodejs:default\""
            )));
        }
        if self.backend().is_none() {
            return Err(Error::invalid("it has no code: give it `wasm`, `image`, or both"));
        }
        if !self.format.carries_source() {
            return Err(Error::invalid(format!(
                "`format` is `{}`, which can't carry source: give `frame`",
                self.format
            )));
        }
        if self.memory.is_some_and(|bytes| bytes < MIB) {
            return Err(Error::invalid("`memory` is less than 1MiB, so nothing could ever run: give more"));
        }
        for prewarm in &self.prewarm {
            if !self.runs_on(prewarm.backend) {
                let missing = match prewarm.backend {
                    BackendKind::Wasm => "`wasm`",
                    BackendKind::Docker => "`image`",
                };
                return Err(Error::invalid(format!(
                    "`prewarm` asks for sandboxes on {}, but it has no {missing}: give it that",
                    prewarm.backend
                )));
            }
            if prewarm.memory == Some(0) {
                return Err(Error::invalid(
                    "`prewarm` has a `memory` of 0, so nothing could ever run: give more",
                ));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn js() -> Runtime {
        Runtime::new("js").wasm(Module::File("js.wasm".into())).kind("nodejs:default")
    }

    #[test]
    fn it_answers_to_its_name_and_its_kinds_and_nothing_near_them() {
        let js = js();
        assert!(js.is_called("js") && js.is_called("nodejs:default"));
        assert!(!js.is_called("nodejs") && !js.is_called("js:default") && !js.is_called(""));
    }

    #[test]
    fn what_can_not_be_is_said() {
        js().validate().unwrap();
        js().image("js:1").prewarm(BackendKind::Docker, None, 2).validate().unwrap();
        let mut json = js();
        json.format = Format::Json;
        for (runtime, said) in [
            (Runtime::new("js"), "no code"),
            (Runtime::new("j s").image("js:1"), "runtime name"),
            (js().kind("node js"), "`kinds` has"),
            (js().prewarm(BackendKind::Docker, None, 1), "no `image`"),
            (js().prewarm(BackendKind::Wasm, Some(0), 1), "`memory` of 0"),
            (js().memory(1), "`memory` is less"),
            (json, "`format` is `json`"),
        ] {
            let error = runtime.validate().unwrap_err();
            assert!(error.message().contains(said), "{error}");
        }
    }
}
