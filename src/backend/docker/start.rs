//! Starts containers: create, then attach and start, in this order, so that not one byte of output is missed; or create,
//! start, and wait until its kiln-init has connected.
//!
//! Starts stand in a line and only a few run at once: on two cores a third one only makes all of them slower. A start
//! that fails, or that is dropped at any point, leaves no container behind.

use super::connect::{Engine, Fault};
use super::exit;
use super::home::Room;
use super::network::Network;
use super::reap::{Container, Reaper, UnderWay};
use super::wire;
use crate::backend::{Exit, Phases};
use crate::error::{Error, ErrorKind, Result};
use bollard::container::AttachContainerResults;
use bollard::models::ContainerCreateBody;
use bollard::query_parameters::{AttachContainerOptionsBuilder, CreateContainerOptions};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::net::UnixStream;
use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// How long a container that runs may take to connect before it is looked after, and how long at most where it isn't
/// known yet that one can.
const CONNECTING: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(10));

/// Starts containers, a few at once, in the order in which they were asked for.
pub(super) struct Starter {
    engine: Arc<Engine>,
    reaper: Arc<Reaper>,
    line: Semaphore,
    at_once: usize,
}

/// What is to be started.
pub(super) struct Plan {
    pub(super) name: String,
    pub(super) body: ContainerCreateBody,
    /// What it shares with its host, and what its kiln-init is to run; without, it is attached to.
    pub(super) init: Option<(Room, Vec<String>)>,
    /// Whether a container is known to be able to connect.
    pub(super) proven: bool,
    /// How long it may take, and how much of that is spent already. Waiting in line doesn't count.
    pub(super) limit: Duration,
    pub(super) spent: Duration,
}

/// A container that runs.
pub(super) struct Running {
    pub(super) container: Container,
    pub(super) link: Link,
    pub(super) phases: Phases,
    /// What is left of the time that it may take until its program runs.
    pub(super) left: Duration,
    /// The network namespace that it joined.
    pub(super) network: Option<Network>,
}

/// What connects it with its host.
pub(super) enum Link {
    Attached(AttachContainerResults),
    /// kiln-init's connection, and the command that it waits to be told to run.
    Connected(UnixStream, Vec<String>),
}

/// Why a container didn't start.
#[derive(Debug)]
pub(super) struct Failed {
    pub(super) error: Error,
    /// Whether it may be that no container can connect here.
    pub(super) unconnected: bool,
}

/// A container that has been created. Its fields are dropped in this order: its removal is under way before this no longer is.
pub(super) struct Created {
    pub(super) container: Container,
    _under_way: UnderWay,
}

/// What exists so far of a container that is being started.
#[derive(Default)]
struct Half {
    creating: Option<JoinHandle<Result<Created>>>,
    container: Option<Container>,
}

impl Starter {
    pub(super) fn new(engine: Arc<Engine>, reaper: Arc<Reaper>, at_once: usize) -> Self {
        let at_once = at_once.max(1);
        Self { engine, reaper, line: Semaphore::new(at_once), at_once }
    }

    /// Whether a start is under way.
    pub(super) fn is_busy(&self) -> bool {
        self.line.available_permits() < self.at_once
    }

    /// Starts a container.
    pub(super) async fn start(&self, plan: Plan) -> Result<Running, Failed> {
        let _turn = self.line.acquire().await;
        let mut half = Half::default();
        let (limit, left) = (plan.limit, plan.limit.saturating_sub(plan.spent));
        let began = Instant::now();
        let steps = self.steps(&mut half, plan);
        let result = match timeout(left, steps).await {
            Ok(result) => result,
            Err(_) => Err(too_slow(limit).into()),
        };
        match (result, half.container.take()) {
            (Ok((link, phases)), Some(container)) => {
                let left = left.saturating_sub(began.elapsed());
                Ok(Running { container, link, phases, left, network: None })
            }
            (Ok(_), None) => Err(Error::internal("a container started that was never made").into()),
            (Err(failed), container) => {
                half.container = container;
                // An error says that nothing is left. Where the engine hangs, the reaper goes on without us.
                let _ = timeout(self.engine.slow, half.undo()).await;
                Err(failed)
            }
        }
    }

    async fn steps(&self, half: &mut Half, plan: Plan) -> Result<(Link, Phases), Failed> {
        let began = Instant::now();
        let creating = half.creating.insert(self.create(plan.name, plan.body));
        let made = creating.await;
        half.creating = None;
        let Created { container, .. } =
            joined(made).map_err(|error| Failed::new(error, plan.init.as_ref().map(|(room, _)| room)))?;
        let id = half.container.insert(container).id();
        let (link, create) = match plan.init {
            Some((room, command)) => {
                let create = began.elapsed();
                (Link::Connected(self.connect(id, room, plan.proven).await?, command), create)
            }
            None => {
                let link = self.attach(id).await?;
                let create = began.elapsed();
                joined(self.run(id).await)?;
                (Link::Attached(link), create)
            }
        };
        Ok((link, Phases { create, start: began.elapsed().saturating_sub(create), init: Duration::ZERO }))
    }

    async fn attach(&self, id: &str) -> Result<AttachContainerResults> {
        let options = AttachContainerOptionsBuilder::default()
            .stream(true)
            .stdin(true)
            .stdout(true)
            .stderr(true)
            .build();
        let link = self
            .engine
            .call(self.engine.quick, async |client| client.attach_container(id, Some(options)).await);
        link.await.map_err(|fault| self.engine.refused("attach to a container", fault))
    }

    /// Has the engine run a container, in a task of its own: what runs may be of use before the engine says that it does.
    fn run(&self, id: &str) -> JoinHandle<Result<()>> {
        let (engine, id) = (self.engine.clone(), id.to_owned());
        tokio::spawn(async move {
            let start = engine.call(engine.slow, async |client| client.start_container(&id, None).await);
            start.await.map_err(|fault| failed(&engine, "start a container", fault))
        })
    }

    /// Runs a container whose kiln-init connects.
    async fn connect(&self, id: &str, room: Room, proven: bool) -> Result<UnixStream, Failed> {
        let lost = |error| Error::unavailable(format!("a container can't be waited for: {error}"));
        let mut connected = std::pin::pin!(room.connected());
        let mut starting = self.run(id);
        tokio::select! {
            biased;
            stream = &mut connected => return Ok(stream.map_err(lost)?),
            started = &mut starting => joined(started).map_err(|error| Failed::new(error, Some(&room)))?,
        }
        let began = Instant::now();
        loop {
            if let Ok(stream) = timeout(CONNECTING.0, &mut connected).await {
                return Ok(stream.map_err(lost)?);
            }
            match exit::so_far(&self.engine, id).await {
                Exit::Killed if proven || began.elapsed() < CONNECTING.1 => {}
                Exit::Killed => {
                    let error = Error::unavailable(format!(
                        "a container runs, but its kiln-init did not connect within {}",
                        humantime::format_duration(CONNECTING.1)
                    ));
                    return Err(Failed { error, unconnected: true });
                }
                exit => {
                    let unconnected = matches!(exit, Exit::Code(_) | Exit::Signal(_));
                    let error = exit.into_error().context("a container's kiln-init could not connect");
                    return Err(Failed { error, unconnected });
                }
            }
        }
    }

    /// Creates a container in a task of its own. The engine creates it whether or not somebody still waits, and its id
    /// must not be lost: where nobody does, the task's result is dropped and so removed.
    pub(super) fn create(&self, name: String, body: ContainerCreateBody) -> JoinHandle<Result<Created>> {
        let (engine, reaper, runtime) = (self.engine.clone(), self.reaper.clone(), Handle::current());
        let under_way = self.reaper.under_way();
        tokio::spawn(async move {
            let options = CreateContainerOptions { name: Some(name.clone()), ..Default::default() };
            let answer =
                engine.call(engine.slow, async |client| client.create_container(Some(options), body).await);
            match answer.await {
                Ok(made) => {
                    for warning in made.warnings {
                        tracing::debug!(container = name, "the docker engine warns: {warning}");
                    }
                    Ok(Created { container: Container::new(made.id, reaper, runtime), _under_way: under_way })
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
            && let Ok(Ok(Created { container, .. })) = creating.await
        {
            container.remove().await;
        }
        if let Some(container) = self.container {
            container.remove().await;
        }
    }
}

impl Failed {
    /// A failure is about what the container shares with its host if the engine's words name that, unless they tell of
    /// something that passes: an engine names kiln-init whatever keeps it from running a container.
    fn new(error: Error, room: Option<&Room>) -> Self {
        let names = |path: &str| error.message().contains(path);
        let unconnected = error.kind() == ErrorKind::FunctionFailed
            && room.is_some_and(|room| names(wire::DIR) || names(&room.path().to_string_lossy()));
        Self { error, unconnected }
    }
}

impl From<Error> for Failed {
    fn from(error: Error) -> Self {
        Self { error, unconnected: false }
    }
}

/// A task's own result.
pub(super) fn joined<T>(ended: Result<Result<T>, tokio::task::JoinError>) -> Result<T> {
    ended.map_err(|end| Error::internal(format!("a task of a container's start ended: {end}")))?
}

/// `TimedOut`: a start that took longer than the function allows.
pub(super) fn too_slow(limit: Duration) -> Error {
    let limit = humantime::format_duration(limit);
    Error::new(
        ErrorKind::TimedOut,
        format!("the container didn't start within {limit}: raise `start_timeout`"),
    )
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
