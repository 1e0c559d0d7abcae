//! The invariants of `DESIGN.md` ("The pool"), checked after each event against the host's own books.

use super::model::{Place, Sandbox, State, Table, Tally};
use super::*;

/// A job that got a sandbox or a start in this event, without having had one coming before.
pub(super) struct Served {
    pub(super) order: u64,
    pub(super) function: FunctionId,
}

/// Memory that was being freed for the head of the line.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Earmark {
    job: JobId,
    need: Need,
}

/// What a job needs: at least and at most, since which of the sandboxes at rest it gets is the pool's to say.
type Need = (u64, u64);

/// The first job that waits for memory, and what it wants.
struct Head {
    job: JobId,
    function: FunctionId,
    order: u64,
    need: Need,
    /// What of the idle and prewarmed memory it can't take for itself.
    own: u64,
}

impl Sim {
    pub(super) fn check(&mut self, sensible: bool) {
        let figures = self.pool.figures();
        if !sensible {
            assert!(
                self.actions.is_empty(),
                "the pool acts on what it should ignore (D6): {:?}",
                self.actions
            );
            assert_eq!(figures, self.before, "the pool changes by what it should ignore (D6)");
            return;
        }
        assert_eq!(self.credits, self.ended, "credits are jobs ended (D1)");
        assert_eq!(figures.ended, self.ended, "figures.ended");
        assert_eq!(figures.evicted, self.evicted, "figures.evicted");
        assert_eq!(figures.budget, self.config.budget, "figures.budget");
        assert!(!self.jobs.iter().any(|(_, it)| it.place == Place::Orphaned), "a lost job is not refused");

        self.adopt();
        let sums = self.recount();
        self.check_functions(&figures);
        self.check_sums(&figures, &sums);
        self.check_deadlines();
        self.check_line(&figures);
        if self.closing && self.jobs.len == 0 && self.sandboxes.len == 0 {
            assert!(self.closed, "a closed pool is empty and doesn't say so");
        }
        self.before = figures;
    }

    /// A prewarmed sandbox that was put down for a function while it started belongs to it from `ready` on, even
    /// when the job was served elsewhere. Only the pool knows for which; what follows from it is checked.
    fn adopt(&mut self) {
        let Event::Ready(id, _) = self.event else { return };
        let Some(it) = self.sandboxes.get(id).filter(|it| it.function.is_none()) else { return };
        let Target::Prewarm(kind, memory) = it.target else { return };
        let claimed = |(id, it): (FunctionId, &Function)| {
            let fits = it.spec.kind == Some(kind) && it.spec.memory == memory;
            let starting = || self.pool.function_figures(id).map_or(0, |figures| figures.starting);
            let now = |it: &Function| it.tally.starting + it.tally.claimed;
            (fits && it.tally.claimed > 0 && starting() < now(it)).then_some(id)
        };
        if it.state == State::Removing && it.doomed {
            return self.adopt_removed(id);
        }
        let owner = self.functions.iter().find_map(claimed);
        if owner.is_none() {
            self.entry_of(id, |entry| entry.backing_off = false);
        }
        if let (Some(owner), Some(it)) = (owner, self.sandboxes.get_mut(id)) {
            it.function = Some(owner);
            match it.state {
                State::Removing => {}
                _ => it.state = State::Warm,
            }
        }
    }

    /// As above, for one that was found dead while it started: put down for a function, it is charged in full.
    fn adopt_removed(&mut self, id: SandboxId) {
        let removing = |(other, it): (SandboxId, &Sandbox)| {
            (it.state == State::Removing && other != id).then_some(match it.function {
                None if self.config.prewarm_outside_budget => 0,
                _ => it.rest,
            })
        };
        let others: u64 = self.sandboxes.iter().filter_map(removing).sum();
        let charge = self.pool.figures().removing_memory - others;
        let claimed = |(id, it): (FunctionId, &Function)| (it.tally.claimed > 0).then_some(id);
        let owner = self.functions.iter().find_map(claimed);
        let outside = self.config.prewarm_outside_budget;
        let Some(it) = self.sandboxes.get_mut(id) else { return };
        if it.memory == charge && (it.rest < charge || outside) {
            assert!(owner.is_some(), "nobody had claimed it, and it is charged in full");
            it.rest = charge;
            it.function = owner;
        }
    }

    /// Counts every sandbox again: by function, by prewarm entry, and in all.
    fn recount(&mut self) -> Figures {
        let mut sums = Figures::default();
        let Self { functions, sandboxes, entries, config, .. } = self;
        functions.each(|it| it.tally = Tally { claimed: it.tally.claimed, ..Tally::default() });
        for entry in entries.iter_mut() {
            (entry.have, entry.starting, entry.leaving) = (0, 0, 0);
            (entry.least_rest, entry.most_rest) = (None, 0);
        }
        sandboxes.each(|it| {
            it.rested = matches!(it.state, State::Warm | State::Pausing) && it.active.is_empty();
        });
        for (_, it) in sandboxes.iter() {
            let untaken = it.function.is_none();
            if untaken && let Target::Prewarm(kind, memory) = it.target {
                let charge = if config.prewarm_outside_budget { 0 } else { it.rest };
                match it.state {
                    State::Removing => {
                        (sums.removing, sums.removing_memory) =
                            (sums.removing + 1, sums.removing_memory + charge)
                    }
                    _ => {
                        (sums.prewarmed, sums.prewarmed_memory) =
                            (sums.prewarmed + 1, sums.prewarmed_memory + charge)
                    }
                }
                let Some(entry) = entries.iter_mut().find(|e| (e.kind, e.memory) == (kind, memory)) else {
                    continue;
                };
                match it.state {
                    State::Removing => entry.leaving += 1,
                    state => {
                        entry.have += 1;
                        entry.starting += u32::from(state == State::Starting);
                        if state == State::Prewarmed && !it.doomed {
                            entry.most_rest = entry.most_rest.max(it.rest);
                            entry.least_rest =
                                Some(entry.least_rest.map_or(it.rest, |rest| rest.min(it.rest)));
                        }
                    }
                }
                continue;
            }
            let Some(function) = it.function.and_then(|id| functions.get_mut(id)) else {
                sums.removing += 1;
                sums.removing_memory += it.rest;
                assert_eq!(it.state, State::Removing, "a sandbox outlives its function");
                continue;
            };
            let (tally, spec) = (&mut function.tally, &function.spec);
            match it.state {
                State::Starting => {
                    tally.starting += 1;
                    tally.coming += if it.doomed { 0 } else { it.room(spec) };
                    sums.starting += 1;
                    sums.starting_memory += it.memory;
                }
                State::Removing => {
                    sums.removing += 1;
                    sums.removing_memory += it.rest;
                }
                State::Warm if !it.active.is_empty() => {
                    tally.active += 1;
                    tally.spare += if it.doomed { 0 } else { it.room(spec) };
                    sums.active += 1;
                    sums.active_memory += it.memory;
                }
                State::Warm | State::Pausing | State::Prewarmed => {
                    tally.idle += 1;
                    tally.paused += u32::from(it.paused);
                    sums.idle += 1;
                    sums.idle_memory += it.rest;
                    if it.state == State::Pausing {
                        tally.pausing += 1;
                        tally.coming += if it.doomed { 0 } else { it.room(spec) };
                    } else {
                        assert!(!it.doomed, "a sandbox that can't be trusted is kept");
                        let spent = spec.max_uses.is_some_and(|most| it.uses >= most);
                        assert!(!spent, "a used-up sandbox is kept");
                        tally.resting += it.rest;
                        tally.most_rest = tally.most_rest.max(it.rest);
                        tally.least_rest = Some(tally.least_rest.map_or(it.rest, |rest| rest.min(it.rest)));
                    }
                }
            }
        }
        sums
    }

    /// Each function's figures against the recount; learns what only the pool knows: claims, and who is covered.
    fn check_functions(&mut self, figures: &Figures) {
        let (mut waiting, mut waiting_memory) = (0, 0);
        let Self { pool, functions, jobs, waited, retried, entries, .. } = self;
        functions.each_with_id(|id, it| {
            let said = pool.function_figures(id).expect("a known function has figures");
            let tally = &mut it.tally;
            let recounted = (tally.active, tally.idle);
            assert_eq!((said.active, said.idle), recounted, "{id:?}: active and idle");
            let paused = tally.paused..=tally.paused + tally.pausing;
            assert!(paused.contains(&said.paused), "{id:?}: {} paused of {paused:?}", said.paused);
            tally.claimed = said.starting.checked_sub(tally.starting).expect("starting");
            let starting =
                |kind| entries.iter().filter(move |it| it.kind == kind).map(|it| it.starting).sum::<u32>();
            let claimable = it.spec.kind.map_or(0, starting);
            assert!(tally.claimed <= claimable, "{id:?}: more is claimed than starts");
            assert!(tally.live() <= it.spec.max_sandboxes, "{id:?}: more sandboxes than it may have");

            // Only the pool knows which starting one is put down for whom, and one found dead while it starts is
            // waited for until it has. While another waits for memory, nobody is covered, either.
            let room = it.spec.concurrency.min(it.spec.max_uses.unwrap_or(u32::MAX)) as usize;
            let coming = (said.starting + tally.pausing) as usize * room;
            let least = it.queue.len().saturating_sub(coming);
            it.waiting = said.waiting as usize;
            assert!(it.waiting >= least, "{id:?}: {} jobs wait, and {least} have none coming", it.waiting);
            assert!(it.waiting <= it.queue.len(), "{id:?}: more jobs wait than there are");
            for job in it.queue.range(it.queue.len() - it.waiting..) {
                if let Some(job) = jobs.get_mut(*job)
                    && !job.waited
                {
                    job.waited = true;
                    *waited += 1;
                }
            }
            waiting += it.waiting;
            waiting_memory += it.waiting as u64 * it.spec.memory;
        });
        assert_eq!((figures.waiting, figures.waiting_memory), (waiting, waiting_memory), "waiting");
        // One that lost its sandbox on the way may have waited without being seen to, within one event.
        let counted = *waited..=*waited + *retried;
        assert!(counted.contains(&figures.waited), "{} waited, not {counted:?} (W14, D8)", figures.waited);
    }

    /// The one ledger: what is charged is the sum over the sandboxes, and within the budget.
    fn check_sums(&self, said: &Figures, sums: &Figures) {
        let claimed = self.functions.iter().map(|(_, it)| (it.tally.claimed, it.spec.memory));
        let (count, memory) = claimed.fold((0, 0), |(count, memory), (claimed, each)| {
            (count + claimed as usize, memory + u64::from(claimed) * each)
        });
        assert_eq!((said.active, said.active_memory), (sums.active, sums.active_memory), "active");
        assert_eq!((said.idle, said.idle_memory), (sums.idle, sums.idle_memory), "idle");
        assert_eq!((said.removing, said.removing_memory), (sums.removing, sums.removing_memory), "removing");
        assert_eq!(said.prewarmed + count, sums.prewarmed, "prewarmed");
        let starting = (sums.starting + count, sums.starting_memory + memory);
        assert_eq!((said.starting, said.starting_memory), starting, "starting");
        let mut charged = said.active_memory + said.idle_memory + said.removing_memory + said.starting_memory;
        if !self.config.prewarm_outside_budget {
            assert_eq!(said.prewarmed_memory + memory, sums.prewarmed_memory, "prewarmed memory");
            charged += said.prewarmed_memory;
        }
        assert_eq!(said.charged, charged, "what is charged is the sum over the sandboxes");
        let kept = said.charged <= said.budget || said.charged <= self.before.charged;
        assert!(kept, "charged {} of {}, and it grew", said.charged, said.budget);
    }

    /// `next_tick` is never late, and a tick leaves nothing undone.
    fn check_deadlines(&self) {
        let next = self.pool.next_tick();
        for (id, it) in self.sandboxes.iter() {
            let resting = it.state == State::Warm && it.active.is_empty();
            let Some(function) = it.function.filter(|_| resting).and_then(|id| self.functions.get(id)) else {
                continue;
            };
            let idle = it.idle_since + function.spec.idle_timeout;
            let pause = function.spec.pause_after.filter(|_| !it.paused).map(|after| it.idle_since + after);
            let due = pause.map_or(idle, |pause| pause.min(idle));
            assert!(
                next.is_some_and(|next| next <= due),
                "{id:?} is due at {due:?}, the next tick at {next:?}"
            );
            if self.event == Event::Tick {
                assert!(due > self.now, "{id:?} was due at {due:?}, and the tick left it");
            }
        }
        if self.event == Event::Tick {
            assert!(next.is_none_or(|next| next > self.now), "a tick asks for itself again at once");
        }
    }

    /// The waiting line: nobody is overtaken after its patience, and nobody sleeps where there is room.
    fn check_line(&mut self, figures: &Figures) {
        let mut head: Option<Head> = None;
        let mut mixed = false;
        let mut idlers = None;
        let heads = self.functions.iter().filter_map(|(id, it)| {
            mixed |= it.queue.iter().any(|job| self.jobs.get(*job).is_some_and(|job| job.rescheduled));
            if !it.queue.is_empty() && it.tally.spare > 0 {
                idlers = Some(id);
            }
            if it.waiting == 0 {
                let room = figures.budget.saturating_sub(figures.charged);
                let fits = |rest| it.spec.memory - rest <= room;
                let coming = it.tally.starting + it.tally.claimed + it.tally.pausing > 0;
                if !it.queue.is_empty() && !coming && it.tally.least_rest.is_some_and(fits) {
                    idlers = Some(id);
                }
                return None;
            }
            let job = *it.queue.get(it.queue.len() - it.waiting)?;
            let (need, own) = self.need(it)?;
            Some(Head { job, function: id, order: self.order(job), need, own })
        });
        let heads: Vec<Head> = heads.collect();
        for waiting in heads {
            self.check_overtaken(&waiting, mixed);
            if head.as_ref().is_none_or(|head| waiting.order < head.order) {
                head = Some(waiting);
            }
        }
        self.jobs.each(|job| job.short = false);
        match head {
            // Who is at the head can't be told from here.
            head if self.may_hold_before(head.as_ref()) => self.earmark = None,
            None => {
                self.earmark = None;
                assert!(idlers.is_none(), "a job of {idlers:?} waits beside a sandbox that it could use");
                self.functions.iter().for_each(|(id, _)| self.check_covered(id));
                self.check_refill(figures);
            }
            Some(head) => {
                self.check_covered(head.function);
                self.check_head(&head, figures, mixed);
            }
        }
    }

    /// What a function's next job needs, and how much of the evictable memory is what it wants itself. `None`: it
    /// doesn't wait for memory.
    fn need(&self, it: &Function) -> Option<(Need, u64)> {
        if it.tally.spare > 0 {
            return Some(((0, 0), 0));
        }
        if let Some(rest) = it.tally.least_rest {
            let least = it.spec.memory - it.tally.most_rest;
            return Some(((least, it.spec.memory - rest), it.tally.resting));
        }
        let entry = self.entries.iter().find(|entry| {
            Some(entry.kind) == it.spec.kind && entry.memory == it.spec.memory && entry.least_rest.is_some()
        });
        if it.tally.live() >= it.spec.max_sandboxes || self.may_hold(it) {
            return None;
        }
        let whole = it.spec.memory;
        match entry {
            Some(entry) if !self.config.prewarm_outside_budget => {
                let most = whole - entry.least_rest.unwrap_or(0);
                Some(((whole - entry.most_rest, most), u64::from(entry.have) * entry.memory))
            }
            _ => Some(((whole, whole), 0)),
        }
    }

    /// Whether a function's first job may be waiting for a busy sandbox, rather than for memory. What a start takes is
    /// the pool's to estimate, but never more than the longest one took; and it sees that time is up with the next tick.
    fn may_hold(&self, it: &Function) -> bool {
        let first = it.queue.get(it.queue.len() - it.waiting).and_then(|job| self.jobs.get(*job));
        let Some(job) = first.filter(|_| self.config.wait_for_busy && it.tally.active > 0) else {
            return false;
        };
        self.event != Event::Tick || self.now.since(job.arrived) < it.longest_start
    }

    /// Whether one that may be holding came before the head.
    fn may_hold_before(&self, head: Option<&Head>) -> bool {
        self.functions.iter().filter(|(_, it)| it.waiting > 0 && self.may_hold(it)).any(|(_, it)| {
            let first = it.queue.get(it.queue.len() - it.waiting).map_or(0, |job| self.order(*job));
            head.is_none_or(|head| first < head.order)
        })
    }

    /// Where nobody is in the way, a job that has a sandbox coming doesn't count as waiting.
    fn check_covered(&self, function: FunctionId) {
        let Some(it) = self.functions.get(function) else { return };
        let most = it.queue.len().saturating_sub(it.tally.coming);
        assert!(
            it.waiting <= most,
            "{function:?}: {} jobs wait, and only {most} have none coming",
            it.waiting
        );
    }

    fn check_overtaken(&self, waiting: &Head, mixed: bool) {
        let Some(job) = self.jobs.get(waiting.job) else { return };
        if mixed || !job.short || self.now.since(job.arrived) < self.config.patience {
            return;
        }
        let past = self.served.iter().find(|it| it.order > job.order && it.function != waiting.function);
        let Some(past) = past else { return };
        panic!(
            "{:?} of {:?} is overtaken after its patience by one of {:?}",
            waiting.job, waiting.function, past.function
        );
    }

    fn check_head(&mut self, head: &Head, figures: &Figures, mixed: bool) {
        // In bytes, and below 0 while the budget is exceeded.
        let signed = |bytes: u64| i128::from(bytes);
        let free = signed(figures.budget) - signed(figures.charged);
        let coming = free + signed(figures.removing_memory);
        let (least, need) = (signed(head.need.0), signed(head.need.1));
        let prewarmed = if self.config.prewarm_outside_budget { 0 } else { self.ready_memory() };
        let resting: u64 = self.functions.iter().map(|(_, it)| it.tally.resting).sum();
        let evictable = signed((resting + prewarmed).saturating_sub(head.own));
        if !mixed {
            assert!(need > free, "{:?} of {:?} needs {need}, {free} is free", head.job, head.function);
            let stalled = coming < least && coming + evictable >= need;
            assert!(
                !stalled,
                "{:?} needs {need}: {coming} comes, {evictable} could, none is evicted",
                head.job
            );
        }
        let earmark = Earmark { job: head.job, need: head.need };
        // One that arrived earlier and has lost its sandbox goes before it.
        let disturbed = matches!(self.event, Event::SetBudget(_)) || self.retrying || mixed;
        if self.earmark == Some(earmark) && !disturbed {
            assert!(coming >= least, "what was being freed for {:?} is given away", head.job);
        }
        self.earmark = (coming >= need).then_some(earmark);
        if let Some(job) = self.jobs.get_mut(head.job) {
            job.short = true;
        }
        assert!(
            signed(self.spec_of(head.function)) <= signed(figures.budget),
            "an impossible job waits (D5)"
        );
    }

    /// Where nobody waits for memory, prewarm entries are full, or there is a reason (`SEEDS.md W16`).
    fn check_refill(&self, figures: &Figures) {
        if self.closing {
            return;
        }
        let claimed: u32 = self.functions.iter().map(|(_, it)| it.tally.claimed).sum();
        let room = figures.budget.saturating_sub(figures.charged);
        for entry in &self.entries {
            let fits = self.config.prewarm_outside_budget || entry.memory <= room;
            let have = entry.have + entry.leaving;
            let owner = entry.owner.and_then(|id| self.functions.get(id));
            let allowed =
                owner.is_none_or(|it| !it.retired && it.tally.live() + entry.have < it.spec.max_sandboxes);
            let due = have < entry.count && claimed == 0 && fits && allowed && !entry.backing_off;
            assert!(!due, "{:?} has {have} of {}, and room for more", entry.kind, entry.count);
        }
    }

    fn ready_memory(&self) -> u64 {
        let ready = self.sandboxes.iter().filter(|(_, it)| it.state == State::Prewarmed && !it.doomed);
        ready.map(|(_, it)| it.rest).sum()
    }

    fn spec_of(&self, function: FunctionId) -> u64 {
        self.functions.get(function).map_or(0, |it| it.spec.memory)
    }
}

impl<I: super::model::Id, T> Table<I, T> {
    fn each(&mut self, mut change: impl FnMut(&mut T)) {
        self.each_with_id(|_, thing| change(thing));
    }
}
