//! What is measured: functions of a manifest, their backends, what they are asked.

use super::args::{Backends, Declared};
use crate::bench::start::StartKind;
use crate::cli::runtimes;
use crate::error::{Error, ErrorKind, Result};
use crate::function::{BackendKind, Function, Source};
use crate::manifest::{HostSettings, Manifest};
use crate::runtime::Runtime;
use bytes::Bytes;
use std::time::Duration;

/// The body where none is given: 64 bytes, and no parameters for a function from source.
pub(super) const BODY: &[u8] = &[b'x'; 64];
const PARAMETERS: &[u8] = b"{}";
/// Longer than any bench: idle sandboxes are neither paused nor removed meanwhile.
const NEVER: Duration = Duration::from_secs(7 * 24 * 3600);

/// What is measured, and the settings of the hosts that run it.
#[derive(Debug)]
pub(super) struct Selection {
    pub(super) settings: HostSettings,
    /// Without what they would keep ready themselves: what is started ahead is the bench's matter.
    pub(super) runtimes: Vec<Runtime>,
    pub(super) functions: Vec<Chosen>,
}

/// One function.
#[derive(Debug)]
pub(super) struct Chosen {
    pub(super) function: Function,
    pub(super) backends: Vec<BackendKind>,
    pub(super) body: Bytes,
}

/// Reads the manifest. `NotFound` for a name that isn't in it; all functions for no names.
pub(super) fn select(declared: &Declared, names: &[String], backends: Backends) -> Result<Selection> {
    let manifest = Manifest::read(&declared.file)?;
    let known: Vec<_> = manifest.functions.iter().map(|function| function.name.clone()).collect();
    if let Some(missing) = names.iter().find(|name| !known.contains(name)) {
        let all: Vec<_> = known.iter().map(|name| format!("`{name}`")).collect();
        let all = if all.is_empty() { "none".into() } else { all.join(", ") };
        let message = format!("{} has no function `{missing}`: it has {all}", declared.file.display());
        return Err(Error::new(ErrorKind::NotFound, message));
    }
    let mut runtimes = runtimes::offered(&manifest.runtimes, None);
    let mut functions = Vec::new();
    for mut function in manifest.functions {
        if !names.is_empty() && !names.contains(&function.name) {
            continue;
        }
        let source = function.code.source.as_ref().filter(|_| !function.loads_itself());
        let runtime =
            source.and_then(|source| runtimes.iter().find(|runtime| runtime.is_called(&source.runtime)));
        let is_source = source.is_some();
        if let Some(runtime) = runtime {
            // As it is deployed: the runtime says how it is spoken to.
            function.format = runtime.format;
        }
        let has = |backend: &BackendKind| match (is_source, backend) {
            (true, backend) => runtime.is_some_and(|runtime| runtime.runs_on(*backend)),
            (false, BackendKind::Wasm) => function.code.wasm.is_some(),
            (false, BackendKind::Docker) => function.code.image.is_some(),
        };
        let backends: Vec<_> = BackendKind::ALL
            .into_iter()
            .filter(|backend| backends.include(*backend) && has(backend))
            .collect();
        let usual = if is_source { PARAMETERS } else { BODY };
        let body = body(&declared.data, &known, &function.name)?.unwrap_or(Bytes::from_static(usual));
        if !backends.is_empty() {
            functions.push(Chosen { function, backends, body });
        }
    }
    if functions.is_empty() {
        let file = declared.file.display();
        return Err(Error::invalid(match names {
            _ if known.is_empty() => format!("{file} declares no function: there is nothing to measure"),
            _ => format!("no function that was chosen from {file} has code for that backend: see --backend"),
        }));
    }
    runtimes.iter_mut().for_each(Runtime::keep_none);
    Ok(Selection { settings: manifest.host, runtimes, functions })
}

/// What a function is asked: the last `--data` for it, else the last for all.
pub(super) fn body(data: &[String], known: &[String], function: &str) -> Result<Option<Bytes>> {
    let (mut own, mut all) = (None, None);
    for text in data {
        match text.split_once('=') {
            Some((name, text)) if name == function => own = Some(text),
            // Another function's.
            Some((name, _)) if known.iter().any(|known| known == name) => {}
            _ => all = Some(text.as_str()),
        }
    }
    let Some(text) = own.or(all) else { return Ok(None) };
    match text.strip_prefix('@') {
        None => Ok(Some(text.to_owned().into())),
        Some(file) => std::fs::read(file).map(|bytes| Some(bytes.into())).map_err(|error| {
            Error::invalid(format!("can't read {file:?}: {error}; give --data a file after @"))
        }),
    }
}

impl Chosen {
    /// Its source, where a runtime's stem cells are given it.
    pub(super) fn source(&self) -> Option<&Source> {
        self.function.code.source.as_ref().filter(|_| !self.function.loads_itself())
    }

    /// The kinds of starts that it can have, on each of its backends.
    pub(super) fn starts(&self) -> impl Iterator<Item = (BackendKind, StartKind)> {
        let source = self.source().is_some();
        let of = move |backend: &BackendKind| {
            let backend = *backend;
            StartKind::of(source, backend).map(move |kind| (backend, kind))
        };
        self.backends.iter().flat_map(of)
    }

    /// The function on a backend, in a namespace of its own, with no sandbox ahead and no snapshot; idle ones stay.
    pub(super) fn on(&self, backend: BackendKind, namespace: &str) -> Function {
        let mut function = self.function.clone();
        function.namespace = namespace.to_owned();
        function.backend = Some(backend);
        function.prewarm = 0;
        if let Some(source) = &mut function.code.source {
            source.snapshot = false;
        }
        function.idle_timeout = Some(NEVER);
        function.pause_after = Some(NEVER);
        function
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_may_be_one_functions_own() {
        let known = ["a", "b"].map(str::to_owned);
        let of = |data: &[&str], function| {
            let data: Vec<_> = data.iter().map(|text| (*text).to_owned()).collect();
            let body = body(&data, &known, function).unwrap()?;
            Some(String::from_utf8(body.to_vec()).unwrap())
        };
        let some = |text: &str| Some(text.to_owned());
        assert_eq!((of(&[], "a"), of(&["b=own"], "a")), (None, None));
        assert_eq!(of(&["x=y"], "a"), some("x=y"));
        assert_eq!((of(&["all", "b=own"], "a"), of(&["b=own", "all"], "b")), (some("all"), some("own")));
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(&file, "file").unwrap();
        assert_eq!(of(&[&format!("a=@{}", file.path().display())], "a"), some("file"));
        let missing = body(&["@/nowhere/at/all".into()], &known, "a").unwrap_err();
        assert_eq!(missing.kind(), ErrorKind::InvalidInput);
    }
}
