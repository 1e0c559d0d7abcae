//! A cold start with its first reply, with no network namespace ready and with one.
//!
//! Kiln's function has `max_uses = 1`, so that every call starts a container. The removal is outside the clock on both
//! sides, and each sample begins when nothing else goes on.

use super::ours::{Kiln, once};
use super::{Engine, Row, attached};
use crate::Result;
use crate::bare;
use crate::ours;
use crate::plan::Plan;
use crate::stats::{Rounds, Unit};
use crate::table::Promise;
use bollard::Docker;
use bytes::Bytes;
use kiln::backend::docker::{DockerConfig, Transport};
use kiln::{Format, Start};
use std::time::Instant;

pub(super) const ROWS: [Row; 2] = [
    Row {
        case: "cold container to its first reply",
        unit: Unit::Time,
        promise: Promise::AtMost(1.05),
        measure: |plan, engine| measure(plan, engine, 0),
    },
    Row {
        case: "cold container, a network kept ready",
        unit: Unit::Time,
        promise: Promise::AtMost(0.6),
        measure: |plan, engine| measure(plan, engine, DockerConfig::new("").kept_networks),
    },
];

fn measure(plan: &Plan, engine: &Engine, kept_networks: usize) -> Result<Rounds> {
    let (runtime, client, body) = (ours::all_cores()?, engine.client()?, ours::body(64));
    let kiln = runtime.block_on(async {
        let kiln = Kiln::new(Transport::Auto, kept_networks)?;
        kiln.host.deploy(once("echo", Format::Frame)).await?;
        // It proves the transport: before, no namespace is kept.
        kiln.call("echo", &body, Start::Cold).await?;
        kiln.quiet(&client, |_| true).await?;
        Ok::<_, crate::Error>(kiln)
    })?;
    let rounds = Rounds::run(
        plan.rounds(1, 15),
        || runtime.block_on(floor(&client, &body)),
        || {
            runtime.block_on(async {
                let took = kiln.call("echo", &body, Start::Cold).await?;
                kiln.quiet(&client, |_| true).await?;
                Ok(took)
            })
        },
    );
    runtime.block_on(kiln.host.drain());
    rounds
}

async fn floor(client: &Docker, body: &Bytes) -> Result<f64> {
    let began = Instant::now();
    let mut container = attached::Container::start(client).await?;
    container.call(body, &bare::request(body)).await?;
    let took = began.elapsed();
    container.remove(client).await?;
    Ok(took.as_nanos() as f64)
}
