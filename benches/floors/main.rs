//! Kiln beside the floor: what the bare libraries do, written by hand here, and what Kiln does through its public API.
//!
//! `cargo bench --bench floors` prints one table: case, floor, Kiln, ratio with its spread, promise, held or missed.
//! Floor and Kiln take turns in short slices, so that the machine's noise hits both alike; figures are medians, and the
//! ratio is the median of each round's own ratio with its quartiles beside it. No time is asserted; a wrong reply is an error.
//! Fewer than five rounds, and the short form, get no verdict.
//!
//! `KILN_BENCH_SHORT=1` is a quick form that shows that every row still works. `KILN_BENCH_ONLY=text` runs only
//! the rows whose name has that text, `KILN_BENCH_TIMES=10` runs ten times the rounds: to profile one row, or where the
//! machine is loaded. `KILN_BENCH_ONLY=100000` keeps 100,000 instances alive, where the machine allows it.

mod bare;
mod callers;
mod cold;
mod containers;
mod density;
mod fresh;
mod http;
mod load;
mod ours;
mod plan;
mod pool;
mod stats;
mod table;
mod warm;

use plan::Plan;
use std::process::{Command, ExitCode};

/// Any of the libraries' errors.
type Error = Box<dyn std::error::Error + Send + Sync>;
type Result<T> = std::result::Result<T, Error>;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let done = match args.as_slice() {
        // This program as its own client or subject, in a process of its own.
        [load::ROLE, rest @ ..] => load::child(rest),
        [density::ROLE, rest @ ..] => density::child(rest),
        _ if std::env::var_os(BACKTRACE).is_some() => return without_backtraces(),
        _ => bench(&Plan::from_env()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// With it each error of a library, even one that a guest handles, costs the walk of a whole stack.
const BACKTRACE: &str = "RUST_BACKTRACE";

fn without_backtraces() -> ExitCode {
    let again = std::env::current_exe().and_then(|this| Command::new(this).env_remove(BACKTRACE).status());
    match again {
        Ok(status) if status.success() => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn bench(plan: &Plan) -> Result<()> {
    let subjects: [fn(&Plan, &mut table::Table) -> Result<()>; 8] = [
        warm::rows,
        fresh::rows,
        cold::rows,
        http::rows,
        callers::rows,
        pool::rows,
        density::rows,
        containers::rows,
    ];
    let mut table = table::Table::begin(plan);
    for rows in subjects {
        rows(plan, &mut table)?;
    }
    table.end();
    Ok(())
}
