//! `wasi:http` components under Kiln's server against `wasmtime serve`: a fresh instance for each request on both sides, the same
//! component, the same load. Those of WASI 0.3 also with many requests in one instance.
//!
//! `cargo bench --bench serve` prints the table of `cargo bench --bench floors` with its own rows, `floor` being `wasmtime serve`;
//! rounds, medians and `KILN_BENCH_*` are as there. `scripts/test-wasmtime-serve` makes what it needs; without that the rows
//! are not measured, or with `KILN_REQUIRE_SERVE=1` an error.

#[path = "../floors/plan.rs"]
#[allow(dead_code, reason = "its rows need a part of it")]
mod plan;
#[path = "../floors/stats.rs"]
#[allow(dead_code, reason = "its rows need a part of it")]
mod stats;
#[path = "../floors/table.rs"]
#[allow(dead_code, reason = "its rows need a part of it")]
mod table;

mod client;
mod servers;

use plan::Plan;
use servers::{Kiln, Reuse, Serve};
use stats::{Rounds, Unit};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;
use table::{Promise, Table};

/// Any of the libraries' errors.
type Error = Box<dyn std::error::Error + Send + Sync>;
type Result<T> = std::result::Result<T, Error>;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let done = match args.as_slice() {
        // This program as its own client or server, in a process of its own.
        [client::ROLE, rest @ ..] => client::child(rest),
        [servers::ROLE, concurrency, component] => servers::child(concurrency, Path::new(component)),
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

fn bench(plan: &Plan) -> Result<()> {
    let mut table = Table::begin(plan);
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures");
    let kept = servers::kept().join("components");
    // An interpreter's request takes milliseconds: more of them are needed for a 99th percentile.
    let (short, long, longer) = (Duration::from_millis(500), Duration::from_secs(1), Duration::from_secs(2));
    for (what, component, slice, reuse) in [
        ("Rust component", fixtures.join("proxy/proxy.wasm"), short, Reuse::Fresh),
        ("JavaScript component", kept.join("js.wasm"), long, Reuse::Fresh),
        ("Python component", kept.join("python.wasm"), longer, Reuse::Fresh),
        ("Rust component of 0.3", fixtures.join("service/service.wasm"), short, Reuse::Fresh),
        ("Rust component of 0.3, shared", fixtures.join("service/service.wasm"), short, Reuse::Shared(8)),
        ("JavaScript component of 0.3", kept.join("js-service.wasm"), long, Reuse::Fresh),
        ("Python component of 0.3", kept.join("python-service.wasm"), longer, Reuse::Fresh),
        ("Python component of 0.3, shared", kept.join("python-service.wasm"), longer, Reuse::Shared(8)),
    ] {
        rows(plan, &mut table, what, &component, slice, reuse)?;
    }
    table.end();
    Ok(())
}

fn rows(
    plan: &Plan,
    table: &mut Table,
    what: &str,
    component: &PathBuf,
    slice: Duration,
    reuse: Reuse,
) -> Result<()> {
    // Each row starts both servers, and theirs compiles the component anew.
    for &connections in plan.pick(&[16][..], &[1, 16][..]) {
        let case = format!("{what}, {connections} connections");
        if !plan.wants(&case) {
            continue;
        }
        let program = servers::program();
        if let Some(missing) = [component, &program].into_iter().find(|file| !file.is_file()) {
            let why = format!("there is no {}", missing.display());
            if std::env::var("KILN_REQUIRE_SERVE").as_deref() == Ok("1") {
                return Err(why.into());
            }
            table.absent(&case, &why);
            continue;
        }
        let (theirs, ours) = (Serve::start(&program, component, reuse)?, Kiln::start(component, reuse)?);
        let count = plan.rounds(2, 15);
        let slice = plan.pick(slice / 5, slice);
        let rounds = client::run([theirs.target(), ours.target()], connections, count, slice)?;
        let (mut rates, mut slowest) = (Rounds::new(), Rounds::new());
        for [theirs, ours] in rounds {
            rates.add(theirs.rate, ours.rate);
            slowest.add(theirs.p99, ours.p99);
        }
        // With one connection a core is idle: what is promised is what a loaded server does.
        let promised = connections > 1 && reuse == Reuse::Fresh;
        table.row(&case, Unit::Rate, &rates, if promised { Promise::AtLeast(1.3) } else { Promise::None });
        let promise = if promised { Promise::AtMost(1.0) } else { Promise::None };
        table.row(&format!("{case}: p99"), Unit::Time, &slowest, promise);
    }
    Ok(())
}
