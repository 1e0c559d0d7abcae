//! One of several connections into one container: an invocation's own, beside others in the same sandbox.

use super::exit;
use super::program::Declared;
use super::sandbox::told;
use super::served::Served;
use crate::backend::{Exit, Phases, Sandbox, Stdio};
use crate::error::{Error, Result};
use async_trait::async_trait;
use std::sync::Arc;

/// A connection, and what its container is known by.
pub(super) struct Lane {
    declared: Arc<Declared>,
    container: String,
    served: Served,
}

impl Lane {
    pub(super) fn new(declared: Arc<Declared>, container: String, served: Served) -> Self {
        Self { declared, container, served }
    }
}

#[async_trait]
impl Sandbox for Lane {
    fn stdio(&mut self) -> &mut dyn Stdio {
        &mut self.served
    }

    async fn launch(&mut self, _: Vec<(String, String)>) -> Result<Phases> {
        Err(Error::internal("a container that serves many requests is launched for one"))
    }

    async fn pause(&mut self) -> Result<()> {
        Err(Error::internal("a container is to be paused by one of its connections"))
    }

    async fn resume(&mut self) -> Result<()> {
        self.declared.resume(&self.container).await
    }

    async fn exit(&mut self) -> Exit {
        let engines = exit::wait(self.declared.engine(), &self.container);
        told(self.served.line().end().await, engines).await
    }

    fn held(&self) -> u64 {
        self.declared.memory
    }

    fn is_dead(&mut self) -> bool {
        self.served.has_ended()
    }

    /// The container goes on.
    async fn remove(self: Box<Self>) -> Exit {
        Exit::Killed
    }
}
