//! What the simulated host believes, from what it told the pool and what the pool asked for.

use crate::pool::{FunctionId, FunctionSpec, JobId, Kind, SandboxId, Target, Time};
use std::collections::VecDeque;

/// An id that the pool hands out: small and dense, so that it can index a table.
pub(in crate::pool::tests) trait Id: Copy + PartialEq {
    fn at(self) -> usize;
}

impl Id for FunctionId {
    fn at(self) -> usize {
        self.index()
    }
}

impl Id for SandboxId {
    fn at(self) -> usize {
        self.index()
    }
}

impl Id for JobId {
    fn at(self) -> usize {
        self.index()
    }
}

/// Things by id; a stale id finds nothing.
#[derive(Debug)]
pub(in crate::pool::tests) struct Table<I, T> {
    slots: Vec<Option<(I, T)>>,
    pub(super) len: usize,
}

impl<I: Id, T> Table<I, T> {
    pub(super) const fn new() -> Self {
        Self { slots: Vec::new(), len: 0 }
    }

    /// Puts a thing in; the id must be of a free place.
    pub(super) fn insert(&mut self, id: I, thing: T) {
        if self.slots.len() <= id.at() {
            self.slots.resize_with(id.at() + 1, || None);
        }
        let slot = &mut self.slots[id.at()];
        assert!(slot.is_none(), "an id is handed out while the last one of its index is alive");
        *slot = Some((id, thing));
        self.len += 1;
    }

    pub(in crate::pool::tests) fn get(&self, id: I) -> Option<&T> {
        match self.slots.get(id.at()) {
            Some(Some((key, thing))) if *key == id => Some(thing),
            _ => None,
        }
    }

    pub(super) fn get_mut(&mut self, id: I) -> Option<&mut T> {
        match self.slots.get_mut(id.at()) {
            Some(Some((key, thing))) if *key == id => Some(thing),
            _ => None,
        }
    }

    pub(super) fn remove(&mut self, id: I) -> Option<T> {
        self.get(id)?;
        self.len -= 1;
        self.slots.get_mut(id.at()).and_then(Option::take).map(|(_, thing)| thing)
    }

    pub(super) fn each_with_id(&mut self, mut change: impl FnMut(I, &mut T)) {
        for (id, thing) in self.slots.iter_mut().flatten() {
            change(*id, thing);
        }
    }

    pub(in crate::pool::tests) fn iter(&self) -> impl Iterator<Item = (I, &T)> {
        self.slots.iter().flatten().map(|(id, thing)| (*id, thing))
    }
}

/// A function as the host deployed it.
#[derive(Debug)]
pub(in crate::pool::tests) struct Function {
    pub(in crate::pool::tests) spec: FunctionSpec,
    pub(super) retired: bool,
    /// Its jobs that have no sandbox yet, the next one first.
    pub(super) queue: VecDeque<JobId>,
    /// How many of those the pool said were waiting, after the last event; the ones before them are covered.
    pub(super) waiting: usize,
    /// What the last recount found.
    pub(super) tally: Tally,
}

/// One function's sandboxes, recounted.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Tally {
    pub(super) active: u32,
    pub(super) idle: u32,
    pub(super) paused: u32,
    pub(super) pausing: u32,
    pub(super) starting: u32,
    /// Jobs that its starting and pausing sandboxes could take.
    pub(super) coming: usize,
    /// Jobs that its running sandboxes could take besides those they run.
    pub(super) spare: usize,
    /// Charge of its idle sandboxes.
    pub(super) resting: u64,
    /// The least that one of its assignable idle sandboxes is charged.
    pub(super) least_rest: Option<u64>,
    /// The most.
    pub(super) most_rest: u64,
    /// Starting prewarmed sandboxes that the pool has put down for it.
    pub(super) claimed: u32,
}

impl Tally {
    /// Sandboxes that count towards `max_sandboxes`.
    pub(super) const fn live(&self) -> u32 {
        self.active + self.idle + self.starting + self.claimed
    }
}

/// Where a sandbox is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::pool::tests) enum State {
    Starting,
    Prewarmed,
    /// A function's own: running where `active` isn't empty, idle where it is.
    Warm,
    Pausing,
    Removing,
}

/// A sandbox as the host sees it.
#[derive(Debug)]
pub(in crate::pool::tests) struct Sandbox {
    pub(in crate::pool::tests) target: Target,
    pub(in crate::pool::tests) function: Option<FunctionId>,
    pub(in crate::pool::tests) memory: u64,
    pub(in crate::pool::tests) state: State,
    pub(in crate::pool::tests) paused: bool,
    /// The jobs that run in it.
    pub(in crate::pool::tests) active: Vec<JobId>,
    pub(super) uses: u32,
    /// What it is charged at rest.
    pub(super) rest: u64,
    pub(super) idle_since: Time,
    /// It is known to be dead or not to be trusted.
    pub(super) doomed: bool,
    /// It is idle, and was so when an event was over.
    pub(super) rested: bool,
}

/// A job that hasn't ended.
#[derive(Debug)]
pub(in crate::pool::tests) struct Job {
    pub(in crate::pool::tests) function: FunctionId,
    pub(super) arrived: Time,
    /// The number of its arrival.
    pub(super) order: u64,
    pub(super) place: Place,
    /// It was counted as waiting at least once.
    pub(super) waited: bool,
    /// It waited for memory when the last event was over.
    pub(super) short: bool,
    pub(super) rescheduled: bool,
}

/// Where a job is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Queued,
    In(SandboxId),
    /// Its sandbox is gone: the pool has to refuse it in this event.
    Orphaned,
}

/// A prewarm entry, as the host set it.
#[derive(Clone, Copy, Debug)]
pub(in crate::pool::tests) struct Entry {
    pub(in crate::pool::tests) kind: Kind,
    pub(in crate::pool::tests) memory: u64,
    pub(super) count: u32,
    pub(in crate::pool::tests) owner: Option<FunctionId>,
    /// A start of it failed and none has succeeded since: the pool waits before it tries again.
    pub(super) backing_off: bool,
    /// Ready or starting, recounted; claimed ones included.
    pub(super) have: u32,
    /// Of those, the starting ones.
    pub(super) starting: u32,
    /// What the ready ones rest at, at least, where there is a usable one.
    pub(super) least_rest: Option<u64>,
    /// At most.
    pub(super) most_rest: u64,
    /// Those being removed.
    pub(super) leaving: u32,
}
