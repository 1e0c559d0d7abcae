//! A function that is ready to be started as a container: all that can be checked without the engine.

use super::connect::Engine;
use super::home::{Home, Room};
use super::image::{self, Found, Images};
use super::network::{Key, Network, Networks, Place};
use super::reap::Reaper;
use super::sandbox::Contained;
use super::start::{Failed, Link, Plan, Running, Starter};
use super::ways::{Way, Ways};
use super::{create, holder, names};
use crate::backend::{Program, StartSpec, Started};
use crate::error::{Error, ErrorKind, Result};
use crate::function::{Dir, Function, Image, MIB};
use async_trait::async_trait;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tokio::time::timeout;

/// The memory of a container whose function doesn't say, in bytes.
const MEMORY: u64 = 128 * MIB;
/// The least that the engine takes, in bytes.
pub(super) const LEAST: u64 = 6 * MIB;

/// What all programs of one backend share.
pub(super) struct Shared {
    pub(super) engine: Arc<Engine>,
    pub(super) images: Arc<Images>,
    pub(super) reaper: Arc<Reaper>,
    pub(super) starter: Starter,
    pub(super) names: names::Names,
    pub(super) ways: Ways,
    pub(super) networks: Networks,
}

/// A function, checked, with its defaults filled in.
pub(super) struct Declared {
    pub(super) function: Arc<Function>,
    pub(super) image: Image,
    pub(super) memory: u64,
    pub(super) dirs: Vec<Dir>,
    fresh: AtomicBool,
    /// Whose network namespaces are its own.
    key: Key,
    holding: Arc<AtomicBool>,
    retired: AtomicBool,
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
        let declared = Arc::new(Declared {
            function,
            image,
            memory,
            dirs,
            fresh: AtomicBool::new(false),
            key: Key(shared.networks.number()),
            holding: Arc::default(),
            retired: AtomicBool::new(false),
            shared,
        });
        holder::keep(&declared);
        Ok(Self(declared))
    }
}

impl Drop for Prepared {
    /// Nothing new is started; what still runs keeps its namespace until it ends.
    fn drop(&mut self) {
        self.0.retired.store(true, Ordering::SeqCst);
        self.0.shared.networks.forget(self.0.key);
    }
}

impl Declared {
    pub(super) fn shared(&self) -> &Shared {
        &self.shared
    }

    /// The right to make a network namespace ready, for one at a time. `None` while somebody has it, or the function is gone, or
    /// wants none.
    pub(super) fn hold_turn(&self) -> Option<HoldTurn> {
        // Those are empty: of no use to who is to be in another.
        if self.function.network.is_some() {
            return None;
        }
        let free = !self.retired.load(Ordering::SeqCst) && !self.holding.swap(true, Ordering::SeqCst);
        free.then(|| HoldTurn(self.holding.clone()))
    }

    /// A place for a network namespace, if one is wanted.
    pub(super) fn place(&self) -> Option<Place> {
        self.shared.networks.place(self.key, Instant::now())
    }

    /// Makes a namespace that nobody is in ready for the function's next sandbox.
    pub(super) fn give(&self, network: Network) {
        // In this order: what is given at the moment in which the function goes is forgotten here or there.
        self.shared.networks.give(self.key, network, Instant::now());
        if self.retired.load(Ordering::SeqCst) {
            self.shared.networks.forget(self.key);
        }
    }

    pub(super) fn engine(&self) -> &Arc<Engine> {
        &self.shared.engine
    }

    /// Thaws one of its containers.
    pub(super) async fn resume(&self, container: &str) -> Result<()> {
        let engine = self.engine();
        let answer =
            engine.call(engine.quick, async |client| client.unpause_container(container).await).await;
        answer.map_err(|fault| engine.refused("resume a container", fault))
    }

    /// Makes sure of the image and starts a container, all within the function's `start_timeout`. `None` where its
    /// environment has to be known for that and isn't yet.
    pub(super) async fn run(
        self: &Arc<Self>,
        spec: &StartSpec,
        env: Option<&[(String, String)]>,
    ) -> Result<Option<Running>> {
        let began = Instant::now();
        let found = self.image().await?;
        loop {
            let attempt = match (self.shared.ways.next()?, env) {
                (Way::Pipes(home), _) => self.connected(spec, &found, &home, began.elapsed()).await,
                (Way::Attach, Some(env)) => self.attached(spec, &found, env, began.elapsed()).await,
                (Way::Attach, None) => return Ok(None),
            };
            match attempt {
                Ok(running) => {
                    if matches!(running.link, Link::Connected(..)) {
                        self.shared.ways.prove();
                        holder::keep(self);
                    }
                    return Ok(Some(running));
                }
                Err(failed) if failed.unconnected && self.shared.ways.give_up(failed.error.message()) => {}
                Err(failed) => return Err(failed.error),
            }
        }
    }

    /// Starts a container of which the engine carries the stdio and runs the program at once.
    async fn attached(
        &self,
        spec: &StartSpec,
        image: &Found,
        env: &[(String, String)],
        spent: Duration,
    ) -> Result<Running, Failed> {
        self.start(spec, image, &[&spec.env, env], None, None, spent).await
    }

    /// Starts a container that waits to be told to run its program, with what comes of the environment then.
    async fn connected(
        &self,
        spec: &StartSpec,
        image: &Found,
        home: &Home,
        spent: Duration,
    ) -> Result<Running, Failed> {
        let command = create::command(&self.function, image)?;
        let began = Instant::now();
        let network =
            if self.function.network.is_some() { None } else { self.shared.networks.take(self.key) };
        let first = self.joining(spec, image, home, &command, network, spent).await;
        match first {
            // The holder is gone, by whoever's hand: the container gets a namespace of its own.
            Err((failed, Some(network)))
                if network.is_gone() || failed.error.message().contains(network.holder()) =>
            {
                tracing::debug!("a namespace that was kept ready is gone: {}", failed.error);
                let spent = spent + began.elapsed();
                self.joining(spec, image, home, &command, None, spent).await.map_err(|(failed, _)| failed)
            }
            first => first.map_err(|(failed, _)| failed),
        }
    }

    async fn joining(
        &self,
        spec: &StartSpec,
        image: &Found,
        home: &Home,
        command: &[String],
        network: Option<Network>,
        spent: Duration,
    ) -> Result<Running, (Failed, Option<Network>)> {
        let room = match home.room(&spec.number.to_string()) {
            Ok(room) => room,
            Err(error) => {
                let error = Error::unavailable(format!("can't make a socket for a container: {error}"));
                return Err((Failed { error, unconnected: true }, network));
            }
        };
        let init = Some((room, command.to_vec()));
        match self.start(spec, image, &[&spec.env], init, network.as_ref(), spent).await {
            Ok(running) => Ok(Running { network, ..running }),
            Err(failed) => Err((failed, network)),
        }
    }

    async fn start(
        &self,
        spec: &StartSpec,
        image: &Found,
        env: &[&[(String, String)]],
        init: Option<(Room, Vec<String>)>,
        network: Option<&Network>,
        spent: Duration,
    ) -> Result<Running, Failed> {
        let labels = self.shared.names.labels(&self.function, spec);
        let shared = init.as_ref().map(|(room, command)| (room, command.as_slice()));
        let body = create::body(self, create::Purpose { image, labels, env, init: shared, network });
        let plan = Plan {
            name: self.shared.names.name(spec.number),
            body,
            init,
            proven: self.shared.ways.are_proven(),
            limit: self.function.limits.start_timeout,
            spent,
        };
        self.shared.starter.start(plan).await
    }

    /// Makes sure that the engine has the image, and returns what that says about itself.
    async fn image(&self) -> Result<Found> {
        let limit = self.function.limits.start_timeout;
        match timeout(limit, self.shared.images.ensure(&self.image, &self.fresh)).await {
            Ok(found) => found,
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

/// Held while a network namespace is made ready.
pub(super) struct HoldTurn(Arc<AtomicBool>);

impl Drop for HoldTurn {
    fn drop(&mut self) {
        self.0.store(false, Ordering::SeqCst);
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

    /// Over pipes its container waits for the request's environment. Over `attach` that is fixed when it is created.
    fn prewarms_oneshot(&self) -> bool {
        !self.0.shared.ways.is_attach()
    }

    fn pauses(&self) -> bool {
        true
    }

    fn sees_initialisation(&self) -> bool {
        false
    }

    async fn start(&self, spec: StartSpec) -> Result<Started> {
        let mut sandbox = Contained::new(self.0.clone(), spec);
        let phases = sandbox.start().await?;
        Ok(Started { sandbox: Box::new(sandbox), phases })
    }
}
