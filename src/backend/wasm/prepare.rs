//! From a function's module to something that can be started: read, checked, compiled or found in the cache.

use super::cache::{self, Digest};
use super::core::Core;
use super::limiter::table_bytes;
use super::linker::State;
use super::map;
use super::program::Compiled;
use super::shared::Shared;
use super::stamp::Stamp;
use super::wasi;
use crate::error::{Error, Result};
use crate::function::{Function, MIB, Module as Source};
use bytes::Bytes;
use std::fs::File;
use std::io::{self, ErrorKind, Read as _};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use wasmtime::{ExternType, InstancePre, Module, UnknownImportError};

/// What a module that declares no limit gets beyond its own minimum, in bytes.
const SPARE: u64 = 16 * MIB;
/// How every binary begins, and how a component does.
const BINARY: &[u8] = b"\0asm";
const COMPONENT: &[u8] = b"\0asm\x0d\0\x01\0";
/// One page of linear memory, in bytes, where the module says nothing else.
const PAGE: u64 = 64 << 10;

/// The largest module, in bytes, that is looked for in the cache by the caller itself: that takes less than an epoch, and
/// another thread would take as long to be woken and to wake.
const SMALL: u64 = 512 << 10;

/// Makes a function ready. Compiling is done off the executor's threads: a few megabytes take seconds.
pub(super) async fn prepare(core: Arc<Core>, function: Arc<Function>) -> Result<Compiled> {
    let place = match &function.code.wasm {
        Some(Source::File(path)) => path.display().to_string(),
        Some(Source::Bytes(_)) => "the module".into(),
        None => return Err(Error::invalid("the function has no module: give it `wasm`")),
    };
    let ready =
        if core.cache.is_some() && is_small(&function) { from_cache(&core, &function) } else { Ok(None) };
    let prepared = match ready {
        Ok(Some(compiled)) => Ok(compiled),
        Ok(None) => {
            let task = tokio::task::spawn_blocking(move || compile(core, &function));
            task.await
                .unwrap_or_else(|error| Err(Error::internal(format!("compiling the module failed: {error}"))))
        }
        Err(error) => Err(error),
    };
    prepared.map_err(|error| error.context(place))
}

fn is_small(function: &Function) -> bool {
    match &function.code.wasm {
        Some(Source::Bytes(bytes)) => bytes.len() as u64 <= SMALL,
        Some(Source::File(path)) => {
            std::fs::metadata(path).is_ok_and(|file| file.is_file() && file.len() <= SMALL)
        }
        None => false,
    }
}

/// The function, if its module is in the cache.
fn from_cache(core: &Arc<Core>, function: &Arc<Function>) -> Result<Option<Compiled>> {
    let seen = seen(core, function);
    let code = match seen {
        Some(code) => code,
        None => read(core, function)?.code,
    };
    let module = cached(core, &code);
    module.map(|module| finish(Arc::clone(core), function, code, &module)).transpose()
}

fn compile(core: Arc<Core>, function: &Arc<Function>) -> Result<Compiled> {
    if let Some(code) = seen(&core, function)
        && let Some(module) = cached(&core, &code)
    {
        return finish(core, function, code, &module);
    }
    let Read { bytes, code } = read(&core, function)?;
    let module = match cached(&core, &code) {
        Some(module) => module,
        None => anew(&core, &code, &bytes)?,
    };
    finish(core, function, code, &module)
}

/// Checks and links what was compiled.
fn finish(core: Arc<Core>, function: &Arc<Function>, code: Digest, module: &Module) -> Result<Compiled> {
    check_exports(module)?;
    let pre = link(&core, module)?;
    let memory = memory(&core, function, module)?;
    // Directories are opened for each instance; a missing one is better said now.
    wasi::context(function, Arc::new(Shared::default()))
        .map_err(|error| Error::invalid(error.message().to_owned()))?;
    // Making its image now keeps that out of the first start.
    if let Err(error) = module.initialize_copy_on_write_image() {
        tracing::debug!("no copy-on-write image: {error:#}");
    }
    Ok(Compiled::new(core, Arc::clone(function), code, memory, pre))
}

/// A module's bytes and their digest.
struct Read {
    bytes: Bytes,
    code: Digest,
}

/// The digest of a module whose file was read before and is the same still.
fn seen(core: &Core, function: &Function) -> Option<Digest> {
    let (Some(cache), Some(Source::File(path))) = (&core.cache, &function.code.wasm) else { return None };
    cache.digest_of(path, &Stamp::of(&std::fs::metadata(path).ok()?)?)
}

fn read(core: &Core, function: &Function) -> Result<Read> {
    let path = match &function.code.wasm {
        Some(Source::Bytes(bytes)) => {
            check_kind(bytes)?;
            return Ok(Read { bytes: bytes.clone(), code: cache::digest(bytes) });
        }
        Some(Source::File(path)) => path,
        None => return Err(Error::invalid("the function has no module")),
    };
    let (bytes, stamp) = read_file(path).map_err(|error| match error.kind() {
        ErrorKind::NotFound => Error::invalid("there is no such file"),
        _ => Error::invalid(format!("it can't be read: {error}")),
    })?;
    check_kind(&bytes)?;
    let code = cache::digest(&bytes);
    if let (Some(cache), Some(stamp)) = (&core.cache, stamp) {
        cache.remember(path, &stamp, &code);
    }
    Ok(Read { bytes: bytes.into(), code })
}

/// All of a file, with its stamp if nobody wrote to it meanwhile.
fn read_file(path: &Path) -> io::Result<(Vec<u8>, Option<Stamp>)> {
    let mut file = File::open(path)?;
    let before = Stamp::of(&file.metadata()?);
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    let after = Stamp::of(&file.metadata()?);
    Ok((bytes, if before == after { after } else { None }))
}

fn check_kind(bytes: &[u8]) -> Result<()> {
    if bytes.starts_with(COMPONENT) {
        return Err(component());
    }
    if bytes.starts_with(BINARY) {
        return Ok(());
    }
    // Text starts, after space and comments, with a parenthesis or a string; wasmtime says what is wrong with it.
    let text = std::str::from_utf8(bytes).map(str::trim_start).unwrap_or_default();
    if text.starts_with(['(', ';']) {
        return Ok(());
    }
    Err(Error::invalid("it is not WebAssembly: it starts neither with `\\0asm` nor with `(module`"))
}

fn component() -> Error {
    Error::invalid("components are not run yet: give a core module (target wasm32-wasip1)")
}

/// The module as it was compiled before.
fn cached(core: &Core, code: &Digest) -> Option<Module> {
    let entry = core.cache.as_ref()?.find(&core.engine, code)?;
    let mapped = map::map(&core.engine, entry).inspect_err(|error| {
        tracing::debug!("a cached module is compiled again: {error:#}");
    });
    let module = mapped.ok()?;
    core.loaded.fetch_add(1, Ordering::Relaxed);
    Some(module)
}

/// Compiles it, and keeps that for the next process.
fn anew(core: &Core, code: &Digest, bytes: &[u8]) -> Result<Module> {
    let module = Module::new(&core.engine, bytes).map_err(|error| unfit(&error))?;
    core.compiled.fetch_add(1, Ordering::Relaxed);
    if let Some(cache) = &core.cache {
        let kept =
            module.serialize().and_then(|code_bytes| Ok(cache.keep(&core.engine, code, &code_bytes)?));
        if let Err(error) = kept {
            tracing::warn!("a compiled module can't be kept: {error:#}");
        }
    }
    Ok(module)
}

fn unfit(error: &wasmtime::Error) -> Error {
    let text = format!("{error:#}");
    if text.contains("given a WebAssembly component") {
        return component();
    }
    if text.contains("pooling allocator") {
        let cause = error.root_cause();
        return Error::invalid(format!("it takes more than this host gives one wasm sandbox: {cause}"));
    }
    // Text errors come with a picture of the line over several lines: one line tells as much in a log.
    let text = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join(" ");
    Error::invalid(format!("it is not a module that can run: {text}"))
}

fn check_exports(module: &Module) -> Result<()> {
    match module.get_export("_start") {
        Some(ExternType::Func(start)) if start.params().len() == 0 && start.results().len() == 0 => {}
        Some(_) => {
            return Err(Error::invalid("its `_start` is not a function without parameters and results"));
        }
        None if module.get_export("_initialize").is_some() => {
            return Err(Error::invalid(
                "it is a library (`_initialize`), not a command: it needs a `_start`",
            ));
        }
        None => return Err(Error::invalid("it exports no `_start`: build it as a WASI command")),
    }
    match module.get_export("memory") {
        Some(ExternType::Memory(memory)) if !memory.is_shared() => Ok(()),
        Some(_) => Err(Error::invalid("its export `memory` is not a memory of its own")),
        None => Err(Error::invalid("it exports no `memory`: WASI passes everything through it")),
    }
}

fn link(core: &Core, module: &Module) -> Result<InstancePre<State>> {
    core.linker.instantiate_pre(module).map_err(|error| match error.downcast_ref::<UnknownImportError>() {
        Some(unknown) => Error::invalid(format!(
            "it imports `{}` from `{}`, which nothing provides: only `wasi_snapshot_preview1` is there",
            unknown.name(),
            unknown.module()
        )),
        None => Error::invalid(format!("its imports don't fit: {error:#}")),
    })
}

/// The limit of one sandbox, in bytes: the declared one if the module fits in it, else the module's minimum and some.
fn memory(core: &Core, function: &Function, module: &Module) -> Result<u64> {
    let minimum = minimum(module);
    let most = core.max_memory;
    let limit = match function.limits.memory {
        Some(declared) if declared < minimum => {
            return Err(Error::invalid(format!(
                "`memory` is {declared} bytes, but the module takes {minimum} before it runs: give at least that"
            )));
        }
        Some(declared) if declared > most => {
            return Err(Error::invalid(format!(
                "`memory` is {declared} bytes, but this host's wasm sandboxes have {most} at most: give at most that"
            )));
        }
        Some(declared) => declared,
        None => minimum.saturating_add(SPARE).min(most),
    };
    if minimum > limit {
        return Err(Error::invalid(format!(
            "the module takes {minimum} bytes before it runs, but this host's wasm sandboxes have {most} at most"
        )));
    }
    Ok(limit)
}

fn minimum(module: &Module) -> u64 {
    let needs = module.resources_required();
    let memory = match module.get_export("memory") {
        Some(ExternType::Memory(memory)) => memory.minimum().saturating_mul(memory.page_size()),
        _ => needs.max_initial_memory_size.unwrap_or(0).saturating_mul(PAGE),
    };
    memory.saturating_add(table_bytes(needs.max_initial_table_size.unwrap_or(0)))
}
