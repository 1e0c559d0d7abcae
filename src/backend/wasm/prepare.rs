//! From a function's module to something that can be started: read, checked, compiled or found in the cache.

use super::cache::{self, Digest};
use super::code::{Code, Needs};
use super::core::Core;
use super::engines::Engines;
use super::map;
use super::nature::{self, Kind, Nature};
use super::program::{Compiled, Home};
use super::stamp::Stamp;
use super::wasi;
use crate::error::{Error, Result};
use crate::function::{Format, Function, MIB, Module as Source};
use bytes::Bytes;
use std::fs::File;
use std::io::{self, ErrorKind, Read as _};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// What a module that declares no limit gets beyond its own minimum, in bytes.
const SPARE: u64 = 16 * MIB;

/// The largest module, in bytes, that is looked for in the cache by the caller itself: that takes less than an epoch, and
/// another thread would take as long to be woken and to wake.
const SMALL: u64 = 512 << 10;

/// Makes a function ready. Compiling is done off the executor's threads: a few megabytes take seconds.
pub(super) async fn prepare(engines: Arc<Engines>, function: Arc<Function>) -> Result<Compiled> {
    let place = match &function.code.wasm {
        Some(Source::File(path)) => path.display().to_string(),
        Some(Source::Bytes(_)) => "the module".into(),
        None => return Err(Error::invalid("the function has no module: give it `wasm`")),
    };
    let prepared = find_or_compile(engines, function).await;
    prepared.map_err(|error| error.context(place))
}

async fn find_or_compile(engines: Arc<Engines>, function: Arc<Function>) -> Result<Compiled> {
    let mut missing = None;
    if engines.general().cache.is_some() && is_small(&function) {
        match find(&engines, &function)? {
            Found::Ready(compiled) => return Ok(compiled),
            Found::Missing(read) => missing = Some(read),
        }
    }
    let task = tokio::task::spawn_blocking(move || {
        let found = missing.map_or_else(|| find(&engines, &function), |read| Ok(Found::Missing(read)));
        match found? {
            Found::Ready(compiled) => Ok(compiled),
            Found::Missing(Read { bytes, nature, digest }) => {
                let code = anew(&*engines.of(nature)?, nature.kind, &digest, &bytes)?;
                settle(&engines, &function, digest, nature, &code)
            }
        }
    });
    task.await.unwrap_or_else(|error| Err(Error::internal(format!("compiling the module failed: {error}"))))
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

/// What the cache has of a function.
enum Found {
    /// All of it.
    Ready(Compiled),
    /// Nothing: what was read is to be compiled.
    Missing(Read),
}

fn find(engines: &Engines, function: &Arc<Function>) -> Result<Found> {
    let ready =
        |digest, nature, code: &Code| settle(engines, function, digest, nature, code).map(Found::Ready);
    if let Some((digest, nature)) = seen(engines.general(), function)
        && let Some(code) = cached(&*engines.of(nature)?, &digest)
    {
        return ready(digest, nature, &code);
    }
    let read = read(engines.general(), function)?;
    match cached(&*engines.of(read.nature)?, &read.digest) {
        Some(code) => ready(read.digest, read.nature, &code),
        None => Ok(Found::Missing(read)),
    }
}

/// Finishes it, on the engines that its nature asks for.
fn settle(
    engines: &Engines,
    function: &Arc<Function>,
    digest: Digest,
    nature: Nature,
    code: &Code,
) -> Result<Compiled> {
    let compiled = finish(engines.of(nature)?, function, digest, code)?;
    // Only where each request has a fresh instance: others are made seldom, and what their slots kept would be idle.
    if !nature.heap || engines.general().cache.is_none() || compiled.function.max_uses() != Some(1) {
        return Ok(compiled);
    }
    // The same code for another engine: from the cache, where it has just been found or kept.
    let heaps = engines.heaps(nature).and_then(|core| {
        let code = cached(&core, &digest)?;
        let pre = code.link(&core).ok()?;
        make_image(&code);
        Some(Home { core, pre })
    });
    Ok(compiled.at(heaps))
}

/// Checks and links what was compiled.
pub(super) fn finish(
    core: Arc<Core>,
    function: &Arc<Function>,
    digest: Digest,
    code: &Code,
) -> Result<Compiled> {
    let pre = code.link(&core)?;
    let function = &spoken(function, pre.format())?;
    let concurrency = function.limits.concurrency;
    if concurrency > 1 && !pre.shares() {
        return Err(Error::invalid(format!(
            "`concurrency` is {concurrency}, but only a component that exports `wasi:http/handler@0.3` carries more than one \
             request at a time: give 1 and raise `max_sandboxes`"
        )));
    }
    let needs = code.needs()?;
    let memory = memory(&core, function, &needs)?;
    // Directories are opened for each instance; a missing one is better said now.
    wasi::context(function, None).map_err(|error| Error::invalid(error.message().to_owned()))?;
    make_image(code);
    Ok(Compiled::new(core, Arc::clone(function), digest, needs, memory, pre))
}

/// It is only slower without.
fn make_image(code: &Code) {
    if let Err(error) = code.image() {
        tracing::debug!("no copy-on-write image: {error:#}");
    }
}

/// The function as it is spoken to: a component that handles HTTP requests is called by them and no other way.
fn spoken(function: &Arc<Function>, shown: Option<Format>) -> Result<Arc<Function>> {
    match (function.format, shown) {
        (said, Some(shown)) if said == shown => Ok(Arc::clone(function)),
        (Format::Default, Some(shown)) => Ok(Arc::new(Function::clone(function).format(shown))),
        (said, Some(shown)) => Err(Error::invalid(format!(
            "`format` is `{said}`, but the component exports `wasi:http`'s handler, which is spoken to as `{shown}`: leave it out"
        ))),
        (Format::WasiHttp, None) => Err(Error::invalid(
            "`format` is `wasi-http`, but it is no component that exports `wasi:http/incoming-handler` or `wasi:http/handler`: leave it out",
        )),
        (_, None) => Ok(Arc::clone(function)),
    }
}

/// A module's or a component's bytes and their digest.
struct Read {
    bytes: Bytes,
    nature: Nature,
    digest: Digest,
}

/// The digest and the nature of a module whose file was read before and is the same still.
fn seen(core: &Core, function: &Function) -> Option<(Digest, Nature)> {
    let (Some(cache), Some(Source::File(path))) = (&core.cache, &function.code.wasm) else { return None };
    cache.seen(path, &Stamp::of(&std::fs::metadata(path).ok()?)?)
}

fn read(core: &Core, function: &Function) -> Result<Read> {
    let path = match &function.code.wasm {
        Some(Source::Bytes(bytes)) => {
            return Ok(Read {
                bytes: bytes.clone(),
                nature: nature::of(bytes)?,
                digest: cache::digest(bytes),
            });
        }
        Some(Source::File(path)) => path,
        None => return Err(Error::invalid("the function has no module")),
    };
    let (bytes, stamp) = read_file(path).map_err(|error| match error.kind() {
        ErrorKind::NotFound => Error::invalid("there is no such file"),
        _ => Error::invalid(format!("it can't be read: {error}")),
    })?;
    let nature = nature::of(&bytes)?;
    let digest = cache::digest(&bytes);
    if let (Some(cache), Some(stamp)) = (&core.cache, stamp) {
        cache.remember(path, &stamp, &digest, nature);
    }
    Ok(Read { bytes: bytes.into(), nature, digest })
}

/// A module's bytes once more, if they are still those that were compiled.
#[cfg(feature = "snapshot")]
pub(super) fn read_again(core: &Core, function: &Function, digest: &Digest) -> Result<Bytes> {
    let read = read(core, function)?;
    if read.digest != *digest {
        return Err(Error::unavailable("the runtime's module has changed since it was deployed"));
    }
    if !nature::is_binary(&read.bytes) {
        return Err(Error::unavailable("the runtime's module is text, and only a binary is snapshotted"));
    }
    Ok(read.bytes)
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

/// The code as it was compiled before.
pub(super) fn cached(core: &Core, digest: &Digest) -> Option<Code> {
    let entry = core.cache.as_ref()?.find(digest)?;
    let mapped = map::map(&core.engine, entry).inspect_err(|error| {
        tracing::debug!("a cached module is compiled again: {error:#}");
    });
    let code = mapped.ok()?;
    core.loaded.fetch_add(1, Ordering::Relaxed);
    Some(code)
}

/// Compiles it, and keeps that for the next process.
pub(super) fn anew(core: &Core, kind: Kind, digest: &Digest, bytes: &[u8]) -> Result<Code> {
    let code = Code::compile(&core.engine, kind, bytes).map_err(|error| unfit(kind, &error))?;
    core.compiled.fetch_add(1, Ordering::Relaxed);
    if let Some(cache) = &core.cache {
        let kept = code.serialize().and_then(|compiled| Ok(cache.keep(digest, &compiled)?));
        if let Err(error) = kept {
            tracing::warn!("a compiled module can't be kept: {error:#}");
        }
    }
    Ok(code)
}

fn unfit(kind: Kind, error: &wasmtime::Error) -> Error {
    let text = format!("{error:#}");
    if text.contains("pooling allocator") {
        let cause = error.root_cause();
        return Error::invalid(format!("it takes more than this host gives one wasm sandbox: {cause}"));
    }
    // Text errors come with a picture of the line over several lines: one line tells as much in a log.
    let text = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join(" ");
    let kind = match kind {
        Kind::Module => "module",
        Kind::Component => "component",
    };
    Error::invalid(format!("it is not a {kind} that can run: {text}"))
}

/// The limit of one sandbox, in bytes: the declared one if the code fits in it, else what that takes and some.
fn memory(core: &Core, function: &Function, needs: &Needs) -> Result<u64> {
    let minimum = needs.least;
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
        None => needs.enough.saturating_add(SPARE).min(most),
    };
    if minimum > limit {
        return Err(Error::invalid(format!(
            "the module takes {minimum} bytes before it runs, but this host's wasm sandboxes have {most} at most"
        )));
    }
    Ok(limit)
}
