//! What all functions of one backend share: the engine, the linker, the ticker, the cache and the slots.

use super::cache::Cache;
use super::ceiling::Ceiling;
use super::code::Needs;
use super::state::State;
use super::ticker::Ticker;
use super::{WasmConfig, WasmFigures, component, module};
use crate::error::{Error, Result};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use wasmtime::component::Linker as ComponentLinker;
use wasmtime::{Config, Enabled, Engine, InstanceAllocationStrategy, Linker, PoolingAllocationConfig};

/// The largest table, in elements: 800 KB of the function's memory. Big interpreters have some 10,000.
pub(super) const TABLE_ELEMENTS: usize = 100_000;
/// Tables that come with one slot: components have two or three, and one that is never touched takes addresses only.
const TABLES: u32 = 4;
/// What wasmtime itself may keep for a component's instances, in bytes: CPython's functions alone take more than the
/// mebibyte that it would give.
const COMPONENT_RECORDS: usize = 16 << 20;
/// Bytes of a slot that are set to zero in place instead of being given back to the kernel: most functions touch
/// less, and resetting a page is ten times as fast as faulting it in again.
const KEEP_RESIDENT: usize = 1 << 20;
/// What one memory reserves and grows by where no slots can be had, in bytes.
const SMALL_RESERVATION: u64 = 16 << 20;
/// Unused slots that keep their module's image and pages at most.
const WARM_SLOTS: u64 = 100;

/// What the two kinds of code are linked with.
pub(super) struct Linkers {
    pub(super) module: Linker<State>,
    pub(super) component: ComponentLinker<State>,
}

impl Linkers {
    fn new(engine: &Engine) -> wasmtime::Result<Self> {
        Ok(Self { module: module::linker(engine)?, component: component::linker(engine)? })
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
    ceiling: Ceiling,
    pooled: bool,
    live: AtomicU32,
}

impl Core {
    pub(super) fn new(config: &WasmConfig) -> Result<Self> {
        let max_memory = config.max_memory.min(4 << 30);
        let (engine, ceiling, pooled) = engine(config, Ceiling::of(config), max_memory)?;
        tracing::debug!(
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
            linkers: Linkers::new(&engine)
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
        })
    }

    /// Takes as many of the slots as one sandbox needs, or says why there are none.
    pub(super) fn slot(self: &Arc<Self>, needs: &Needs) -> Result<Slot> {
        let most = self.ceiling.instances;
        let count = slots_of(needs);
        let taken = self.live.fetch_update(Ordering::AcqRel, Ordering::Acquire, |live| {
            live.checked_add(count).filter(|sum| *sum <= most)
        });
        match taken {
            Ok(_) => Ok(Slot(Arc::clone(self), count)),
            Err(_) => Err(Error::unavailable(self.exhausted())),
        }
    }

    /// What is said where no slot is free.
    pub(super) fn exhausted(&self) -> String {
        format!("all {} wasm instances are in use: {}", self.ceiling.instances, self.ceiling.because)
    }

    pub(super) fn figures(&self) -> WasmFigures {
        WasmFigures {
            instances: self.ceiling.instances,
            live: self.live.load(Ordering::Acquire),
            pooled: self.pooled,
            epochs: self.ticker.ticks(),
            compiled: self.compiled.load(Ordering::Relaxed),
            loaded: self.loaded.load(Ordering::Relaxed),
        }
    }
}

/// The right to one sandbox's slots, given back when dropped: after the instance itself is gone.
pub(super) struct Slot(Arc<Core>, u32);

impl Drop for Slot {
    fn drop(&mut self) {
        self.0.live.fetch_sub(self.1, Ordering::AcqRel);
    }
}

/// A slot is one memory and [`TABLES`] tables: all but unusual components take one, as modules do.
fn slots_of(needs: &Needs) -> u32 {
    needs.memories.max(needs.tables.div_ceil(TABLES)).max(1)
}

/// An engine with as many pooled slots as can be reserved, or with none.
fn engine(config: &WasmConfig, ceiling: Ceiling, max_memory: u64) -> Result<(Engine, Ceiling, bool)> {
    let mut tried = Some(ceiling.clone());
    while let Some(ceiling) = tried {
        let mut pooled = common();
        if let Some(slot) = ceiling.slot {
            pooled.memory_reservation(slot).memory_guard_size(64 << 10).memory_may_move(false);
        }
        pooled.allocation_strategy(InstanceAllocationStrategy::Pooling(slots(config, &ceiling, max_memory)));
        match Engine::new(&pooled) {
            Ok(engine) => return Ok((engine, ceiling, true)),
            Err(error) => {
                let instances = ceiling.instances;
                tracing::warn!(instances, "wasm slots can't be reserved, fewer are tried: {error:#}");
            }
        }
        tried = ceiling.quarter();
    }
    tracing::warn!("wasm instances are allocated one by one: starts are slower and don't scale over threads");
    let mut single = common();
    // Addresses are short: a memory takes what it needs and moves when it outgrows that, at the price of bounds checks.
    single
        .memory_reservation(SMALL_RESERVATION)
        .memory_reservation_for_growth(SMALL_RESERVATION)
        .memory_guard_size(64 << 10)
        .memory_may_move(true);
    let engine = Engine::new(&single)
        .map_err(|error| Error::internal(format!("wasmtime can't run here: {error:#}")))?;
    Ok((engine, ceiling, false))
}

fn common() -> Config {
    let mut config = Config::new();
    config
        .epoch_interruption(true)
        // Neither modules nor components of WASI 0.2 need the component model's task bookkeeping.
        .concurrency_support(false)
        // One memory for each module, so that its limit is the sandbox's.
        .wasm_multi_memory(false);
    config
}

fn slots(config: &WasmConfig, ceiling: &Ceiling, max_memory: u64) -> PoolingAllocationConfig {
    let count = ceiling.instances;
    let most = ceiling.slot.unwrap_or(max_memory).min(max_memory);
    // What unused slots keep is outside the pool's books: at most a sixteenth of the budget.
    let warm = (config.budget / 16 / KEEP_RESIDENT as u64).clamp(1, WARM_SLOTS);
    let mut pool = PoolingAllocationConfig::new();
    // Instances are but counted here: only memories, tables and stacks take addresses.
    pool.total_core_instances(count.saturating_mul(component::INSTANCES))
        .total_memories(count)
        .total_tables(count.saturating_mul(TABLES))
        .total_stacks(count)
        .total_component_instances(count)
        .max_core_instances_per_component(component::INSTANCES)
        .max_component_instance_size(COMPONENT_RECORDS)
        .max_memories_per_module(1)
        .max_tables_per_module(1)
        .table_elements(TABLE_ELEMENTS)
        .max_memory_size(usize::try_from(most).unwrap_or(usize::MAX))
        .max_unused_warm_slots(u32::try_from(warm).unwrap_or(u32::MAX))
        .linear_memory_keep_resident(KEEP_RESIDENT)
        .table_keep_resident(64 << 10)
        .pagemap_scan(Enabled::Auto);
    pool
}

#[cfg(test)]
mod tests {
    use super::*;
    use wasmtime::{Module, Store};

    /// A machine that carries more instances than full slots fit is not at hand: the small ones are asked for.
    #[tokio::test]
    async fn slots_below_four_gigabytes_run_and_stop_at_their_size() {
        let small = Ceiling { instances: 4, slot: Some(1 << 20), because: String::new() };
        let config = WasmConfig { cache_dir: None, max_memory: 1 << 20, ..WasmConfig::default() };
        let (engine, ceiling, pooled) = engine(&config, small.clone(), 1 << 20).unwrap();
        assert!(pooled && ceiling == small);
        let text = r#"(module (memory (export "memory") 1)
            (func (export "grow") (param i32) (result i32) (memory.grow (local.get 0)))
            (func (export "load") (param i32) (result i32) (i32.load (local.get 0))))"#;
        let module = Module::new(&engine, text).unwrap();
        let mut store = Store::new(&engine, ());
        store.set_epoch_deadline(1);
        let instance = Linker::new(&engine).instantiate_async(&mut store, &module).await.unwrap();
        let call = async |store: &mut Store<()>, name: &str, value: i32| {
            let function = instance.get_typed_func::<i32, i32>(&mut *store, name).unwrap();
            function.call_async(store, value).await
        };
        assert_eq!(call(&mut store, "grow", 15).await.unwrap(), 1);
        assert_eq!(call(&mut store, "grow", 1).await.unwrap(), -1);
        assert_eq!(call(&mut store, "load", (1 << 20) - 4).await.unwrap(), 0);
        for beyond in [1 << 20, (1 << 20) + (64 << 10), i32::MAX, -4] {
            assert!(call(&mut store, "load", beyond).await.is_err(), "{beyond} was read");
        }
    }
}
