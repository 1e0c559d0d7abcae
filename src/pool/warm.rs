//! The warm hit and its end, on the short way: a cache line of one job, of one function and of one sandbox.
//!
//! What they do is what the long way would do ([`super::place`], [`super::shelf`]), where nobody waits and nothing else
//! needs to be decided. Where that isn't plain from the function's first line they change nothing, and the long way is
//! taken. The eviction heap and the timers are left alone unless the sandbox would be due before what they hold.

use super::Pool;
use super::entities::{Job, Phase, Place, Shelf};
use super::list::{Links, List};
use super::policy::worth;
use super::types::{Action, FunctionId, JobId, Policy, SandboxId, Time};
use crate::invocation::Start;

impl Pool {
    /// Runs an arriving job in its function's last used idle sandbox, if nobody waits for anything.
    pub(super) fn hit(&mut self, now: Time, id: FunctionId, order: u64) -> Option<JobId> {
        if !self.host_line.is_empty() || self.closing {
            return None;
        }
        // Where each function has one sandbox they mostly lie at the same index: both are fetched at once then.
        self.sandboxes.touch(id.index);
        let function = self.functions.find(id.index, id.generation)?;
        let memory = function.memory;
        if !function.calm || !function.plain || memory > self.ledger.budget {
            return None;
        }
        let index = function.idle.front()?;
        let generation = self.sandboxes.generation(index);
        let sandbox = self.sandboxes.get_mut(index)?;
        let charge = sandbox.charge;
        if memory.saturating_sub(charge) > self.ledger.free() {
            return None;
        }
        debug_assert!(!function.retired && sandbox.active() == 0 && sandbox.phase == Phase::Running);
        let (job, job_generation) = self.jobs.insert(Job {
            function: id.index,
            order,
            arrival: now,
            began: now,
            place: Place::Running(index),
            triggered: false,
            evicted: false,
            waited: false,
            links: Links::default(),
        });
        sandbox.uses = sandbox.uses.saturating_add(1);
        sandbox.charge = memory;
        sandbox.shelf = Shelf::None;
        sandbox.jobs = List::of(job);
        function.frequency = function.frequency.saturating_add(1);
        function.idle.remove(&mut self.sandboxes, index);
        self.ledger.wake(charge, memory);
        let id = JobId { index: job, generation: job_generation };
        let sandbox = SandboxId { index, generation };
        self.actions.push_back(Action::Assign { job: id, sandbox, start: Start::Warm, paused: false });
        Some(id)
    }

    /// Ends a job and lays its sandbox to rest, if nobody waits for anything. False, and nothing has changed, otherwise.
    pub(super) fn rest(&mut self, now: Time, id: SandboxId, job: JobId, charge: u64) -> bool {
        if !self.host_line.is_empty() || self.closing {
            return false;
        }
        let index = id.index;
        let Some(ended) = self.jobs.find_mut(job.index, job.generation) else { return false };
        let (of, took) = (ended.function, now.0.saturating_sub(ended.began.0));
        if ended.place != Place::Running(index) {
            return false;
        }
        let Some(function) = self.functions.hot(of) else { return false };
        let Some(sandbox) = self.sandboxes.find_mut(index, id.generation) else { return false };
        if !function.calm || !function.plain || sandbox.poisoned || sandbox.active() != 1 {
            return false;
        }
        debug_assert!(!function.retired && sandbox.shelf == Shelf::None && sandbox.phase == Phase::Running);
        function.has_run(took);
        let (memory, charge) = (sandbox.charge, charge.min(function.memory));
        let priority = match self.config.policy {
            Policy::Lru => now.0,
            Policy::Cost => self.clock.saturating_add(worth(function, charge)),
        };
        sandbox.jobs = List::default();
        sandbox.shelf = Shelf::Idle;
        sandbox.charge = charge;
        sandbox.idle_since = now;
        sandbox.priority = priority;
        // Behind another of its function it is neither evicted nor due before that.
        let alone = function.idle.is_empty();
        let (offer, arm) = (alone && priority <= function.offered, alone && !function.armed);
        function.idle.push_front(&mut self.sandboxes, index);
        self.ledger.rest(memory, charge);
        self.jobs.discard(job.index);
        self.credit();
        if offer {
            self.offer(of);
        }
        if arm {
            self.arm(of);
        }
        if self.prewarms.wants_any() {
            self.refill(now);
        }
        true
    }
}
