//! Counts every sandbox again, by function, by prewarm entry and in all; slow, and so right.

use super::model::{State, Table, Tally};
use super::*;

impl Sim {
    pub(super) fn adopt(&mut self) {
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

    pub(super) fn recount(&mut self) -> Figures {
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
                    state => {
                        sums.prewarming += usize::from(state == State::Starting);
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
}

impl<I: super::model::Id, T> Table<I, T> {
    pub(super) fn each(&mut self, mut change: impl FnMut(&mut T)) {
        self.each_with_id(|_, thing| change(thing));
    }
}
