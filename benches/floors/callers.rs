//! Many callers at once: whether 256 of them get as much done as 8.

use crate::Result;
use crate::ours::{self, is_echo};
use crate::plan::Plan;
use crate::stats::{Rounds, Unit};
use crate::table::{Promise, Table};
use bytes::Bytes;
use kiln::{Format, Host};
use std::time::{Duration, Instant};
use tokio::runtime::Runtime;
use tokio::task::JoinSet;

const CASE: &str = "256 callers against 8, warm wasm";
const SLICE: Duration = Duration::from_millis(50);

pub(crate) fn rows(plan: &Plan, table: &mut Table) -> Result<()> {
    if !plan.wants(CASE) {
        return Ok(());
    }
    let runtime = ours::all_cores()?;
    let host = runtime.block_on(ours::host(ours::config(ours::SLOTS), ours::echo(Format::Frame)))?;
    let rounds = Rounds::run(
        plan.rounds(5, 61),
        || throughput(&runtime, &host, 8, SLICE),
        || throughput(&runtime, &host, 256, SLICE),
    )?;
    runtime.block_on(host.drain());
    table.row(CASE, Unit::Rate, &rounds, Promise::AtLeast(0.9));
    Ok(())
}

/// Replies in a second that so many callers get, each asking again when it has one.
pub(crate) fn throughput(runtime: &Runtime, host: &Host, callers: usize, slice: Duration) -> Result<f64> {
    let body = ours::body(64);
    runtime.block_on(async {
        let began = Instant::now();
        let mut tasks = JoinSet::new();
        for _ in 0..callers {
            tasks.spawn(caller(host.clone(), body.clone(), began + slice));
        }
        let mut calls = 0_u64;
        while let Some(count) = tasks.join_next().await {
            calls += count??;
        }
        Ok(calls as f64 / began.elapsed().as_secs_f64())
    })
}

async fn caller(host: Host, body: Bytes, until: Instant) -> Result<u64> {
    let mut calls = 0;
    while Instant::now() < until {
        is_echo(&body, &ours::call(&host, body.clone()).await?)?;
        calls += 1;
        // A caller waits for its next request somewhere: others have their turn.
        tokio::task::yield_now().await;
    }
    Ok(calls)
}
