//! `kiln bench`: measures starts, load and density on any function of a manifest, and compares results.
//!
//! What is measured here is made into figures and pages by [`crate::bench`]. Nothing goes around the public API: a
//! bench deploys and invokes as any embedder does, and sees what happened in each [`crate::Outcome`].
//!
//! ```text
//!   select: which functions, backends, bodies ──► start · load · density ──► finish: table, JSON, CSV, report
//!                                                  │ bed: hosts, all of them stopped at the end
//!                                                  └ watch: a backend that tells when its sandboxes are up
//! ```

mod about;
pub(super) mod args;
mod bed;
mod binary;
mod compare;
#[cfg(feature = "docker")]
mod containers;
mod density;
mod finish;
mod load;
mod place;
mod process;
mod progress;
mod select;
mod start;
mod target;
mod watch;

use super::INTERRUPTED;
use super::args::Output;
use super::signals::Ending;
use crate::bench::{Document, Results};
use anyhow::Context;
use args::{Bench, BenchCommand};
use bed::Beds;
use progress::Progress;
use std::process::ExitCode;
use std::time::Instant;

pub(super) async fn bench(args: Bench, output: Output) -> anyhow::Result<ExitCode> {
    let (seed, report) = match &args.command {
        BenchCommand::Start(args) => (args.seed, args.report.clone()),
        BenchCommand::Load(args) => (args.seed, args.report.clone()),
        BenchCommand::Density(args) => (Some(0), args.report.clone()),
        BenchCommand::Compare(args) => return compare::compare(args, output),
    };
    let seed = seed.unwrap_or_else(fresh_seed);
    finish::check_report(report.as_deref())?;
    let mut ending = Ending::new()?;
    let began = Instant::now();
    let mut about = about::begin(seed);
    let (beds, progress) = (Beds::default(), Progress::new());
    let measured = async {
        anyhow::Ok(match args.command {
            BenchCommand::Start(args) => Results::Start(start::measure(&args, seed, &beds, &progress).await?),
            BenchCommand::Load(args) => {
                Results::Load(Box::new(load::measure(args, seed, &beds, &progress).await?))
            }
            BenchCommand::Density(args) => Results::Density(density::measure(&args, &beds, &progress).await?),
            BenchCommand::Compare(_) => anyhow::bail!("a comparison measures nothing"),
        })
    };
    let results = tokio::select! {
        results = measured => Some(results),
        // Dropping what is measured stops it; the hosts then remove what is left of it.
        () = ending.next() => None,
    };
    progress.clear();
    tokio::select! {
        () = beds.stop() => {}
        () = ending.next() => {}
    }
    let Some(results) = results else { return Ok(ExitCode::from(INTERRUPTED)) };
    let results = results?;
    about.seconds = began.elapsed().as_secs_f64();
    about.versions.engine = beds.engine_version().await;
    finish::finish(&Document::new(about, results), output, report.as_deref()).context("can't show the result")
}

/// A seed that differs each time; it is in the result.
fn fresh_seed() -> u64 {
    // In JSON whose numbers are doubles it must come back as it went.
    crate::InvocationId::new().low()
        ^ u64::from(std::process::id())
        ^ about::seconds_since_epoch() & ((1 << 53) - 1)
}
