//! Starts containers: create, attach, start, in this order, so that not one byte of output is missed.
//!
//! Starts stand in a line and only a few run at once: on two cores a third one only makes all of them slower. A start
//! that fails, or that is dropped at any point, leaves no container behind.

use super::connect::{Engine, Fault};
use super::reap::{Container, Reaper};
use crate::backend::Phases;
use crate::error::{Error, ErrorKind, Result};
use bollard::container::AttachContainerResults;
use bollard::models::ContainerCreateBody;
use bollard::query_parameters::{AttachContainerOptionsBuilder, CreateContainerOptions};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// Starts containers, a few at once, in the order in which they were asked for.
pub(super) struct Starter {
    engine: Arc<Engine>,
    reaper: Arc<Reaper>,
    line: Semaphore,
}

/// A container that runs.
pub(super) struct Running {
    pub(super) container: Container,
    pub(super) link: AttachContainerResults,
    pub(super) phases: Phases,
}

/// What exists so far of a container that is being started.
#[derive(Default)]
struct Half {
    creating: Option<JoinHandle<Result<Container>>>,
    container: Option<Container>,
}

impl Starter {
    pub(super) fn new(engine: Arc<Engine>, reaper: Arc<Reaper>, at_once: usize) -> Self {
        Self { engine, reaper, line: Semaphore::new(at_once.max(1)) }
    }

    /// Starts a container within `limit`, of which some is `spent` already. Waiting in line doesn't count.
    pub(super) async fn start(
        &self,
        name: String,
        body: ContainerCreateBody,
        limit: Duration,
        spent: Duration,
    ) -> Result<Running> {
        let _turn = self.line.acquire().await;
        let mut half = Half::default();
        let result = match timeout(limit.saturating_sub(spent), self.steps(&mut half, name, body)).await {
            Ok(result) => result,
            Err(_) => Err(Error::new(
                ErrorKind::TimedOut,
                format!(
                    "the container didn't start within {}: raise `start_timeout`",
                    humantime::format_duration(limit)
                ),
            )),
        };
        match (result, half.container.take()) {
            (Ok((link, phases)), Some(container)) => Ok(Running { container, link, phases }),
            (Ok(_), None) => Err(Error::internal("a container started that was never made")),
            (Err(error), container) => {
                half.container = container;
                // An error says that nothing is left. Where the engine hangs, the reaper goes on without us.
                let _ = timeout(self.engine.slow, half.undo()).await;
                Err(error)
            }
        }
    }

    async fn steps(
        &self,
        half: &mut Half,
        name: String,
        body: ContainerCreateBody,
    ) -> Result<(AttachContainerResults, Phases)> {
        let began = Instant::now();
        let creating = half.creating.insert(self.create(name, body));
        let made = creating.await;
        half.creating = None;
        let container = made.map_err(|end| Error::internal(format!("a creation ended: {end}")))??;
        let id = half.container.insert(container).id();
        let options = AttachContainerOptionsBuilder::default()
            .stream(true)
            .stdin(true)
            .stdout(true)
            .stderr(true)
            .build();
        let link = self
            .engine
            .call(self.engine.quick, async |client| client.attach_container(id, Some(options)).await);
        let link = link.await.map_err(|fault| self.engine.refused("attach to a container", fault))?;
        let create = began.elapsed();
        let start = self.engine.call(self.engine.slow, async |client| client.start_container(id, None).await);
        start.await.map_err(|fault| failed(&self.engine, "start a container", fault))?;
        Ok((link, Phases { create, start: began.elapsed().saturating_sub(create), init: Duration::ZERO }))
    }

    /// Creates a container in a task of its own. The engine creates it whether or not somebody still waits, and its id
    /// must not be lost: where nobody does, the task's result is dropped and so removed.
    fn create(&self, name: String, body: ContainerCreateBody) -> JoinHandle<Result<Container>> {
        let (engine, reaper, runtime) = (self.engine.clone(), self.reaper.clone(), Handle::current());
        tokio::spawn(async move {
            let options = CreateContainerOptions { name: Some(name.clone()), ..Default::default() };
            let answer =
                engine.call(engine.slow, async |client| client.create_container(Some(options), body).await);
            match answer.await {
                Ok(made) => {
                    for warning in made.warnings {
                        tracing::debug!(container = name, "the docker engine warns: {warning}");
                    }
                    Ok(Container::new(made.id, reaper, runtime))
                }
                Err(fault) => {
                    if matches!(fault, Fault::Away(_)) {
                        reaper.sweep(name, &runtime);
                    }
                    Err(failed(&engine, "create a container", fault))
                }
            }
        })
    }
}

impl Half {
    async fn undo(self) {
        if let Some(creating) = self.creating
            && let Ok(Ok(container)) = creating.await
        {
            container.remove().await;
        }
        if let Some(container) = self.container {
            container.remove().await;
        }
    }
}

/// The engine's words tell whether the function can't start or the machine can't.
fn failed(engine: &Engine, what: &str, fault: Fault) -> Error {
    let Fault::Said(status, words) = fault else { return engine.refused(what, fault) };
    let says = |signs: &[&str]| signs.iter().any(|sign| words.contains(sign));
    if says(&["OOM-killed", "oom-kill"]) {
        return Error::new(
            ErrorKind::OutOfMemory,
            format!("the function's memory is too small to start in: {words}"),
        );
    }
    let machine = says(&[
        "no space left on device",
        "resource temporarily unavailable",
        "too many open files",
        "cannot allocate memory",
        "connection refused",
        "transport is closing",
        "context canceled",
    ]);
    if status == 503 || machine {
        return engine.refused(what, Fault::Said(status, words));
    }
    Error::failed(format!("the docker engine can't {what}: {words}"))
}
