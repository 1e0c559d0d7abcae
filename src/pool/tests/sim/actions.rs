//! Whether an action makes sense to a host that keeps its own books, and what it changes in them.

use super::line::Served;
use super::model::{Place, Sandbox, State};
use super::*;
use crate::invocation::Start;

impl Sim {
    /// Carries out one action in the books, after asking whether it can be carried out at all.
    pub(super) fn play(&mut self, action: Action) {
        match action {
            Action::Start { sandbox, target } => self.start(sandbox, target),
            Action::Assign { job, sandbox, start, paused } => self.assign(job, sandbox, start, paused),
            Action::Pause { sandbox } => self.pause(sandbox),
            Action::Remove { sandbox, why } => self.remove(sandbox, why),
            Action::Refuse { job, why } => self.refuse(job, why),
            Action::Credit(jobs) => {
                assert!(jobs > 0, "a credit of nothing");
                self.credits += u64::from(jobs);
            }
            Action::Forget { function } => {
                let gone = self.functions.remove(function).expect("only a known function is forgotten");
                assert!(gone.retired && gone.queue.is_empty(), "{function:?} is forgotten too early");
                let left = self.sandboxes.iter().any(|(_, it)| it.function == Some(function));
                assert!(!left, "{function:?} is forgotten while it has sandboxes");
            }
            Action::Closed => {
                assert!(self.closing && !self.closed, "closed unasked, or twice");
                assert_eq!((self.jobs.len, self.sandboxes.len), (0, 0), "closed with jobs or sandboxes left");
                self.closed = true;
            }
        }
    }

    fn start(&mut self, id: SandboxId, target: Target) {
        let (function, memory) = match target {
            Target::Function(function) => {
                let it = self.functions.get(function).expect("only a known function is started");
                let coming = self.coming(function);
                let job = it.queue.get(coming).copied();
                let job = job.expect("a sandbox is started for a job that has none coming");
                let live = self.of(function).filter(|it| it.state != State::Removing).count();
                assert!(
                    live < it.spec.max_sandboxes as usize,
                    "{function:?} gets more sandboxes than it may"
                );
                self.served.push(Served { order: self.order(job), function });
                (Some(function), it.spec.memory)
            }
            Target::Prewarm(kind, memory) => {
                assert!(!self.closing, "a sandbox is started ahead while the pool closes");
                let entry = self.entries.iter().find(|it| (it.kind, it.memory) == (kind, memory));
                assert!(entry.is_some_and(|it| it.count > 0), "nobody asked for {target:?}");
                (None, memory)
            }
        };
        self.sandboxes.insert(
            id,
            Sandbox {
                target,
                function,
                memory,
                state: State::Starting,
                paused: false,
                active: Vec::new(),
                uses: 0,
                rest: memory,
                idle_since: self.now,
                doomed: false,
                rested: false,
            },
        );
    }

    fn assign(&mut self, job: JobId, id: SandboxId, start: Start, paused: bool) {
        let it = self.jobs.get_mut(job).expect("only a known job is assigned");
        assert_eq!(it.place, Place::Queued, "only a waiting job is assigned");
        it.place = Place::In(id);
        let function = it.function;
        let owner = self.functions.get_mut(function).expect("only a known function's job is assigned");
        let next = owner.queue.pop_front();
        assert_eq!(next, Some(job), "a function's jobs are served in order");
        let spec = owner.spec;
        // The first jobs of the queue had a sandbox coming; those don't overtake.
        if owner.queue.len() < owner.waiting || self.event == Event::Submit(function) {
            let order = self.order(job);
            self.served.push(Served { order, function });
        }
        let sandbox = self.sandboxes.get_mut(id).expect("a job is only assigned to a known sandbox");
        assert!(!sandbox.doomed, "a job is assigned to a sandbox that can't be trusted");
        assert_eq!(sandbox.paused, paused, "the host is told whether to resume");
        let fresh = matches!(self.event, Event::Ready(ready, _) if ready == id);
        let untaken = sandbox.function.is_none();
        match start {
            Start::Warm => {
                assert!((!fresh || sandbox.uses > 0) && !untaken, "warm, but it had not served nor rested")
            }
            Start::Warming => assert!(fresh, "warming, but it was up before"),
            Start::Cold | Start::Recreated => assert!(fresh, "cold, but it was up before"),
            Start::Prewarmed | Start::RecreatedPrewarm => assert!(untaken, "prewarmed, but it was taken"),
        }
        assert!(
            matches!(sandbox.state, State::Warm | State::Prewarmed),
            "assigned while {:?}",
            sandbox.state
        );
        if let Target::Prewarm(kind, memory) = sandbox.target {
            assert_eq!(
                (spec.kind, spec.memory),
                (Some(kind), memory),
                "a prewarmed one is an exact match (W8)"
            );
        }
        assert!(untaken || sandbox.function == Some(function), "a sandbox is never shared (W2)");
        assert!(sandbox.active.len() < spec.concurrency as usize, "more jobs than its concurrency");
        sandbox.uses += 1;
        sandbox.rested = false;
        assert!(spec.max_uses.is_none_or(|most| sandbox.uses <= most), "more jobs than its max_uses");
        sandbox.function = Some(function);
        sandbox.state = State::Warm;
        sandbox.paused = false;
        sandbox.active.push(job);
        if untaken {
            let live = self.of(function).filter(|it| it.state != State::Removing).count();
            assert!(live <= spec.max_sandboxes as usize, "{function:?} takes more sandboxes than it may");
        }
    }

    fn pause(&mut self, id: SandboxId) {
        let now = self.now;
        let sandbox = self.sandboxes.get_mut(id).expect("only a known sandbox is paused");
        assert!(sandbox.active.is_empty(), "a sandbox is paused while a job runs in it");
        assert!(sandbox.state == State::Warm && !sandbox.paused && !sandbox.doomed, "paused out of turn");
        let spec = sandbox.function.and_then(|id| self.functions.get(id)).map(|it| it.spec);
        let after = spec.and_then(|spec| spec.pause_after).expect("its function wants pauses");
        assert!(now >= sandbox.idle_since + after, "paused too early");
        sandbox.state = State::Pausing;
    }

    fn remove(&mut self, id: SandboxId, why: Why) {
        let now = self.now;
        let sandbox = self.sandboxes.get_mut(id).expect("only a known sandbox is removed");
        assert!(sandbox.active.is_empty(), "a sandbox is removed while a job runs in it (W21)");
        assert!(matches!(sandbox.state, State::Warm | State::Prewarmed), "removed while {:?}", sandbox.state);
        let function = sandbox.function.and_then(|id| self.functions.get(id));
        let spec = function.map(|it| it.spec);
        let because = match why {
            Why::Evicted => !sandbox.doomed,
            Why::Idle => spec.is_some_and(|spec| now >= sandbox.idle_since + spec.idle_timeout),
            Why::UsedUp => spec.is_some_and(|spec| spec.max_uses == Some(sandbox.uses)),
            Why::Poisoned => sandbox.doomed,
            Why::Retired => function.is_none_or(|it| it.retired && it.queue.is_empty()),
            Why::Closing => self.closing,
        };
        assert!(because, "{id:?} is removed, but not because it is {why:?}");
        // One that never came to rest holds what it held at work.
        let at_work = !sandbox.rested && sandbox.function.is_some();
        if at_work && matches!(why, Why::Poisoned | Why::UsedUp) {
            sandbox.rest = sandbox.memory;
        }
        sandbox.state = State::Removing;
        self.evicted += u64::from(why == Why::Evicted);
    }

    fn refuse(&mut self, job: JobId, why: Refusal) {
        let it = self.jobs.get(job).expect("only a known job is refused");
        let function = self.functions.get(it.function);
        let because = match why {
            Refusal::Impossible { needs, budget } => {
                needs > budget
                    && budget == self.config.budget
                    && function.is_some_and(|function| function.spec.memory == needs)
            }
            Refusal::QueueFull => {
                matches!(self.event, Event::Submit(_)) && self.before.waiting >= self.config.max_waiting
            }
            Refusal::StartFailed(id) => {
                matches!(self.event, Event::StartFailed(failed) | Event::Removed(failed) if failed == id)
            }
            Refusal::Lost => it.place == Place::Orphaned,
            Refusal::Closed => self.closing || function.is_none_or(|function| function.retired),
        };
        assert!(because, "{job:?} is refused, but not because of {why:?}");
        let running = matches!(it.place, Place::In(_));
        assert!(!running, "a job is refused while it runs");
        self.unqueue(job);
        self.end(job);
    }

    pub(super) fn order(&self, job: JobId) -> u64 {
        self.jobs.get(job).map_or(0, |job| job.order)
    }

    /// A function's sandboxes.
    fn of(&self, function: FunctionId) -> impl Iterator<Item = &Sandbox> {
        self.sandboxes.iter().map(|(_, it)| it).filter(move |it| it.function == Some(function))
    }

    /// Jobs that a function's starting and pausing sandboxes can take, claimed ones left out.
    fn coming(&self, function: FunctionId) -> usize {
        let Some(spec) = self.functions.get(function).map(|it| it.spec) else { return 0 };
        let coming = |it: &&Sandbox| matches!(it.state, State::Starting | State::Pausing) && !it.doomed;
        self.of(function).filter(coming).map(|it| it.room(&spec)).sum()
    }
}

impl Sandbox {
    /// Jobs that it can take besides those it runs.
    pub(super) fn room(&self, spec: &FunctionSpec) -> usize {
        let uses = spec.max_uses.map_or(u32::MAX, |most| most.saturating_sub(self.uses));
        (spec.concurrency as usize).saturating_sub(self.active.len()).min(uses as usize)
    }
}
