//! `kiln doctor`: what this machine can run, and what to do about the rest.

use super::args::{Doctor, Output};
use super::output::{bytes, show, table};
use super::{host, identity};
#[cfg(feature = "wasm")]
use crate::backend::wasm::WasmConfig;
use crate::error::ErrorKind;
use crate::function::{BackendKind, Function};
use crate::host::Host;
use crate::invocation::Invocation;
use crate::manifest::{HostSettings, Manifest};
use comfy_table::Table;
use serde::Serialize;
#[cfg(feature = "wasm")]
use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

/// Memory maps that one wasm instance needs.
const MAPS_PER_INSTANCE: u64 = 6;
/// Maps that carry some 40,000 instances: more than most budgets do.
const GOOD_MAPS: u64 = 262_144;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum State {
    Ok,
    Warning,
    Failed,
}

/// One thing that was looked at.
#[derive(Debug, Serialize)]
struct Check {
    check: &'static str,
    state: State,
    found: String,
    /// What to do about it; empty where nothing needs to be done.
    advice: String,
}

impl Check {
    fn new(check: &'static str, state: State, found: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { check, state, found: found.into(), advice: advice.into() }
    }
}

pub(super) async fn doctor(args: &Doctor, output: Output) -> anyhow::Result<ExitCode> {
    let settings = match &args.file {
        Some(file) => Manifest::read(file)?.host,
        None => HostSettings::default(),
    };
    let mut checks = vec![cores()];
    checks.extend(std::fs::read_to_string("/proc/sys/vm/max_map_count").ok().and_then(|text| maps(&text)));
    match host::build(&settings, &[], identity::of_one_life()) {
        Ok(host) => {
            checks.push(budget(&host, settings.memory.is_some()));
            checks.push(wasm(&host).await);
            #[cfg(feature = "wasm")]
            checks.push(cache(settings.cache_dir.or(WasmConfig::default().cache_dir).as_deref()));
            checks.push(docker(&host).await);
            host.stop().await;
        }
        Err(error) => {
            checks.push(Check::new(
                "host",
                State::Failed,
                error.to_string(),
                "see the message, and [host] in the manifest",
            ));
        }
    }
    show(output, &checks, |checks| checks_table(checks))?;
    let failed = checks.iter().any(|check| check.state == State::Failed);
    Ok(if failed { ExitCode::from(ErrorKind::Unavailable.exit_code()) } else { ExitCode::SUCCESS })
}

fn checks_table(checks: &[Check]) -> Table {
    let mut table = table(&["CHECK", "STATE", "FOUND", "WHAT TO DO"], &[]);
    for check in checks {
        let state = match check.state {
            State::Ok => "ok",
            State::Warning => "warning",
            State::Failed => "failed",
        };
        table.add_row([check.check, state, &check.found, &check.advice]);
    }
    table
}

fn cores() -> Check {
    match std::thread::available_parallelism() {
        Ok(cores) => Check::new("cores", State::Ok, cores.to_string(), ""),
        Err(error) => {
            Check::new("cores", State::Warning, error.to_string(), "Kiln goes on as if there were two")
        }
    }
}

/// What `vm.max_map_count` carries. `None` where the figure can't be read.
fn maps(text: &str) -> Option<Check> {
    let maps: u64 = text.trim().parse().ok()?;
    let found = format!("vm.max_map_count is {maps}, for about {} wasm instances", maps / MAPS_PER_INSTANCE);
    if maps >= GOOD_MAPS {
        return Some(Check::new("memory maps", State::Ok, found, ""));
    }
    let advice = format!("for more instances than that: sysctl -w vm.max_map_count={GOOD_MAPS}");
    Some(Check::new("memory maps", State::Ok, found, advice))
}

fn budget(host: &Host, given: bool) -> Check {
    let budget = host.figures().budget;
    let source = if given { "as the manifest has it" } else { "60 % of the cgroup's or machine's memory" };
    let advice = if given { "" } else { "for another: `memory` in [host], or `kiln serve --memory`" };
    Check::new("memory budget", State::Ok, format!("{}, {source}", bytes(budget)), advice)
}

/// Runs a module of two instructions: that says more than any question about versions.
async fn wasm(host: &Host) -> Check {
    if !cfg!(feature = "wasm") {
        return Check::new(
            "wasm",
            State::Warning,
            "not built in",
            "build with `--features wasm` to run modules",
        );
    }
    let module = r#"(module (memory (export "memory") 1) (func (export "_start")))"#;
    let began = Instant::now();
    let ran = async {
        host.deploy(Function::wasm_bytes("doctor", module)).await?;
        host.invoke("doctor", Invocation::new("")).await.result
    };
    match ran.await {
        Ok(_) => {
            let found = format!("a module was compiled and run in {} ms", began.elapsed().as_millis());
            Check::new("wasm", State::Ok, found, "")
        }
        Err(error) => {
            let advice = "check that the processor is one that wasmtime knows, and `ulimit -v`";
            Check::new("wasm", State::Failed, error.to_string(), advice)
        }
    }
}

/// Whether what was just compiled was kept: what a folder is good for shows in what is in it.
#[cfg(feature = "wasm")]
fn cache(folder: Option<&Path>) -> Check {
    let mend = "give `cache_dir` in [host] a folder of yours alone (chmod 700); until then each process compiles anew";
    let Some(folder) = folder else {
        return Check::new(
            "module cache",
            State::Warning,
            "none: neither XDG_CACHE_HOME nor HOME is set",
            mend,
        );
    };
    let kept = std::fs::read_dir(folder).map_or(0, Iterator::count);
    if kept == 0 {
        let found = format!("nothing could be kept in {}", folder.display());
        return Check::new("module cache", State::Warning, found, mend);
    }
    Check::new("module cache", State::Ok, format!("{kept} compiled modules in {}", folder.display()), "")
}

/// Without an engine only image functions fail, so that is no failure of the machine.
async fn docker(host: &Host) -> Check {
    let found = host.check().await.into_iter().find(|(kind, _)| *kind == BackendKind::Docker);
    match found {
        None => Check::new(
            "docker",
            State::Warning,
            "not built in",
            "build with `--features docker` to run images",
        ),
        Some((_, Ok(()))) => Check::new("docker", State::Ok, "the engine answers", ""),
        Some((_, Err(error))) => {
            let advice = "to run images: start the engine, join its group, or set DOCKER_HOST or `docker_host` in [host]";
            Check::new("docker", State::Warning, error.to_string(), advice)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(feature = "wasm")]
    fn a_cache_that_keeps_nothing_is_a_warning() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(cache(None).state, State::Warning);
        assert_eq!(cache(Some(folder.path())).state, State::Warning);
        assert_eq!(cache(Some(&folder.path().join("missing"))).state, State::Warning);
        std::fs::write(folder.path().join("x.cwasm"), "x").unwrap();
        assert_eq!(cache(Some(folder.path())).state, State::Ok);
    }

    #[test]
    fn few_maps_come_with_the_setting_that_raises_them() {
        let few = maps("65530\n").unwrap();
        assert_eq!(few.found, "vm.max_map_count is 65530, for about 10921 wasm instances");
        assert!(few.advice.contains("sysctl -w vm.max_map_count=262144"));
        assert!(maps("1048576\n").unwrap().advice.is_empty());
        assert!(maps("many").is_none());
    }
}
