//! What a process takes, as the kernel has it in `/proc`.

use std::fs;

/// What this process takes. Bytes, unless said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Footprint {
    pub(super) rss: u64,
    pub(super) pss: u64,
    pub(super) page_tables: u64,
    /// A number.
    pub(super) maps: u64,
    /// A number.
    pub(super) threads: u64,
}

/// This process. `None` where the kernel doesn't say, as on systems that aren't Linux.
pub(super) fn own() -> Option<Footprint> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let rollup = fs::read_to_string("/proc/self/smaps_rollup").ok()?;
    let maps = fs::read("/proc/self/maps").ok()?;
    Some(Footprint {
        rss: kibibytes(&rollup, "Rss:")?,
        pss: kibibytes(&rollup, "Pss:")?,
        page_tables: kibibytes(&status, "VmPTE:")?,
        maps: maps.iter().filter(|byte| **byte == b'\n').count() as u64,
        threads: figure(&status, "Threads:")?,
    })
}

/// The pages of another process, each shared one by its share, in bytes. `None` where this user may not know.
#[cfg(feature = "docker")]
pub(super) fn pss(process: u32) -> Option<u64> {
    kibibytes(&fs::read_to_string(format!("/proc/{process}/smaps_rollup")).ok()?, "Pss:")
}

/// The parent of a container's first process, if that process is on this machine: what the engine runs beside it.
#[cfg(feature = "docker")]
pub(super) fn shim(process: u32, container: &str) -> Option<u32> {
    // The engine may be on another machine or in another space of process numbers: this number is then somebody else's.
    let groups = fs::read_to_string(format!("/proc/{process}/cgroup")).ok()?;
    if !groups.contains(container) {
        return None;
    }
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    figure(&status, "PPid:").and_then(|parent| u32::try_from(parent).ok()).filter(|parent| *parent > 1)
}

fn kibibytes(text: &str, key: &str) -> Option<u64> {
    figure(text, key)?.checked_mul(1024)
}

fn figure(text: &str, key: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(key))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_read_by_name() {
        let text = "Name:\tkiln\nRss:                16 kB\nThreads:\t3\n";
        assert_eq!(
            (kibibytes(text, "Rss:"), figure(text, "Threads:"), figure(text, "Pss:")),
            (Some(16 << 10), Some(3), None)
        );
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn this_process_takes_something() {
        let found = own().unwrap();
        assert!(found.pss > 0 && found.rss >= found.pss && found.maps > 10 && found.threads > 0, "{found:?}");
    }

    #[test]
    #[cfg(feature = "docker")]
    fn a_process_of_no_container_has_no_shim() {
        assert_eq!(shim(std::process::id(), "no container has this id"), None);
    }
}
