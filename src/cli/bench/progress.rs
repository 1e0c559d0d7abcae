//! How far a bench has come: a bar on stderr, and only where that is a terminal.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::IsTerminal;
use std::time::Duration;

/// A bar, or nothing.
pub(super) struct Progress(ProgressBar);

impl Progress {
    pub(super) fn new() -> Self {
        let target = if std::io::stderr().is_terminal() {
            ProgressDrawTarget::stderr()
        } else {
            ProgressDrawTarget::hidden()
        };
        let bar = ProgressBar::with_draw_target(Some(0), target);
        if let Ok(style) = ProgressStyle::with_template("{bar:32} {percent:>3} %  {msg}  {eta} left") {
            bar.set_style(style.progress_chars("━╸ "));
        }
        Self(bar)
    }

    /// There are so many steps more.
    pub(super) fn expect(&self, steps: u64) {
        self.0.inc_length(steps);
        // Not before: of nothing all is done.
        self.0.enable_steady_tick(Duration::from_millis(200));
    }

    /// What is being done.
    pub(super) fn say(&self, what: impl Into<String>) {
        self.0.set_message(what.into());
    }

    pub(super) fn step(&self, steps: u64) {
        self.0.inc(steps);
    }

    /// Takes the bar away: what follows on stderr is for reading.
    pub(super) fn clear(&self) {
        self.0.finish_and_clear();
    }
}
