//! The invariants of `DESIGN.md` ("The pool"), checked after each event against the host's own books.

use super::model::Place;
use super::*;

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

    fn check_functions(&mut self, figures: &Figures) {
        let (mut waiting, mut waiting_memory) = (0, 0);
        let Self { pool, functions, jobs, waited, retried, entries, .. } = self;
        functions.each_with_id(|id, it| {
            let said = pool.function_figures(id).expect("a known function has figures");
            let known = pool.functions.get(id.index).expect("a function with figures is known");
            assert!(
                !known.hot.calm || known.is_quiet() && !it.retired,
                "{id:?} is taken for calm: {known:?}"
            );
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

    fn check_sums(&self, said: &Figures, sums: &Figures) {
        let claimed = self.functions.iter().map(|(_, it)| (it.tally.claimed, it.spec.memory));
        let (count, memory) = claimed.fold((0, 0), |(count, memory), (claimed, each)| {
            (count + claimed as usize, memory + u64::from(claimed) * each)
        });
        assert_eq!((said.active, said.active_memory), (sums.active, sums.active_memory), "active");
        assert_eq!((said.idle, said.idle_memory), (sums.idle, sums.idle_memory), "idle");
        assert_eq!((said.removing, said.removing_memory), (sums.removing, sums.removing_memory), "removing");
        assert_eq!(said.prewarmed + count, sums.prewarmed, "prewarmed");
        assert_eq!(said.prewarming + count, sums.prewarming, "prewarming");
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
}
