//! Whether a job waits for a sandbox of its function that is busy or on its way, rather than having one more started.
//!
//! A burst at a container that answers in a millisecond must not start a hundred more, each of which takes half a second
//! and evicts what others need. So a job waits for such a one for as long as a start would take, and only where one is
//! expected to be free before: at worst it waits twice as long as it had to, and in the common case not at all. What
//! starts within a millisecond, as wasm does, is started at once.

use super::Pool;
use super::types::Time;
use std::time::Duration;

/// A start that takes less than this is not worth any waiting.
const CHEAP: Duration = Duration::from_millis(1);

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
        let soon = function.live - function.idle.len() - function.paused.len();
        let dear = function.cold >= CHEAP;
        if soon == 0 || !dear || function.run * function.line.len() / soon > function.cold {
            return None;
        }
        Some(self.jobs.get(function.line.front()?)?.arrival + function.cold)
    }

    /// A job has run in a sandbox of a function.
    pub(super) fn has_run(&mut self, index: u32, took: Duration) {
        if let Some(function) = self.functions.get_mut(index) {
            let took = took.max(Duration::from_nanos(1));
            function.run = if function.run.is_zero() { took } else { (function.run * 7 + took) / 8 };
        }
    }
}
