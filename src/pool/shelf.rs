//! Where sandboxes lie between jobs: each in at most one list, idle ones last used first, so that the rest grow old.

use super::Pool;
use super::entities::{Phase, Sandbox, Shelf};
use super::types::{Action, SandboxId, Time, Why};

impl Pool {
    /// Changes a sandbox, and the books with it.
    pub(super) fn change(&mut self, index: u32, change: impl FnOnce(&mut Sandbox)) {
        if let Some(sandbox) = self.sandboxes.get_mut(index) {
            self.ledger.strike(sandbox);
            change(sandbox);
            self.ledger.add(sandbox);
        }
    }

    pub(super) fn sandbox_id(&self, index: u32) -> SandboxId {
        SandboxId { index, generation: self.sandboxes.generation(index) }
    }

    /// Takes a sandbox out of the list that it lies in.
    pub(super) fn unshelve(&mut self, index: u32) {
        let Some(sandbox) = self.sandboxes.get_mut(index) else { return };
        let shelf = std::mem::replace(&mut sandbox.shelf, Shelf::None);
        let function = sandbox.function().and_then(|function| self.functions.get_mut(function));
        let ahead = matches!(shelf, Shelf::Ahead | Shelf::Ready).then_some(index as usize);
        let entry = ahead.and_then(|index| self.origins.get(index)?.entry);
        let entry = entry.and_then(|entry| self.prewarms.entry_mut(entry));
        let list = match (shelf, function, entry) {
            (Shelf::Idle, Some(function), _) => &mut function.hot.idle,
            (Shelf::Paused, Some(function), _) => &mut function.cold.paused,
            (Shelf::Open, Some(function), _) => &mut function.cold.open,
            (Shelf::Ahead, _, Some(entry)) => &mut entry.ahead,
            (Shelf::Ready, _, Some(entry)) => &mut entry.ready,
            _ => return,
        };
        list.remove(&mut self.sandboxes, index);
    }

    /// Lays a sandbox that nobody has a job for where it belongs: idle, or open to more jobs.
    pub(super) fn shelve(&mut self, now: Time, index: u32) {
        let Some(sandbox) = self.sandboxes.get(index) else { return };
        let Some(of) = sandbox.function() else { return };
        if sandbox.active() > 0 {
            self.shelve_open(index);
            return;
        }
        let priority = self.priority(now, index);
        let Some(rest) = self.origins.get(index as usize).map(|origin| origin.rest) else { return };
        self.change(index, |sandbox| {
            sandbox.charge = rest;
            sandbox.idle_since = now;
            sandbox.priority = priority;
            sandbox.shelf = Shelf::Idle;
        });
        if let Some(function) = self.functions.hot(of) {
            function.idle.push_front(&mut self.sandboxes, index);
        }
        self.offer(of);
        self.arm(of);
    }

    /// Lays a busy sandbox among those that can take more jobs, if it can.
    pub(super) fn shelve_open(&mut self, index: u32) {
        if !self.has_capacity(index) {
            return;
        }
        let Some(sandbox) = self.sandboxes.get_mut(index) else { return };
        let Some(mut function) = sandbox.function().and_then(|function| self.functions.get_mut(function))
        else {
            return;
        };
        if sandbox.shelf == Shelf::None {
            sandbox.shelf = Shelf::Open;
            function.hot.calm = false;
            function.open.push_front(&mut self.sandboxes, index);
        }
    }

    /// Lays a paused sandbox among the paused, by how long they have been idle.
    pub(super) fn shelve_paused(&mut self, index: u32) {
        let Some(sandbox) = self.sandboxes.get_mut(index) else { return };
        sandbox.shelf = Shelf::Paused;
        let (Some(of), since) = (sandbox.function(), sandbox.idle_since) else { return };
        let Some(mut function) = self.functions.get_mut(of) else { return };
        // Pauses are confirmed about in the order in which they were asked for: a step or two at most.
        let older = function
            .paused
            .iter(&self.sandboxes)
            .find(|&other| self.sandboxes.get(other).is_some_and(|other| other.idle_since <= since));
        match older {
            Some(older) => function.paused.insert_before(&mut self.sandboxes, older, index),
            None => function.paused.push_back(&mut self.sandboxes, index),
        }
        self.offer(of);
        self.arm(of);
    }

    /// Whether a sandbox can take one more job.
    pub(super) fn has_capacity(&self, index: u32) -> bool {
        let Some(sandbox) = self.sandboxes.get(index) else { return false };
        let Some(function) = sandbox.function().and_then(|function| self.functions.get(function)) else {
            return false;
        };
        !sandbox.poisoned
            && sandbox.active() < function.spec.concurrency
            && function.spec.max_uses.is_none_or(|uses| sandbox.uses < uses)
    }

    /// Removes a sandbox that runs no job. It stays charged until that is confirmed (`SEEDS.md D7`).
    pub(super) fn remove(&mut self, index: u32, why: Why) {
        self.unshelve(index);
        let Some(sandbox) = self.sandboxes.get(index) else { return };
        let (of, entry, phase) = (sandbox.function(), self.entry_of(index), sandbox.phase);
        self.change(index, |sandbox| {
            sandbox.phase = Phase::Removing;
        });
        if entry.is_some()
            && let Some(origin) = self.origins.get_mut(index as usize)
        {
            origin.entry = None;
        }
        self.actions.push_back(Action::Remove { sandbox: self.sandbox_id(index), why });
        if let Some(mut function) = of.and_then(|of| self.functions.get_mut(of)) {
            function.hot.live -= 1;
            if phase == Phase::Pausing {
                function.coming -= 1;
                function.pausing -= 1;
            }
        }
        if let Some(entry) = entry.or_else(|| self.own_entry(of)) {
            self.review(entry);
        }
    }

    /// Removes all idle sandboxes of a function that is retired, or of a pool that is closing.
    pub(super) fn sweep(&mut self, function: u32) {
        let why = if self.closing { Why::Closing } else { Why::Retired };
        while let Some(idle) = self.functions.get(function).and_then(|function| function.first_idle()) {
            self.remove(idle, why);
        }
    }

    /// Nothing is left of a sandbox: its charge is given back.
    pub(super) fn forget_sandbox(&mut self, index: u32) {
        self.unshelve(index);
        let Some(sandbox) = self.sandboxes.get(index) else { return };
        self.ledger.strike(sandbox);
        let entry = self.entry_of(index);
        let Some(sandbox) = self.sandboxes.remove(index) else { return };
        if let Some(of) = sandbox.function()
            && let Some(mut function) = self.functions.get_mut(of)
        {
            function.sandboxes -= 1;
            if sandbox.phase != Phase::Removing {
                function.hot.live -= 1;
            }
            if matches!(sandbox.phase, Phase::Starting | Phase::Pausing) {
                function.coming -= 1;
            }
            if sandbox.phase == Phase::Pausing {
                function.pausing -= 1;
            }
            if function.sandboxes == 0 {
                function.hot.frequency = 0;
            }
        }
        if let Some(entry) = entry.or_else(|| self.own_entry(sandbox.function())) {
            self.review(entry);
        }
    }

    /// The prewarm entry that a sandbox was started for and has not been taken from.
    pub(super) fn entry_of(&self, index: u32) -> Option<u32> {
        self.origins.get(index as usize)?.entry
    }

    fn own_entry(&self, function: Option<u32>) -> Option<u32> {
        self.functions.get(function?)?.own_entry
    }
}
