//! How an engine is set up, by what its instances are for.

use super::ceiling::Ceiling;
use super::{WasmConfig, component};
use crate::error::{Error, Result};
use wasmtime::{Config, Enabled, Engine, InstanceAllocationStrategy, PoolingAllocationConfig};

/// The largest table, in elements: 800 KB of the function's memory. Big interpreters have some 10,000.
pub(super) const TABLE_ELEMENTS: usize = 100_000;
/// Tables that come with one slot: components have two or three, and one that is never touched takes addresses only.
pub(super) const TABLES: u32 = 4;
/// What wasmtime itself may keep for a component's instances, in bytes: CPython's functions alone take more than the
/// mebibyte that it would give.
const COMPONENT_RECORDS: usize = 16 << 20;
/// Bytes of a slot that are set to zero in place instead of being given back to the kernel: most functions touch
/// less, and resetting a page is ten times as fast as faulting it in again.
const KEEP_RESIDENT: usize = 1 << 20;
/// The same where memories begin with an interpreter's heap: all of CPython's.
pub(super) const KEEP_HEAP: usize = 16 << 20;
/// What one memory reserves and grows by where no slots can be had, in bytes.
const SMALL_RESERVATION: u64 = 16 << 20;
/// Stacks for each instance that many requests are in.
const STACKS: u32 = 4;
/// Unused slots that keep their module's image and pages at most.
const WARM_SLOTS: u64 = 100;

/// What an engine's instances are for. One that is for neither is for all the others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Purpose {
    /// Components of WASI 0.3, whose tasks wasmtime has to keep account of. All others would pay for that, too.
    pub(super) concurrent: bool,
    /// Fresh ones for each request whose memory begins with an interpreter's heap. A request writes to some hundred of its pages,
    /// here and there: wasmtime finds the first 32 runs of them and gives back all pages after those, so that each of
    /// the others is mapped again, read and then written, at the price of a message to every other core. With all of the heap
    /// copied back instead CPython's component answers twice as many requests.
    pub(super) heaps: bool,
}

/// An engine with as many pooled slots as can be reserved, or with none.
pub(super) fn make(
    config: &WasmConfig,
    purpose: Purpose,
    ceiling: Ceiling,
    max_memory: u64,
) -> Result<(Engine, Ceiling, bool)> {
    let mut tried = Some(ceiling.clone());
    while let Some(ceiling) = tried {
        let mut pooled = common(purpose);
        if let Some(slot) = ceiling.slot {
            pooled.memory_reservation(slot).memory_guard_size(64 << 10).memory_may_move(false);
        }
        pooled.allocation_strategy(InstanceAllocationStrategy::Pooling(slots(
            config, purpose, &ceiling, max_memory,
        )));
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
    let mut single = common(purpose);
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

fn common(purpose: Purpose) -> Config {
    let mut config = Config::new();
    // Neither modules nor components of WASI 0.2 need the component model's task bookkeeping.
    config.concurrency_support(purpose.concurrent);
    #[cfg(feature = "preview3")]
    if purpose.concurrent {
        config.wasm_component_model_async(true);
    }
    // A module has one memory nevertheless, but what wasmtime writes itself to join two components has both of theirs.
    config.epoch_interruption(true).wasm_multi_memory(true);
    config
}

fn slots(
    config: &WasmConfig,
    purpose: Purpose,
    ceiling: &Ceiling,
    max_memory: u64,
) -> PoolingAllocationConfig {
    let count = ceiling.instances;
    let most = ceiling.slot.unwrap_or(max_memory).min(max_memory);
    let (keep, scan, warm) = if purpose.heaps {
        // There are no more of them than may be kept.
        (KEEP_HEAP, Enabled::No, count)
    } else {
        // What unused slots keep is outside the pool's books: at most a sixteenth of the budget.
        let warm = (config.budget / 16 / KEEP_RESIDENT as u64).clamp(1, WARM_SLOTS);
        (KEEP_RESIDENT, Enabled::Auto, u32::try_from(warm).unwrap_or(u32::MAX))
    };
    // Each request that waits inside of a call has one.
    let stacks = if purpose.concurrent { count.saturating_mul(STACKS) } else { count };
    let mut pool = PoolingAllocationConfig::new();
    // Instances are but counted here: only memories, tables and stacks take addresses.
    pool.total_core_instances(count.saturating_mul(component::INSTANCES))
        .total_memories(count)
        .total_tables(count.saturating_mul(TABLES))
        .total_stacks(stacks)
        .total_component_instances(count)
        .max_core_instances_per_component(component::INSTANCES)
        .max_component_instance_size(COMPONENT_RECORDS)
        .max_memories_per_module(1)
        .max_tables_per_module(1)
        .table_elements(TABLE_ELEMENTS)
        .max_memory_size(usize::try_from(most).unwrap_or(usize::MAX))
        .max_unused_warm_slots(warm)
        .linear_memory_keep_resident(keep)
        .table_keep_resident(64 << 10)
        .pagemap_scan(scan);
    pool
}

#[cfg(test)]
mod tests {
    use super::*;
    use wasmtime::{Linker, Module, Store};

    /// A machine that carries more instances than full slots fit is not at hand: the small ones are asked for.
    #[tokio::test]
    async fn slots_below_four_gigabytes_run_and_stop_at_their_size() {
        let small = Ceiling { instances: 4, slot: Some(1 << 20), because: String::new() };
        let config = WasmConfig { cache_dir: None, max_memory: 1 << 20, ..WasmConfig::default() };
        let (engine, ceiling, pooled) = make(&config, Purpose::default(), small.clone(), 1 << 20).unwrap();
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
