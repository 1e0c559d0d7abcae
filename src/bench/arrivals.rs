//! When requests are meant to arrive: a schedule made before the first one is sent.
//!
//! An open loop doesn't wait for replies, as the world doesn't. Each latency is counted from the arrival that was
//! *meant*, so that a server that stalls isn't spared the requests that it kept from being sent (coordinated omission).

use super::rng::Rng;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// How arrivals are spread over time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Arrivals {
    /// Independent of each other, as those of many users are.
    Poisson,
    /// At equal distances.
    Uniform,
}

impl Arrivals {
    /// Its name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Poisson => "poisson",
            Self::Uniform => "uniform",
        }
    }
}

/// The arrivals of one load, as times since its beginning, in rising order.
#[derive(Clone, Debug)]
pub struct Schedule {
    arrivals: Arrivals,
    /// The mean distance, in seconds.
    gap: f64,
    /// The load's length, in seconds.
    length: f64,
    at: f64,
    number: u64,
    rng: Rng,
}

impl Schedule {
    /// `rate` arrivals a second, above 0, for `length`.
    pub fn new(arrivals: Arrivals, rate: f64, length: Duration, seed: u64) -> Self {
        Self {
            arrivals,
            gap: rate.recip(),
            length: length.as_secs_f64(),
            at: 0.0,
            number: 0,
            rng: Rng::new(seed),
        }
    }
}

impl Iterator for Schedule {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        self.at = match self.arrivals {
            Arrivals::Poisson => self.at + self.gap * self.rng.exponential(),
            // Not a sum: a million roundings would add up.
            Arrivals::Uniform => self.number as f64 * self.gap,
        };
        self.number += 1;
        (self.at < self.length).then(|| Duration::from_secs_f64(self.at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEN: Duration = Duration::from_secs(10);

    #[test]
    fn uniform_arrivals_keep_their_distance() {
        let all: Vec<_> = Schedule::new(Arrivals::Uniform, 1000.0, TEN, 1).collect();
        assert_eq!(all.len(), 10_000);
        assert_eq!(
            (all[0], all[1], all[9999]),
            (Duration::ZERO, Duration::from_millis(1), Duration::from_millis(9999))
        );
    }

    #[test]
    fn poisson_arrivals_have_their_rate_and_their_spread() {
        let all: Vec<_> = Schedule::new(Arrivals::Poisson, 1000.0, TEN, 1).collect();
        // Four standard deviations of a Poisson count of 10,000.
        assert!((9600..=10_400).contains(&all.len()), "{}", all.len());
        assert!(all.is_sorted() && *all.last().unwrap() < TEN);
        let short = all.windows(2).filter(|pair| pair[1] - pair[0] < Duration::from_millis(1)).count();
        let share = short as f64 / all.len() as f64;
        assert!((share - (1.0 - (-1.0_f64).exp())).abs() < 0.03, "{share} of the gaps are below the mean");
        assert!(Schedule::new(Arrivals::Poisson, 1000.0, TEN, 2).ne(all), "another seed is another load");
    }
}
