//! Containers: warm calls over pipes and over the engine's attached stream, cold and prewarmed starts, many callers.
//!
//! Floors are bollard by hand, with the options that Kiln gives a container. A row needs a Docker engine and the image
//! `kiln-fixture-echo:1`; where one is missing it says so in the table, or fails if `KILN_REQUIRE_DOCKER=1`.

mod attached;
mod callers;
mod cold;
mod connected;
mod cores;
mod frames;
mod options;
mod ours;
mod prewarmed;
mod warm;

use crate::Result;
use crate::plan::Plan;
use crate::stats::{Rounds, Unit};
use crate::table::{Promise, Table};
use bollard::Docker;
use std::time::Duration;

const IMAGE: &str = "kiln-fixture-echo:1";
/// What a container may take, in bytes.
const MEMORY: u64 = 128 << 20;
/// Longer than any answer of an engine that is well.
const HANG: Duration = Duration::from_secs(30);

/// One line of the table.
struct Row {
    case: &'static str,
    unit: Unit,
    promise: Promise,
    measure: fn(&Plan, &Engine) -> Result<Rounds>,
}

/// What the engine's image runs.
struct Engine {
    command: Vec<String>,
}

/// Something that a row needs isn't here: it can't be measured, and nothing is wrong.
#[derive(Debug)]
struct Missing(String);

impl std::fmt::Display for Missing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Missing {}

pub(crate) fn rows(plan: &Plan, table: &mut Table) -> Result<()> {
    let subjects: [&[Row]; 4] = [&warm::ROWS, &cold::ROWS, &prewarmed::ROWS, &callers::ROWS];
    let wanted: Vec<_> = subjects.into_iter().flatten().filter(|row| plan.wants(row.case)).collect();
    if wanted.is_empty() {
        return Ok(());
    }
    let engine = crate::ours::one_thread()?.block_on(Engine::find());
    for row in wanted {
        let measured = match &engine {
            Ok(engine) => (row.measure)(plan, engine),
            Err(Missing(why)) => Err(Missing(why.clone()).into()),
        };
        match measured {
            Ok(rounds) => table.row(row.case, row.unit, &rounds, row.promise),
            Err(why) if why.is::<Missing>() && !is_required() => table.absent(row.case, &why.to_string()),
            Err(why) => return Err(format!("{}: {why}", row.case).into()),
        }
    }
    Ok(())
}

fn is_required() -> bool {
    std::env::var("KILN_REQUIRE_DOCKER").is_ok_and(|value| value == "1")
}

impl Engine {
    async fn find() -> std::result::Result<Self, Missing> {
        let needs =
            |why: &dyn std::fmt::Display| Missing(format!("needs a Docker engine with {IMAGE}: {why}"));
        let client = Docker::connect_with_defaults().map_err(|why| needs(&why))?;
        let answer = tokio::time::timeout(HANG, client.inspect_image(IMAGE)).await;
        let image = answer.map_err(|_| needs(&"it hangs"))?.map_err(|why| needs(&why))?;
        let config = image.config.unwrap_or_default();
        let command = config.entrypoint.into_iter().chain(config.cmd).flatten().collect();
        Ok(Self { command })
    }

    /// A client for one row: connections belong to the runtime that they were made in.
    fn client(&self) -> Result<Docker> {
        Ok(Docker::connect_with_defaults()?)
    }

    async fn remove(client: &Docker, id: &str) -> Result<()> {
        let options = bollard::query_parameters::RemoveContainerOptionsBuilder::default().force(true).build();
        Ok(client.remove_container(id, Some(options)).await?)
    }
}
