//! The waiting line's invariants: nobody sleeps where there is room, and nobody is overtaken after its patience.

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
    pub(super) fn check_line(&mut self, figures: &Figures) {
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

    fn may_hold_before(&self, head: Option<&Head>) -> bool {
        self.functions.iter().filter(|(_, it)| it.waiting > 0 && self.may_hold(it)).any(|(_, it)| {
            let first = it.queue.get(it.queue.len() - it.waiting).map_or(0, |job| self.order(*job));
            head.is_none_or(|head| first < head.order)
        })
    }

    fn may_hold(&self, it: &Function) -> bool {
        let first = it.queue.get(it.queue.len() - it.waiting).and_then(|job| self.jobs.get(*job));
        let Some(job) = first.filter(|_| {
            self.config.wait_for_busy
                && it.tally.active + it.tally.starting + it.tally.claimed + it.tally.pausing > 0
        }) else {
            return false;
        };
        self.event != Event::Tick || self.now.since(job.arrived) < self.longest_start
    }

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
