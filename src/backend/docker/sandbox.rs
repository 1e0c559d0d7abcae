//! One container as a sandbox.

use super::attach::Attach;
use super::exit;
use super::program::Declared;
use super::reap::Container;
use super::start::Running;
use crate::backend::{BoxFuture, Exit, Phases, Sandbox, StartSpec, Stdio};
use crate::error::{Error, Result};
use async_trait::async_trait;
use std::sync::Arc;
use tokio::task::JoinHandle;

/// A container, or for a one-shot function that isn't launched yet, only what it will be made of.
pub(super) struct Contained {
    declared: Arc<Declared>,
    spec: StartSpec,
    container: Option<Container>,
    /// A launch that isn't over. It goes on in a task of its own, so that whoever removes the sandbox knows what it made.
    launching: Option<JoinHandle<Result<Running>>>,
    attach: Attach,
    exit: Option<Exit>,
}

impl Contained {
    pub(super) fn waiting(declared: Arc<Declared>, spec: StartSpec) -> Self {
        let attach = Attach::new(declared.engine().clone(), spec.logs.clone());
        Self { declared, spec, container: None, launching: None, attach, exit: None }
    }

    pub(super) fn running(declared: Arc<Declared>, spec: StartSpec, running: Running) -> Self {
        let mut sandbox = Self::waiting(declared, spec);
        sandbox.take(running);
        sandbox
    }

    fn take(&mut self, running: Running) -> Phases {
        self.container = Some(running.container);
        self.attach.connect(running.link);
        running.phases
    }

    fn container(&self) -> Result<&Container> {
        self.container.as_ref().ok_or_else(|| Error::internal("a container is used before it is launched"))
    }

    /// Why it ended if it has; `Killed` if it still runs.
    async fn exit_so_far(&mut self, container: &Container) -> Exit {
        if let Some(exit) = self.exit.take() {
            return exit;
        }
        if !self.attach.has_ended() {
            return Exit::Killed;
        }
        exit::so_far(self.declared.engine(), container.id()).await
    }
}

#[async_trait]
impl Sandbox for Contained {
    fn stdio(&mut self) -> &mut dyn Stdio {
        &mut self.attach
    }

    async fn launch(&mut self, env: Vec<(String, String)>) -> Result<Phases> {
        if self.container.is_some() || self.launching.is_some() {
            return Err(Error::internal("a container is launched twice"));
        }
        let (declared, spec) = (self.declared.clone(), self.spec.clone());
        let launching = self.launching.insert(tokio::spawn(async move { declared.run(&spec, &env).await }));
        let launched = launching.await;
        self.launching = None;
        let running = launched.map_err(|end| Error::internal(format!("a launch ended: {end}")))??;
        Ok(self.take(running))
    }

    async fn pause(&mut self) -> Result<()> {
        let (engine, id) = (self.declared.engine(), self.container()?.id());
        let answer = engine.call(engine.quick, async |client| client.pause_container(id).await).await;
        answer.map_err(|fault| engine.refused("pause a container", fault))
    }

    async fn resume(&mut self) -> Result<()> {
        let (engine, id) = (self.declared.engine(), self.container()?.id());
        let answer = engine.call(engine.quick, async |client| client.unpause_container(id).await).await;
        answer.map_err(|fault| engine.refused("resume a container", fault))
    }

    async fn exit(&mut self) -> Exit {
        if let Some(exit) = &self.exit {
            return exit.clone();
        }
        let Ok(container) = self.container() else {
            return Exit::Lost("its container was never launched".into());
        };
        let exit = exit::wait(self.declared.engine(), container.id()).await;
        self.exit.insert(exit).clone()
    }

    /// The limit: a container's memory isn't given back while it rests.
    fn held(&self) -> u64 {
        self.declared.memory
    }

    fn is_dead(&mut self) -> bool {
        self.exit.is_some() || self.attach.has_ended()
    }

    fn ended(&self) -> Option<BoxFuture> {
        let id = self.container.as_ref()?.id().to_owned();
        let engine = self.declared.engine().clone();
        // An engine that went away took the attached connection with it: the sandbox is of no use either way.
        Some(Box::pin(async move { exit::ended(&engine, &id).await }))
    }

    async fn remove(mut self: Box<Self>) -> Exit {
        // Its caller went away in the middle: what it made has to go before its charge is given back (`SEEDS.md D7`).
        if let Some(launching) = self.launching.take()
            && let Ok(Ok(running)) = launching.await
        {
            self.take(running);
        }
        let Some(container) = self.container.take() else { return Exit::Killed };
        let exit = self.exit_so_far(&container).await;
        self.attach.disconnect();
        container.remove().await;
        exit
    }
}
