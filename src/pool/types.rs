//! The words that the pool and its host speak: ids, what a function needs, events' results, actions.

use crate::invocation::Start;
use std::time::Duration;

/// A moment, in nanoseconds since the host began. The pool has no clock: every event brings its time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time(pub u64);

impl Time {
    /// This long after the host began.
    pub const fn after(since: Duration) -> Self {
        let nanos = since.as_nanos();
        Self(if nanos > u64::MAX as u128 { u64::MAX } else { nanos as u64 })
    }

    /// How long after an earlier moment; 0 if that is later.
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

impl std::ops::Add<Duration> for Time {
    type Output = Self;

    fn add(self, later: Duration) -> Self {
        Self(self.0.saturating_add(Self::after(later).0))
    }
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        ///
        /// An index that is used again and a generation that isn't, so that a stale one is known as such
        /// (`SEEDS.md D6`).
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name {
            pub(crate) index: u32,
            pub(crate) generation: u32,
        }

        impl $name {
            /// Small and dense: fit to index a table beside the pool.
            pub const fn index(self) -> usize {
                self.index as usize
            }

            /// Index and generation in one number.
            pub const fn number(self) -> u64 {
                (self.generation as u64) << 32 | self.index as u64
            }
        }
    };
}

id! {
    /// A deployed revision of a function.
    FunctionId
}
id! {
    /// One sandbox, from the `Start` that asks for it to the `removed` that confirms its end.
    SandboxId
}
id! {
    /// One job: an invocation, as the pool sees it.
    JobId
}

/// What can be started before its function is known: a language runtime, or a single function's own program.
/// A prewarmed sandbox is taken by a job only on an exact match of kind and memory (`SEEDS.md W8`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Kind(pub u32);

/// What the pool needs to know of a function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FunctionSpec {
    /// Bytes charged for one sandbox from its start on, and always while it runs a job.
    pub memory: u64,
    /// Jobs that one sandbox runs at once, at least 1 (`SEEDS.md W2`).
    pub concurrency: u32,
    /// Sandboxes at most, at least 1; starting ones count, ones being removed don't (`SEEDS.md I2`).
    pub max_sandboxes: u32,
    /// Jobs that one sandbox runs before it is removed; `None`: no limit.
    pub max_uses: Option<u32>,
    /// How long an idle sandbox is kept (`SEEDS.md I4`, `W20`).
    pub idle_timeout: Duration,
    /// How long an idle sandbox runs before it is paused (`SEEDS.md W20`); `None`: never.
    pub pause_after: Option<Duration>,
    /// The kind of prewarmed sandbox that serves it.
    pub kind: Option<Kind>,
}

/// How a pool is set up.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PoolConfig {
    /// The budget: bytes that all sandboxes together may be charged.
    pub budget: u64,
    /// How long the first in the host's line waits before nobody passes it any more. 0: strict order (`SEEDS.md W12`).
    pub patience: Duration,
    /// Jobs that may wait at once; more are refused.
    pub max_waiting: usize,
    /// What is evicted first.
    pub policy: Policy,
    /// Whether a job waits for a busy sandbox of its function, for as long as a start would take and where one is expected
    /// to be free before, rather than having one started at once.
    pub wait_for_busy: bool,
    /// Whether prewarmed sandboxes that nobody has taken stay out of the budget, as the seed has it.
    pub prewarm_outside_budget: bool,
}

impl Default for PoolConfig {
    fn default() -> Self {
        Self {
            budget: 1 << 30,
            patience: Duration::from_millis(250),
            max_waiting: 10_000,
            policy: Policy::default(),
            wait_for_busy: true,
            prewarm_outside_budget: false,
        }
    }
}

/// Which idle sandbox is evicted first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Policy {
    /// The one that is cheapest to bring back, for its size and use: Greedy-Dual with a concurrency term.
    #[default]
    Cost,
    /// The one unused for longest (`SEEDS.md W10`).
    Lru,
}

/// What is to be started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// A sandbox of this function.
    Function(FunctionId),
    /// A prewarmed sandbox of this kind and memory.
    Prewarm(Kind, u64),
}

/// What the host is to do. Each is carried out after the event that gave it, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Start a sandbox; answer with `ready` or `start_failed`.
    Start {
        /// The id it will be known by.
        sandbox: SandboxId,
        /// What to start.
        target: Target,
    },
    /// Run a job in a sandbox; answer with `released` or `reschedule`.
    Assign {
        /// The job, which waits no longer.
        job: JobId,
        /// The sandbox; the job is one of at most `concurrency` in it.
        sandbox: SandboxId,
        /// How it got it (`SEEDS.md W9`).
        start: Start,
        /// Whether the sandbox is paused and must be resumed first.
        paused: bool,
    },
    /// Pause an idle sandbox; answer with `paused` or `removed`. No job is assigned to it until then.
    Pause {
        /// The sandbox.
        sandbox: SandboxId,
    },
    /// Remove a sandbox, in which no job runs; answer with `removed` when nothing of it is left.
    Remove {
        /// The sandbox.
        sandbox: SandboxId,
        /// Why.
        why: Why,
    },
    /// End a job without running it.
    Refuse {
        /// The job, which is ended.
        job: JobId,
        /// Why.
        why: Refusal,
    },
    /// Jobs have ended: the source may send as many more (`SEEDS.md W18`).
    Credit(u32),
    /// A retired function has neither jobs nor sandboxes left; its id is no longer known.
    Forget {
        /// The function.
        function: FunctionId,
    },
    /// A closed pool has no job and no sandbox left.
    Closed,
}

/// Why a sandbox is removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Why {
    /// Room is needed.
    Evicted,
    /// Nobody used it for its idle timeout.
    Idle,
    /// It ran as many jobs as it may.
    UsedUp,
    /// Its stream can't be trusted, or it is dead.
    Poisoned,
    /// Its function's revision is retired, or its prewarm entry shrank.
    Retired,
    /// The pool is closing.
    Closing,
}

/// Why a job is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// It needs more than the whole budget (`SEEDS.md D5`). Both figures, in bytes.
    Impossible {
        /// What one sandbox of the function is charged.
        needs: u64,
        /// The whole budget.
        budget: u64,
    },
    /// As many jobs wait as may.
    QueueFull,
    /// The start that it waited for failed (`SEEDS.md W22`); the host knows why, by the sandbox.
    StartFailed(SandboxId),
    /// Its sandbox was removed while it ran, and the host didn't release it before.
    Lost,
    /// The pool is closed, or the function isn't deployed any more.
    Closed,
}

/// What became of a sandbox after a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It is at rest and can be used again.
    Keep,
    /// It can't be trusted and must be removed.
    Poisoned,
}

/// The pool in figures (`SEEDS.md W19`). Memory in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// The budget.
    pub budget: u64,
    /// All that is charged now.
    pub charged: u64,
    /// Jobs that wait.
    pub waiting: usize,
    /// What they need.
    pub waiting_memory: u64,
    /// Sandboxes that run a job.
    pub active: usize,
    /// What they are charged.
    pub active_memory: u64,
    /// Sandboxes started ahead that nobody has taken yet, starting ones included.
    pub prewarmed: usize,
    /// What they are charged.
    pub prewarmed_memory: u64,
    /// Of those, the ones that are still being started.
    pub prewarming: usize,
    /// Warm sandboxes that run no job, paused ones included.
    pub idle: usize,
    /// What they are charged.
    pub idle_memory: u64,
    /// Sandboxes being started for a job.
    pub starting: usize,
    /// What they are charged.
    pub starting_memory: u64,
    /// Sandboxes being removed, not yet confirmed.
    pub removing: usize,
    /// What they are still charged.
    pub removing_memory: u64,
    /// Jobs that ever had to wait, each counted once (`SEEDS.md W14`, `D8`).
    pub waited: u64,
    /// Jobs that have ended.
    pub ended: u64,
    /// Sandboxes evicted.
    pub evicted: u64,
}

/// One function in figures.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FunctionFigures {
    /// Sandboxes that run a job.
    pub active: u32,
    /// Warm sandboxes that run none, paused ones included.
    pub idle: u32,
    /// Of those, the paused ones.
    pub paused: u32,
    /// Sandboxes being started for its jobs.
    pub starting: u32,
    /// Jobs that wait.
    pub waiting: u32,
}
