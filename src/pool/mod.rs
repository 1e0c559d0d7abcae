//! Decides which sandbox serves which job, and what is started, paused, evicted and removed.
//!
//! A pure state machine: every event brings its time and leaves actions to be carried out; there is no I/O, no clock, no
//! lock in here, and no panic is reachable. Each event costs O(log n) at most, and a warm hit touches one job, one
//! function and one sandbox.
//!
//! ```text
//!   submit · cancel · ready · start_failed · released · reschedule          Start · Assign · Pause · Remove
//!   paused · lost · removed · tick · set_budget · set_prewarm · close  ──►  Refuse · Credit · Forget · Closed
//! ```
//!
//! **One ledger.** Every sandbox is charged from the `Start` that asks for it until `removed` confirms its end: its
//! function's `memory` while it starts and while it runs jobs, what it really holds while it rests. Their sum stays
//! within the budget.
//!
//! **Two lines.** A job whose function is at its maximum waits in the function's own line and blocks nobody. One that
//! needs memory stands in the host's line, in order of arrival. Its head evicts what it lacks and no more, and what is
//! being freed for it is nobody else's. While it has patience, others that fit may pass; then nobody does.
//!
//! **Late binding.** A job waits on its function, not on a sandbox: a released one or the one being started for it,
//! whichever comes first.

#![deny(clippy::disallowed_methods)]

mod entities;
mod figures;
mod functions;
mod hold;
mod jobs;
mod ledger;
mod life;
mod list;
mod place;
mod policy;
mod prewarm;
mod queue;
mod shelf;
mod slab;
mod timers;
mod types;
mod warm;

#[cfg(test)]
mod tests;

pub use types::*;

use entities::{Job, Origin, Sandbox};
use functions::Functions;
use ledger::Ledger;
use policy::Offers;
use prewarm::Prewarms;
use queue::HostLine;
use slab::Slab;
use std::collections::VecDeque;
use timers::Timers;

/// The pool: events in, actions out.
#[derive(Debug)]
pub struct Pool {
    config: PoolConfig,
    jobs: Slab<Job>,
    sandboxes: Slab<Sandbox>,
    /// By the sandbox's index.
    origins: Vec<Origin>,
    functions: Functions,
    ledger: Ledger,
    host_line: HostLine,
    prewarms: Prewarms,
    offers: Offers,
    timers: Timers,
    actions: VecDeque<Action>,
    /// The time of the event that is being dealt with.
    now: Time,
    order: u64,
    /// Greedy-Dual's clock: the priority of the last sandbox evicted.
    clock: u64,
    waiting: usize,
    waiting_memory: u64,
    waited: u64,
    ended: u64,
    evicted: u64,
    closing: bool,
    closed: bool,
}

impl Pool {
    /// An empty pool.
    pub fn new(config: PoolConfig) -> Self {
        Self {
            config,
            jobs: Slab::default(),
            sandboxes: Slab::default(),
            origins: Vec::new(),
            functions: Functions::default(),
            ledger: Ledger { budget: config.budget, ..Ledger::default() },
            host_line: HostLine::default(),
            prewarms: Prewarms::default(),
            offers: Offers::new(),
            timers: Timers::new(),
            actions: VecDeque::new(),
            now: Time::default(),
            order: 0,
            clock: 0,
            waiting: 0,
            waiting_memory: 0,
            waited: 0,
            ended: 0,
            evicted: 0,
            closing: false,
            closed: false,
        }
    }

    /// Makes a function known. A concurrency or a maximum of 0 counts as 1 (`SEEDS.md E6`).
    pub fn add_function(&mut self, mut spec: FunctionSpec) -> FunctionId {
        spec.concurrency = spec.concurrency.max(1);
        spec.max_sandboxes = spec.max_sandboxes.max(1);
        spec.max_uses = spec.max_uses.map(|uses| uses.max(1));
        let (index, generation) = self.functions.insert(spec);
        FunctionId { index, generation }
    }

    /// No new jobs for a function; those that wait or run are served, its idle sandboxes removed, then `Forget`.
    pub fn retire_function(&mut self, now: Time, function: FunctionId) {
        let now = self.at(now);
        let index = function.index;
        if !self.functions.has(index, function.generation) {
            return;
        }
        if let Some(function) = self.functions.hot(index) {
            function.retired = true;
            function.calm = false;
        }
        self.balance(now, index);
        self.finish(Some(index));
        self.schedule(now);
    }

    /// Keeps `count` sandboxes of a kind and memory ready (`SEEDS.md W3`, `W4`). `owner`: the one function that the kind
    /// serves, whose `max_sandboxes` bounds taken and ready ones together.
    pub fn set_prewarm(&mut self, now: Time, kind: Kind, memory: u64, count: u32, owner: Option<FunctionId>) {
        let now = self.at(now);
        let owner = owner.filter(|owner| self.functions.has(owner.index, owner.generation));
        self.set_entry(kind, memory, count, owner.map(|owner| owner.index));
        self.schedule(now);
    }

    /// Changes the budget. A smaller one evicts idle sandboxes and refuses jobs that can't fit any more; nothing that
    /// runs is stopped. Costs a walk over the functions.
    pub fn set_budget(&mut self, now: Time, bytes: u64) {
        let now = self.at(now);
        self.ledger.budget = bytes;
        self.config.budget = bytes;
        let functions: Vec<_> = self.functions.indices().collect();
        for index in functions {
            self.balance(now, index);
        }
        self.shrink_to_budget();
        self.schedule(now);
    }

    /// Time has passed.
    pub fn tick(&mut self, now: Time) {
        let now = self.at(now);
        self.run_timers(now);
        self.schedule(now);
    }

    /// When `tick` is due next; `None`: not before another event. Early at times, late never.
    pub fn next_tick(&self) -> Option<Time> {
        self.next_due()
    }

    /// No new jobs. Those that wait or run are served, then every sandbox is removed, then `Closed`.
    pub fn close(&mut self, now: Time) {
        let now = self.at(now);
        if self.closing {
            return;
        }
        self.closing = true;
        self.close_prewarms();
        let functions: Vec<_> = self.functions.indices().collect();
        for function in functions {
            self.balance(now, function);
        }
        self.schedule(now);
        self.finish(None);
    }

    /// The next thing to do.
    #[inline]
    pub fn pop_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// Takes the time of an event. It never runs backwards in here: one that was read before another event's, and comes
    /// after it, counts as that.
    fn at(&mut self, now: Time) -> Time {
        self.now = self.now.max(now);
        self.now
    }

    fn next_order(&mut self) -> u64 {
        self.order += 1;
        self.order
    }

    /// Forgets a retired function that has nothing left, and says when a closed pool has nothing left.
    fn finish(&mut self, function: Option<u32>) {
        if let Some(index) = function
            && let Some(function) = self.functions.get(index)
            && function.hot.retired
            && function.sandboxes == 0
            && function.covered.is_empty()
            && function.line.is_empty()
        {
            let entry = function.own_entry;
            let generation = self.functions.generation(index);
            self.functions.remove(index);
            if let Some(entry) = entry {
                self.disown(entry);
            }
            self.actions.push_back(Action::Forget { function: FunctionId { index, generation } });
        }
        if self.closing && !self.closed && self.jobs.len() == 0 && self.sandboxes.len() == 0 {
            self.closed = true;
            self.actions.push_back(Action::Closed);
        }
    }
}
