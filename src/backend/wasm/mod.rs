//! WASI over wasmtime: commands, which are core modules of preview 1 and components of preview 2, and `wasi:http` components of
//! previews 2 and 3.
//!
//! A sandbox is a store and its suspended guest, owned by whoever holds it: no task, no thread, no channel of
//! its own. The caller lays the request in stdin's queue and polls the guest *on its own task* until the reply is
//! out, so that a warm call costs a fiber switch each way and one copy each way.
//!
//! ```text
//!   Wasm ── Engines ── Core: engine, linkers, ticker, cache, slots     one for most, others for what asks for them   engines.rs, core.rs
//!     └─ Program: compiled code, joined with its imports        one for each function       program.rs, prepare.rs, code.rs
//!          └─ Instance: guest future + Shared stdio buffers     one for each sandbox        sandbox.rs, channel.rs
//!               guest: stdio and environment by hand, all else of WASI by wasmtime-wasi     module/, component/, http/, streams.rs
//! ```
//!
//! Time: the guest yields to the executor at each epoch (about 1 ms, `ticker.rs`), so an endless loop neither keeps
//! its worker thread to itself nor outruns its caller's deadline. Memory: a limiter for each store (`limiter.rs`).

mod bells;
mod cache;
mod ceiling;
mod channel;
mod code;
mod component;
mod core;
mod engine;
mod engines;
mod entry;
mod environ;
#[cfg(feature = "http-components")]
mod http;
mod limiter;
mod map;
mod module;
mod nature;
mod prepare;
mod private;
mod program;
mod sandbox;
#[cfg(feature = "preview3")]
mod service;
mod shared;
#[cfg(feature = "snapshot")]
mod snapshot;
mod stamp;
mod state;
mod streams;
mod ticker;
mod trap;
mod wasi;

use self::engines::Engines;
use crate::backend::{Backend, Program};
use crate::error::Result;
use crate::function::{BackendKind, Function, MIB};
use async_trait::async_trait;
use std::path::PathBuf;
use std::sync::Arc;

/// How the wasm backend is set up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WasmConfig {
    /// Where compiled modules are kept; it is made, and must be the user's alone (mode 0700). `None`: they are
    /// compiled anew in each process. Default: `kiln/wasm` in `$XDG_CACHE_HOME`, else in `~/.cache`.
    pub cache_dir: Option<PathBuf>,
    /// The host's memory budget in bytes, by which the pool of instances is sized. Nothing is taken of it here: what unused
    /// slots keep, so that the next instances in them start faster, is beside it. That is at most a sixteenth of it, and where
    /// interpreters' components have a fresh instance for each request, an eighth for those of WASI 0.2 and of 0.3 each.
    pub budget: u64,
    /// Instances at most, at once. `None`: as many as the budget, the kernel's `vm.max_map_count` and the address
    /// space carry.
    pub max_instances: Option<u32>,
    /// The largest memory limit in bytes that a function may declare, at most 4 GiB.
    ///
    /// Each slot reserves 4 GiB of addresses (not of memory), so that no access needs a bounds check. Only where the
    /// address space can't carry that for all instances are slots sized to this figure, and then every access is
    /// checked (measured: up to 1.28 times as long on array code).
    pub max_memory: u64,
}

impl Default for WasmConfig {
    fn default() -> Self {
        Self { cache_dir: cache::default_dir(), budget: 1024 * MIB, max_instances: None, max_memory: 4 << 30 }
    }
}

/// The backend's state in figures.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WasmFigures {
    /// Instances that can live at once.
    pub instances: u32,
    /// Instances that live now.
    pub live: u32,
    /// Whether they come from preallocated slots; if not, the address space couldn't be reserved.
    pub pooled: bool,
    /// Epochs since the backend was made; they stand still while no guest runs.
    pub epochs: u64,
    /// Modules that were compiled.
    pub compiled: u64,
    /// Modules that were loaded from the cache directory instead.
    pub loaded: u64,
}

/// The wasm backend. Cheap to clone: clones share its engines.
#[derive(Clone)]
pub struct Wasm {
    engines: Arc<Engines>,
}

impl Wasm {
    /// Makes the engine and reserves its instances' address space.
    ///
    /// Where that can't be had in full it is tried with fewer instances, and at last without reservation, with a
    /// warning. `Internal` where wasmtime doesn't run on this machine at all.
    pub fn new(config: WasmConfig) -> Result<Self> {
        Ok(Self { engines: Arc::new(Engines::new(config)?) })
    }

    /// The backend in figures.
    pub fn figures(&self) -> WasmFigures {
        self.engines.figures()
    }
}

#[async_trait]
impl Backend for Wasm {
    fn kind(&self) -> BackendKind {
        BackendKind::Wasm
    }

    async fn prepare(&self, function: Arc<Function>) -> Result<Arc<dyn Program>> {
        Ok(Arc::new(prepare::prepare(Arc::clone(&self.engines), function).await?))
    }

    async fn check(&self) -> Result<()> {
        // All that could be missing was missing in `new` already.
        Ok(())
    }

    /// Snapshots are taken beside, and hold an instance for a moment: when this returns none does.
    #[cfg(feature = "snapshot")]
    async fn close(&self) {
        // Never closed: another host may use the same backend next.
        let _ = self.engines.general().snapshots.acquire().await;
    }
}
