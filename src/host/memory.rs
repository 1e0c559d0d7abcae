//! How much memory there is: the cgroup's limit where there is one, else the machine's.

use std::fs;

/// The default budget: 60 % of what there is, in bytes; 1 GiB where that can't be read.
pub(super) fn default_budget() -> u64 {
    available().map_or(1 << 30, |bytes| bytes / 10 * 6)
}

fn available() -> Option<u64> {
    let machine = fs::read_to_string("/proc/meminfo").ok().as_deref().and_then(machine_total);
    // Version 2 writes `max` and version 1 a figure near 2^63 where there is no limit.
    let cgroup = ["/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"]
        .iter()
        .filter_map(|file| fs::read_to_string(file).ok()?.trim().parse::<u64>().ok())
        .min();
    match (machine, cgroup) {
        (Some(machine), Some(cgroup)) => Some(machine.min(cgroup)),
        (machine, _) => machine,
    }
}

fn machine_total(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_total_is_read_in_bytes() {
        assert_eq!(machine_total("MemFree: 1 kB\nMemTotal:       16 kB\n"), Some(16 << 10));
        assert_eq!(machine_total("MemTotal: lots"), None);
    }

    #[test]
    fn the_budget_is_part_of_the_machine() {
        let budget = default_budget();
        assert!(budget > 0 && available().is_none_or(|all| budget < all));
    }
}
