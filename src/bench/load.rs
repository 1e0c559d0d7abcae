//! Load: what an open loop of arrivals was answered.

use super::arrivals::Arrivals;
use super::distribution::Distribution;
use super::units;
use crate::function::{BackendKind, Format};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What `kiln bench load` saw. Times in nanoseconds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LoadResults {
    /// The function.
    pub function: String,
    /// Its backend, where it ran in this process.
    pub backend: Option<BackendKind>,
    /// Its format, likewise.
    pub format: Option<Format>,
    /// The server's URL; `None` for in process.
    pub url: Option<String>,
    /// Arrivals a second that were asked for.
    pub rate: f64,
    /// How they were spread.
    pub arrivals: Arrivals,
    /// The length that was asked for, in seconds.
    pub seconds: f64,
    /// Requests that were meant to arrive.
    pub meant: u64,
    /// Requests that were sent.
    pub sent: u64,
    /// Good replies.
    pub answered: u64,
    /// Good replies a second, from the first arrival to the last reply.
    pub achieved: f64,
    /// From the *meant* arrival to the last of a good reply.
    pub latency: Distribution,
    /// From the moment when it was really sent: what is seen by who doesn't correct for coordinated omission.
    pub service: Distribution,
    /// How long after its meant arrival a request was sent: the generator's own lateness.
    pub lateness: Distribution,
    /// Good replies by how they got their sandbox.
    pub starts: BTreeMap<String, u64>,
    /// All others by the kind of error.
    pub errors: BTreeMap<String, u64>,
    /// Why these figures say more about the generator than about Kiln, where that is so.
    pub behind: Option<String>,
}

/// Lateness of the generator that matters, in nanoseconds, unless replies take ten times as long.
const LATE: u64 = 1_000_000;

/// Whether the generator kept up with its schedule, and if not, in what.
pub fn behind(meant: u64, sent: u64, lateness: &Distribution, latency: &Distribution) -> Option<String> {
    if sent < meant {
        return Some(format!(
            "{} of {} requests were never sent, since too many were unanswered already: lower the rate",
            units::count(meant - sent),
            units::count(meant)
        ));
    }
    let late = lateness.percentile(0.99)?;
    let typical = latency.percentile(0.5).unwrap_or(0);
    (late > LATE && late > typical / 10).then(|| {
        format!(
            "the generator couldn't keep up: 1 % of the requests left it {} or more after their time; lower the rate, or \
             give it cores of its own with --url",
            units::time(late)
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_generator_that_lags_is_told() {
        let all = |value| Distribution::from(vec![(value, 100)]);
        assert_eq!(behind(100, 100, &all(80_000), &all(50_000)), None);
        assert!(behind(100, 100, &all(2_000_000), &all(50_000)).unwrap().contains("2.00 ms"));
        assert_eq!(
            behind(100, 100, &all(2_000_000), &all(300_000_000)),
            None,
            "that is within what it measures"
        );
        assert!(behind(2100, 100, &all(1), &all(1)).unwrap().starts_with("2,000 of 2,100"));
    }
}
