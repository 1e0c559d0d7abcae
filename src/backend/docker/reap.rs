//! Ends containers, for certain: a removal is tried until the engine confirms it, however long the engine is away.
//!
//! A [`Container`] is the one handle to a container that exists. Whoever drops it, on whatever path, hands the
//! container to the [`Reaper`], so a start that is abandoned in the middle or a sandbox that is forgotten leaves
//! nothing behind.

use super::connect::{Engine, Fault};
use bollard::query_parameters::RemoveContainerOptionsBuilder;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinHandle;

/// Removals that run at once; more only make each other slower.
const AT_ONCE: usize = 4;
/// The first pause before a removal is tried again, and the longest.
const PAUSES: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(2));
/// How long after an answer a container may still turn up whose creation was cut off.
const LATE: Duration = Duration::from_secs(30);

/// Removes containers.
pub(super) struct Reaper {
    engine: Arc<Engine>,
    turns: Semaphore,
    /// One receiver for each creation and removal that isn't over.
    under_way: watch::Sender<()>,
}

/// Says, while it lives, that something is under way.
pub(super) struct UnderWay(#[expect(dead_code, reason = "it is held for its drop")] watch::Receiver<()>);

impl Reaper {
    pub(super) fn new(engine: Arc<Engine>) -> Arc<Self> {
        Arc::new(Self { engine, turns: Semaphore::new(AT_ONCE), under_way: watch::Sender::default() })
    }

    /// To be held by whatever makes or ends a container.
    pub(super) fn under_way(&self) -> UnderWay {
        UnderWay(self.under_way.subscribe())
    }

    /// Waits until nothing is under way: no container is left that nobody holds.
    pub(super) async fn settled(&self) {
        self.under_way.closed().await;
    }

    /// Removes a container in a task of its own, which goes on if nobody awaits it.
    pub(super) fn remove(self: &Arc<Self>, id: String, runtime: &Handle) -> JoinHandle<()> {
        let (reaper, under_way) = (self.clone(), self.under_way());
        runtime.spawn(async move {
            let _under_way = under_way;
            let mut pause = PAUSES.0;
            while let Err(fault) = reaper.attempt(&id).await {
                reaper.wait(&id, &fault, &mut pause).await;
            }
        })
    }

    /// Removes a container that may exist: the answer to its creation never came.
    pub(super) fn sweep(self: &Arc<Self>, name: String, runtime: &Handle) {
        let reaper = self.clone();
        runtime.spawn(async move {
            let mut pause = PAUSES.0;
            let mut answered = None;
            loop {
                match reaper.attempt(&name).await {
                    Ok(Gone::Removed) => break,
                    Ok(Gone::Unknown) if answered.get_or_insert_with(Instant::now).elapsed() > LATE => break,
                    Ok(Gone::Unknown) => tokio::time::sleep(PAUSES.1).await,
                    Err(fault) => reaper.wait(&name, &fault, &mut pause).await,
                }
            }
        });
    }

    /// One try. An error means that the container may still be there.
    async fn attempt(&self, id: &str) -> Result<Gone, Fault> {
        // The semaphore is never closed; if it were, removing without a turn is still right.
        let _turn = self.turns.acquire().await;
        let options = RemoveContainerOptionsBuilder::default().force(true).v(true).build();
        let removal = self
            .engine
            .call(self.engine.slow, async |client| client.remove_container(id, Some(options)).await);
        match removal.await {
            Ok(()) => Ok(Gone::Removed),
            Err(Fault::Said(404, _)) => Ok(Gone::Unknown),
            Err(fault) => Err(fault),
        }
    }

    async fn wait(&self, id: &str, fault: &Fault, pause: &mut Duration) {
        // 409: somebody else is removing it just now; 404 will follow.
        if *pause == PAUSES.0 && !matches!(fault, Fault::Said(409, _)) {
            tracing::warn!(container = id, "can't remove a container yet, trying on: {fault}");
        }
        tokio::time::sleep(*pause).await;
        *pause = (*pause * 2).min(PAUSES.1);
    }
}

enum Gone {
    Removed,
    Unknown,
}

/// A container that exists, from its creation to its confirmed removal.
pub(super) struct Container {
    id: String,
    reaper: Arc<Reaper>,
    runtime: Handle,
    handed_over: bool,
}

impl Container {
    pub(super) fn new(id: String, reaper: Arc<Reaper>, runtime: Handle) -> Self {
        Self { id, reaper, runtime, handed_over: false }
    }

    pub(super) fn id(&self) -> &str {
        &self.id
    }

    /// Removes it; returns when the engine has confirmed that.
    pub(super) async fn remove(mut self) {
        // A task that can't be joined ends with its runtime, and everything waiting here with it.
        let _ = self.hand_over().await;
    }

    fn hand_over(&mut self) -> JoinHandle<()> {
        self.handed_over = true;
        self.reaper.remove(std::mem::take(&mut self.id), &self.runtime)
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        if !self.handed_over {
            self.hand_over();
        }
    }
}
