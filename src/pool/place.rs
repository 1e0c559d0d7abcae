//! Which sandbox serves which job, in the order of `SEEDS.md W7`, and who is served next.

use super::Pool;
use super::entities::{Phase, Place, Shelf};
use super::types::{Action, JobId, Refusal, Target, Time};
use crate::invocation::Start;

impl Pool {
    /// Serves whoever can be served, in order. To be called after whatever changes the room there is: a waiting head is
    /// tried again exactly then (`SEEDS.md W13`).
    pub(super) fn schedule(&mut self, now: Time) {
        while let Some((_, head)) = self.host_line.head() {
            if self.place(now, head, self.ledger.free(), true) {
                continue;
            }
            // It has to wait. Others may pass it while it has patience, the one that needs least first: a warm hit.
            if self.out_of_patience(now, head) {
                return;
            }
            let free = self.free_beside_head();
            match self.host_line.least(head) {
                Some((need, function)) if need <= free => {
                    if !self.place(now, function, free, false) && !self.reindex(function) {
                        return;
                    }
                }
                _ => return,
            }
        }
        self.refill(now);
    }

    /// Serves the first job in a function's line, or lets it wait for a sandbox that is now on its way, with at most
    /// `free` bytes more. Where that is too little, `evict` makes room, and the job waits until it is there.
    pub(super) fn place(&mut self, now: Time, index: u32, free: u64, evict: bool) -> bool {
        let Some(function) = self.functions.get(index) else { return false };
        let (spec, has_room) = (function.spec, function.has_room());
        let Some(job) = function.line.front() else { return false };
        // What is at hand goes to the oldest: where that one had a sandbox coming, this one waits for it instead.
        let oldest = function.covered.front().unwrap_or(job);
        // One that is busy already takes no more memory, and lets the idle ones grow old.
        if let Some(open) = function.open.front() {
            self.assign(oldest, open, Start::Warm);
            self.balance(now, index);
            return true;
        }
        let evicted = self.jobs.get(job).is_some_and(|job| job.evicted);
        if let Some(idle) = function.first_idle() {
            let need = spec.memory.saturating_sub(self.charge(idle));
            if need <= free {
                self.assign(oldest, idle, Start::Warm);
                self.fill(now, idle, index);
            } else if function.spare() {
                // What is on its way has its room already.
                self.cover(job);
            } else {
                return self.wait_for_room(job, need, Some(idle), evict);
            }
        } else if function.spare() {
            self.cover(job);
        } else if !has_room {
            return false;
        } else if let Some(ready) = self.ready_ahead(index) {
            let need = spec.memory.saturating_sub(self.charge(ready));
            if need > free {
                return self.wait_for_room(job, need, Some(ready), evict);
            }
            self.claim(ready, index);
            self.assign(oldest, ready, if evicted { Start::RecreatedPrewarm } else { Start::Prewarmed });
            self.fill(now, ready, index);
        } else if self.held(index) {
            return false;
        } else if let Some(ahead) = self.starting_ahead(index) {
            let need = spec.memory.saturating_sub(self.charge(ahead));
            if need > free {
                return self.wait_for_room(job, need, None, evict);
            }
            self.claim(ahead, index);
            self.cover(job);
        } else {
            if spec.memory > free {
                return self.wait_for_room(job, spec.memory, None, evict);
            }
            self.start(now, index);
            if let Some(job) = self.jobs.get_mut(job) {
                job.triggered = true;
            }
            self.cover(job);
        }
        self.balance(now, index);
        true
    }

    /// Makes room for a job where it may. It isn't served yet in any case: what is evicted has to go first.
    fn wait_for_room(&mut self, job: u32, need: u64, apart: Option<u32>, evict: bool) -> bool {
        if evict
            && self.make_room(need, apart)
            && let Some(job) = self.jobs.get_mut(job)
        {
            job.evicted = true;
        }
        false
    }

    fn start(&mut self, now: Time, index: u32) {
        let Some(mut function) = self.functions.get_mut(index) else { return };
        function.hot.live += 1;
        function.sandboxes += 1;
        function.coming += 1;
        let memory = function.spec.memory;
        let sandbox = self.new_sandbox(now, memory, memory, Some(index), None);
        let sandbox = self.sandbox_id(sandbox);
        let function = super::FunctionId { index, generation: self.functions.generation(index) };
        self.actions.push_back(Action::Start { sandbox, target: Target::Function(function) });
        self.review_owner(index);
    }

    /// Gives a sandbox's free slots to its function's jobs, oldest first, and lays it to rest if there are none. `fresh`
    /// says that it has just started.
    pub(super) fn serve(&mut self, now: Time, index: u32, fresh: bool) {
        let Some(of) = self.sandboxes.get(index).and_then(|sandbox| sandbox.function()) else { return };
        while self.has_capacity(index)
            && let Some(job) = self.next_job(now, of)
        {
            let start = match self.jobs.get(job) {
                Some(job) if fresh && job.triggered && job.evicted => Start::Recreated,
                Some(job) if fresh && job.triggered => Start::Cold,
                _ if fresh => Start::Warming,
                _ => Start::Warm,
            };
            self.assign(job, index, start);
            self.reindex(of);
        }
        // One that was open to more jobs and runs none any more lies in the wrong place.
        let (shelf, active) =
            self.sandboxes.get(index).map_or((Shelf::None, 0), |sandbox| (sandbox.shelf, sandbox.active()));
        if active == 0 {
            self.unshelve(index);
        }
        if active == 0 || shelf == Shelf::None {
            self.shelve(now, index);
        }
        self.balance(now, of);
    }

    /// Gives a sandbox that has just been paused to the oldest job that waited for one on its way: as with any idle one,
    /// if there is room to let it run.
    pub(super) fn wake_covered(&mut self, now: Time, sandbox: u32, of: u32) {
        let Some(function) = self.functions.get(of) else { return };
        let need = function.spec.memory.saturating_sub(self.charge(sandbox));
        if need <= self.free_beside_head()
            && let Some(job) = function.covered.front()
            && self.jobs.get(job).is_some_and(|job| self.may_pass(now, job.order))
        {
            self.assign(job, sandbox, Start::Warm);
            self.fill(now, sandbox, of);
        }
    }

    /// Gives a busy sandbox's free slots to its function's jobs, those that wait for another one included.
    fn fill(&mut self, now: Time, sandbox: u32, of: u32) {
        self.reindex(of);
        while self.has_capacity(sandbox)
            && let Some(job) = self.next_job(now, of)
        {
            self.assign(job, sandbox, Start::Warm);
            self.reindex(of);
        }
    }

    /// The function's job that is served next, if any may be. The function has to be in its place in the host's line.
    fn next_job(&self, now: Time, function: u32) -> Option<u32> {
        let function = self.functions.get(function)?;
        function.covered.front().or_else(|| {
            let first = function.line.front()?;
            self.may_pass(now, self.jobs.get(first)?.order).then_some(first)
        })
    }

    /// Runs a job in a sandbox.
    pub(super) fn assign(&mut self, job: u32, index: u32, start: Start) {
        self.leave_line(job);
        self.unshelve(index);
        let Some(origin) = self.origins.get(index as usize) else { return };
        let Some(sandbox) = self.sandboxes.get_mut(index) else { return };
        self.ledger.strike(sandbox);
        let paused = sandbox.phase == Phase::Paused;
        sandbox.phase = Phase::Running;
        sandbox.uses = sandbox.uses.saturating_add(1);
        sandbox.charge = origin.memory;
        sandbox.jobs.push_back(&mut self.jobs, job);
        self.ledger.add(sandbox);
        if let Some(function) = sandbox.function().and_then(|function| self.functions.hot(function)) {
            function.frequency = function.frequency.saturating_add(1);
        }
        if let Some(job) = self.jobs.get_mut(job) {
            job.place = Place::Running(index);
            job.began = self.now;
        }
        self.shelve_open(index);
        self.actions.push_back(Action::Assign {
            job: self.job_id(job),
            sandbox: self.sandbox_id(index),
            start,
            paused,
        });
    }

    /// Ends a job, and gives its credit back (`SEEDS.md W18`, `D1`).
    pub(super) fn end(&mut self, job: u32) {
        self.leave_line(job);
        if self.jobs.remove(job).is_some() {
            self.credit();
        }
    }

    /// One job more has ended.
    #[inline]
    pub(super) fn credit(&mut self) {
        self.ended += 1;
        match self.actions.back_mut() {
            Some(Action::Credit(jobs)) => *jobs += 1,
            _ => self.actions.push_back(Action::Credit(1)),
        }
    }

    /// Ends a job without running it.
    pub(super) fn refuse(&mut self, job: u32, why: Refusal) {
        self.actions.push_back(Action::Refuse { job: self.job_id(job), why });
        self.end(job);
    }

    pub(super) fn job_id(&self, index: u32) -> JobId {
        JobId { index, generation: self.jobs.generation(index) }
    }

    fn charge(&self, sandbox: u32) -> u64 {
        self.sandboxes.get(sandbox).map_or(0, |sandbox| sandbox.charge)
    }

    fn review_owner(&mut self, function: u32) {
        if let Some(entry) = self.functions.get(function).and_then(|function| function.own_entry) {
            self.review(entry);
        }
    }
}
