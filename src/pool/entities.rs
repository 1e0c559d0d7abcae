//! What the pool keeps of each job, sandbox and function.

use super::list::{Linked, Links, List, Slot};
use super::types::Time;

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

/// What a warm hit needs of a sandbox: with its generation it fits one line.
#[derive(Clone, Copy, Debug)]
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
}

/// The rest of it, which a warm hit leaves alone: in a table of its own, at the same index.
#[derive(Clone, Copy, Debug)]
pub(super) struct Origin {
    /// Bytes charged while it runs jobs.
    pub(super) memory: u64,
    /// Bytes charged at rest, as told while it isn't: once it is, its `charge` says so.
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

#[cfg(test)]
mod tests {
    use super::{Job, Sandbox};

    #[test]
    fn a_job_and_a_sandbox_are_one_line_each_to_a_warm_hit() {
        assert!(
            size_of::<Sandbox>() <= 56 && size_of::<Job>() <= 56,
            "with a generation each fits a line of 64"
        );
    }
}
