//! What `/_kiln/functions` and `/_kiln/pool` show, to be read by the command line and by other programs.

use crate::function::{BackendKind, Format};
use crate::host::Deployed;
use crate::pool::Figures;
use serde::{Deserialize, Serialize};

/// A deployed function: an element of the list at `/_kiln/functions`. Memory in bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FunctionView {
    /// Its namespace; `_` where it has none.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its backend.
    pub backend: BackendKind,
    /// The runtime that loads its source; `None` where it is a module or an image.
    #[serde(default)]
    pub runtime: Option<String>,
    /// Whether its sandboxes start from a snapshot that has loaded its source.
    #[serde(default)]
    pub snapshot: bool,
    /// Its format.
    pub format: Format,
    /// The digest of all that decides how it runs.
    pub revision: String,
    /// The memory limit of one sandbox.
    pub memory: u64,
    /// Sandboxes at most.
    pub max_sandboxes: u32,
    /// Sandboxes that are started ahead.
    pub prewarm: u32,
    /// Sandboxes that run a request.
    pub active: u32,
    /// Warm sandboxes that run none, paused ones included.
    pub idle: u32,
    /// Of those, the paused ones.
    pub paused: u32,
    /// Sandboxes being started for its requests.
    pub starting: u32,
    /// Requests that wait.
    pub waiting: u32,
}

impl From<&Deployed> for FunctionView {
    fn from(deployed: &Deployed) -> Self {
        let (function, figures) = (&deployed.function, deployed.figures);
        Self {
            namespace: function.namespace.clone(),
            name: function.name.clone(),
            backend: deployed.backend,
            runtime: function.code.source.as_ref().map(|source| source.runtime.clone()),
            snapshot: deployed.snapshot,
            format: function.format,
            revision: deployed.revision.to_string(),
            memory: deployed.memory,
            max_sandboxes: function.limits.max_sandboxes,
            prewarm: function.prewarm,
            active: figures.active,
            idle: figures.idle,
            paused: figures.paused,
            starting: figures.starting,
            waiting: figures.waiting,
        }
    }
}

/// Some of the pool's sandboxes, or of its jobs, and what they take.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Share {
    /// How many.
    pub count: u64,
    /// What they are charged, or need, in bytes.
    pub bytes: u64,
}

/// The pool in figures: `/_kiln/pool` (`SEEDS.md W19`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PoolView {
    /// Bytes that all sandboxes together may be charged.
    pub budget: u64,
    /// Bytes that they are charged now.
    pub charged: u64,
    /// Requests that wait.
    pub waiting: Share,
    /// Sandboxes that run a request.
    pub active: Share,
    /// Warm sandboxes that run none.
    pub idle: Share,
    /// Sandboxes started ahead that nobody has taken yet.
    pub prewarmed: Share,
    /// Sandboxes being started for a request.
    pub starting: Share,
    /// Sandboxes being removed.
    pub removing: Share,
    /// Requests that ever had to wait.
    pub waited: u64,
    /// Requests that have ended.
    pub ended: u64,
    /// Sandboxes evicted.
    pub evicted: u64,
}

impl From<Figures> for PoolView {
    fn from(figures: Figures) -> Self {
        let share = |count: usize, bytes| Share { count: count as u64, bytes };
        Self {
            budget: figures.budget,
            charged: figures.charged,
            waiting: share(figures.waiting, figures.waiting_memory),
            active: share(figures.active, figures.active_memory),
            idle: share(figures.idle, figures.idle_memory),
            prewarmed: share(figures.prewarmed, figures.prewarmed_memory),
            starting: share(figures.starting, figures.starting_memory),
            removing: share(figures.removing, figures.removing_memory),
            waited: figures.waited,
            ended: figures.ended,
            evicted: figures.evicted,
        }
    }
}
