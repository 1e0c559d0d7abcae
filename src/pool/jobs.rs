//! What happens to jobs: they arrive, are cancelled, end, or lose their sandbox before they began.

use super::Pool;
use super::entities::{Job, Place};
use super::hold::nanos;
use super::list::Links;
use super::types::{Fate, FunctionId, JobId, Refusal, SandboxId, Time, Why};
use crate::invocation::Start;

impl Pool {
    /// A job arrives. It ends with `Assign` and then `released`, with `Refuse`, or with `cancel`.
    pub fn submit(&mut self, now: Time, function: FunctionId) -> JobId {
        let now = self.at(now);
        let of = function.index;
        let order = self.next_order();
        if let Some(job) = self.hit(now, function, order) {
            return job;
        }
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
        let Some(function) = self.functions.get(of).filter(|_| known) else {
            self.refuse(job, Refusal::Closed);
            return id;
        };
        let (needs, budget) = (function.spec.memory, self.ledger.budget);
        if function.hot.retired || self.closing {
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
        // A warm hit that another may wait beside, without a detour through the lines.
        if first
            && may_pass
            && function.covered.is_empty()
            && function.open.is_empty()
            && let Some(idle) = function.hot.idle.front()
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
        let now = self.at(now);
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

    /// A job has ended in its sandbox, which at rest holds `charge` bytes.
    pub fn released(&mut self, now: Time, sandbox: SandboxId, job: JobId, charge: u64, fate: Fate) {
        let now = self.at(now);
        if (fate == Fate::Keep && self.rest(now, sandbox, job, charge)) || !self.leaves(sandbox, job) {
            return;
        }
        let index = sandbox.index;
        if let Some(job) = self.jobs.get(job.index)
            && let Some(function) = self.functions.hot(job.function)
        {
            function.has_run(nanos(now.since(job.began)));
        }
        self.end(job.index);
        if let Some(origin) = self.origins.get_mut(index as usize) {
            origin.rest = charge.min(origin.memory);
        }
        if let Some(sandbox) = self.sandboxes.get_mut(index) {
            sandbox.poisoned |= fate == Fate::Poisoned;
        }
        self.vacated(now, index);
    }

    /// A job's sandbox was dead before the job began: the job goes back to the head of its line, the sandbox is removed
    /// (`SEEDS.md W17`).
    pub fn reschedule(&mut self, now: Time, sandbox: SandboxId, job: JobId) {
        let now = self.at(now);
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

    pub(super) fn part(&mut self, sandbox: u32, job: u32) {
        if let Some(sandbox) = self.sandboxes.get_mut(sandbox) {
            self.ledger.strike(sandbox);
            sandbox.jobs.remove(&mut self.jobs, job);
            self.ledger.add(sandbox);
        }
    }

    /// What becomes of a sandbox that has one job less.
    fn vacated(&mut self, now: Time, index: u32) {
        let Some(sandbox) = self.sandboxes.get(index) else { return };
        let Some(of) = sandbox.function() else { return };
        let max_uses = self.functions.get(of).and_then(|function| function.spec.max_uses);
        let used_up = max_uses.is_some_and(|uses| sandbox.uses >= uses);
        let (poisoned, active) = (sandbox.poisoned, sandbox.active());
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
}
