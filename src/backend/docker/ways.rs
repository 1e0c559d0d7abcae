//! Which way a container's stdio goes: over pipes of the host's own, or through the engine.
//!
//! Whether the first can work shows when the first container is tried on it. Where it can't, the host goes the other
//! way from then on, says so once, and the start that found out is done again.

use super::connect::Engine;
use super::home::{self, Home};
use super::{DockerConfig, Transport};
use crate::error::{Error, Result};
use parking_lot::Mutex;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// The ways of one backend's containers.
pub(super) struct Ways {
    transport: Transport,
    life: String,
    /// Why there is only the engine's own, if that is known.
    attach: Mutex<Option<String>>,
    home: Mutex<Option<Arc<Home>>>,
    proven: AtomicBool,
}

/// One container's.
pub(super) enum Way {
    Pipes(Arc<Home>),
    Attach,
}

impl Ways {
    pub(super) fn new(config: &DockerConfig, engine: &Engine, life: &str) -> Self {
        let attach = match () {
            () if !home::has_init() => Some("this build has no kiln-init".to_owned()),
            () if !engine.is_near() => {
                Some(format!("the engine at {} may be another machine's", engine.host()))
            }
            () => None,
        };
        if let (Transport::Auto, Some(why)) = (config.transport, &attach) {
            warn(why);
        }
        let (home, proven) = (Mutex::default(), AtomicBool::new(false));
        Self { transport: config.transport, life: life.into(), attach: Mutex::new(attach), home, proven }
    }

    /// The way of the next container.
    pub(super) fn next(&self) -> Result<Way> {
        loop {
            if self.is_attach() {
                return Ok(Way::Attach);
            }
            if let Some(why) = &*self.attach.lock() {
                return Err(impossible(why));
            }
            let mut home = self.home.lock();
            if let Some(home) = home.as_ref().filter(|home| home.is_there()) {
                return Ok(Way::Pipes(home.clone()));
            }
            match Home::new(&self.life) {
                Ok(made) => return Ok(Way::Pipes(home.insert(Arc::new(made)).clone())),
                Err(why) if !self.give_up(&why) => return Err(impossible(&why)),
                Err(_) => {}
            }
        }
    }

    /// Whether all containers go through the engine, as far as that is known.
    pub(super) fn is_attach(&self) -> bool {
        match self.transport {
            Transport::Attach => true,
            Transport::Socket => false,
            Transport::Auto => self.attach.lock().is_some(),
        }
    }

    /// Whether a container has come over its pipes in this life, so that any may.
    pub(super) fn are_proven(&self) -> bool {
        self.proven.load(Ordering::Relaxed)
    }

    pub(super) fn prove(&self) {
        self.proven.store(true, Ordering::Relaxed);
    }

    /// A container couldn't be reached over its pipes. True if the engine carries its stdio from now on.
    pub(super) fn give_up(&self, why: &str) -> bool {
        if self.transport != Transport::Auto || self.are_proven() {
            return false;
        }
        let mut attach = self.attach.lock();
        if attach.is_none() {
            warn(why);
            *attach = Some(why.to_owned());
        }
        true
    }
}

fn warn(why: &str) {
    tracing::warn!(
        "containers are reached through the engine's `attach`, which is slower, and by which `prewarm` has no effect on one-shot functions: {why}"
    );
}

fn impossible(why: &str) -> Error {
    Error::unavailable(format!(
        "containers can't be reached over pipes of this host's own: {why}: use the transport `auto` or `attach`"
    ))
}
