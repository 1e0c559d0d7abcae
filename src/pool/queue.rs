//! The waiting lines. Each function has one of its own, in order of arrival; the functions whose first job waits for
//! memory, and not for one of their own sandboxes, stand in the host's line by that job's arrival. A function at its
//! maximum stands in none and blocks nobody (`SEEDS.md E4`).

use super::Pool;
use super::entities::Place;
use super::types::{Refusal, Time};
use std::collections::BTreeSet;

/// The functions whose first job waits for memory.
#[derive(Debug, Default)]
pub(super) struct HostLine {
    /// By order of arrival.
    by_order: BTreeSet<(u64, u32)>,
    /// By bytes needed, then by order of arrival.
    by_need: BTreeSet<(u64, u64, u32)>,
}

impl HostLine {
    pub(super) fn is_empty(&self) -> bool {
        self.by_order.is_empty()
    }

    /// The function at the head, and its first job's place in the order of arrival.
    pub(super) fn head(&self) -> Option<(u64, u32)> {
        self.by_order.first().copied()
    }

    /// The function that needs least, apart from one; with the bytes.
    pub(super) fn least(&self, apart: u32) -> Option<(u64, u32)> {
        let (need, _, function) = self.by_need.iter().find(|(.., function)| *function != apart)?;
        Some((*need, *function))
    }
}

impl Pool {
    /// Whether a job may be served now without breaking the rule that nobody passes a head that has lost its patience.
    pub(super) fn may_pass(&self, now: Time, order: u64) -> bool {
        match self.host_line.head() {
            Some((head, function)) if head < order => !self.out_of_patience(now, function),
            _ => true,
        }
    }

    pub(super) fn out_of_patience(&self, now: Time, function: u32) -> bool {
        let first = self.functions.get(function).and_then(|function| function.line.front());
        let arrival = first.and_then(|job| self.jobs.get(job)).map_or(now, |job| job.arrival);
        now.since(arrival) >= self.config.patience
    }

    /// Bytes that anybody but the head may take: what is free, less what the head is about to have. Its memory counts as
    /// on its way once all of it is free or being freed.
    pub(super) fn free_beside_head(&self) -> u64 {
        let free = self.ledger.free();
        let Some((_, head)) = self.host_line.head() else { return free };
        let need = self.functions.get(head).and_then(|function| function.waits).map_or(0, |(_, need)| need);
        let coming = self.ledger.removing.bytes;
        if free.saturating_add(coming) >= need {
            free.saturating_sub(need.saturating_sub(coming))
        } else {
            free
        }
    }

    /// Puts a loose job into its function's line: at the end, or, rescheduled, at the front.
    pub(super) fn join_line(&mut self, job: u32, front: bool) {
        let Some(waiting) = self.jobs.get_mut(job) else { return };
        waiting.place = Place::Line;
        let Some(mut function) = self.functions.get_mut(waiting.function) else { return };
        function.hot.calm = false;
        self.waiting += 1;
        self.waiting_memory += function.spec.memory;
        if front {
            function.line.push_front(&mut self.jobs, job);
        } else {
            function.line.push_back(&mut self.jobs, job);
        }
    }

    /// Puts a rescheduled job before all others of its function (`SEEDS.md W17`): also before those that wait for a sandbox
    /// that is on its way, the last of which may then have none.
    pub(super) fn rejoin_line(&mut self, job: u32) {
        let Some(waiting) = self.jobs.get_mut(job) else { return };
        let Some(mut function) = self.functions.get_mut(waiting.function) else { return };
        if function.covered.is_empty() {
            self.join_line(job, true);
            self.count_waiting(job);
            return;
        }
        waiting.place = Place::Covered;
        function.hot.calm = false;
        function.covered.push_front(&mut self.jobs, job);
    }

    /// Takes a job out of the list that it waits in.
    pub(super) fn leave_line(&mut self, job: u32) {
        let Some(waiting) = self.jobs.get_mut(job) else { return };
        let place = std::mem::replace(&mut waiting.place, Place::Loose);
        let Some(mut function) = self.functions.get_mut(waiting.function) else { return };
        match place {
            Place::Covered => function.covered.remove(&mut self.jobs, job),
            Place::Line => {
                function.line.remove(&mut self.jobs, job);
                self.waiting -= 1;
                self.waiting_memory -= function.spec.memory;
            }
            Place::Loose | Place::Running(_) => {}
        }
    }

    /// Counts a job that has to wait, once (`SEEDS.md W14`, `D8`).
    pub(super) fn count_waiting(&mut self, job: u32) {
        if let Some(waiting) = self.jobs.get_mut(job)
            && !waiting.waited
        {
            waiting.waited = true;
            self.waited += 1;
        }
    }

    /// Lets as many of a function's jobs wait for its sandboxes on their way as these can take, unless there is one at hand,
    /// and puts the function into the host's line or out of it. To be called after whatever changes a function, and before
    /// `schedule`.
    pub(super) fn balance(&mut self, now: Time, index: u32) {
        let Some(function) = self.functions.get(index) else { return };
        if function.covered.is_empty() && function.line.is_empty() && function.waits.is_none() {
            let calm = function.is_quiet() && !function.hot.retired;
            let sweep = (function.hot.retired || self.closing) && function.first_idle().is_some();
            if let Some(function) = self.functions.hot(index) {
                function.calm = calm;
            }
            if sweep {
                self.sweep(index);
            }
            return;
        }
        while let Some(function) = self.functions.get(index)
            && u64::from(function.covered.len()) > function.capacity()
            && let Some(last) = function.covered.back()
        {
            self.leave_line(last);
            self.join_line(last, true);
            self.count_waiting(last);
        }
        while let Some(function) = self.functions.get(index)
            && function.spare()
            && function.open.is_empty()
            && function.first_idle().is_none()
            && let Some(first) = function.line.front()
            && self.jobs.get(first).is_some_and(|job| self.may_pass(now, job.order))
        {
            self.cover(first);
        }
        let refused = self.refuse_impossible(index);
        self.reindex(index);
        self.arm(index);
        if let Some(function) = self.functions.get(index)
            && (function.hot.retired || self.closing)
            && function.covered.is_empty()
            && function.line.is_empty()
        {
            self.sweep(index);
        }
        if refused {
            self.finish(Some(index));
        }
    }

    /// Ends the jobs that a lowered budget leaves no hope (`SEEDS.md D5`). True if there were any.
    fn refuse_impossible(&mut self, index: u32) -> bool {
        let budget = self.ledger.budget;
        let mut refused = false;
        while let Some(function) = self.functions.get(index)
            && function.spec.memory > budget
            && let Some(job) = function.line.front()
        {
            self.refuse(job, Refusal::Impossible { needs: function.spec.memory, budget });
            refused = true;
        }
        refused
    }

    /// Lets a job wait for a sandbox that is on its way.
    pub(super) fn cover(&mut self, job: u32) {
        self.leave_line(job);
        let Some(waiting) = self.jobs.get_mut(job) else { return };
        waiting.place = Place::Covered;
        if let Some(mut function) = self.functions.get_mut(waiting.function) {
            function.hot.calm = false;
            function.covered.push_back(&mut self.jobs, job);
        }
    }

    /// Puts a function where it belongs in the host's line. False where it was there.
    pub(super) fn reindex(&mut self, index: u32) -> bool {
        let Some(function) = self.functions.get(index) else { return false };
        let was = function.waits;
        let is = function.line.front().and_then(|job| self.jobs.get(job)).and_then(|job| {
            let at_hand = function.open.front().is_some() || function.first_idle().is_some();
            let may_start = function.has_room() && (!self.held(index) || self.ready_ahead(index).is_some());
            (at_hand || function.spare() || may_start).then(|| (job.order, self.need(index)))
        });
        if was == is {
            return false;
        }
        if let Some((order, need)) = was {
            self.host_line.by_order.remove(&(order, index));
            self.host_line.by_need.remove(&(need, order, index));
        }
        if let Some((order, need)) = is {
            self.host_line.by_order.insert((order, index));
            self.host_line.by_need.insert((need, order, index));
        }
        if let Some(mut function) = self.functions.get_mut(index) {
            function.waits = is;
        }
        true
    }

    /// Bytes that serving a function's next job takes.
    fn need(&self, index: u32) -> u64 {
        let Some(function) = self.functions.get(index) else { return 0 };
        if function.open.front().is_some() || function.spare() {
            return 0;
        }
        let at_hand = function.first_idle().or_else(|| self.ready_ahead(index));
        let charge =
            at_hand.and_then(|sandbox| self.sandboxes.get(sandbox)).map_or(0, |sandbox| sandbox.charge);
        function.spec.memory.saturating_sub(charge)
    }
}
