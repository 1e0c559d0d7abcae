//! A cold call with the compiled module on disk and nothing resident: engine, backend and host are new for each sample.
//!
//! In both: the compiled module mapped from its file, linked, its memory image made, one instance, its first reply. Kiln's
//! also sees that neither the module nor its compiled code has changed since they were read whole, and deploys it on a host.
//! The engine is made outside the clock on both sides; a second row has it inside on both.

use crate::Result;
use crate::bare::{self, Bare, Bounds};
use crate::ours::{self, is_echo};
use crate::plan::Plan;
use crate::stats::{Rounds, Unit};
use crate::table::{Promise, Table};
use kiln::backend::wasm::{Wasm, WasmConfig};
use kiln::{Format, Host};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

const CASE: &str = "cold wasm from the disk cache";
const WITH_ENGINE: &str = "cold wasm from the disk cache, engine included";

/// Longer than a file has to be left alone before it is known by its times.
const SETTLED: Duration = Duration::from_millis(2100);

pub(crate) fn rows(plan: &Plan, table: &mut Table) -> Result<()> {
    if !plan.wants(CASE) && !plan.wants(WITH_ENGINE) {
        return Ok(());
    }
    let (dir, cache) = ours::scratch()?;
    let compiled = dir.path().join("echo.cwasm");
    let engine = Bare::new(ours::SLOTS, Bounds::None)?.engine;
    std::fs::write(&compiled, engine.precompile_module(&std::fs::read(ours::ECHO)?)?)?;
    let runtime = ours::one_thread()?;
    let config = WasmConfig { cache_dir: Some(cache), ..ours::config(ours::SLOTS) };
    for (case, with_engine, promise) in
        [(CASE, false, Promise::AtMost(1.5)), (WITH_ENGINE, true, Promise::None)]
    {
        if !plan.wants(case) {
            continue;
        }
        // Compiles the module into the cache, and once its files have been left alone for a while, reads them whole.
        runtime.block_on(kiln(&config, with_engine))?;
        std::thread::sleep(SETTLED);
        let rounds = Rounds::run(
            plan.rounds(11, 101),
            || floor(&compiled, with_engine),
            || runtime.block_on(kiln(&config, with_engine)),
        )?;
        table.row(case, Unit::Time, &rounds, promise);
    }
    Ok(())
}

fn floor(compiled: &Path, with_engine: bool) -> Result<f64> {
    let body = ours::body(64);
    let request = bare::request(&body);
    let mut began = Instant::now();
    let bare = Bare::new(ours::SLOTS, Bounds::None)?;
    if !with_engine {
        began = Instant::now();
    }
    let module = load(&bare.engine, compiled)?;
    let pre = bare.link(&module)?;
    let mut guest = bare.parked(&pre)?;
    is_echo(&body, guest.call(request)?.body()?)?;
    Ok(began.elapsed().as_nanos() as f64)
}

#[allow(unsafe_code, reason = "wasmtime has no other way to a compiled module")]
fn load(engine: &wasmtime::Engine, compiled: &Path) -> Result<wasmtime::Module> {
    // SAFETY: `rows` wrote the file with `precompile_module` into a directory of this process's own.
    Ok(unsafe { wasmtime::Module::deserialize_file(engine, compiled) }?)
}

async fn kiln(config: &WasmConfig, with_engine: bool) -> Result<f64> {
    let body = ours::body(64);
    let mut began = Instant::now();
    let wasm = Wasm::new(config.clone())?;
    if !with_engine {
        began = Instant::now();
    }
    let host = Host::builder().memory(ours::BUDGET).backend(Arc::new(wasm)).build()?;
    host.deploy(ours::echo(Format::Frame)).await?;
    is_echo(&body, &ours::call(&host, body.clone()).await?)?;
    let took = began.elapsed();
    host.drain().await;
    Ok(took.as_nanos() as f64)
}
