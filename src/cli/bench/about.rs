//! Where a bench runs: the machine and the versions, as far as they can be known.

use super::binary;
use crate::bench::{About, Machine, Versions};
use std::fs;
use std::time::SystemTime;

/// Now, here, on this command line.
pub(super) fn begin(seed: u64) -> About {
    let command = std::env::args_os().map(|word| word.to_string_lossy().into_owned());
    // Where the binary lies is nobody's business but the machine's.
    let command = std::iter::once("kiln".to_owned()).chain(command.skip(1)).collect();
    About {
        command,
        date: humantime::format_rfc3339_seconds(SystemTime::now()).to_string(),
        seconds: 0.0,
        seed,
        machine: machine(),
        versions: versions(),
    }
}

/// The time, for a seed.
pub(super) fn seconds_since_epoch() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |time| time.as_secs())
}

fn machine() -> Machine {
    let read = |file| fs::read_to_string(file).ok();
    let word = |text: String| Some(text.trim().to_owned()).filter(|text| !text.is_empty());
    let release = read("/proc/sys/kernel/osrelease").and_then(word);
    Machine {
        cpu: read("/proc/cpuinfo").and_then(|text| field(&text, &["model name", "Model"])),
        cores: std::thread::available_parallelism().map_or(1, usize::from),
        memory: read("/proc/meminfo").and_then(|text| {
            field(&text, &["MemTotal"])?.strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
        }),
        kernel: release.map(|release| {
            format!("{} {release}", read("/proc/sys/kernel/ostype").unwrap_or_default().trim())
        }),
        load: read("/proc/loadavg").and_then(|text| text.split(' ').next()?.parse().ok()),
    }
}

fn versions() -> Versions {
    Versions {
        kiln: env!("CARGO_PKG_VERSION").into(),
        profile: if cfg!(debug_assertions) { "debug" } else { "release" }.into(),
        rustc: binary::rustc(),
        wasmtime: binary::dependency("wasmtime"),
        engine: None,
    }
}

/// The value of the first line that begins with one of these names and a colon.
fn field(text: &str, names: &[&str]) -> Option<String> {
    text.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        names.contains(&name.trim()).then(|| value.trim().to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_found_by_its_name() {
        let text = "processor\t: 0\nmodel name\t: A: fast one\nmodel name\t: B\n";
        assert_eq!(field(text, &["model name", "Model"]).as_deref(), Some("A: fast one"));
        assert_eq!(field(text, &["Model"]), None);
    }
}
