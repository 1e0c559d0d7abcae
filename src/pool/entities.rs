//! What the pool keeps of each job, sandbox and function.

use super::list::{Linked, Links, List, Slot};
use super::types::{FunctionSpec, Time};
use std::time::Duration;

/// A job that waits or runs.
#[derive(Clone, Copy, Debug)]
pub(super) struct Job {
    pub(super) function: u32,
    /// Place in the order of arrival.
    pub(super) order: u64,
    pub(super) arrival: Time,
    /// When it began to run.
    pub(super) began: Time,
    pub(super) place: Place,
    /// Whether a sandbox was started on its behalf.
    pub(super) triggered: bool,
    /// Whether something was evicted on its behalf.
    pub(super) evicted: bool,
    /// Whether it has been counted as one that had to wait (`SEEDS.md D8`).
    pub(super) waited: bool,
    pub(super) links: Links,
}

/// Where a job is. Each is in one list: its function's `covered` or `line`, or its sandbox's `jobs`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// It waits for a sandbox that is on its way.
    Covered,
    /// It waits for room, or for its function to have a sandbox free.
    Line,
    /// It has just arrived, or has just left a sandbox, and is in no list.
    Loose,
    /// It runs in this sandbox.
    Running(u32),
}

impl Linked for Job {
    fn links(&mut self) -> &mut Links {
        &mut self.links
    }
    fn after(&self) -> Links {
        self.links
    }
}

/// What a sandbox is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// It has been asked for.
    Starting,
    /// It has started and runs; it may have jobs or be idle.
    Running,
    /// It is being paused.
    Pausing,
    /// It is paused.
    Paused,
    /// It is being removed.
    Removing,
}

/// The figures that a sandbox is counted in (`SEEDS.md W19`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Class {
    /// Started for a function.
    Starting,
    /// Started ahead, not ready yet.
    Ahead,
    /// Started ahead and ready.
    Prewarmed,
    Active,
    Idle,
    Pausing,
    Removing,
}

/// The list that a sandbox lies in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shelf {
    None,
    /// Its function's `idle`.
    Idle,
    /// Its function's `paused`.
    Paused,
    /// Its function's `open`.
    Open,
    /// Its prewarm entry's `ahead` or `ready`.
    Ahead,
    Ready,
}

/// One sandbox. What a warm hit reads and writes comes first and fits the line that the slab gives it.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub(super) struct Sandbox {
    /// Its function; none while it is prewarmed and nobody has taken it.
    pub(super) owner: Slot,
    pub(super) phase: Phase,
    pub(super) shelf: Shelf,
    /// Whether it must be removed as soon as no job runs in it.
    pub(super) poisoned: bool,
    pub(super) uses: u32,
    /// Those that run in it.
    pub(super) jobs: List,
    pub(super) links: Links,
    /// Bytes charged now.
    pub(super) charge: u64,
    pub(super) idle_since: Time,
    /// Its eviction priority, from when it fell idle.
    pub(super) priority: u64,

    /// Bytes charged while it runs jobs.
    pub(super) memory: u64,
    /// Bytes charged at rest, as told while it isn't: once it is, `charge` says so.
    pub(super) rest: u64,
    pub(super) started: Time,
    /// The prewarm entry that it was started for and has not been taken from.
    pub(super) entry: Option<u32>,
}

impl Sandbox {
    pub(super) fn function(&self) -> Option<u32> {
        self.owner.get()
    }

    /// How many jobs run in it.
    pub(super) fn active(&self) -> u32 {
        self.jobs.len()
    }

    pub(super) fn class(&self) -> Class {
        match self.phase {
            Phase::Removing => Class::Removing,
            Phase::Starting if self.function().is_none() => Class::Ahead,
            _ if self.function().is_none() => Class::Prewarmed,
            Phase::Starting => Class::Starting,
            Phase::Pausing => Class::Pausing,
            _ if self.active() > 0 => Class::Active,
            _ => Class::Idle,
        }
    }
}

impl Linked for Sandbox {
    fn links(&mut self) -> &mut Links {
        &mut self.links
    }
    fn after(&self) -> Links {
        self.links
    }
}

/// One function. What a warm hit reads and writes comes first and fits the line that the slab gives it.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub(super) struct Function {
    /// Nothing but idle sandboxes: no job waits, none of its sandboxes is open to more jobs, and it isn't retired. May be
    /// false where it could be true; then a hit takes the long way ([`super::warm`]).
    pub(super) calm: bool,
    /// Whether its timer is due before any sandbox of it that falls idle from now on. May be false where it could be true.
    pub(super) armed: bool,
    /// Whether its sandboxes run one job at once, and any number after each other.
    pub(super) plain: bool,
    pub(super) retired: bool,
    /// Sandboxes that count against its maximum.
    pub(super) live: u32,
    /// Running sandboxes without jobs, last used first.
    pub(super) idle: List,
    /// Times used since it last had no sandbox.
    pub(super) frequency: u32,
    /// The same as in `spec`.
    pub(super) memory: u64,
    /// What a cold start takes, as measured, in nanoseconds.
    pub(super) cold: u64,
    /// What a job takes in its sandbox, as measured, in nanoseconds.
    pub(super) run: u64,
    /// The priority in `evict`; all ones without.
    pub(super) offered: u64,

    /// Its current entry in the eviction heap.
    pub(super) evict: Option<(u64, Time)>,
    /// When its entry in the timers is due.
    pub(super) timer: Option<Time>,
    /// Jobs that wait for sandboxes on their way, oldest first.
    pub(super) covered: List,
    /// Jobs that wait for room or for a free sandbox, oldest first.
    pub(super) line: List,
    pub(super) spec: FunctionSpec,
    /// Paused sandboxes, last paused first.
    pub(super) paused: List,
    /// Sandboxes with jobs that can take more.
    pub(super) open: List,
    /// Sandboxes on their way: starting or being paused.
    pub(super) coming: u32,
    /// Of those, the ones being paused.
    pub(super) pausing: u32,
    /// Sandboxes known at all, those being removed included.
    pub(super) sandboxes: u32,
    /// The prewarm entry that serves it alone.
    pub(super) own_entry: Option<u32>,
    /// Its place in the host's line: order of arrival, and bytes needed.
    pub(super) waits: Option<(u64, u64)>,
}

impl Function {
    pub(super) fn new(spec: FunctionSpec) -> Self {
        Self {
            calm: true,
            armed: false,
            plain: spec.concurrency == 1 && spec.max_uses.is_none(),
            retired: false,
            live: 0,
            idle: List::default(),
            frequency: 0,
            memory: spec.memory,
            cold: 0,
            run: 0,
            offered: u64::MAX,
            evict: None,
            timer: None,
            covered: List::default(),
            line: List::default(),
            spec,
            paused: List::default(),
            open: List::default(),
            coming: 0,
            pausing: 0,
            sandboxes: 0,
            own_entry: None,
            waits: None,
        }
    }

    /// What `calm` says, looked at.
    pub(super) fn is_calm(&self) -> bool {
        let waiting = !self.covered.is_empty() || !self.line.is_empty() || self.waits.is_some();
        !waiting && self.open.is_empty() && !self.retired
    }

    /// Jobs that its sandboxes on their way can take beyond those that wait for them already.
    pub(super) fn spare(&self) -> bool {
        self.capacity() > u64::from(self.covered.len())
    }

    /// Jobs that its sandboxes on their way can take.
    pub(super) fn capacity(&self) -> u64 {
        let each = self.spec.max_uses.map_or(self.spec.concurrency, |uses| uses.min(self.spec.concurrency));
        u64::from(self.coming) * u64::from(each)
    }

    /// How long an idle sandbox of it runs before it is paused or removed.
    pub(super) fn running(&self) -> Duration {
        let FunctionSpec { idle_timeout, pause_after, .. } = self.spec;
        pause_after.map_or(idle_timeout, |pause| pause.min(idle_timeout))
    }

    pub(super) fn has_room(&self) -> bool {
        self.live < self.spec.max_sandboxes
    }

    /// Whether an idle sandbox of it is at hand.
    pub(super) fn first_idle(&self) -> Option<u32> {
        self.idle.front().or(self.paused.front())
    }
}
