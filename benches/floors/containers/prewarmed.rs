//! A call that finds a container started ahead, against one that has to start its own: the same function on the same
//! host, without `prewarm` and with it.
//!
//! With one sandbox at most, the next one is started ahead when the last is gone: after the reply. With more it is
//! started as soon as one is taken, beside the call that took it; that is what a server sees, and has rows of its own.

use super::ours::{Kiln, once};
use super::{Engine, Row};
use crate::Result;
use crate::ours;
use crate::plan::Plan;
use crate::stats::{Rounds, Unit};
use crate::table::Promise;
use kiln::backend::docker::{DockerConfig, Transport};
use kiln::{Format, Start};
use std::time::Duration;

pub(super) const ROWS: [Row; 4] = [
    Row {
        case: "prewarmed container to first reply, frame",
        unit: Unit::Time,
        promise: Promise::AtMost(0.01),
        measure: |plan, engine| measure(plan, engine, Format::Frame, 1),
    },
    Row {
        case: "prewarmed container to first reply, one-shot",
        unit: Unit::Time,
        promise: Promise::AtMost(0.01),
        measure: |plan, engine| measure(plan, engine, Format::Default, 1),
    },
    Row {
        case: "prewarmed container, refilled meanwhile, frame",
        unit: Unit::Time,
        promise: Promise::None,
        measure: |plan, engine| measure(plan, engine, Format::Frame, 2),
    },
    Row {
        case: "prewarmed container, refilled meanwhile, one-shot",
        unit: Unit::Time,
        promise: Promise::None,
        measure: |plan, engine| measure(plan, engine, Format::Default, 2),
    },
];

/// What a container that was just started takes for its own initialisation, which nobody sees from outside.
const INITIALISES: Duration = Duration::from_millis(200);

fn measure(plan: &Plan, engine: &Engine, format: Format, sandboxes: u32) -> Result<Rounds> {
    let (runtime, client, body) = (ours::all_cores()?, engine.client()?, ours::body(64));
    let kiln = runtime.block_on(async {
        let kiln = Kiln::new(Transport::Auto, DockerConfig::new("").kept_networks)?;
        kiln.host.deploy(once("cold", format)).await?;
        // It proves the transport: before, a one-shot function isn't started ahead.
        kiln.call("cold", &body, Start::Cold).await?;
        let mut prewarmed = once("prewarmed", format).prewarm(1);
        prewarmed.limits.max_sandboxes = sandboxes;
        kiln.host.deploy(prewarmed).await?;
        Ok::<_, crate::Error>(kiln)
    })?;
    let sample = |name: &'static str, start| {
        runtime.block_on(async {
            kiln.quiet(&client, |figures| figures.prewarmed == 1).await?;
            tokio::time::sleep(INITIALISES).await;
            kiln.call(name, &body, start).await
        })
    };
    let rounds = Rounds::run(
        plan.rounds(1, 9),
        || sample("cold", Start::Cold),
        || sample("prewarmed", Start::Prewarmed),
    );
    runtime.block_on(kiln.host.drain());
    rounds
}
