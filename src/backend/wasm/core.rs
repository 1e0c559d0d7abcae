//! One engine and what all functions of it share: the linker, the ticker, the cache and the slots.

use super::WasmConfig;
use super::cache::Cache;
use super::ceiling::Ceiling;
use super::code::Needs;
use super::engine::{self, Purpose, TABLES};
use super::state::State;
use super::ticker::Ticker;
use super::{component, module};
use crate::error::{Error, Result};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use wasmtime::component::Linker as ComponentLinker;
use wasmtime::{Engine, Linker};

/// What the two kinds of code are linked with.
pub(super) struct Linkers {
    pub(super) module: Linker<State>,
    pub(super) component: ComponentLinker<State>,
}

impl Linkers {
    fn new(engine: &Engine, purpose: Purpose) -> wasmtime::Result<Self> {
        Ok(Self { module: module::linker(engine)?, component: component::linker(engine, purpose)? })
    }
}

/// The shared part.
pub(super) struct Core {
    pub(super) engine: Engine,
    pub(super) linkers: Linkers,
    pub(super) ticker: Ticker,
    pub(super) cache: Option<Cache>,
    /// The largest limit that a function may declare, in bytes.
    pub(super) max_memory: u64,
    pub(super) compiled: AtomicU64,
    pub(super) loaded: AtomicU64,
    /// Snapshots are taken one at a time: compiling one takes all cores for a second or more.
    #[cfg(feature = "snapshot")]
    pub(super) snapshots: Arc<tokio::sync::Semaphore>,
    pub(super) ceiling: Ceiling,
    pub(super) pooled: bool,
    pub(super) live: AtomicU32,
    /// Whose slots each of its own counts among, too: there are only so many instances in one process.
    within: Option<Arc<Core>>,
}

impl Core {
    pub(super) fn new(
        config: &WasmConfig,
        purpose: Purpose,
        ceiling: Ceiling,
        within: Option<Arc<Self>>,
    ) -> Result<Self> {
        let max_memory = config.max_memory.min(4 << 30);
        let (engine, ceiling, pooled) = engine::make(config, purpose, ceiling, max_memory)?;
        tracing::debug!(
            ?purpose,
            instances = ceiling.instances,
            pooled,
            because = ceiling.because,
            "wasm engine is up"
        );
        let cache = config.cache_dir.as_deref().and_then(|dir| {
            let refused = |error| {
                tracing::warn!(dir = %dir.display(), "compiled modules aren't kept: the cache directory {error}");
            };
            Cache::open(dir, &engine).map_err(refused).ok()
        });
        Ok(Self {
            linkers: Linkers::new(&engine, purpose)
                .map_err(|error| Error::internal(format!("wasi can't be linked: {error:#}")))?,
            ticker: Ticker::start(&engine)
                .map_err(|error| Error::internal(format!("the epoch thread can't be started: {error}")))?,
            cache,
            max_memory: ceiling.slot.map_or(max_memory, |slot| slot.min(max_memory)),
            compiled: AtomicU64::new(0),
            loaded: AtomicU64::new(0),
            #[cfg(feature = "snapshot")]
            snapshots: Arc::new(tokio::sync::Semaphore::new(1)),
            engine,
            ceiling,
            pooled,
            live: AtomicU32::new(0),
            within,
        })
    }

    /// Takes as many of the slots as one sandbox needs, or says why there are none.
    pub(super) fn slot(self: &Arc<Self>, needs: &Needs) -> Result<Slot> {
        let _within = self.within.as_ref().map(|core| core.slot(needs)).transpose()?.map(Box::new);
        let most = self.ceiling.instances;
        let count = slots_of(needs);
        let taken = self.live.fetch_update(Ordering::AcqRel, Ordering::Acquire, |live| {
            live.checked_add(count).filter(|sum| *sum <= most)
        });
        match taken {
            Ok(_) => Ok(Slot { core: Arc::clone(self), count, _within }),
            Err(_) => Err(Error::unavailable(self.exhausted())),
        }
    }

    /// What is said where no slot is free.
    pub(super) fn exhausted(&self) -> String {
        format!("all {} wasm instances are in use: {}", self.ceiling.instances, self.ceiling.because)
    }
}

/// The right to one sandbox's slots, given back when dropped: after the instance itself is gone.
pub(super) struct Slot {
    core: Arc<Core>,
    count: u32,
    _within: Option<Box<Slot>>,
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.core.live.fetch_sub(self.count, Ordering::AcqRel);
    }
}

/// A slot is one memory and [`TABLES`] tables: all but unusual components take one, as modules do.
fn slots_of(needs: &Needs) -> u32 {
    needs.memories.max(needs.tables.div_ceil(TABLES)).max(1)
}
