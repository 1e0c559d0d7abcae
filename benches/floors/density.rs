//! How much memory an idle instance keeps: Kiln's prewarmed ones against bare parked ones.
//!
//! Each sample is a process of its own, so that neither finds the other's memory. What counts is how much the process
//! grows in proportional set size and in page tables from its first instance to its last.

use crate::Result;
use crate::bare::{self, Bare, Bounds};
use crate::ours::{self, is_echo};
use crate::plan::Plan;
use crate::stats::{Rounds, Unit};
use crate::table::{Promise, Table};
use kiln::backend::wasm::{Wasm, WasmConfig};
use kiln::{Format, Host, Start};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The argument that makes this program a subject.
pub(crate) const ROLE: &str = "density";
const KILN: &str = "kiln";
const FLOOR: &str = "floor";
/// Longer than any number of instances takes to come up.
const HANG: Duration = Duration::from_secs(600);
/// What a function may declare where slots have to be small for the address space, in bytes.
const SMALL: u64 = 64 << 20;

pub(crate) fn rows(plan: &Plan, table: &mut Table) -> Result<()> {
    let (count, name) = plan.pick((500, "500"), (10_000, "10,000"));
    let case = format!("{name} prewarmed wasm instances, each");
    if plan.wants(&case) {
        let rounds = Rounds::run(plan.rounds(1, 5), || sample(FLOOR, count), || sample(KILN, count))?;
        table.row(&case, Unit::Bytes, &rounds, Promise::AtMost(1.3));
    }
    let case = "100000 prewarmed wasm instances, each";
    if plan.names(case) {
        let mut rounds = Rounds::new();
        for _ in 0..plan.rounds(1, 1) {
            match (sample(KILN, 100_000), sample(FLOOR, 100_000)) {
                (Ok(kiln), Ok(floor)) => rounds.add(floor, kiln),
                (Ok(kiln), Err(why)) => {
                    table.alone(case, Unit::Bytes, kiln, &why.to_string());
                    return Ok(());
                }
                (Err(why), _) => {
                    table.absent(case, &why.to_string());
                    return Ok(());
                }
            }
        }
        table.row(case, Unit::Bytes, &rounds, Promise::AtMost(1.3));
    }
    Ok(())
}

/// Bytes of each of so many instances, in a process of its own.
fn sample(side: &str, count: u32) -> Result<f64> {
    let output = Command::new(std::env::current_exe()?)
        .args([ROLE, side, &count.to_string()])
        .stderr(Stdio::inherit())
        .output()?;
    let said = String::from_utf8(output.stdout)?;
    if output.status.success() {
        Ok(said.trim().parse()?)
    } else {
        Err(format!("{side}: {} ({})", said.trim(), output.status).into())
    }
}

/// The subject: prints bytes of each instance, or what stands in the way.
pub(crate) fn child(args: &[&str]) -> Result<()> {
    let [side, count] = args else { return Err("the subject takes 2 arguments".into()) };
    let count = count.parse()?;
    let small = count > 10_000;
    let bytes = if *side == KILN { kiln(count, small) } else { floor(count, small) };
    match bytes {
        Ok(bytes) => println!("{bytes}"),
        Err(why) => {
            println!("{why}");
            std::process::exit(1);
        }
    }
    Ok(())
}

fn floor(count: u32, small: bool) -> Result<f64> {
    let bare = Bare::sized(count + 1, Bounds::None, small.then_some(SMALL))?;
    let module = wasmtime::Module::from_file(&bare.engine, ours::ECHO)?;
    let pre = bare.link(&module)?;
    let body = ours::body(64);
    let mut first = bare.parked(&pre)?;
    is_echo(&body, first.call(bare::request(&body))?.body()?)?;
    let before = resident()?;
    let mut all = Vec::new();
    for _ in 0..count {
        all.push(bare.parked(&pre)?);
    }
    let grown = resident()?.saturating_sub(before);
    let last = all.last_mut().ok_or("no instances were asked for")?;
    is_echo(&body, last.call(bare::request(&body))?.body()?)?;
    Ok(grown as f64 / f64::from(count))
}

fn kiln(count: u32, small: bool) -> Result<f64> {
    let mut config = ours::config(count + 1);
    if small {
        config = WasmConfig { max_memory: SMALL, ..config };
    }
    let runtime = ours::one_thread()?;
    runtime.block_on(async {
        let wasm = Wasm::new(config)?;
        // Beside those that are started ahead there is one that has been called.
        let fit = wasm.figures().instances.saturating_sub(1).min(count);
        let host = Host::builder().memory(ours::BUDGET).backend(Arc::new(wasm.clone())).build()?;
        let mut function = ours::echo(Format::Frame);
        function.idle_timeout = Some(HANG);
        host.deploy(function.clone()).await?;
        let body = ours::body(64);
        is_echo(&body, &ours::call(&host, body.clone()).await?)?;
        let before = resident()?;
        function.name = "prewarmed".into();
        host.deploy(function.clone().prewarm(fit)).await?;
        let until = Instant::now() + HANG;
        while wasm.figures().live <= fit || host.figures().starting > 0 {
            if Instant::now() > until {
                return Err(format!("{} of {count} instances are up", wasm.figures().live).into());
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        if fit < count {
            // What it says to the first that doesn't fit.
            function.name = "refused".into();
            host.deploy(function).await?;
            let refused = host.invoke("refused", kiln::Invocation::new(body)).await;
            return match refused.result {
                Ok(_) => Err(format!("{fit} instances were all, and one more was started").into()),
                Err(why) => Err(why.into()),
            };
        }
        let grown = resident()?.saturating_sub(before);
        let outcome = host.invoke("prewarmed", kiln::Invocation::new(body.clone())).await;
        if outcome.start != Some(Start::Prewarmed) {
            return Err(format!("a call was served {:?} where all were prewarmed", outcome.start).into());
        }
        is_echo(&body, &outcome.result?.body)?;
        Ok(grown as f64 / f64::from(count))
    })
}

/// Bytes of this process that are resident, page tables included.
fn resident() -> Result<u64> {
    let field = |file: &str, name: &str| -> Result<u64> {
        let text = std::fs::read_to_string(file)?;
        let line = text.lines().find_map(|line| line.strip_prefix(name));
        let kibibytes = line.and_then(|line| line.split_whitespace().next());
        Ok(kibibytes.ok_or_else(|| format!("{file} has no {name}"))?.parse::<u64>()? << 10)
    };
    Ok(field("/proc/self/smaps_rollup", "Pss:")? + field("/proc/self/status", "VmPTE:")?)
}
