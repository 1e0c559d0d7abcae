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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Error;
    use crate::invocation::{InvocationId, Phases, Reply, Start, Timings};

    fn outcome(start: Option<Start>, failed: Option<ErrorKind>) -> Outcome {
        Outcome {
            id: InvocationId::new(),
            start,
            backend: None,
            timings: Timings::default(),
            phases: Phases::default(),
            result: failed.map_or(Ok(Reply::ok("")), |kind| Err(Error::new(kind, "it failed"))),
        }
    }

    #[test]
    fn only_what_was_not_the_functions_fault_is_tried_again() {
        let config = IntakeConfig::default();
        let counted = |outcome: &Outcome| match judge(outcome, 1, &config) {
            Verdict::End(why) => {
                assert_eq!(why, Why::Answered);
                None
            }
            Verdict::Again { counts, .. } => Some(counts),
        };
        assert_eq!(counted(&outcome(Some(Start::Warm), None)), None);
        for kind in ErrorKind::ALL {
            let (waiting, running) = match kind {
                ErrorKind::Overloaded | ErrorKind::Unavailable | ErrorKind::Cancelled => {
                    (Some(false), Some(true))
                }
                ErrorKind::Internal => (Some(true), Some(true)),
                ErrorKind::TimedOut => (Some(false), None),
                _ => (None, None),
            };
            assert_eq!(counted(&outcome(None, Some(kind))), waiting, "{kind} before it began");
            assert_eq!(counted(&outcome(Some(Start::Cold), Some(kind))), running, "{kind} after it began");
        }
    }

    #[test]
    fn pauses_double_up_to_the_longest_and_attempts_end() {
        let config = IntakeConfig { max_attempts: 9, ..IntakeConfig::default() };
        let cut_off = outcome(Some(Start::Cold), Some(ErrorKind::Internal));
        let pause = |attempt| match judge(&cut_off, attempt, &config) {
            Verdict::Again { pause, .. } => Some(pause.as_secs()),
            Verdict::End(why) => {
                assert_eq!(why, Why::Attempts);
                None
            }
        };
        assert_eq!([1, 2, 3, 6, 7, 8].map(pause), [1, 2, 4, 32, 60, 60].map(Some));
        assert_eq!([9, 10].map(pause), [None, None]);
        let waits = outcome(None, Some(ErrorKind::Overloaded));
        assert_eq!(
            judge(&waits, u32::MAX, &config),
            Verdict::Again { pause: config.longest_pause, counts: false }
        );
    }
}
