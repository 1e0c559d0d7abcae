//! How many instances can live at once, and what to change where that is too few.
//!
//! Met in this order as a machine grows: the kernel's `vm.max_map_count` (65,530 by default, so about 10,000
//! instances; beyond it `mmap` and `mprotect` fail at points where nothing can be done), then the address space
//! (47 bits, so about 21,000 slots of 4 GiB). So the pool is capped from the live values when it is made.

use super::WasmConfig;
use std::fs;

/// Mappings that one live instance takes: its memory's image, heap and guard, its table, its stack and guard.
const MAPS: u64 = 6;
/// Mappings left to the rest of the process: code, libraries, threads, the allocator's arenas.
const SPARE_MAPS: u64 = 4096;
/// The kernel's default, where the live value can't be read.
const DEFAULT_MAX_MAPS: u64 = 65_530;
/// The least that an instance is charged at rest, in bytes: the fixed overhead and one page of memory.
const LEAST: u64 = 128 << 10;
/// Addresses spent on slots at most: half of what 47 bits give.
const ADDRESSES: u64 = 1 << 46;
/// What a slot takes so that 32-bit accesses need no bounds check: their reach and its guard.
const FULL_SLOT: u64 = (4 << 30) + (32 << 20);
/// Slots that one memory page is rounded to.
const WASM_PAGE: u64 = 64 << 10;

/// The number of instances, and what one slot reserves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Ceiling {
    /// Instances at once.
    pub(super) instances: u32,
    /// Bytes of address space reserved for one memory; `None`: the full 4 GiB and no bounds checks.
    pub(super) slot: Option<u64>,
    /// What set the number, for people.
    pub(super) because: String,
}

impl Ceiling {
    /// The ceiling of this process, now.
    pub(super) fn of(config: &WasmConfig) -> Self {
        let max_maps = fs::read_to_string("/proc/sys/vm/max_map_count");
        let max_maps = max_maps.ok().and_then(|text| text.trim().parse().ok()).unwrap_or(DEFAULT_MAX_MAPS);
        let maps =
            fs::read("/proc/self/maps").map_or(0, |maps| maps.iter().filter(|byte| **byte == b'\n').count());
        Self::from(config, max_maps, maps as u64)
    }

    fn from(config: &WasmConfig, max_maps: u64, maps: u64) -> Self {
        let (wanted, mut because) = match config.max_instances {
            Some(count) => (u64::from(count), format!("`max_instances` is {count}: raise it")),
            None => (
                config.budget / LEAST,
                format!("the budget of {} bytes carries no more at rest: raise it", config.budget),
            ),
        };
        let carried = max_maps.saturating_sub(maps + SPARE_MAPS) / MAPS;
        if carried < wanted {
            let needed = wanted.saturating_mul(MAPS) + SPARE_MAPS + maps;
            because = format!(
                "`vm.max_map_count` is {max_maps} and each takes {MAPS} mappings: `sysctl -w vm.max_map_count={needed}`"
            );
        }
        let instances = wanted.min(carried).clamp(1, u64::from(u32::MAX));
        let slot = (instances.saturating_mul(FULL_SLOT) > ADDRESSES && config.max_memory < 4 << 30)
            .then(|| config.max_memory.max(WASM_PAGE).next_multiple_of(WASM_PAGE));
        let each = slot.map_or(FULL_SLOT, |slot| slot + WASM_PAGE);
        let addressed = (ADDRESSES / each).max(1);
        if addressed < instances {
            because = format!("each reserves {each} bytes of addresses: lower `max_memory`");
        }
        Self { instances: u32::try_from(instances.min(addressed)).unwrap_or(u32::MAX), slot, because }
    }

    /// That of one more engine in the same process: `most` instances and a quarter of this one's at most; `None` where that is
    /// none.
    pub(super) fn share(&self, most: u32) -> Option<Self> {
        let instances = most.min(self.instances / 4);
        let because = format!("a part of {} in all", self.instances);
        (instances > 0).then_some(Self { instances, slot: self.slot, because })
    }

    /// The same with at most a quarter of the instances; `None` where that isn't worth reserving.
    pub(super) fn quarter(&self) -> Option<Self> {
        let instances = self.instances / 4;
        (instances >= 16).then(|| Self {
            instances,
            slot: self.slot,
            because:
                "the process's address space carries no more: see `ulimit -v` and `vm.overcommit_memory`"
                    .into(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(budget: u64, max_instances: Option<u32>, max_memory: u64) -> WasmConfig {
        WasmConfig { cache_dir: None, budget, max_instances, max_memory }
    }

    #[test]
    fn the_kernels_default_is_the_first_ceiling_and_says_how_to_lift_it() {
        let ceiling = Ceiling::from(&config(64 << 30, None, 4 << 30), 65_530, 200);
        assert_eq!((ceiling.instances, ceiling.slot), (10_205, None));
        assert!(ceiling.because.contains("sysctl -w vm.max_map_count="), "{}", ceiling.because);
    }

    #[test]
    fn a_small_budget_reserves_little() {
        assert_eq!(Ceiling::from(&config(64 << 20, None, 4 << 30), 65_530, 200).instances, 512);
        assert_eq!(Ceiling::from(&config(64 << 20, Some(7), 4 << 30), 65_530, 200).instances, 7);
        assert_eq!(Ceiling::from(&config(0, None, 4 << 30), 0, 200).instances, 1);
    }

    #[test]
    fn slots_shrink_only_where_full_ones_do_not_fit() {
        let many = Ceiling::from(&config(u64::MAX, Some(100_000), 64 << 20), 10_000_000, 200);
        assert_eq!((many.instances, many.slot), (100_000, Some(64 << 20)));
        let few = Ceiling::from(&config(u64::MAX, Some(10_000), 64 << 20), 10_000_000, 200);
        assert_eq!((few.instances, few.slot), (10_000, None));
        let large = Ceiling::from(&config(u64::MAX, Some(100_000), 4 << 30), 10_000_000, 200);
        assert_eq!((large.instances, large.slot), (16_256, None));
        assert!(large.because.contains("max_memory"), "{}", large.because);
    }
}
