//! Kiln's side: a host whose functions are containers of the one image.

use super::{HANG, IMAGE, MEMORY};
use crate::Result;
use crate::ours::{BUDGET, is_echo};
use bollard::Docker;
use bollard::models::ContainerSummaryStateEnum;
use bollard::query_parameters::ListContainersOptionsBuilder;
use bytes::Bytes;
use kiln::backend::docker::{Docker as Backend, DockerConfig, Transport};
use kiln::pool::Figures;
use kiln::{Format, Function, Host, Invocation, Start};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How often it is looked whether nothing goes on.
const LOOK: Duration = Duration::from_millis(5);
/// How long a namespace rests after the engine says that its holder runs.
const REST: Duration = Duration::from_millis(300);

pub(super) struct Kiln {
    pub(super) host: Host,
    id: String,
    keeps_networks: bool,
}

/// What has to be so before a sample begins.
pub(super) type Ready = fn(&Figures) -> bool;

impl Kiln {
    /// To be called within a runtime.
    pub(super) fn new(transport: Transport, kept_networks: usize) -> Result<Self> {
        let id = format!("floors-{}", std::process::id());
        let mut config = DockerConfig::new(&id);
        (config.transport, config.kept_networks) = (transport, kept_networks);
        let host = Host::builder().memory(BUDGET).backend(Arc::new(Backend::new(config))).build()?;
        Ok(Self { host, id, keeps_networks: kept_networks > 0 })
    }

    /// A call that has to get its sandbox in this way: nanoseconds from the call to its whole reply.
    pub(super) async fn call(&self, name: &str, body: &Bytes, start: Start) -> Result<f64> {
        let began = Instant::now();
        let outcome = self.host.invoke(name, Invocation::new(body.clone())).await;
        let took = began.elapsed();
        is_echo(body, &outcome.result?.body)?;
        if outcome.start == Some(start) {
            Ok(took.as_nanos() as f64)
        } else {
            Err(format!("a call of {name} was {:?} where it had to be {start:?}", outcome.start).into())
        }
    }

    /// Waits until nothing is started or removed, so that it isn't the next sample's time, and what it needs is there.
    pub(super) async fn quiet(&self, client: &Docker, ready: Ready) -> Result<()> {
        let until = Instant::now() + HANG;
        let rests = |it: &Figures| it.active + it.idle + it.starting + it.removing == 0 && ready(it);
        loop {
            while !rests(&self.host.figures()) {
                if Instant::now() > until {
                    return Err(format!("the pool doesn't come to rest: {:?}", self.host.figures()).into());
                }
                tokio::time::sleep(LOOK).await;
            }
            if !self.keeps_networks {
                return Ok(());
            }
            let holders = self.holders(client).await?;
            tokio::time::sleep(REST).await;
            if holders.is_some() && holders == self.holders(client).await? && rests(&self.host.figures()) {
                return Ok(());
            }
            if Instant::now() > until {
                return Err("no network namespace is kept ready".into());
            }
        }
    }

    /// The containers that are its own, where it keeps no networks. One answers before the engine says that it runs.
    pub(super) async fn containers(&self, client: &Docker) -> Result<Vec<String>> {
        let until = Instant::now() + HANG;
        loop {
            let all = self.labelled(client, Vec::new()).await?;
            if let Some(ids) = all.filter(|ids| !ids.is_empty()) {
                return Ok(ids);
            }
            if Instant::now() > until {
                return Err("the engine doesn't say that the container runs".into());
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// The containers that hold a network namespace; `None` unless there are some and all run.
    async fn holders(&self, client: &Docker) -> Result<Option<Vec<String>>> {
        let all = self.labelled(client, vec!["kiln.holds=network".to_owned()]).await?;
        Ok(all.filter(|ids| !ids.is_empty()))
    }

    /// Its containers that have these labels, too; `None` unless all of them run.
    async fn labelled(&self, client: &Docker, mut labels: Vec<String>) -> Result<Option<Vec<String>>> {
        labels.push(format!("kiln.owner={}", self.id));
        let options = ListContainersOptionsBuilder::default()
            .all(true)
            .filters(&HashMap::from([("label", labels)]))
            .build();
        let all = client.list_containers(Some(options)).await?;
        let run = all.iter().all(|each| each.state == Some(ContainerSummaryStateEnum::RUNNING));
        let mut ids: Vec<_> = all.into_iter().filter_map(|each| each.id).collect();
        ids.sort();
        Ok(run.then_some(ids))
    }
}

/// A function of the image.
pub(super) fn function(name: &str, format: Format) -> Function {
    Function::image(name, IMAGE).format(format).memory(MEMORY)
}

/// One for which each call needs a sandbox of its own, one at a time.
pub(super) fn once(name: &str, format: Format) -> Function {
    let mut function = function(name, format);
    (function.limits.max_sandboxes, function.limits.max_uses) = (1, Some(1));
    function
}
