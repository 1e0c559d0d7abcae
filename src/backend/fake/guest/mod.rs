//! The functions that a fake sandbox runs, as their authors would write them: each format is read and written here by
//! hand and from its description alone, so that a mistake in [`crate::format`] isn't made twice.

mod echo;
mod faulty;
mod runtime;
mod wire;

use super::process::Process;
use crate::backend::Exit;
use crate::function::{BackendKind, MIB};
use bytes::Bytes;
use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use wire::Wire;

pub(super) use runtime::loads;

/// Which function a sandbox runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Guest {
    /// Answers with what it was sent.
    Echo,
    /// Goes wrong as it is told.
    Faulty,
    /// Becomes one of the others by the source that it is given.
    Runtime,
}

impl Guest {
    /// The guest that a function's code names.
    pub(super) fn of(code: &[u8]) -> Option<Self> {
        let names = |name: &str| code.windows(name.len()).any(|part| part == name.as_bytes());
        if names("runtime") {
            return Some(Self::Runtime);
        }
        if names("faulty") { Some(Self::Faulty) } else { names("echo").then_some(Self::Echo) }
    }
}

/// What a guest is started with.
pub(super) struct Setup {
    pub(super) guest: Guest,
    pub(super) kind: BackendKind,
    /// What it was given before it was started.
    pub(super) loaded: Option<Bytes>,
    pub(super) env: BTreeMap<String, String>,
    pub(super) args: Vec<String>,
}

/// Runs a guest to its end.
pub(super) fn run(process: Arc<Process>, setup: Setup) -> Pin<Box<dyn Future<Output = Exit> + Send>> {
    Box::pin(async move {
        match serve(&process, setup).await {
            Ok(()) => Exit::Code(0),
            Err(exit) => exit,
        }
    })
}

async fn serve(process: &Process, mut setup: Setup) -> Result<(), Exit> {
    initialise(process, &setup).await?;
    let env = setup.env.clone();
    let mut wire = Wire::open(process, &env)?;
    let mut loaded = None;
    if let Some(source) = setup.loaded.take() {
        wire.preload(&source);
        let init = wire.init().await?.unwrap_or_default();
        loaded = Some(runtime::restore(&mut setup, init));
    }
    wire.ready().await;
    if loaded.is_none() && setup.guest == Guest::Runtime {
        let Some(init) = wire.init().await? else { return Ok(()) };
        let Some(source) = runtime::load(process, &mut setup, &init).await? else {
            process.write(init.failed(&runtime::why(&init))).await;
            // The host has no more to ask of it.
            return if wire.request().await?.is_none() { Ok(()) } else { Err(Exit::Code(70)) };
        };
        process.write(init.loaded()).await;
        loaded = Some(source);
    }
    let mut served = 0;
    while let Some(request) = wire.request().await? {
        served += 1;
        if let Some(reply) = loaded.as_mut().and_then(|loaded| loaded.answer(&request)) {
            process.write(wire.encode(&request, &reply)).await;
            continue;
        }
        match setup.guest {
            Guest::Echo | Guest::Runtime => {
                let reply = echo::answer(process, &setup, &request, served).await?;
                process.write(wire.encode(&request, &reply)).await;
            }
            Guest::Faulty => faulty::answer(process, &setup, &wire, &request).await?,
        }
        if wire.is_oneshot() {
            break;
        }
    }
    Ok(())
}

/// What a function does before its first request.
async fn initialise(process: &Process, setup: &Setup) -> Result<(), Exit> {
    if let Some(text) = setup.env.get("KILN_INIT_LOG") {
        process.log(&format!("{text}\n"));
    }
    if let Some(millis) = setup.env.get("KILN_INIT_MS").and_then(|millis| millis.parse().ok()) {
        tokio::time::sleep(Duration::from_millis(millis)).await;
    }
    match (setup.guest, setup.env.get("KILN_INIT").map(String::as_str)) {
        (Guest::Faulty, Some("exit")) => Err(Exit::Code(3)),
        (Guest::Faulty, Some("trap")) => Err(trap(setup.kind)),
        (Guest::Faulty, Some("loop")) => std::future::pending().await,
        (Guest::Faulty, Some("hog")) => Err(hog(process)),
        _ => Ok(()),
    }
}

/// What becomes of a program that aborts: a module traps, a process gets SIGABRT.
fn trap(kind: BackendKind) -> Exit {
    match kind {
        BackendKind::Wasm => Exit::Trap("unreachable".into()),
        BackendKind::Docker => Exit::Signal(6),
    }
}

/// Takes memory until there is none.
fn hog(process: &Process) -> Exit {
    loop {
        if let Err(exit) = process.allocate(MIB) {
            return exit;
        }
    }
}
