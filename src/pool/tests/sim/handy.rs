//! Short words for what tests do and ask most.

use super::*;
use crate::invocation::Start;

/// A function of so many bytes that nothing else limits.
pub(in crate::pool::tests) const fn of(memory: u64) -> FunctionSpec {
    FunctionSpec {
        memory,
        concurrency: 1,
        max_sandboxes: 1_000,
        max_uses: None,
        idle_timeout: Duration::from_secs(600),
        pause_after: None,
        kind: None,
    }
}

pub(in crate::pool::tests) const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// The default settings, but for jobs that wait for a busy sandbox: `holding.rs` shows those.
pub(in crate::pool::tests) fn plain(budget: u64) -> PoolConfig {
    PoolConfig { budget, wait_for_busy: false, ..PoolConfig::default() }
}

/// The seed's settings: strict order and the longest unused first.
pub(in crate::pool::tests) fn strict(budget: u64) -> PoolConfig {
    PoolConfig { patience: Duration::ZERO, policy: Policy::Lru, ..plain(budget) }
}

impl Sim {
    /// A pool with plain settings.
    pub(in crate::pool::tests) fn new(budget: u64) -> Self {
        Self::with(plain(budget))
    }

    /// Lets time pass; the pool hears of it with the next event.
    pub(in crate::pool::tests) fn pass(&mut self, time: Duration) {
        self.now = self.now + time;
    }

    pub(in crate::pool::tests) fn submit(&mut self, function: FunctionId) -> JobId {
        self.event(Event::Submit(function)).expect("a submit gives a job")
    }

    /// A sandbox has started, and rests at its function's memory.
    pub(in crate::pool::tests) fn ready(&mut self, sandbox: SandboxId) {
        self.event(Event::Ready(sandbox, u64::MAX));
    }

    /// A job ends in its sandbox, which rests at its function's memory.
    pub(in crate::pool::tests) fn release(&mut self, job: JobId) {
        self.release_at(job, u64::MAX);
    }

    /// A job ends in its sandbox, which rests at `charge`.
    pub(in crate::pool::tests) fn release_at(&mut self, job: JobId, charge: u64) {
        let sandbox = self.home(job);
        self.event(Event::Released(sandbox, job, charge, Fate::Keep));
    }

    pub(in crate::pool::tests) fn poison(&mut self, job: JobId) {
        let sandbox = self.home(job);
        self.event(Event::Released(sandbox, job, u64::MAX, Fate::Poisoned));
    }

    pub(in crate::pool::tests) fn reschedule(&mut self, job: JobId) {
        let sandbox = self.home(job);
        self.event(Event::Reschedule(sandbox, job));
    }

    pub(in crate::pool::tests) fn fail(&mut self, sandbox: SandboxId) {
        self.event(Event::StartFailed(sandbox));
    }

    pub(in crate::pool::tests) fn removed(&mut self, sandbox: SandboxId) {
        self.event(Event::Removed(sandbox));
    }

    pub(in crate::pool::tests) fn lost(&mut self, sandbox: SandboxId) {
        self.event(Event::Lost(sandbox));
    }

    pub(in crate::pool::tests) fn tick(&mut self) {
        self.event(Event::Tick);
    }

    pub(in crate::pool::tests) fn prewarm(&mut self, kind: Kind, memory: u64, count: u32) -> Vec<SandboxId> {
        self.event(Event::SetPrewarm(kind, memory, count, None));
        self.started()
    }

    /// A job that runs in a sandbox that was just started for it.
    pub(in crate::pool::tests) fn run(&mut self, function: FunctionId) -> JobId {
        let job = self.submit(function);
        if let [sandbox] = self.started()[..] {
            self.ready(sandbox);
        }
        self.home(job);
        job
    }

    /// That many idle sandboxes of a function, the longest idle first. They last served a millisecond apart.
    pub(in crate::pool::tests) fn warm<const N: usize>(&mut self, function: FunctionId) -> [SandboxId; N] {
        let jobs = [(); N].map(|()| self.run(function));
        jobs.map(|job| {
            let sandbox = self.home(job);
            self.pass(ms(1));
            self.release(job);
            sandbox
        })
    }

    /// The sandbox that a job runs in.
    #[track_caller]
    pub(in crate::pool::tests) fn home(&self, job: JobId) -> SandboxId {
        match self.jobs.get(job).map(|job| job.place) {
            Some(Place::In(sandbox)) => sandbox,
            other => panic!("{job:?} should run, and is {other:?}"),
        }
    }

    /// Whether a job has neither ended nor a sandbox.
    pub(in crate::pool::tests) fn queued(&self, job: JobId) -> bool {
        self.jobs.get(job).is_some_and(|job| job.place == Place::Queued)
    }

    /// What the last event started.
    pub(in crate::pool::tests) fn started(&self) -> Vec<SandboxId> {
        let started = |action: &Action| match action {
            Action::Start { sandbox, .. } => Some(*sandbox),
            _ => None,
        };
        self.actions.iter().filter_map(started).collect()
    }

    /// The one sandbox that the last event started.
    #[track_caller]
    pub(in crate::pool::tests) fn one_started(&self) -> SandboxId {
        match self.started()[..] {
            [sandbox] => sandbox,
            ref other => panic!("one sandbox should have been started, not {other:?}"),
        }
    }

    /// What the last event assigned, and how.
    pub(in crate::pool::tests) fn assigned(&self) -> Vec<(JobId, SandboxId, Start)> {
        let assigned = |action: &Action| match action {
            Action::Assign { job, sandbox, start, .. } => Some((*job, *sandbox, *start)),
            _ => None,
        };
        self.actions.iter().filter_map(assigned).collect()
    }

    /// How the jobs that the last event assigned got their sandboxes.
    pub(in crate::pool::tests) fn starts(&self) -> Vec<Start> {
        self.assigned().into_iter().map(|(.., start)| start).collect()
    }

    /// What the last event removes, and why.
    pub(in crate::pool::tests) fn removals(&self) -> Vec<(SandboxId, Why)> {
        let removal = |action: &Action| match action {
            Action::Remove { sandbox, why } => Some((*sandbox, *why)),
            _ => None,
        };
        self.actions.iter().filter_map(removal).collect()
    }

    /// What the last event evicts.
    pub(in crate::pool::tests) fn evicted(&self) -> Vec<SandboxId> {
        self.removals().into_iter().filter(|(_, why)| *why == Why::Evicted).map(|(id, _)| id).collect()
    }

    /// Whom the last event refuses, and why.
    pub(in crate::pool::tests) fn refused(&self) -> Vec<(JobId, Refusal)> {
        let refused = |action: &Action| match action {
            Action::Refuse { job, why } => Some((*job, *why)),
            _ => None,
        };
        self.actions.iter().filter_map(refused).collect()
    }

    pub(in crate::pool::tests) fn figures(&self) -> Figures {
        self.pool.figures()
    }
}
