//! Sandboxes started ahead: so many of each kind and memory are kept ready (`SEEDS.md W3`-`W5`, `W8`, `W16`).

use super::Pool;
use super::entities::{Origin, Phase, Sandbox, Shelf};
use super::hold::nanos;
use super::list::{Links, List, Slot};
use super::slab::Slab;
use super::types::{Action, Kind, Target, Time, Why};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// The wait after a first failed start, doubled with each further one.
const FIRST_RETRY: Duration = Duration::from_secs(1);
/// The longest wait.
const LAST_RETRY: Duration = Duration::from_secs(60);

/// One kind and memory.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry {
    pub(super) kind: Kind,
    pub(super) memory: u64,
    pub(super) count: u32,
    /// The one function that it serves.
    pub(super) owner: Option<u32>,
    /// Sandboxes being started.
    pub(super) ahead: List,
    /// Sandboxes that are ready.
    pub(super) ready: List,
    failures: u32,
    retry: Option<Time>,
}

/// All entries.
#[derive(Debug, Default)]
pub(super) struct Prewarms {
    entries: Slab<Entry>,
    by_kind: BTreeMap<(Kind, u64), u32>,
    /// Entries that want one more, smallest first.
    wanting: BTreeSet<(u64, u32)>,
    /// Entries with one ready, that can be evicted.
    ready: BTreeSet<u32>,
    retries: BTreeSet<(Time, u32)>,
}

impl Prewarms {
    pub(super) fn entry_mut(&mut self, index: u32) -> Option<&mut Entry> {
        self.entries.get_mut(index)
    }

    /// Whether any entry wants one more.
    pub(super) fn wants_any(&self) -> bool {
        !self.wanting.is_empty()
    }

    /// When a failed start is to be tried again.
    pub(super) fn next_retry(&self) -> Option<Time> {
        self.retries.first().map(|(due, _)| *due)
    }

    fn of(&self, kind: Kind, memory: u64) -> Option<(u32, &Entry)> {
        let index = *self.by_kind.get(&(kind, memory))?;
        Some((index, self.entries.get(index)?))
    }
}

impl Pool {
    pub(super) fn set_entry(&mut self, kind: Kind, memory: u64, count: u32, owner: Option<u32>) {
        let known = self.prewarms.by_kind.get(&(kind, memory)).copied();
        let index = match known {
            Some(index) => index,
            None if count == 0 => return,
            None => {
                let (ahead, ready) = (List::default(), List::default());
                let entry = Entry { kind, memory, count, owner, ahead, ready, failures: 0, retry: None };
                let (index, _) = self.prewarms.entries.insert(entry);
                self.prewarms.by_kind.insert((kind, memory), index);
                index
            }
        };
        let mut before = None;
        if let Some(entry) = self.prewarms.entries.get_mut(index) {
            entry.count = count;
            before = std::mem::replace(&mut entry.owner, owner);
        }
        if let Some(before) = before.and_then(|before| self.functions.get_mut(before))
            && before.own_entry == Some(index)
        {
            before.cold.own_entry = None;
        }
        if let Some(function) = owner.and_then(|owner| self.functions.get_mut(owner)) {
            function.cold.own_entry = Some(index);
        }
        while let Some(entry) = self.prewarms.entries.get(index)
            && entry.ready.len() + entry.ahead.len() > count
            && let Some(surplus) = entry.ready.back()
        {
            self.remove(surplus, self.retired());
        }
        self.review(index);
    }

    /// Sees whether an entry wants one more, and whether it has one to give. To be called after whatever changes it.
    pub(super) fn review(&mut self, index: u32) {
        let Some(entry) = self.prewarms.entries.get(index) else { return };
        let there = entry.ready.len() + entry.ahead.len();
        let owner = entry.owner.and_then(|owner| self.functions.get(owner));
        let owner_has_room = owner.is_none_or(|owner| owner.hot.live + there < owner.spec.max_sandboxes);
        let wants = there < entry.count && entry.retry.is_none() && owner_has_room && !self.closing;
        let (memory, ready, done) = (entry.memory, !entry.ready.is_empty(), entry.count == 0 && there == 0);
        set(&mut self.prewarms.wanting, (memory, index), wants);
        set(&mut self.prewarms.ready, index, ready);
        if done && let Some(entry) = self.prewarms.entries.remove(index) {
            self.prewarms.by_kind.remove(&(entry.kind, entry.memory));
            if let Some(retry) = entry.retry {
                self.prewarms.retries.remove(&(retry, index));
            }
            if let Some(function) = entry.owner.and_then(|owner| self.functions.get_mut(owner)) {
                function.cold.own_entry = None;
            }
        }
    }

    /// Starts what is wanting, as far as there is room without evicting anything. Not while anybody waits for memory.
    pub(super) fn refill(&mut self, now: Time) {
        while let Some((memory, index)) = self.prewarms.wanting.first().copied() {
            let charge = if self.config.prewarm_outside_budget { 0 } else { memory };
            if charge > self.ledger.free() {
                return;
            }
            let Some(kind) = self.prewarms.entries.get(index).map(|entry| entry.kind) else { return };
            let sandbox = self.new_sandbox(now, memory, charge, None, Some(index));
            if let Some(entry) = self.prewarms.entries.get_mut(index) {
                entry.ahead.push_back(&mut self.sandboxes, sandbox);
            }
            let sandbox = self.sandbox_id(sandbox);
            self.actions.push_back(Action::Start { sandbox, target: Target::Prewarm(kind, memory) });
            self.review(index);
        }
    }

    pub(super) fn new_sandbox(
        &mut self,
        now: Time,
        memory: u64,
        charge: u64,
        function: Option<u32>,
        entry: Option<u32>,
    ) -> u32 {
        let sandbox = Sandbox {
            owner: function.map_or(Slot::NONE, Slot::of),
            phase: Phase::Starting,
            shelf: if entry.is_some() { Shelf::Ahead } else { Shelf::None },
            uses: 0,
            charge,
            poisoned: false,
            idle_since: now,
            priority: 0,
            jobs: List::default(),
            links: Links::default(),
        };
        self.ledger.add(&sandbox);
        let (index, _) = self.sandboxes.insert(sandbox);
        let origin = Origin { memory, rest: memory, started: now, entry };
        match self.origins.get_mut(index as usize) {
            Some(last) => *last = origin,
            None => self.origins.push(origin),
        }
        index
    }

    /// A sandbox started ahead is ready.
    pub(super) fn prewarmed(&mut self, now: Time, index: u32, rest: u64) {
        let Some(sandbox) = self.sandboxes.get(index) else { return };
        let (poisoned, Some(of)) = (sandbox.poisoned, self.entry_of(index)) else { return };
        self.unshelve(index);
        let outside = self.config.prewarm_outside_budget;
        self.change(index, |sandbox| {
            sandbox.phase = Phase::Running;
            sandbox.idle_since = now;
            sandbox.charge = if outside { 0 } else { rest };
        });
        let Some(entry) = self.prewarms.entries.get_mut(of) else { return };
        let retry = entry.retry.take();
        entry.failures = 0;
        let surplus = entry.ready.len() + entry.ahead.len() >= entry.count;
        let memory = (entry.kind, entry.memory);
        if poisoned || surplus || self.closing {
            self.remove(index, if poisoned { Why::Poisoned } else { self.retired() });
        } else {
            entry.ready.push_front(&mut self.sandboxes, index);
            if let Some(sandbox) = self.sandboxes.get_mut(index) {
                sandbox.shelf = Shelf::Ready;
            }
        }
        if let Some(retry) = retry {
            self.prewarms.retries.remove(&(retry, of));
        }
        self.review(of);
        if let Some(function) = self.first_of_kind(memory) {
            self.balance(now, function);
        }
    }

    /// A start ahead has failed: it is tried again later, and later each time, but never in a hot loop.
    pub(super) fn prewarm_failed(&mut self, now: Time, of: u32) {
        let Some(entry) = self.prewarms.entries.get_mut(of) else { return };
        let wait = FIRST_RETRY.saturating_mul(1 << entry.failures.min(6)).min(LAST_RETRY);
        entry.failures = entry.failures.saturating_add(1);
        let retry = now + wait;
        if let Some(earlier) = entry.retry.replace(retry) {
            self.prewarms.retries.remove(&(earlier, of));
        }
        self.prewarms.retries.insert((retry, of));
        self.review(of);
    }

    pub(super) fn retry_prewarms(&mut self, now: Time) {
        while let Some((due, of)) = self.prewarms.retries.first().copied()
            && due <= now
        {
            self.prewarms.retries.remove(&(due, of));
            if let Some(entry) = self.prewarms.entries.get_mut(of) {
                entry.retry = None;
            }
            self.review(of);
        }
    }

    /// The sandbox of a function's exact kind and memory that is ready (`SEEDS.md W8`).
    pub(super) fn ready_ahead(&self, function: u32) -> Option<u32> {
        self.serving(function)?.1.ready.front()
    }

    /// The one of its kind and memory that is being started, that nobody has claimed and that isn't known to be dead.
    pub(super) fn starting_ahead(&self, function: u32) -> Option<u32> {
        let ahead = &self.serving(function)?.1.ahead;
        ahead.iter(&self.sandboxes).find(|&it| self.sandboxes.get(it).is_some_and(|it| !it.poisoned))
    }

    fn serving(&self, function: u32) -> Option<(u32, &Entry)> {
        let spec = self.functions.get(function)?.spec;
        self.prewarms.of(spec.kind?, spec.memory)
    }

    /// Makes a sandbox started ahead a function's own.
    pub(super) fn claim(&mut self, index: u32, of: u32) {
        self.unshelve(index);
        let mut coming = false;
        let Some(origin) = self.origins.get_mut(index as usize) else { return };
        let from = origin.entry.take();
        let (memory, started) = (origin.memory, origin.started);
        self.change(index, |sandbox| {
            coming = sandbox.phase == Phase::Starting;
            sandbox.owner = Slot::of(of);
            sandbox.charge = memory;
        });
        let cost = self.sandboxes.get(index).map(|sandbox| sandbox.idle_since.since(started));
        if let Some(mut function) = self.functions.get_mut(of) {
            function.hot.live += 1;
            function.sandboxes += 1;
            function.coming += u32::from(coming);
            if function.hot.cold == 0 {
                function.hot.cold = cost.map_or(0, nanos);
            }
        }
        if let Some(from) = from {
            self.review(from);
        }
    }

    /// A prewarmed sandbox to evict, apart from one.
    pub(super) fn prewarmed_victim(&self, apart: Option<u32>) -> Option<u32> {
        let ready =
            self.prewarms.ready.iter().filter_map(|&entry| self.prewarms.entries.get(entry)?.ready.back());
        ready.into_iter().find(|&sandbox| Some(sandbox) != apart)
    }

    /// A function is forgotten: what was started ahead for it alone is wanted by nobody.
    pub(super) fn disown(&mut self, entry: u32) {
        if let Some(entry) = self.prewarms.entries.get_mut(entry) {
            entry.owner = None;
            let (kind, memory) = (entry.kind, entry.memory);
            self.set_entry(kind, memory, 0, None);
        }
    }

    /// Stops all starting ahead; what is ready goes.
    pub(super) fn close_prewarms(&mut self) {
        let entries: Vec<_> =
            self.prewarms.entries.iter().map(|(_, entry)| (entry.kind, entry.memory, entry.owner)).collect();
        for (kind, memory, owner) in entries {
            self.set_entry(kind, memory, 0, owner);
        }
    }

    /// Why what nobody wants any more is removed.
    pub(super) fn retired(&self) -> Why {
        if self.closing { Why::Closing } else { Why::Retired }
    }

    /// The function of a kind and memory that has waited for room the longest, if it is the one at hand: the entry's
    /// owner, or the head of the line.
    fn first_of_kind(&self, (kind, memory): (Kind, u64)) -> Option<u32> {
        if let Some((_, entry)) = self.prewarms.of(kind, memory)
            && let Some(owner) = entry.owner
        {
            return Some(owner);
        }
        let (_, head) = self.host_line.head()?;
        let spec = self.functions.get(head)?.spec;
        (spec.kind == Some(kind) && spec.memory == memory).then_some(head)
    }
}

fn set<T: Ord>(set: &mut BTreeSet<T>, value: T, there: bool) {
    if there {
        set.insert(value);
    } else {
        set.remove(&value);
    }
}
