//! What one invocation wrote on stderr, for whoever keeps records.

use parking_lot::Mutex;
use std::time::SystemTime;

/// One line, and when it was complete.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// When it was complete.
    pub at: SystemTime,
    /// Its text, without the line's end.
    pub text: String,
}

/// Lines in order. Shared between an invocation's caller and the log of the sandbox that serves it; within the function's
/// `max_logs`.
#[derive(Debug, Default)]
pub struct Lines(Mutex<Vec<Line>>);

impl Lines {
    /// Adds a line that is complete now.
    pub(crate) fn push(&self, text: String) {
        self.0.lock().push(Line { at: SystemTime::now(), text });
    }

    /// Takes what there is.
    pub fn take(&self) -> Vec<Line> {
        std::mem::take(&mut self.0.lock())
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.0.lock().len()
    }
}
