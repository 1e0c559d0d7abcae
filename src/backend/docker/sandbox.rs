//! One container as a sandbox.

use super::attach::Attach;
use super::exit;
use super::lane::Lane;
use super::line::{End, Line};
use super::network::Network;
use super::pipes::{NotRun, Pipes};
use super::program::Declared;
use super::reap::Container;
use super::served::{Served, Unreached, unserved};
use super::start::{Link, Running, too_slow};
use super::wire::{Ended, How};
use crate::backend::{BoxFuture, Exit, Phases, Sandbox, StartSpec, Stdio};
use crate::error::{Error, Result};
use crate::function::Target;
use async_trait::async_trait;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// Pieces of stdout that are read in search of its end.
const LAST_PIECES: usize = 16;

/// A container, or for a one-shot function that can't be started ahead, only what it will be made of.
pub(super) struct Contained {
    declared: Arc<Declared>,
    spec: StartSpec,
    container: Option<Container>,
    /// A launch that isn't over. It goes on in a task of its own, so that whoever removes the sandbox knows what it made.
    launching: Option<JoinHandle<Result<Option<Running>>>>,
    /// The network namespace that it joined, to be given back when the container is gone.
    network: Option<Network>,
    /// How long its program may take to run: what its container's start has left of `start_timeout`.
    left: Duration,
    channel: Channel,
    exit: Option<Exit>,
}

/// What carries its stdio.
enum Channel {
    Attach(Attach),
    Pipes(Pipes),
    Served(Served),
}

impl Contained {
    pub(super) fn new(declared: Arc<Declared>, spec: StartSpec) -> Self {
        let channel = Channel::Attach(Attach::new(declared.engine().clone(), spec.logs.clone()));
        let left = declared.function.limits.start_timeout;
        Self { declared, spec, container: None, launching: None, network: None, left, channel, exit: None }
    }

    /// Starts the container, and a streaming function's program in it. After an error nothing is left.
    pub(super) async fn start(&mut self) -> Result<Phases> {
        let began = Instant::now();
        let format = self.declared.function.format;
        let streams = format.is_streaming();
        let target = self.declared.function.target();
        if target.is_some() && self.declared.shared().ways.is_attach() {
            return Err(unserved(format));
        }
        let running = self.declared.run(&self.spec, streams.then_some(&[])).await?;
        let Some(running) = running else {
            return Ok(Phases { create: began.elapsed(), ..Phases::default() });
        };
        let mut phases = self.take(running);
        if streams {
            let run = match (&self.channel, target) {
                (Channel::Pipes(_), None) => self.run(&[]).await,
                (Channel::Pipes(_), Some(target)) => self.serve(target).await,
                (Channel::Attach(_), Some(_)) => Err(unserved(format)),
                (Channel::Attach(_) | Channel::Served(_), _) => Ok(Phases::default()),
            };
            match run {
                Ok(ran) => phases.start += ran.start,
                Err(error) => {
                    let removal = self.container.take().map(Container::remove);
                    // Where the engine hangs, the reaper goes on without us.
                    if let Some(removal) = removal {
                        let _ = timeout(self.declared.engine().slow, removal).await;
                    }
                    return Err(error);
                }
            }
        }
        Ok(phases)
    }

    fn take(&mut self, running: Running) -> Phases {
        self.container = Some(running.container);
        (self.network, self.left) = (running.network, running.left);
        match (running.link, &mut self.channel) {
            (Link::Attached(link), Channel::Attach(attach)) => attach.connect(link),
            (Link::Attached(_), Channel::Pipes(_) | Channel::Served(_)) => {}
            (Link::Connected(stream, command), channel) => {
                let line = Arc::new(Line::new(stream, self.spec.logs.clone()));
                *channel = Channel::Pipes(Pipes::new(line, command));
            }
        }
        running.phases
    }

    /// Has kiln-init run the program, with more environment than its container was made with.
    async fn run(&mut self, env: &[(String, String)]) -> Result<Phases> {
        let Channel::Pipes(pipes) = &mut self.channel else {
            return Err(Error::internal("a container without kiln-init is told to run"));
        };
        let began = Instant::now();
        match timeout(self.left, pipes.run(env)).await {
            Ok(Ok(())) => Ok(Phases { start: began.elapsed(), ..Phases::default() }),
            Ok(Err(NotRun::Program(why))) => Err(Error::failed(why)),
            Ok(Err(NotRun::Gone)) => Err(self.exit().await.into_error()),
            Ok(Err(NotRun::Pipes(error))) => {
                Err(Error::unavailable(format!("can't give a container its stdio: {error}")))
            }
            Err(_) => Err(too_slow(self.declared.function.limits.start_timeout)),
        }
    }

    /// Has kiln-init run the program, and waits until the server that it is listens.
    async fn serve(&mut self, target: Target) -> Result<Phases> {
        let Channel::Pipes(pipes) = &mut self.channel else {
            return Err(Error::internal("a container without kiln-init is told to serve"));
        };
        pipes.all_log();
        let (line, logs) = (pipes.line().clone(), self.spec.logs.clone());
        let ran = self.run(&[]).await?;
        let began = Instant::now();
        let (left, format) = (self.left.saturating_sub(ran.start), self.declared.function.format);
        match timeout(left, Served::new(line, logs, target, format)).await {
            Ok(Ok(served)) => {
                // The pipes hang up as they go: nothing may be heard of that.
                if let Channel::Pipes(pipes) = std::mem::replace(&mut self.channel, Channel::Served(served)) {
                    pipes.forget();
                }
                Ok(Phases { init: began.elapsed(), ..ran })
            }
            Ok(Err(Unreached::Ended)) => {
                let exit = self.exit().await;
                Err(exit.into_error().context(format_args!("its server on {target} never listened")))
            }
            Ok(Err(Unreached::Odd(why))) => Err(Error::failed(format!("its server on {target}: {why}"))),
            Err(_) => {
                let limit = self.declared.function.limits.start_timeout;
                Err(too_slow(limit).context(format_args!("its server on {target} doesn't listen")))
            }
        }
    }

    fn container(&self) -> Result<&Container> {
        self.container.as_ref().ok_or_else(|| Error::internal("a container is used before it is launched"))
    }

    /// Why it ended if it has; `Killed` if it still runs.
    async fn exit_so_far(&mut self, container: &Container) -> Exit {
        if let Some(exit) = self.exit.take() {
            return exit;
        }
        let engine = self.declared.engine();
        match &mut self.channel {
            Channel::Attach(attach) => {
                // Its end comes after whatever it still wrote, of which nobody wants to know.
                for _ in 0..LAST_PIECES {
                    if attach.stray().is_none() {
                        break;
                    }
                }
                match attach.has_ended() {
                    false => Exit::Killed,
                    true => exit::so_far(engine, container.id()).await,
                }
            }
            Channel::Pipes(pipes) => match pipes.line().end_so_far() {
                None => Exit::Killed,
                Some(end) => told(end, exit::so_far(engine, container.id())).await,
            },
            Channel::Served(served) => match served.line().end_so_far() {
                None => Exit::Killed,
                Some(end) => told(end, exit::so_far(engine, container.id())).await,
            },
        }
    }
}

/// Why a container ended: what its kiln-init said, or where that doesn't tell, what the engine says.
pub(super) async fn told(end: End, engines: impl Future<Output = Exit>) -> Exit {
    let End::Told(Ended { how, out_of_memory }) = end else { return engines.await };
    match (how, out_of_memory) {
        (How::Code(0), _) => Exit::Code(0),
        // Also where a shell outlived the hog that was killed, and failed because of that.
        (_, Some(true)) => Exit::OutOfMemory,
        (_, None) if engines.await == Exit::OutOfMemory => Exit::OutOfMemory,
        (How::Code(code), _) => Exit::Code(code),
        (How::Signal(signal), _) => Exit::Signal(signal),
    }
}

#[async_trait]
impl Sandbox for Contained {
    fn stdio(&mut self) -> &mut dyn Stdio {
        match &mut self.channel {
            Channel::Attach(attach) => attach,
            Channel::Pipes(pipes) => pipes,
            Channel::Served(served) => served,
        }
    }

    async fn launch(&mut self, env: Vec<(String, String)>) -> Result<Phases> {
        if let Channel::Pipes(_) = self.channel {
            return self.run(&env).await;
        }
        if self.container.is_some() || self.launching.is_some() {
            return Err(Error::internal("a container is launched twice"));
        }
        let (declared, spec) = (self.declared.clone(), self.spec.clone());
        let launching =
            self.launching.insert(tokio::spawn(async move { declared.run(&spec, Some(&env)).await }));
        let launched = launching.await;
        self.launching = None;
        let running = launched.map_err(|end| Error::internal(format!("a launch ended: {end}")))??;
        running.map(|running| self.take(running)).ok_or_else(|| Error::internal("a launch made nothing"))
    }

    async fn pause(&mut self) -> Result<()> {
        let (engine, id) = (self.declared.engine(), self.container()?.id());
        let answer = engine.call(engine.quick, async |client| client.pause_container(id).await).await;
        answer.map_err(|fault| engine.refused("pause a container", fault))
    }

    async fn resume(&mut self) -> Result<()> {
        self.declared.resume(self.container()?.id()).await
    }

    async fn exit(&mut self) -> Exit {
        if let Some(exit) = &self.exit {
            return exit.clone();
        }
        let Ok(container) = self.container() else {
            return Exit::Lost("its container was never launched".into());
        };
        let engines = exit::wait(self.declared.engine(), container.id());
        let exit = match &self.channel {
            Channel::Attach(_) => engines.await,
            Channel::Pipes(pipes) => told(pipes.line().end().await, engines).await,
            Channel::Served(served) => told(served.line().end().await, engines).await,
        };
        self.exit.insert(exit).clone()
    }

    /// The limit: a container's memory isn't given back while it rests.
    fn held(&self) -> u64 {
        self.declared.memory
    }

    fn is_dead(&mut self) -> bool {
        self.exit.is_some()
            || match &mut self.channel {
                Channel::Attach(attach) => attach.has_ended(),
                Channel::Pipes(pipes) => pipes.has_ended(),
                Channel::Served(served) => served.has_ended(),
            }
    }

    fn ended(&self) -> Option<BoxFuture> {
        let id = self.container.as_ref()?.id().to_owned();
        match &self.channel {
            Channel::Pipes(pipes) => return Some(Box::pin(pipes.line().clone().over())),
            Channel::Served(served) => return Some(Box::pin(served.line().clone().over())),
            Channel::Attach(_) => {}
        }
        let engine = self.declared.engine().clone();
        // An engine that went away took the attached connection with it: the sandbox is of no use either way.
        Some(Box::pin(async move { exit::ended(&engine, &id).await }))
    }

    fn lane(&mut self) -> Option<Box<dyn Sandbox>> {
        let (Channel::Served(served), Some(container)) = (&mut self.channel, &self.container) else {
            return None;
        };
        Some(Box::new(Lane::new(self.declared.clone(), container.id().to_owned(), served.another())))
    }

    async fn remove(mut self: Box<Self>) -> Exit {
        // Its caller went away in the middle: what it made has to go before its charge is given back (`SEEDS.md D7`).
        if let Some(launching) = self.launching.take()
            && let Ok(Ok(Some(running))) = launching.await
        {
            self.take(running);
        }
        let Some(container) = self.container.take() else { return Exit::Killed };
        let exit = self.exit_so_far(&container).await;
        match &mut self.channel {
            Channel::Attach(attach) => attach.disconnect(),
            Channel::Pipes(pipes) => pipes.line().hang_up(),
            Channel::Served(served) => served.line().hang_up(),
        }
        container.remove().await;
        if let Some(network) = self.network.take() {
            self.declared.give(network);
        }
        exit
    }
}
