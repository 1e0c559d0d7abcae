//! The command line of `kiln bench`.

use crate::bench::arrivals::Arrivals;
use crate::function::BackendKind;
use crate::manifest;
use clap::{Args, Subcommand, ValueEnum};
use std::path::PathBuf;
use std::time::Duration;

#[derive(Debug, Args)]
pub(in crate::cli) struct Bench {
    #[command(subcommand)]
    pub(super) command: BenchCommand,
}

#[derive(Debug, Subcommand)]
pub(super) enum BenchCommand {
    /// How long functions take to their reply: cold, cached, recreated, prewarmed, warm
    Start(Start),
    /// What a function answers to requests that arrive whether or not it keeps up
    Load(Load),
    /// What each idle sandbox takes of the machine's memory
    Density(Density),
    /// Whether the second of two results is faster
    Compare(Compare),
}

/// Which backends are measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Backends {
    /// Modules
    Wasm,
    /// Images
    Docker,
    /// Each that a function has code for
    Both,
}

impl Backends {
    pub(super) fn include(self, backend: BackendKind) -> bool {
        match self {
            Self::Wasm => backend == BackendKind::Wasm,
            Self::Docker => backend == BackendKind::Docker,
            Self::Both => true,
        }
    }
}

/// The manifest and what functions are asked.
#[derive(Debug, Args)]
pub(super) struct Declared {
    /// The manifest that declares the functions
    #[arg(short, long, value_name = "MANIFEST", default_value = manifest::DEFAULT_FILE)]
    pub(super) file: PathBuf,
    /// The request's body: a text or @ and a file; led by a function's name and = for that one only
    #[arg(short, long, value_name = "[FUNCTION=]TEXT|@FILE")]
    pub(super) data: Vec<String>,
}

#[derive(Debug, Args)]
pub(super) struct Start {
    /// The functions' names; none for all of them
    pub(super) functions: Vec<String>,
    #[command(flatten)]
    pub(super) declared: Declared,
    /// Runs of each kind of start
    #[arg(short = 'n', long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub(super) runs: u32,
    /// The backends
    #[arg(long, value_enum, default_value_t = Backends::Both)]
    pub(super) backend: Backends,
    /// What decides the order of the runs; it is in the result
    #[arg(long)]
    pub(super) seed: Option<u64>,
    /// Write a page with charts to this file
    #[arg(long, value_name = "FILE.html")]
    pub(super) report: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(super) struct Load {
    /// The function's name
    pub(super) function: String,
    #[command(flatten)]
    pub(super) declared: Declared,
    /// Requests a second, as 200/s
    #[arg(short, long, value_name = "N/s", value_parser = rate)]
    pub(super) rate: f64,
    /// How long, as 10s
    #[arg(short = 't', long, default_value = "10s", value_parser = duration)]
    pub(super) duration: Duration,
    /// How arrivals are spread
    #[arg(long, default_value = "poisson", value_parser = arrivals)]
    pub(super) arrivals: Arrivals,
    /// Ask this running server instead of running the function here; the manifest isn't read
    #[arg(long, conflicts_with = "backend")]
    pub(super) url: Option<String>,
    /// Which backend runs it, where it has a module and an image: wasm or docker
    #[arg(long, value_parser = crate::cli::args::backend)]
    pub(super) backend: Option<BackendKind>,
    /// What decides the arrivals; it is in the result
    #[arg(long)]
    pub(super) seed: Option<u64>,
    /// Write a page with charts to this file
    #[arg(long, value_name = "FILE.html")]
    pub(super) report: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(super) struct Density {
    /// The function's name
    pub(super) function: String,
    #[command(flatten)]
    pub(super) declared: Declared,
    /// Idle sandboxes at most. Default: 1000 modules, 8 containers
    #[arg(short, long, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub(super) count: Option<u32>,
    /// The backends
    #[arg(long, value_enum, default_value_t = Backends::Both)]
    pub(super) backend: Backends,
    /// Write a page with charts to this file
    #[arg(long, value_name = "FILE.html")]
    pub(super) report: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(super) struct Compare {
    /// The result from before, as `-o json` wrote it
    pub(super) before: PathBuf,
    /// The result from after
    pub(super) after: PathBuf,
    /// What decides the resamples
    #[arg(long, default_value_t = 1)]
    pub(super) seed: u64,
}

fn rate(text: &str) -> Result<f64, String> {
    let number = text.strip_suffix("/s").unwrap_or(text).trim();
    let rate = number.parse().ok().filter(|rate: &f64| rate.is_finite() && (1e-3..=1e7).contains(rate));
    rate.ok_or_else(|| "give requests a second from 0.001 to 10000000, as 200/s".into())
}

/// The longest load: far beyond it a moment can't be told.
const LONGEST: Duration = Duration::from_secs(86_400);

fn duration(text: &str) -> Result<Duration, String> {
    let length = manifest::parse_duration(text)?;
    if length.is_zero() {
        return Err("nothing arrives in no time: give one such as 10s".into());
    }
    if length > LONGEST { Err("nobody waits so long: give a day or less".into()) } else { Ok(length) }
}

fn arrivals(text: &str) -> Result<Arrivals, String> {
    let known = [Arrivals::Poisson, Arrivals::Uniform].into_iter().find(|arrivals| arrivals.as_str() == text);
    known.ok_or_else(|| "give poisson or uniform".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_a_number_a_second() {
        assert_eq!([rate("200/s"), rate("0.5"), rate("1e3 /s")], [Ok(200.0), Ok(0.5), Ok(1000.0)]);
        for wrong in ["", "0/s", "-1/s", "NaN", "inf", "5/m", "many"] {
            assert!(rate(wrong).is_err(), "{wrong}");
        }
        assert!(duration("10s").is_ok() && duration("1d").is_ok());
        for wrong in ["0s", "2d", "500000000y", "99999999999999999h"] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
        assert!(arrivals("random").is_err());
    }
}
