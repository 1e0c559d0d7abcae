//! Container images over a Docker engine.
//!
//! ```text
//!   Docker ─► program ─► start ─► sandbox ─► pipes, line   stdio over the host's own pipes, and kiln-init's words
//!     │      what it is   in line     │   ├─► attach        or stdio through the engine
//!     │                     │         │   └─► exit          why it ended
//!     │                     │         └─────► reap          until the engine confirms
//!     ├─ connect: every call, with its time limit;  image: pulls;  create: rights and limits
//!     └─ ways: which of the two;  home: what is shared with containers;  init/: the program kiln-init
//! ```
//!
//! A container's process 1 is kiln-init, which the host shares with it together with a Unix socket. Over that the host
//! hands it the ends of three pipes and has the image's command run on them: the engine starts and removes the container
//! and has no part in what goes on between. Where files can't be shared with the engine's containers, it carries their
//! stdio (`attach`).
//!
//! The engine is another process that may be absent, hang or die at any time. So nothing here needs it before a
//! container is asked for, every call has a time limit, and no failure is remembered: the next call asks again.

mod attach;
mod connect;
mod create;
mod exit;
mod holder;
mod home;
mod image;
mod lane;
mod line;
mod names;
mod network;
mod peer;
mod pipes;
mod program;
mod queue;
mod reap;
mod sandbox;
mod served;
mod start;
mod ways;
#[path = "init/wire.rs"]
mod wire;

use crate::backend::{Backend, Program};
use crate::error::{Error, Result};
use crate::function::{BackendKind, Function};
use async_trait::async_trait;
use bollard::query_parameters::ListContainersOptionsBuilder;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::time::timeout;

/// How a [`Docker`] backend is set up.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct DockerConfig {
    /// Where the engine is: `unix:///var/run/docker.sock`, `tcp://127.0.0.1:2375`. `None`: `DOCKER_HOST`, else the
    /// usual socket.
    pub host: Option<String>,
    /// Whose containers these are: the same in every life of one host, and nobody else's on that engine.
    pub host_id: String,
    /// Containers that are started at once; more wait in line. Default: the number of cores.
    pub starts_at_once: usize,
    /// The longest wait for an answer to a question. Default 10 s.
    pub call_timeout: Duration,
    /// The longest wait for a container to be created, started or removed. Default 30 s.
    pub slow_call_timeout: Duration,
    /// How containers' stdin and stdout are carried. Default: [`Transport::Auto`].
    pub transport: Transport,
    /// Network namespaces kept ready at most, those that are in use again included, so that a start needn't make one. Each
    /// takes a tiny container, under 1 MiB, and the engine's 5 MiB for it, beside the budget. Never shared by two
    /// functions, nor by two sandboxes at once. Only over [`Transport::Socket`]. Default 8; 0 keeps none.
    pub kept_networks: usize,
}

/// How containers' stdin and stdout are carried.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Transport {
    /// Over pipes where the engine's containers can share this host's files, through the engine otherwise; that is found
    /// out with the first container, and a warning says why.
    #[default]
    Auto,
    /// Over pipes that a container gets through a Unix socket of its own; where that can't be, starts are `Unavailable`.
    Socket,
    /// Through the engine's `attach`: slower, works with any engine, and can't start one-shot functions ahead.
    Attach,
}

impl DockerConfig {
    /// The defaults for a host of this id.
    pub fn new(host_id: impl Into<String>) -> Self {
        Self {
            host: None,
            host_id: host_id.into(),
            starts_at_once: std::thread::available_parallelism().map_or(2, usize::from),
            call_timeout: Duration::from_secs(10),
            slow_call_timeout: Duration::from_secs(30),
            transport: Transport::default(),
            kept_networks: 8,
        }
    }
}

/// The backend that makes containers. It starts, removes and waits on tokio's timers: use it within a runtime.
pub struct Docker {
    shared: Arc<program::Shared>,
}

impl Docker {
    /// A backend. The engine needn't be there yet.
    pub fn new(config: DockerConfig) -> Self {
        let engine = Arc::new(connect::Engine::new(&config));
        let reaper = reap::Reaper::new(engine.clone());
        let names = names::Names::new(config.host_id.clone());
        let ways = ways::Ways::new(&config, &engine, names.life());
        Self {
            shared: Arc::new(program::Shared {
                images: image::Images::new(engine.clone()),
                starter: start::Starter::new(engine.clone(), reaper.clone(), config.starts_at_once),
                names,
                ways,
                networks: network::Networks::new(config.kept_networks),
                engine,
                reaper,
            }),
        }
    }

    /// The containers that carry this host's label but belong to another of its lives.
    async fn leftovers(&self) -> Result<Vec<String>> {
        let (engine, names) = (&self.shared.engine, &self.shared.names);
        let label = format!("{}={}", create::OWNER, names.owner());
        let options = ListContainersOptionsBuilder::default()
            .all(true)
            .filters(&HashMap::from([("label", vec![label])]));
        let options = options.build();
        let found =
            engine.call(engine.quick, async |client| client.list_containers(Some(options)).await).await;
        let found = found.map_err(|fault| engine.refused("list an earlier life's containers", fault))?;
        let is_ours = |labels: &Option<HashMap<String, String>>| {
            labels
                .as_ref()
                .and_then(|labels| labels.get(create::LIFE))
                .is_some_and(|life| life == names.life())
        };
        Ok(found.into_iter().filter(|each| !is_ours(&each.labels)).filter_map(|each| each.id).collect())
    }
}

#[async_trait]
impl Backend for Docker {
    fn kind(&self) -> BackendKind {
        BackendKind::Docker
    }

    async fn prepare(&self, function: Arc<Function>) -> Result<Arc<dyn Program>> {
        Ok(Arc::new(program::Prepared::new(function, self.shared.clone())?))
    }

    async fn check(&self) -> Result<()> {
        let engine = &self.shared.engine;
        let answer = engine.call(engine.quick, async |client| client.ping().await).await;
        answer.map(drop).map_err(|fault| engine.refused("start containers", fault))
    }

    async fn clean_up(&self) -> Result<usize> {
        home::clean_up();
        let runtime = Handle::current();
        let removals: Vec<_> =
            self.leftovers().await?.into_iter().map(|id| self.shared.reaper.remove(id, &runtime)).collect();
        let all = removals.len();
        let limit = self.shared.engine.slow;
        // Dropping the wait doesn't end the removals.
        timeout(limit, futures_util::future::join_all(removals)).await.map_err(|_| {
            Error::unavailable(format!(
                "an earlier life left {all} containers, and removing them takes longer than {}: it goes on",
                humantime::format_duration(limit)
            ))
        })?;
        Ok(all)
    }

    async fn close(&self) {
        let (networks, reaper) = (&self.shared.networks, &self.shared.reaper);
        let closed = async {
            networks.close().await;
            reaper.settled().await;
        };
        // Where the engine is away, the reaper goes on without us.
        let _ = timeout(self.shared.engine.slow, closed).await;
    }
}

impl std::fmt::Debug for Docker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Docker").field("host", &self.shared.engine.host()).finish_non_exhaustive()
    }
}
