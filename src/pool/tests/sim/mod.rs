//! A simulated host: owns a pool and a clock, tells it events, and believes nothing that it can check.
//!
//! [`Sim`] keeps its own books of what it told the pool and what the pool asked for. Each action must make sense
//! by those books ([`actions`]), and after each event every invariant of `DESIGN.md` ("The pool") is checked
//! against them ([`checks`], [`line`]). On a failure it prints the last events.

mod actions;
mod checks;
mod handy;
mod line;
mod model;
mod recount;

pub(super) use handy::{ms, of, plain, strict};
pub(super) use model::State;

use super::super::*;
use model::{Entry, Function, Job, Place, Sandbox, Table};
use std::collections::VecDeque;
use std::time::Duration;

/// Events that are printed on a failure.
const REMEMBERED: usize = 30;

/// All that a host can tell the pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Event {
    Submit(FunctionId),
    Cancel(JobId),
    Ready(SandboxId, u64),
    StartFailed(SandboxId),
    Released(SandboxId, JobId, u64, Fate),
    Reschedule(SandboxId, JobId),
    Paused(SandboxId),
    Lost(SandboxId),
    Removed(SandboxId),
    Tick,
    SetBudget(u64),
    SetPrewarm(Kind, u64, u32, Option<FunctionId>),
    Retire(FunctionId),
    Close,
}

/// The host's side of a pool.
pub(super) struct Sim {
    pub(super) pool: Pool,
    pub(super) now: Time,
    pub(super) config: PoolConfig,
    pub(super) functions: Table<FunctionId, Function>,
    pub(super) sandboxes: Table<SandboxId, Sandbox>,
    pub(super) jobs: Table<JobId, Job>,
    pub(super) entries: Vec<Entry>,
    /// What the pool asked for in the last event.
    pub(super) actions: Vec<Action>,
    pub(super) ended: u64,
    pub(super) closing: bool,
    pub(super) closed: bool,
    /// The longest that any start took: a function may inherit it with a sandbox that was started ahead.
    pub(super) longest_start: Duration,
    event: Event,
    credits: u64,
    arrivals: u64,
    waited: u64,
    /// Jobs that may have lost a sandbox that they were to have.
    retried: u64,
    /// There are such jobs in this event.
    retrying: bool,
    evicted: u64,
    /// The pool's figures after the last event.
    before: Figures,
    /// Jobs that got a sandbox, or a start, in this event: what the waiting line is checked against.
    served: Vec<line::Served>,
    earmark: Option<line::Earmark>,
    history: VecDeque<(Time, Event, Vec<Action>)>,
}

impl Sim {
    pub(super) fn with(config: PoolConfig) -> Self {
        let pool = Pool::new(config);
        let before = pool.figures();
        Self {
            pool,
            now: Time(0),
            config,
            functions: Table::new(),
            sandboxes: Table::new(),
            jobs: Table::new(),
            entries: Vec::new(),
            actions: Vec::new(),
            ended: 0,
            closing: false,
            closed: false,
            event: Event::Tick,
            longest_start: Duration::ZERO,
            credits: 0,
            arrivals: 0,
            waited: 0,
            retried: 0,
            retrying: false,
            evicted: 0,
            before,
            served: Vec::new(),
            earmark: None,
            history: VecDeque::new(),
        }
    }

    pub(super) fn function(&mut self, spec: FunctionSpec) -> FunctionId {
        let id = self.pool.add_function(spec);
        let function = Function {
            spec,
            retired: false,
            queue: VecDeque::new(),
            waiting: 0,
            tally: model::Tally::default(),
        };
        self.functions.insert(id, function);
        id
    }

    /// Tells the pool an event, plays its actions and checks everything. Returns the job of a `Submit`.
    pub(super) fn event(&mut self, event: Event) -> Option<JobId> {
        self.event = event;
        self.actions.clear();
        self.served.clear();
        self.retrying = false;
        let sensible = self.believe(event);
        let job = self.tell(event);
        if let (Some(job), Event::Submit(function)) = (job, event) {
            self.arrived(job, function);
        }
        while let Some(action) = self.pool.pop_action() {
            self.actions.push(action);
            self.play(action);
        }
        self.remember();
        self.check(sensible);
        job
    }

    fn tell(&mut self, event: Event) -> Option<JobId> {
        let (pool, now) = (&mut self.pool, self.now);
        match event {
            Event::Submit(function) => return Some(pool.submit(now, function)),
            Event::Cancel(job) => {
                let cancelled = pool.cancel(now, job);
                let waited = self.jobs.get(job).is_some_and(|job| job.place == Place::Queued);
                assert_eq!(cancelled, waited, "only a job that waits can be cancelled: {job:?}");
                if cancelled {
                    self.unqueue(job);
                    self.end(job);
                }
            }
            Event::Ready(sandbox, charge) => pool.ready(now, sandbox, charge),
            Event::StartFailed(sandbox) => pool.start_failed(now, sandbox),
            Event::Released(sandbox, job, charge, fate) => pool.released(now, sandbox, job, charge, fate),
            Event::Reschedule(sandbox, job) => pool.reschedule(now, sandbox, job),
            Event::Paused(sandbox) => pool.paused(now, sandbox),
            Event::Lost(sandbox) => pool.lost(now, sandbox),
            Event::Removed(sandbox) => pool.removed(now, sandbox),
            Event::Tick => pool.tick(now),
            Event::SetBudget(bytes) => pool.set_budget(now, bytes),
            Event::SetPrewarm(kind, memory, count, owner) => {
                pool.set_prewarm(now, kind, memory, count, owner);
            }
            Event::Retire(function) => pool.retire_function(now, function),
            Event::Close => pool.close(now),
        }
        None
    }

    /// Writes an event down before the pool hears of it. False where the pool has to ignore it (`SEEDS.md D6`).
    fn believe(&mut self, event: Event) -> bool {
        let now = self.now;
        match event {
            Event::Ready(id, charge) => {
                if self.sandboxes.get(id).is_some_and(|it| it.doomed) {
                    self.retry_of(id);
                }
                let Some(sandbox) = self.sandboxes.get_mut(id).filter(|it| it.state == State::Starting)
                else {
                    return false;
                };
                sandbox.rest = charge.min(sandbox.memory);
                let took = now.since(sandbox.idle_since);
                sandbox.idle_since = now;
                sandbox.state = if sandbox.function.is_some() { State::Warm } else { State::Prewarmed };
                self.longest_start = self.longest_start.max(took);
            }
            Event::StartFailed(id) => {
                if self.sandboxes.get(id).is_none_or(|it| it.state != State::Starting) {
                    return false;
                }
                self.entry_of(id, |entry| entry.backing_off = true);
                self.retry_of(id);
                self.sandboxes.remove(id);
            }
            Event::Released(id, job, charge, fate) => {
                let Some(sandbox) = self.leave(id, job) else { return false };
                sandbox.rest = charge.min(sandbox.memory);
                sandbox.doomed |= fate == Fate::Poisoned;
                self.end(job);
            }
            Event::Reschedule(id, job) => {
                let Some(sandbox) = self.leave(id, job) else { return false };
                sandbox.doomed = true;
                self.retry_of(id);
                let Some(waiting) = self.jobs.get_mut(job) else { return false };
                waiting.place = Place::Queued;
                waiting.rescheduled = true;
                let function = waiting.function;
                self.queue(function).push_front(job);
            }
            Event::Paused(id) => {
                self.retry_of(id);
                let Some(sandbox) = self.sandboxes.get_mut(id).filter(|it| it.state == State::Pausing) else {
                    return false;
                };
                sandbox.state = State::Warm;
                sandbox.paused = true;
            }
            Event::Lost(id) => {
                let Some(sandbox) = self.sandboxes.get_mut(id).filter(|it| it.state != State::Removing)
                else {
                    return false;
                };
                sandbox.doomed = true;
            }
            Event::Removed(id) => {
                if self.sandboxes.get(id).is_some_and(|it| it.state == State::Starting) {
                    self.entry_of(id, |entry| entry.backing_off = true);
                }
                self.retry_of(id);
                let Some(sandbox) = self.sandboxes.remove(id) else { return false };
                for job in sandbox.active {
                    if let Some(orphan) = self.jobs.get_mut(job) {
                        orphan.place = Place::Orphaned;
                    }
                }
            }
            Event::Cancel(job) => return self.jobs.get(job).is_some_and(|it| it.place == Place::Queued),
            Event::SetBudget(bytes) => self.config.budget = bytes,
            Event::SetPrewarm(kind, memory, count, owner) => {
                let known = self.entries.iter().position(|it| (it.kind, it.memory) == (kind, memory));
                let backing_off = known.is_some_and(|at| self.entries.swap_remove(at).backing_off);
                self.entries.push(Entry {
                    kind,
                    memory,
                    count,
                    owner,
                    backing_off,
                    have: 0,
                    starting: 0,
                    least_rest: None,
                    most_rest: 0,
                    leaving: 0,
                });
            }
            Event::Retire(id) => match self.functions.get_mut(id) {
                Some(function) => function.retired = true,
                None => return false,
            },
            Event::Close => self.closing = true,
            Event::Submit(_) | Event::Tick => {}
        }
        true
    }

    fn arrived(&mut self, job: JobId, function: FunctionId) {
        self.arrivals += 1;
        self.jobs.insert(
            job,
            Job {
                function,
                arrived: self.now,
                order: self.arrivals,
                place: Place::Queued,
                waited: false,
                short: false,
                rescheduled: false,
            },
        );
        if self.functions.get(function).is_some() {
            self.queue(function).push_back(job);
        }
    }

    /// Takes a job out of the sandbox that it runs in; `None` where it doesn't.
    fn leave(&mut self, id: SandboxId, job: JobId) -> Option<&mut Sandbox> {
        let sandbox = self.sandboxes.get_mut(id)?;
        let at = sandbox.active.iter().position(|active| *active == job)?;
        sandbox.active.remove(at);
        sandbox.idle_since = self.now;
        Some(sandbox)
    }

    /// Counts a job as ended; no action may name it from now on.
    fn end(&mut self, job: JobId) {
        assert!(self.jobs.remove(job).is_some(), "{job:?} ends twice");
        self.ended += 1;
    }

    fn queue(&mut self, function: FunctionId) -> &mut VecDeque<JobId> {
        &mut self.functions.get_mut(function).expect("the function is known").queue
    }

    fn unqueue(&mut self, job: JobId) {
        let Some(function) = self.jobs.get(job).map(|job| job.function) else { return };
        if self.functions.get(function).is_some() {
            self.queue(function).retain(|queued| *queued != job);
        }
    }

    /// A sandbox that jobs may have waited for is not to be had, or only for more memory.
    fn retry_of(&mut self, id: SandboxId) {
        let Some(it) = self.sandboxes.get(id) else { return };
        self.retrying = true;
        let near = |queue: &VecDeque<JobId>| queue.len() as u64 + 1;
        self.retried += match it.function.and_then(|function| self.functions.get(function)) {
            Some(function) => near(&function.queue),
            None => self.functions.iter().map(|(_, function)| near(&function.queue)).sum(),
        };
    }

    fn entry_of(&mut self, id: SandboxId, change: impl FnOnce(&mut Entry)) {
        if let Some(Target::Prewarm(kind, memory)) = self.sandboxes.get(id).map(|it| it.target)
            && let Some(entry) = self.entries.iter_mut().find(|it| (it.kind, it.memory) == (kind, memory))
        {
            change(entry);
        }
    }

    fn remember(&mut self) {
        let mut actions = if self.history.len() >= REMEMBERED {
            self.history.pop_front().map(|(.., actions)| actions).unwrap_or_default()
        } else {
            Vec::new()
        };
        actions.clone_from(&self.actions);
        self.history.push_back((self.now, self.event, actions));
    }
}

impl Drop for Sim {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the last events, and what the pool asked for:");
            for (at, event, actions) in &self.history {
                eprintln!("{:>12?} {event:?}", Duration::from_nanos(at.0));
                for action in actions {
                    eprintln!("{:>14}-> {action:?}", "");
                }
            }
            eprintln!("{:>12?} {:?} (the last)", Duration::from_nanos(self.now.0), self.event);
            for action in &self.actions {
                eprintln!("{:>14}-> {action:?}", "");
            }
            for (id, it) in self.functions.iter() {
                let jobs =
                    it.queue.iter().filter_map(|id| self.jobs.get(*id)).map(|job| (job.order, job.arrived.0));
                eprintln!(
                    "{id:?}: {} of {:?} wait; {:?} {:?}",
                    it.waiting,
                    jobs.collect::<Vec<_>>(),
                    it.tally,
                    it.spec
                );
            }
            eprintln!("{:?} {:?}", self.config, self.entries);
        }
    }
}
