//! `kiln bench density`: one deployment, its sandboxes started ahead in steps, and a look at the machine after each.

use super::args::{Backends, Density};
use super::bed::{Bed, Beds};
use super::process;
use super::progress::Progress;
use super::select::{Chosen, Selection, select};
use super::watch::Watch;
use crate::bench::density::{DensityCase, DensityResults, Point};
use crate::error::{Error, ErrorKind, Result};
use crate::function::BackendKind;
use crate::manifest::HostSettings;
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// Steps from none to all.
const STEPS: u32 = 8;
/// What is left to settle after a step: pages are given back, programs come to their first read.
const SETTLE: Duration = Duration::from_millis(300);
/// Longer than a step takes anywhere: it only turns a hang into an error.
const STUCK: Duration = Duration::from_secs(300);
/// Modules and containers, where no count is given.
const MODULES: u32 = 1000;
const CONTAINERS: u32 = 8;

pub(super) async fn measure(
    args: &Density,
    beds: &Beds,
    progress: &Progress,
) -> anyhow::Result<DensityResults> {
    let names = std::slice::from_ref(&args.function);
    let backends: Backends = args.backend;
    let Selection { settings, runtimes, functions } = select(&args.declared, names, backends)?;
    beds.with(runtimes);
    let mut cases = Vec::new();
    for chosen in &functions {
        for &backend in &chosen.backends {
            let default = if backend == BackendKind::Wasm { MODULES } else { CONTAINERS };
            let count = args.count.unwrap_or(default);
            let mut case = DensityCase::new(&chosen.function.name, backend, chosen.function.format);
            progress.expect(u64::from(count));
            progress.say(format!("{} on {backend}", chosen.function.name));
            // What was seen until then stays.
            if let Err(why) = fill(beds, &settings, chosen, count, &mut case, progress).await {
                case.absent = Some(why.to_string());
            }
            cases.push(case);
        }
    }
    Ok(DensityResults { cases })
}

async fn fill(
    beds: &Beds,
    settings: &HostSettings,
    chosen: &Chosen,
    count: u32,
    case: &mut DensityCase,
    progress: &Progress,
) -> Result<()> {
    let limit = limit(beds, settings, chosen, case.backend).await?;
    case.limit = Some(limit);
    // A sandbox that starts is charged its limit: all of them may.
    let memory = limit.saturating_mul(u64::from(count) + 2).max(settings.memory.unwrap_or(0));
    let bed = beds.make(&HostSettings { memory: Some(memory), ..settings.clone() }, Watch::gated())?;
    let filled = fill_bed(&bed, settings, chosen, count, case, progress).await;
    // Before the next backend is looked at.
    beds.end(bed).await;
    filled
}

async fn fill_bed(
    bed: &Bed,
    settings: &HostSettings,
    chosen: &Chosen,
    count: u32,
    case: &mut DensityCase,
    progress: &Progress,
) -> Result<()> {
    if case.backend == BackendKind::Wasm
        && let Some(most) = bed.instances()
        && most < count
    {
        let why = "see `kiln doctor` for what raises that";
        return Err(Error::invalid(format!(
            "{count} instances can't live at once here, but {most} can: {why}"
        )));
    }
    let mut function = chosen.on(case.backend, crate::function::DEFAULT_NAMESPACE);
    function.prewarm = count;
    function.limits.max_sandboxes = function.limits.max_sandboxes.max(count);
    bed.host.deploy(function).await?;
    case.push(look(bed, settings, case.backend, 0).await?);
    let steps = STEPS.min(count);
    for step in 1..=steps {
        let upto = u32::try_from(u64::from(count) * u64::from(step) / u64::from(steps)).unwrap_or(count);
        let started = bed.watch.started();
        let more = (upto as usize).saturating_sub(started);
        bed.watch.open(more);
        reach(bed, upto as usize).await?;
        progress.step(more as u64);
        sleep(SETTLE).await;
        case.push(look(bed, settings, case.backend, upto).await?);
    }
    Ok(())
}

/// What one sandbox is charged while it runs; and that it can run at all.
async fn limit(beds: &Beds, settings: &HostSettings, chosen: &Chosen, backend: BackendKind) -> Result<u64> {
    let bed = beds.make(settings, Watch::default())?;
    bed.check(backend).await?;
    bed.host.deploy(chosen.on(backend, crate::function::DEFAULT_NAMESPACE)).await?;
    let limit = bed.deployed(crate::function::DEFAULT_NAMESPACE)?.memory;
    let ahead = chosen.function.format.is_streaming() || bed.watch.starts_oneshot_ahead(backend);
    beds.end(bed).await;
    if ahead {
        return Ok(limit);
    }
    Err(Error::invalid(
        "a one-shot sandbox of this backend can't start before its request is known, so none is ever idle",
    ))
}

async fn reach(bed: &Bed, count: usize) -> Result<()> {
    let until = Instant::now() + STUCK;
    while bed.watch.started() < count {
        if let Some(error) = bed.watch.failure() {
            return Err(error.context(format_args!("sandbox {} didn't start", bed.watch.started() + 1)));
        }
        if Instant::now() > until {
            let started = bed.watch.started();
            let message = format!("{started} of {count} sandboxes started within {} s", STUCK.as_secs());
            return Err(Error::new(ErrorKind::TimedOut, message));
        }
        sleep(Duration::from_millis(5)).await;
    }
    Ok(())
}

async fn look(bed: &Bed, settings: &HostSettings, backend: BackendKind, count: u32) -> Result<Point> {
    let missing = || {
        Error::unavailable("this system doesn't say what a process takes: /proc/self/smaps_rollup is missing")
    };
    let own = process::own().ok_or_else(missing)?;
    let mut point = Point {
        count,
        rss: own.rss,
        pss: own.pss,
        page_tables: own.page_tables,
        maps: own.maps,
        threads: own.threads,
        containers: None,
        shims: None,
    };
    #[cfg(feature = "docker")]
    if backend == BackendKind::Docker {
        let taken = super::containers::taken(settings.docker_host.as_deref(), &bed.id).await?;
        point.containers = Some(taken.containers);
        point.shims = taken.shims;
    }
    #[cfg(not(feature = "docker"))]
    let _ = (bed, settings, backend, &mut point);
    Ok(point)
}
