//! Whether an outcome is the work's end, or it is tried again. Pure.
//!
//! | what happened | then |
//! | --- | --- |
//! | a reply; the function failed, ran too long, ran out of memory | its end: the function's own |
//! | no such function, too large, needs more than the budget | its end: the next attempt would fare no better |
//! | no sandbox was to be had (`Overloaded`, `Unavailable`, a start that took too long) | again; it hasn't run, so only its age counts |
//! | it ran and was cut off (the host stopped), or it was our fault | again, and the attempt counts |
//! | the process died | again, and the attempt counts |

use super::config::IntakeConfig;
use super::records::Why;
use crate::error::ErrorKind;
use crate::invocation::Outcome;
use std::time::Duration;

/// What is to be done after an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It has ended.
    End(Why),
    /// It is tried again after a pause.
    Again { pause: Duration, counts: bool },
}

/// Judges the outcome of the attempt with this number, from 1.
pub(super) fn judge(outcome: &Outcome, attempt: u32, config: &IntakeConfig) -> Verdict {
    let Err(error) = &outcome.result else { return Verdict::End(Why::Answered) };
    let began = outcome.start.is_some();
    let counts = match error.kind() {
        ErrorKind::Overloaded | ErrorKind::Unavailable | ErrorKind::Cancelled => began,
        ErrorKind::Internal => true,
        ErrorKind::TimedOut if !began => false,
        _ => return Verdict::End(Why::Answered),
    };
    if counts && attempt >= config.max_attempts {
        return Verdict::End(Why::Attempts);
    }
    let doubled = 1_u32.checked_shl(attempt.saturating_sub(1)).unwrap_or(u32::MAX);
    let pause = config.first_pause.saturating_mul(doubled).min(config.longest_pause);
    Verdict::Again { pause, counts }
}
