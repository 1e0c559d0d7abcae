//! What time brings: idle sandboxes are paused, then removed; failed starts ahead are tried again.
//!
//! Each function has one entry in the timers, for its longest idle sandbox. A warm hit leaves it alone: it comes due
//! early then, and is set anew.

use super::Pool;
use super::entities::Phase;
use super::types::{Action, Time, Why};
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// Functions by when they are to be looked at.
pub(super) type Timers = BinaryHeap<Reverse<(Time, u32)>>;

impl Pool {
    /// Sees that a function is looked at when its longest idle sandboxes are due.
    pub(super) fn arm(&mut self, index: u32) {
        let Some(due) = self.due(index) else { return };
        let Some(mut function) = self.functions.get_mut(index) else { return };
        if function.timer.is_none_or(|timer| due < timer) {
            function.timer = Some(due);
            self.timers.push(Reverse((due, index)));
        }
        let running = self.now + function.running();
        function.hot.armed = function.timer.is_some_and(|timer| timer <= running);
    }

    fn due(&self, index: u32) -> Option<Time> {
        let function = self.functions.get(index)?;
        let since = |sandbox: Option<u32>| Some(self.sandboxes.get(sandbox?)?.idle_since);
        let idle = since(function.hot.idle.back()).map(|since| since + function.running());
        let paused = since(function.paused.back()).map(|since| since + function.spec.idle_timeout);
        let held = self.held_until(index).filter(|until| *until > self.now);
        [idle, paused, held].into_iter().flatten().min()
    }

    /// When something is due next. Early at times, late never.
    pub(super) fn next_due(&self) -> Option<Time> {
        let timer = self.timers.peek().map(|Reverse((due, _))| *due);
        timer.into_iter().chain(self.prewarms.next_retry()).min()
    }

    /// Does what is due.
    pub(super) fn run_timers(&mut self, now: Time) {
        while let Some(&Reverse((due, index))) = self.timers.peek()
            && due <= now
        {
            self.timers.pop();
            match self.functions.get_mut(index) {
                Some(mut function) if function.timer == Some(due) => {
                    function.timer = None;
                    function.hot.armed = false;
                }
                _ => continue,
            }
            self.age(now, index);
            self.balance(now, index);
            self.arm(index);
        }
        self.retry_prewarms(now);
    }

    /// Removes a function's sandboxes that were idle for too long, and pauses those idle for a while.
    fn age(&mut self, now: Time, index: u32) {
        let Some(spec) = self.functions.get(index).map(|function| function.spec) else { return };
        let idle_for = |pool: &Self, sandbox: u32| {
            pool.sandboxes.get(sandbox).map(|sandbox| now.since(sandbox.idle_since))
        };
        while let Some(oldest) = self.functions.get(index).and_then(|function| function.paused.back())
            && idle_for(self, oldest) >= Some(spec.idle_timeout)
        {
            self.remove(oldest, Why::Idle);
        }
        while let Some(oldest) = self.functions.get(index).and_then(|function| function.hot.idle.back()) {
            if idle_for(self, oldest) >= Some(spec.idle_timeout) {
                self.remove(oldest, Why::Idle);
            } else if spec.pause_after.is_some() && idle_for(self, oldest) >= spec.pause_after {
                self.pause(oldest, index);
            } else {
                break;
            }
        }
    }

    fn pause(&mut self, sandbox: u32, of: u32) {
        self.unshelve(sandbox);
        self.change(sandbox, |sandbox| sandbox.phase = Phase::Pausing);
        if let Some(mut function) = self.functions.get_mut(of) {
            function.coming += 1;
            function.pausing += 1;
        }
        self.actions.push_back(Action::Pause { sandbox: self.sandbox_id(sandbox) });
    }
}
