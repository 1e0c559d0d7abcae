//! One sandbox: a channel, and what its function still has to say about it.

use super::channel::Channel;
use super::environ::Environ;
use crate::backend::{Exit, Phases, Sandbox, Stdio};
use crate::error::{Error, Result};
use crate::function::Function;
use async_trait::async_trait;
use std::future::poll_fn;
use std::sync::Arc;

/// What an instance holds beside its linear memory and table, in bytes: its store and context, the touched pages of
/// its fiber's stack, its share of page tables. Measured at 53 KiB for a parked Rust instance, its own pages of
/// linear memory included; deeper stacks make it more.
pub(super) const OVERHEAD: u64 = 64 << 10;

/// A wasm instance.
pub(super) struct Instance {
    channel: Channel,
    function: Arc<Function>,
    env: Vec<(String, String)>,
    memory: u64,
}

impl Instance {
    pub(super) fn new(
        channel: Channel,
        function: Arc<Function>,
        env: Vec<(String, String)>,
        memory: u64,
    ) -> Self {
        Self { channel, function, env, memory }
    }
}

#[async_trait]
impl Sandbox for Instance {
    fn stdio(&mut self) -> &mut dyn Stdio {
        &mut self.channel
    }

    async fn launch(&mut self, env: Vec<(String, String)>) -> Result<Phases> {
        let Some(store) = self.channel.store() else {
            return Err(Error::internal("the sandbox was launched before"));
        };
        // That of the start was the function's only; nothing of the guest has looked at it but a `start` section.
        store.data_mut().environ = Environ::new(&self.function, self.env.iter().chain(&env));
        self.channel.run();
        Ok(Phases::default())
    }

    async fn pause(&mut self) -> Result<()> {
        // Nothing of it runs unless somebody polls it.
        Ok(())
    }

    async fn resume(&mut self) -> Result<()> {
        Ok(())
    }

    async fn exit(&mut self) -> Exit {
        poll_fn(|cx| self.channel.poll_exit(cx)).await
    }

    fn held(&self) -> u64 {
        (OVERHEAD + self.channel.held()).min(self.memory)
    }

    fn is_dead(&mut self) -> bool {
        self.channel.ended().is_some()
    }

    async fn remove(self: Box<Self>) -> Exit {
        let exit = self.channel.ended().cloned();
        // Here and not by the caller: when this returns, nothing is held.
        drop(self);
        exit.unwrap_or(Exit::Killed)
    }
}
