//! Whether a job waits for a sandbox of its function that is busy or on its way, rather than having one more started.
//!
//! A burst at a container that answers in a millisecond must not start a hundred more, each of which takes half a second
//! and evicts what others need. So a job waits for such a one for as long as a start would take, and only where one is
//! expected to be free before: at worst it waits twice as long as it had to, and in the common case not at all. What
//! starts within a millisecond, as wasm does, is started at once.

use super::Pool;
use super::functions::Hot;
use super::types::Time;
use std::time::Duration;

/// A start that takes less than this is not worth any waiting, in nanoseconds.
const CHEAP: u64 = 1_000_000;

impl Pool {
    /// Whether the first job in a function's line waits for one now.
    pub(super) fn held(&self, index: u32) -> bool {
        self.held_until(index).is_some_and(|until| until > self.now)
    }

    /// Until when it does, by its arrival.
    pub(super) fn held_until(&self, index: u32) -> Option<Time> {
        if !self.config.wait_for_busy {
            return None;
        }
        let function = self.functions.get(index)?;
        // Those on their way count: a burst at a function without sandboxes needs one start, not one for each job.
        let soon = function.hot.live - function.hot.idle.len() - function.paused.len();
        let dear = function.hot.cold >= CHEAP;
        let queued = function.hot.run.saturating_mul(function.line.len().into());
        if soon == 0 || !dear || queued / u64::from(soon) > function.hot.cold {
            return None;
        }
        Some(self.jobs.get(function.line.front()?)?.arrival + Duration::from_nanos(function.hot.cold))
    }
}

impl Hot {
    /// A job has run in one of its sandboxes.
    pub(super) fn has_run(&mut self, nanos: u64) {
        let took = nanos.max(1);
        self.run = if self.run == 0 { took } else { self.run.saturating_mul(7).saturating_add(took) / 8 };
    }

    /// A sandbox of it has been started. The last ones count most: a cold start changes with the machine's load.
    pub(super) fn has_started(&mut self, took: Duration) {
        let took = nanos(took);
        self.cold = if self.cold == 0 { took } else { self.cold.saturating_mul(3).saturating_add(took) / 4 };
    }
}

/// Whole nanoseconds; five centuries at most.
pub(super) fn nanos(time: Duration) -> u64 {
    Time::after(time).0
}
