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
mod hold;
mod ledger;
mod list;
mod place;
mod policy;
mod prewarm;
mod queue;
mod shelf;
mod slab;
mod timers;
mod types;

#[cfg(test)]
mod tests;

pub use types::*;

use crate::invocation::Start;
use entities::{Function, Job, Phase, Place, Sandbox};
use ledger::Ledger;
use list::Links;
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
    functions: Slab<Function>,
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
            functions: Slab::default(),
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
        let (index, generation) = self.functions.insert(Function::new(spec));
        FunctionId { index, generation }
    }

    /// No new jobs for a function; those that wait or run are served, its idle sandboxes removed, then `Forget`.
    pub fn retire_function(&mut self, now: Time, function: FunctionId) {
        self.now = now;
        let index = function.index;
        if !self.functions.has(index, function.generation) {
            return;
        }
        if let Some(function) = self.functions.get_mut(index) {
            function.retired = true;
        }
        self.balance(now, index);
        self.finish(Some(index));
        self.schedule(now);
    }

    /// Keeps `count` sandboxes of a kind and memory ready (`SEEDS.md W3`, `W4`). `owner`: the one function that the kind
    /// serves, whose `max_sandboxes` bounds taken and ready ones together.
    pub fn set_prewarm(&mut self, now: Time, kind: Kind, memory: u64, count: u32, owner: Option<FunctionId>) {
        self.now = now;
        let owner = owner.filter(|owner| self.functions.has(owner.index, owner.generation));
        self.set_entry(kind, memory, count, owner.map(|owner| owner.index));
        self.schedule(now);
    }

    /// Changes the budget. A smaller one evicts idle sandboxes and refuses jobs that can't fit any more; nothing that
    /// runs is stopped. Costs a walk over the functions.
    pub fn set_budget(&mut self, now: Time, bytes: u64) {
        self.now = now;
        self.ledger.budget = bytes;
        self.config.budget = bytes;
        let functions: Vec<_> = self.functions.iter().map(|(index, _)| index).collect();
        for index in functions {
            self.balance(now, index);
        }
        self.shrink_to_budget();
        self.schedule(now);
    }

    /// A job arrives. It ends with `Assign` and then `released`, with `Refuse`, or with `cancel`.
    pub fn submit(&mut self, now: Time, function: FunctionId) -> JobId {
        self.now = now;
        let of = function.index;
        let order = self.next_order();
        let known = self.functions.has(of, function.generation);
        let (job, generation) = self.jobs.insert(Job {
            function: if known { of } else { u32::MAX },
            order,
            arrival: now,
            began: now,
            place: Place::Loose,
            triggered: false,
            evicted: false,
            waited: false,
            links: Links::default(),
        });
        let id = JobId { index: job, generation };
        let Some(function) = self.functions.get_mut(of).filter(|_| known) else {
            self.refuse(job, Refusal::Closed);
            return id;
        };
        function.jobs += 1;
        let (needs, budget) = (function.spec.memory, self.ledger.budget);
        if function.retired || self.closing {
            self.refuse(job, Refusal::Closed);
        } else if needs > budget {
            // SEEDS.md D5: it could never run, and would block the head for ever.
            self.refuse(job, Refusal::Impossible { needs, budget });
        } else {
            self.admit(now, job, of, order);
        }
        id
    }

    fn admit(&mut self, now: Time, job: u32, of: u32, order: u64) {
        let Some(function) = self.functions.get(of) else { return };
        let first = function.line.is_empty();
        let may_pass = self.may_pass(now, order);
        // The warm hit, without a detour through the lines.
        if first
            && may_pass
            && function.covered.is_empty()
            && function.open.is_empty()
            && let Some(idle) = function.idle.front()
            && let Some(sandbox) = self.sandboxes.get(idle)
            && function.spec.memory.saturating_sub(sandbox.charge) <= self.free_beside_head()
        {
            self.assign(job, idle, Start::Warm);
            return;
        }
        let at_hand = !function.open.is_empty() || function.first_idle().is_some();
        let covered = first && may_pass && function.spare() && !at_hand;
        self.join_line(job, false);
        if covered {
            self.cover(job);
            return;
        }
        if first && may_pass && self.place(now, of, self.free_beside_head(), false) {
            self.schedule(now);
            return;
        }
        if self.waiting > self.config.max_waiting {
            self.refuse(job, Refusal::QueueFull);
            return;
        }
        self.balance(now, of);
        self.schedule(now);
        if self.jobs.get(job).is_some_and(|job| job.place == Place::Line) {
            self.count_waiting(job);
        }
    }

    /// A waiting job's caller is gone. False where the job doesn't wait (any more).
    pub fn cancel(&mut self, now: Time, job: JobId) -> bool {
        self.now = now;
        let Some(waiting) = self.jobs.get(job.index).filter(|_| self.jobs.has(job.index, job.generation))
        else {
            return false;
        };
        let of = waiting.function;
        if matches!(waiting.place, Place::Running(_)) {
            return false;
        }
        self.end(job.index);
        self.balance(now, of);
        self.schedule(now);
        self.finish(Some(of));
        true
    }

    /// A sandbox has started; at rest it holds `charge` bytes.
    pub fn ready(&mut self, now: Time, sandbox: SandboxId, charge: u64) {
        self.now = now;
        let Some((index, known)) = self.known(sandbox, |phase| phase == Phase::Starting) else { return };
        let (rest, took) = (charge.min(known.memory), now.since(known.started));
        let (of, poisoned) = (known.function, known.poisoned);
        let Some(of) = of else {
            self.prewarmed(now, index, rest);
            self.schedule(now);
            self.finish(None);
            return;
        };
        self.change(index, |sandbox| {
            sandbox.phase = Phase::Running;
            sandbox.rest = rest;
        });
        if let Some(function) = self.functions.get_mut(of) {
            function.coming -= 1;
            // The last ones count most: a cold start changes with the machine's load.
            function.cold = if function.cold.is_zero() { took } else { (function.cold * 3 + took) / 4 };
        }
        if poisoned {
            self.remove(index, Why::Poisoned);
            self.balance(now, of);
        } else {
            self.serve(now, index, true);
        }
        self.schedule(now);
    }

    /// A sandbox could not be started, and nothing of it is left. The jobs that waited for it get its error
    /// (`SEEDS.md W22`).
    pub fn start_failed(&mut self, now: Time, sandbox: SandboxId) {
        self.now = now;
        let Some((index, known)) = self.known(sandbox, |phase| phase == Phase::Starting) else { return };
        let (of, entry) = (known.function, known.entry);
        self.forget_sandbox(index);
        if let Some(entry) = entry {
            self.prewarm_failed(now, entry);
        }
        if let Some(of) = of {
            let served = self.functions.get(of).map_or(0, |function| function.spec.concurrency);
            for _ in 0..served {
                let Some(job) = self.functions.get(of).and_then(|function| function.covered.front()) else {
                    break;
                };
                self.refuse(job, Refusal::StartFailed(sandbox));
            }
            self.balance(now, of);
        }
        self.schedule(now);
        self.finish(of);
    }

    /// A job has ended in its sandbox, which at rest holds `charge` bytes.
    pub fn released(&mut self, now: Time, sandbox: SandboxId, job: JobId, charge: u64, fate: Fate) {
        self.now = now;
        if !self.leaves(sandbox, job) {
            return;
        }
        let index = sandbox.index;
        if let Some(job) = self.jobs.get(job.index) {
            self.has_run(job.function, now.since(job.began));
        }
        self.end(job.index);
        if let Some(sandbox) = self.sandboxes.get_mut(index) {
            sandbox.rest = charge.min(sandbox.memory);
            sandbox.poisoned |= fate == Fate::Poisoned;
        }
        self.vacated(now, index);
    }

    /// A job's sandbox was dead before the job began: the job goes back to the head of its line, the sandbox is removed
    /// (`SEEDS.md W17`).
    pub fn reschedule(&mut self, now: Time, sandbox: SandboxId, job: JobId) {
        self.now = now;
        if !self.leaves(sandbox, job) {
            return;
        }
        if let Some(job) = self.jobs.get_mut(job.index) {
            job.place = Place::Loose;
            job.triggered = false;
        }
        self.rejoin_line(job.index);
        if let Some(sandbox) = self.sandboxes.get_mut(sandbox.index) {
            sandbox.poisoned = true;
        }
        self.vacated(now, sandbox.index);
    }

    /// A sandbox has been paused.
    pub fn paused(&mut self, now: Time, sandbox: SandboxId) {
        self.now = now;
        let Some((index, known)) = self.known(sandbox, |phase| phase == Phase::Pausing) else { return };
        let (Some(of), poisoned) = (known.function, known.poisoned) else { return };
        if poisoned {
            self.remove(index, Why::Poisoned);
            self.balance(now, of);
            self.schedule(now);
            return;
        }
        self.change(index, |sandbox| sandbox.phase = Phase::Paused);
        if let Some(function) = self.functions.get_mut(of) {
            function.coming -= 1;
            function.pausing -= 1;
        }
        self.shelve_paused(index);
        self.wake_covered(now, index, of);
        self.balance(now, of);
        self.schedule(now);
    }

    /// A sandbox was found dead or can't be trusted: it is removed as soon as no job runs in it, and a starting or
    /// pausing one as soon as it has started or is paused.
    pub fn lost(&mut self, now: Time, sandbox: SandboxId) {
        self.now = now;
        let Some((index, known)) = self.known(sandbox, |phase| phase != Phase::Removing) else { return };
        let (of, busy) = (known.function, known.active > 0);
        let later = busy || matches!(known.phase, Phase::Starting | Phase::Pausing);
        if let Some(sandbox) = self.sandboxes.get_mut(index) {
            sandbox.poisoned = true;
        }
        if !later {
            self.remove(index, Why::Poisoned);
        } else if busy {
            self.unshelve(index);
        }
        if let Some(of) = of {
            self.balance(now, of);
        }
        self.schedule(now);
    }

    /// Nothing is left of a sandbox, asked for or not (`SEEDS.md D7`, `W16`). Jobs that ran in it are refused as `Lost`.
    pub fn removed(&mut self, now: Time, sandbox: SandboxId) {
        self.now = now;
        let Some((index, known)) = self.known(sandbox, |_| true) else { return };
        if known.phase == Phase::Starting {
            return self.start_failed(now, sandbox);
        }
        let of = known.function;
        while let Some(job) = self.sandboxes.get(index).and_then(|sandbox| sandbox.jobs.front()) {
            self.part(index, job);
            self.refuse(job, Refusal::Lost);
        }
        self.forget_sandbox(index);
        if let Some(of) = of {
            self.balance(now, of);
        }
        self.schedule(now);
        self.finish(of);
    }

    /// Time has passed.
    pub fn tick(&mut self, now: Time) {
        self.now = now;
        self.run_timers(now);
        self.schedule(now);
    }

    /// When `tick` is due next; `None`: not before another event. Early at times, late never.
    pub fn next_tick(&self) -> Option<Time> {
        self.next_due()
    }

    /// No new jobs. Those that wait or run are served, then every sandbox is removed, then `Closed`.
    pub fn close(&mut self, now: Time) {
        self.now = now;
        if self.closing {
            return;
        }
        self.closing = true;
        self.close_prewarms();
        let functions: Vec<_> = self.functions.iter().map(|(index, _)| index).collect();
        for function in functions {
            self.balance(now, function);
        }
        self.schedule(now);
        self.finish(None);
    }

    /// The next thing to do.
    pub fn pop_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    fn next_order(&mut self) -> u64 {
        self.order += 1;
        self.order
    }

    /// A sandbox that is here and in a phase in which the event makes sense. Anything else is a message from the past or
    /// from nowhere, and changes nothing (`SEEDS.md D6`).
    fn known(&self, sandbox: SandboxId, fits: impl Fn(Phase) -> bool) -> Option<(u32, &Sandbox)> {
        let known = self.sandboxes.get(sandbox.index)?;
        (self.sandboxes.has(sandbox.index, sandbox.generation) && fits(known.phase))
            .then_some((sandbox.index, known))
    }

    /// Takes a job out of the sandbox that it runs in. False where it doesn't.
    fn leaves(&mut self, sandbox: SandboxId, job: JobId) -> bool {
        let runs = self.jobs.has(job.index, job.generation)
            && self.sandboxes.has(sandbox.index, sandbox.generation)
            && self.jobs.get(job.index).is_some_and(|job| job.place == Place::Running(sandbox.index));
        if runs {
            self.part(sandbox.index, job.index);
        }
        runs
    }

    fn part(&mut self, sandbox: u32, job: u32) {
        if let Some(sandbox) = self.sandboxes.get_mut(sandbox) {
            sandbox.jobs.remove(&mut self.jobs, job);
        }
        self.change(sandbox, |sandbox| sandbox.active -= 1);
    }

    /// What becomes of a sandbox that has one job less.
    fn vacated(&mut self, now: Time, index: u32) {
        let Some(sandbox) = self.sandboxes.get(index) else { return };
        let Some(of) = sandbox.function else { return };
        let max_uses = self.functions.get(of).and_then(|function| function.spec.max_uses);
        let used_up = max_uses.is_some_and(|uses| sandbox.uses >= uses);
        let (poisoned, active) = (sandbox.poisoned, sandbox.active);
        if !poisoned && !used_up {
            self.serve(now, index, false);
        } else {
            if active == 0 {
                self.remove(index, if poisoned { Why::Poisoned } else { Why::UsedUp });
            } else {
                self.unshelve(index);
            }
            self.balance(now, of);
        }
        self.schedule(now);
    }

    /// Forgets a retired function that has nothing left, and says when a closed pool has nothing left.
    fn finish(&mut self, function: Option<u32>) {
        if let Some(index) = function
            && let Some(function) = self.functions.get(index)
            && function.retired
            && function.jobs == 0
            && function.sandboxes == 0
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
