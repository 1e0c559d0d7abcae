//! The books: what is charged, in all and by class. The one place where bytes are added up.

use super::entities::{Class, Sandbox};

/// Sandboxes of one class, and what they are charged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Tally {
    pub(super) count: usize,
    pub(super) bytes: u64,
}

/// All that is charged, against the budget.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    pub(super) budget: u64,
    pub(super) charged: u64,
    pub(super) starting: Tally,
    pub(super) ahead: Tally,
    pub(super) prewarmed: Tally,
    pub(super) active: Tally,
    pub(super) idle: Tally,
    pub(super) pausing: Tally,
    pub(super) removing: Tally,
}

impl Ledger {
    /// Bytes that may still be charged.
    pub(super) fn free(&self) -> u64 {
        self.budget.saturating_sub(self.charged)
    }

    /// Enters a sandbox as it is now.
    pub(super) fn add(&mut self, sandbox: &Sandbox) {
        let tally = self.tally(sandbox.class());
        tally.count += 1;
        tally.bytes += sandbox.charge;
        self.charged += sandbox.charge;
    }

    /// Strikes a sandbox out as it is now.
    pub(super) fn strike(&mut self, sandbox: &Sandbox) {
        let tally = self.tally(sandbox.class());
        tally.count -= 1;
        tally.bytes -= sandbox.charge;
        self.charged -= sandbox.charge;
    }

    /// A sandbox that was idle runs a job: `add` and `strike` in one.
    pub(super) fn wake(&mut self, rest: u64, memory: u64) {
        self.charged = self.charged - rest + memory;
        self.idle.count -= 1;
        self.idle.bytes -= rest;
        self.active.count += 1;
        self.active.bytes += memory;
    }

    /// A sandbox that ran a job is idle.
    pub(super) fn rest(&mut self, memory: u64, rest: u64) {
        self.charged = self.charged - memory + rest;
        self.active.count -= 1;
        self.active.bytes -= memory;
        self.idle.count += 1;
        self.idle.bytes += rest;
    }

    fn tally(&mut self, class: Class) -> &mut Tally {
        match class {
            Class::Starting => &mut self.starting,
            Class::Ahead => &mut self.ahead,
            Class::Prewarmed => &mut self.prewarmed,
            Class::Active => &mut self.active,
            Class::Idle => &mut self.idle,
            Class::Pausing => &mut self.pausing,
            Class::Removing => &mut self.removing,
        }
    }
}
