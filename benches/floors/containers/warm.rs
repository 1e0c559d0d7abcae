//! A warm call: a container that waits for its next frame gets one and answers.
//!
//! Both sides run on one thread. Over pipes the floor is a Unix socket that tokio waits on; two threads with blocking
//! sockets would be another floor.
//!
//! Both ends of a call are on one core, which each side is told to keep to (`cores`). On two cores most of a call's time is
//! the waking of the other one, on either side: that row shows it and has no promise.

use super::cores::Cores;
use super::ours::{Kiln, function};
use super::{Engine, Row, attached, connected};
use crate::Result;
use crate::bare;
use crate::ours;
use crate::plan::Plan;
use crate::stats::{Rounds, Unit};
use crate::table::Promise;
use bytes::Bytes;
use kiln::backend::docker::Transport;
use kiln::{Format, Start};
use std::time::Instant;
use tokio::runtime::Runtime;

pub(super) const ROWS: [Row; 3] = [
    Row {
        case: "warm container call, frame, 64 B",
        unit: Unit::Time,
        promise: Promise::AtMost(1.5),
        measure: |plan, engine| pipes(plan, engine, Cores::One),
    },
    Row {
        case: "warm container call, frame, 64 B, two cores",
        unit: Unit::Time,
        promise: Promise::None,
        measure: |plan, engine| pipes(plan, engine, Cores::Two),
    },
    Row {
        case: "warm container call over attach, 64 B",
        unit: Unit::Time,
        promise: Promise::AtMost(1.1),
        measure: attach,
    },
];

/// Calls in a slice, and slices in a round, of which the best counts.
const CALLS: u32 = 50;
const SLICES: u32 = 20;

fn pipes(plan: &Plan, engine: &Engine, cores: Cores) -> Result<Rounds> {
    let (runtime, client, body) = (ours::one_thread()?, engine.client()?, ours::body(64));
    let request = bare::request(&body);
    let pinned = cores.pin()?;
    let mut floor = runtime.block_on(connected::Container::start(&client, &engine.command))?;
    runtime.block_on(pinned.container(&client, floor.id()))?;
    let kiln = runtime.block_on(warm(Transport::Socket, &body))?;
    runtime.block_on(async {
        for id in kiln.containers(&client).await? {
            pinned.container(&client, &id).await?;
        }
        Ok::<_, crate::Error>(())
    })?;
    let rounds = beside(plan, &runtime, &kiln, &body, || {
        runtime.block_on(calls(async || floor.call(&body, &request).await))
    });
    runtime.block_on(floor.remove(&client))?;
    rounds
}

fn attach(plan: &Plan, engine: &Engine) -> Result<Rounds> {
    let (runtime, client, body) = (ours::one_thread()?, engine.client()?, ours::body(64));
    let request = bare::request(&body);
    let mut floor = runtime.block_on(attached::Container::start(&client))?;
    let kiln = runtime.block_on(warm(Transport::Attach, &body))?;
    let rounds = beside(plan, &runtime, &kiln, &body, || {
        runtime.block_on(calls(async || floor.call(&body, &request).await))
    });
    runtime.block_on(floor.remove(&client))?;
    rounds
}

/// Kiln with one warm container behind a transport.
async fn warm(transport: Transport, body: &Bytes) -> Result<Kiln> {
    let kiln = Kiln::new(transport, 0)?;
    let mut echo = function("echo", Format::Frame);
    echo.limits.max_sandboxes = 1;
    kiln.host.deploy(echo).await?;
    kiln.call("echo", body, Start::Cold).await?;
    Ok(kiln)
}

/// Its warm calls, beside a floor.
fn beside(
    plan: &Plan,
    runtime: &Runtime,
    kiln: &Kiln,
    body: &Bytes,
    floor: impl FnMut() -> Result<f64>,
) -> Result<Rounds> {
    let rounds = Rounds::run(plan.rounds(5, 61), floor, || {
        runtime.block_on(calls(async || kiln.call("echo", body, Start::Warm).await.map(drop)))
    });
    runtime.block_on(kiln.host.drain());
    rounds
}

/// Nanoseconds of a call in the best slice.
async fn calls(mut call: impl AsyncFnMut() -> Result<()>) -> Result<f64> {
    let mut best = f64::INFINITY;
    for _ in 0..SLICES {
        let began = Instant::now();
        for _ in 0..CALLS {
            call().await?;
        }
        best = best.min(began.elapsed().as_nanos() as f64 / f64::from(CALLS));
    }
    Ok(best)
}
