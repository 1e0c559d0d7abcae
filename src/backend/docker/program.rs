//! A function that is ready to be started as a container: all that can be checked without the engine.

use super::connect::Engine;
use super::image::{self, Images};
use super::reap::Reaper;
use super::sandbox::Contained;
use super::start::{Running, Starter};
use super::{create, names};
use crate::backend::{Phases, Program, StartSpec, Started};
use crate::error::{Error, ErrorKind, Result};
use crate::function::{Dir, Function, Image, MIB};
use async_trait::async_trait;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};
use tokio::time::timeout;

/// The memory of a container whose function doesn't say, in bytes.
const MEMORY: u64 = 128 * MIB;
/// The least that the engine takes, in bytes.
const LEAST: u64 = 6 * MIB;

/// What all programs of one backend share.
pub(super) struct Shared {
    pub(super) engine: Arc<Engine>,
    pub(super) images: Arc<Images>,
    pub(super) reaper: Arc<Reaper>,
    pub(super) starter: Starter,
    pub(super) names: names::Names,
}

/// A function, checked, with its defaults filled in.
pub(super) struct Declared {
    pub(super) function: Arc<Function>,
    pub(super) image: Image,
    pub(super) memory: u64,
    pub(super) dirs: Vec<Dir>,
    fresh: AtomicBool,
    shared: Arc<Shared>,
}

/// A function as containers.
pub(super) struct Prepared(Arc<Declared>);

impl Prepared {
    pub(super) fn new(function: Arc<Function>, shared: Arc<Shared>) -> Result<Self> {
        let image = function
            .code
            .image
            .clone()
            .ok_or_else(|| Error::invalid("`backend = \"docker\"` needs an image: give it `image`"))?;
        image::validate(&image.reference)?;
        let memory = function.limits.memory.unwrap_or(MEMORY);
        if memory < LEAST {
            return Err(Error::invalid(format!(
                "`memory` is {memory} bytes: give an image at least 6MiB, the docker engine takes no less"
            )));
        }
        let dirs = create::dirs(&function)?;
        Ok(Self(Arc::new(Declared { function, image, memory, dirs, fresh: AtomicBool::new(false), shared })))
    }
}

impl Declared {
    pub(super) fn engine(&self) -> &Arc<Engine> {
        &self.shared.engine
    }

    /// Makes sure of the image and starts a container, all within the function's `start_timeout`.
    pub(super) async fn run(&self, spec: &StartSpec, env: &[(String, String)]) -> Result<Running> {
        let limit = self.function.limits.start_timeout;
        let began = Instant::now();
        let user = self.image(limit).await?;
        let spent = began.elapsed();
        let labels = self.shared.names.labels(&self.function, spec);
        let body = create::body(self, labels, &user, &[&spec.env, env]);
        self.shared.starter.start(self.shared.names.name(spec.number), body, limit, spent).await
    }

    /// Makes sure that the engine has the image, and returns the user that it names.
    async fn image(&self, limit: Duration) -> Result<String> {
        match timeout(limit, self.shared.images.ensure(&self.image, &self.fresh)).await {
            Ok(found) => Ok(found?.user),
            Err(_) => Err(Error::new(
                ErrorKind::TimedOut,
                format!(
                    "image `{}` wasn't there within {}: pulling goes on, so try again, or raise `start_timeout`",
                    self.image.reference,
                    humantime::format_duration(limit)
                ),
            )),
        }
    }
}

#[async_trait]
impl Program for Prepared {
    fn code(&self) -> &[u8] {
        self.0.image.reference.as_bytes()
    }

    fn memory(&self) -> u64 {
        self.0.memory
    }

    /// A one-shot container's environment is its request's, and is fixed when it is created.
    fn prewarms_oneshot(&self) -> bool {
        false
    }

    fn pauses(&self) -> bool {
        true
    }

    fn sees_initialisation(&self) -> bool {
        false
    }

    async fn start(&self, spec: StartSpec) -> Result<Started> {
        if self.0.function.format.is_streaming() {
            let running = self.0.run(&spec, &[]).await?;
            let phases = running.phases;
            return Ok(Started {
                sandbox: Box::new(Contained::running(self.0.clone(), spec, running)),
                phases,
            });
        }
        let began = Instant::now();
        self.0.image(self.0.function.limits.start_timeout).await?;
        let phases = Phases { create: began.elapsed(), ..Phases::default() };
        Ok(Started { sandbox: Box::new(Contained::waiting(self.0.clone(), spec)), phases })
    }
}
