//! What one invocation wrote to its log, for whoever keeps records.

use parking_lot::Mutex;
use std::time::SystemTime;

/// Which of a sandbox's streams a line was written on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    /// Of a server in a container, whose replies go another way; and what functions from source print, wherever their
    /// runtime writes it.
    Stdout,
    /// Of everything else, whose stdout is replies.
    Stderr,
}

impl Stream {
    /// Its name in records.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Stdout => "stdout",
            Self::Stderr => "stderr",
        }
    }

    /// Its place where there is one thing for each.
    pub(crate) fn of<T>(self, [stdout, stderr]: &mut [T; 2]) -> &mut T {
        match self {
            Self::Stdout => stdout,
            Self::Stderr => stderr,
        }
    }
}

/// One line, and when it was complete.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// When it was complete.
    pub at: SystemTime,
    /// Where it was written.
    pub stream: Stream,
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
    /// The beginnings of those that aren't complete, and of which stream each is shown.
    partial: [(Option<Stream>, Vec<u8>); 2],
}

impl Lines {
    /// Adds a line that is complete now. `shown` is the stream that it counts as of the one that it came on.
    pub(crate) fn push(&self, on: Stream, shown: Stream, text: String) {
        let mut kept = self.0.lock();
        on.of(&mut kept.partial).1.clear();
        kept.lines.push(Line { at: SystemTime::now(), stream: shown, text });
    }

    /// Says how a stream's next one begins.
    pub(crate) fn begin(&self, on: Stream, shown: Stream, partial: &[u8]) {
        let mut kept = self.0.lock();
        let (stream, begun) = on.of(&mut kept.partial);
        *stream = Some(shown);
        begun.clear();
        begun.extend_from_slice(partial);
    }

    /// Takes those that are complete.
    pub fn take(&self) -> Vec<Line> {
        std::mem::take(&mut self.0.lock().lines)
    }

    /// Takes all there is: nothing more will come, so that an unfinished line is one, too.
    pub fn finish(&self) -> Vec<Line> {
        let mut kept = std::mem::take(&mut *self.0.lock());
        for (stream, partial) in kept.partial {
            if let (Some(stream), false) = (stream, partial.is_empty()) {
                let text = String::from_utf8_lossy(&partial).into_owned();
                kept.lines.push(Line { at: SystemTime::now(), stream, text });
            }
        }
        kept.lines
    }
}
