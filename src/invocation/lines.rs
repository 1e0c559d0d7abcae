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
pub struct Lines(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    lines: Vec<Line>,
    /// The beginning of one that isn't complete.
    partial: Vec<u8>,
}

impl Lines {
    /// Adds a line that is complete now.
    pub(crate) fn push(&self, text: String) {
        let mut kept = self.0.lock();
        kept.partial.clear();
        kept.lines.push(Line { at: SystemTime::now(), text });
    }

    /// Says how the next one begins.
    pub(crate) fn begin(&self, partial: &[u8]) {
        let mut kept = self.0.lock();
        kept.partial.clear();
        kept.partial.extend_from_slice(partial);
    }

    /// Takes those that are complete.
    pub fn take(&self) -> Vec<Line> {
        std::mem::take(&mut self.0.lock().lines)
    }

    /// Takes all there is: nothing more will come, so that an unfinished line is one, too.
    pub fn finish(&self) -> Vec<Line> {
        let mut kept = std::mem::take(&mut *self.0.lock());
        if !kept.partial.is_empty() {
            let text = String::from_utf8_lossy(&kept.partial).into_owned();
            kept.lines.push(Line { at: SystemTime::now(), text });
        }
        kept.lines
    }
}
