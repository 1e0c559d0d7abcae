//! Many callers of few containers: whether 256 of them get as much done as 8.

use super::ours::{Kiln, function};
use super::{Engine, Row};
use crate::Result;
use crate::callers::throughput;
use crate::ours;
use crate::plan::Plan;
use crate::stats::{Rounds, Unit};
use crate::table::Promise;
use kiln::Format;
use kiln::backend::docker::Transport;
use std::time::Duration;

pub(super) const ROWS: [Row; 1] = [Row {
    case: "256 callers against 8, containers",
    unit: Unit::Rate,
    promise: Promise::AtLeast(0.9),
    measure,
}];

fn measure(plan: &Plan, _: &Engine) -> Result<Rounds> {
    let runtime = ours::all_cores()?;
    // As many as there are cores: more would only take turns.
    let containers = u32::try_from(std::thread::available_parallelism()?.get())?;
    let kiln = runtime.block_on(async {
        let kiln = Kiln::new(Transport::Auto, 0)?;
        let mut echo = function("echo", Format::Frame);
        echo.limits.max_sandboxes = containers;
        kiln.host.deploy(echo).await?;
        Ok::<_, crate::Error>(kiln)
    })?;
    // Long beside one turn of all callers.
    let slice = plan.pick(Duration::from_millis(200), Duration::from_secs(2));
    let throughput = |callers| throughput(&runtime, &kiln.host, callers, slice);
    let rounds = Rounds::run(plan.rounds(1, 9), || throughput(8), || throughput(256));
    runtime.block_on(kiln.host.drain());
    rounds
}
