//! What containers take, as their engine has it.

use super::process;
use crate::error::{Error, Result};
use bollard::Docker;
use bollard::query_parameters::{ListContainersOptionsBuilder, StatsOptionsBuilder};
use futures_util::StreamExt;
use std::collections::{BTreeSet, HashMap};
use std::time::Duration;
use tokio::time::timeout;

/// The longest wait for an answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// What the containers of a host take, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Taken {
    /// What the engine counts for them, without page cache that it could give back.
    pub(super) containers: u64,
    /// The processes that the engine runs beside them; `None` where they can't be seen.
    pub(super) shims: Option<u64>,
}

/// The engine's name and version; `None` if it doesn't answer.
pub(super) async fn version(host: Option<&str>) -> Option<String> {
    let version = timeout(PATIENCE, connect(host).ok()?.version()).await.ok()?.ok()?;
    let platform = version.platform.map(|platform| platform.name).filter(|name| !name.is_empty());
    Some(format!("{} {}", platform.unwrap_or_else(|| "Docker engine".into()), version.version?))
}

/// What all running containers of the host `id` take together.
pub(super) async fn taken(host: Option<&str>, id: &str) -> Result<Taken> {
    let engine = connect(host)?;
    let labels = HashMap::from([("label", vec![format!("kiln.owner={id}")])]);
    let options = ListContainersOptionsBuilder::default().filters(&labels).build();
    let found = ask(engine.list_containers(Some(options))).await?;
    let (mut taken, mut shims, mut seen) = (Taken::default(), BTreeSet::new(), 0);
    let ids: Vec<_> = found.into_iter().filter_map(|container| container.id).collect();
    for id in &ids {
        let options = StatsOptionsBuilder::default().stream(false).one_shot(true).build();
        let mut stats = engine.stats(id, Some(options));
        let stats = ask(async { stats.next().await.transpose() }).await?;
        let memory = stats.and_then(|stats| stats.memory_stats).unwrap_or_default();
        let known = memory.stats.unwrap_or_default();
        // The one name is cgroup v1's, the other v2's.
        let cache = known.get("total_inactive_file").or(known.get("inactive_file")).copied().unwrap_or(0);
        taken.containers += memory.usage.unwrap_or(0).saturating_sub(cache);
        let state = ask(engine.inspect_container(id, None)).await?.state;
        let process = state.and_then(|state| state.pid).and_then(|pid| u32::try_from(pid).ok());
        if let Some(shim) = process.and_then(|process| process::shim(process, id)) {
            seen += 1;
            shims.insert(shim);
        }
    }
    // One shim may serve several containers: each counts once.
    if seen == ids.len() {
        taken.shims = shims.into_iter().map(process::pss).sum();
    }
    Ok(taken)
}

fn connect(host: Option<&str>) -> Result<Docker> {
    let seconds = 2 * PATIENCE.as_secs();
    let version = bollard::API_DEFAULT_VERSION;
    let connected = match host {
        None => Docker::connect_with_defaults(),
        Some(host) if host.starts_with("tcp://") || host.starts_with("http://") => {
            Docker::connect_with_http(host, seconds, version)
        }
        Some(host) => Docker::connect_with_unix(host, seconds, version),
    };
    connected.map_err(|error| Error::unavailable(format!("no docker engine can be asked: {error}")))
}

async fn ask<T>(call: impl Future<Output = Result<T, bollard::errors::Error>>) -> Result<T> {
    match timeout(PATIENCE, call).await {
        Ok(answer) => answer.map_err(|error| {
            Error::unavailable(format!("the docker engine can't say what its containers take: {error}"))
        }),
        Err(_) => Err(Error::unavailable("the docker engine doesn't answer")),
    }
}
