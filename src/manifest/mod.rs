//! `kiln.toml`: what a host runs, read so that every mistake is shown with where it is and what would be right.
//!
//! ```toml
//! [host]
//! memory = "2GiB"               # the budget; default: 60 % of the cgroup's or machine's memory
//! listen = "127.0.0.1:8080"
//!
//! [function.thumbnail]
//! wasm = "thumbnail.wasm"       # relative to this file's folder
//! format = "frame"
//! env = { LEVEL = "info" }
//!
//! [runtime.js]                  # a language's runtime: `wasm`, `image` or both
//! wasm = "js.wasm"
//! kinds = ["nodejs:default"]
//! prewarm = 4                   # stem cells kept ready; or [{ backend = "wasm", memory = "64MiB", count = 4 }]
//!
//! [function.hello]
//! source = "hello.js"           # `runtime` by the file's extension unless said, `main = "main"`
//! ```
//!
//! The file is not deserialised but walked: a deserialiser stops at the first mistake, while whoever edits a
//! manifest wants them all. [`Manifest::parse`] reports every one of them, a line each.

mod code;
mod faults;
mod function;
mod host;
mod kept;
mod openwhisk;
mod runtime;
mod section;
mod units;

pub use host::{DockerTransport, HostSettings, MEMORY};
pub use kept::{IntakeSettings, StoreSettings};
pub use openwhisk::{NamespaceSettings, OpenWhiskSettings};
pub use units::{parse_dir, parse_duration, parse_size};

use crate::error::{Error, Result};
use crate::function::{Function, Module};
use crate::runtime::Runtime;
use faults::Faults;
use section::Section;
use std::path::{Path, PathBuf};
use toml::de::DeTable;

/// The name of the file that is read where none is given.
pub const DEFAULT_FILE: &str = "kiln.toml";

/// A manifest that has been read: settings of the host, its runtimes and its functions, both in order of their names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manifest {
    /// The file it was read from, as it was named.
    pub file: PathBuf,
    /// `[host]`.
    pub host: HostSettings,
    /// `[namespace.NAME]`: who may use OpenWhisk's API.
    pub namespaces: Vec<NamespaceSettings>,
    /// `[openwhisk]`: limits of OpenWhisk's API.
    pub openwhisk: OpenWhiskSettings,
    /// `[store]`: how much of what happened is kept.
    pub store: StoreSettings,
    /// `[intake]`: how long accepted work is tried.
    pub intake: IntakeSettings,
    /// `[runtime.NAME]`, all of them valid.
    pub runtimes: Vec<Runtime>,
    /// `[function.NAME]`, all of them valid.
    pub functions: Vec<Function>,
}

impl Manifest {
    /// Reads a manifest. `InvalidInput` with every mistake in it, or with why it can't be read.
    pub fn read(file: impl Into<PathBuf>) -> Result<Self> {
        let file = file.into();
        let text = std::fs::read_to_string(&file).map_err(|error| {
            Error::invalid(format!(
                "can't read the manifest {}: {error}; give the path of a {DEFAULT_FILE}",
                file.display()
            ))
        })?;
        Self::parse(file, &text)
    }

    /// Parses a manifest's text as if `file` held it: relative paths are resolved against that file's folder, and
    /// mistakes are shown with its name. `InvalidInput` with every mistake.
    pub fn parse(file: impl Into<PathBuf>, text: &str) -> Result<Self> {
        let file = file.into();
        let folder = file.parent().unwrap_or(Path::new("")).to_path_buf();
        let faults = Faults::new(&file, text);
        let (root, syntax) = DeTable::parse_recoverable(text);
        for error in &syntax {
            faults.add(error.span().unwrap_or(0..0), lower(error.message()));
        }
        // What couldn't be read as TOML would only be reported again as something that is missing.
        faults.check()?;

        let mut root = Section::new("the manifest", root.get_ref(), &faults);
        let host = root.table("host").map(|section| host::read(section, &folder)).unwrap_or_default();
        let namespaces = root.table("namespace");
        let namespaces = namespaces.map(|all| openwhisk::namespaces(all, &folder)).unwrap_or_default();
        let openwhisk = root.table("openwhisk").map(openwhisk::limits).unwrap_or_default();
        let store = root.table("store").map(kept::store).unwrap_or_default();
        let intake = root.table("intake").map(kept::intake).unwrap_or_default();
        let runtimes = root.table("runtime").map(|all| runtime::read(all, &folder)).unwrap_or_default();
        let functions = root.table("function").map(|all| function::read(all, &folder)).unwrap_or_default();
        root.finish();
        faults.check()?;
        Ok(Self { file, host, namespaces, openwhisk, store, intake, runtimes, functions })
    }

    /// The files that decide what runs: the manifest itself, and every module and source that it names.
    pub fn files(&self) -> Vec<PathBuf> {
        let runtimes = self.runtimes.iter().filter_map(|runtime| runtime.wasm.as_ref());
        let functions = self.functions.iter().flat_map(|function| {
            let source = function.code.source.as_ref().map(|source| &source.code);
            [function.code.wasm.as_ref(), source].into_iter().flatten()
        });
        let files = runtimes.chain(functions).filter_map(|code| match code {
            Module::File(file) => Some(file.clone()),
            Module::Bytes(_) => None,
        });
        std::iter::once(self.file.clone()).chain(files).collect()
    }
}

fn lower(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_lowercase().chain(chars).collect())
}

#[cfg(test)]
mod tests;
