//! Functions from source: what Kiln adds to the interpreter's own call, what a cold start costs as a stem cell and from a
//! snapshot, and the first call of a container that was prewarmed for its language.
//!
//! `cargo bench --bench runtimes` prints the table of `cargo bench --bench floors` with its own rows; rounds, medians and
//! `KILN_BENCH_*` are as there. No time is asserted; a wrong reply is an error.

#[path = "../floors/plan.rs"]
#[allow(dead_code, reason = "its rows need a part of it")]
mod plan;
#[path = "../floors/stats.rs"]
#[allow(dead_code, reason = "its rows need a part of it")]
mod stats;
#[path = "../floors/table.rs"]
#[allow(dead_code, reason = "its rows need a part of it")]
mod table;

mod bed;
mod cold;
#[cfg(feature = "docker")]
mod containers;
mod warm;

use plan::Plan;
use std::process::ExitCode;

/// Any of the libraries' errors.
type Error = Box<dyn std::error::Error + Send + Sync>;
type Result<T> = std::result::Result<T, Error>;

fn main() -> ExitCode {
    let plan = Plan::from_env();
    let mut table = table::Table::begin(&plan);
    let done = warm::rows(&plan, &mut table).and_then(|()| cold::rows(&plan, &mut table));
    #[cfg(feature = "docker")]
    let done = done.and_then(|()| containers::rows(&plan, &mut table));
    table.end();
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
