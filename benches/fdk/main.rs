//! Fn's functions: a warm call of one with PyPI's `fdk`, beside a direct call on the socket of the same container.
//!
//! `cargo bench --bench fdk` prints the table of `cargo bench --bench floors` with its own row; rounds, medians and
//! `KILN_BENCH_*` are as there. It needs a Docker engine with `kiln-fixture-fdk:1` (`scripts/test-runtimes`); without, the row says
//! so, or fails if `KILN_REQUIRE_RUNTIMES=1`. No time is asserted; a wrong reply is an error.

#[path = "../floors/plan.rs"]
#[allow(dead_code, reason = "its row needs a part of it")]
mod plan;
#[path = "../floors/stats.rs"]
#[allow(dead_code, reason = "its row needs a part of it")]
mod stats;
#[path = "../floors/table.rs"]
#[allow(dead_code, reason = "its row needs a part of it")]
mod table;

mod direct;
mod ours;

use plan::Plan;
use stats::{Rounds, Unit};
use std::process::ExitCode;
use std::time::Instant;
use table::{Promise, Table};

/// Any of the libraries' errors.
type Error = Box<dyn std::error::Error + Send + Sync>;
type Result<T> = std::result::Result<T, Error>;

const CASE: &str = "warm call of PyPI's fdk, beside its socket";
const IMAGE: &str = "kiln-fixture-fdk:1";
/// What each call asks.
const BODY: &str = r#"{"name":"Ada","list":[1,2,3]}"#;
/// What each reply has.
const TOLD: &str = r#""asked": {"name": "Ada", "list": [1, 2, 3]}"#;
/// Calls in a round.
const CALLS: usize = 60;

fn main() -> ExitCode {
    let plan = Plan::from_env();
    let mut table = Table::begin(&plan);
    let done = if plan.wants(CASE) { row(&plan, &mut table) } else { Ok(()) };
    table.end();
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{CASE}: {error}");
            ExitCode::FAILURE
        }
    }
}

fn row(plan: &Plan, table: &mut Table) -> Result<()> {
    let tokio = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    if let Err(why) = tokio.block_on(ours::found()) {
        if std::env::var("KILN_REQUIRE_RUNTIMES").as_deref() == Ok("1") {
            return Err(why);
        }
        table.absent(CASE, &format!("needs a Docker engine with {IMAGE}: {why}"));
        return Ok(());
    }
    let kiln = tokio.block_on(ours::Kiln::new())?;
    let listener = kiln.listener();
    let rounds = Rounds::run(
        plan.rounds(1, 31),
        || {
            tokio.block_on(async {
                let mut direct = direct::Direct::new(&listener).await?;
                median(async || direct.call().await).await
            })
        },
        || tokio.block_on(median(async || kiln.call().await)),
    );
    tokio.block_on(kiln.host.drain());
    table.row(CASE, Unit::Time, &rounds?, Promise::AtMost(1.3));
    Ok(())
}

/// The middle one of some calls, in nanoseconds.
async fn median(mut call: impl AsyncFnMut() -> Result<()>) -> Result<f64> {
    let mut all = Vec::with_capacity(CALLS);
    for _ in 0..CALLS {
        let began = Instant::now();
        call().await?;
        all.push(began.elapsed().as_nanos() as f64);
    }
    all.sort_by(f64::total_cmp);
    all.get(CALLS / 2).copied().ok_or_else(|| "no calls".into())
}
