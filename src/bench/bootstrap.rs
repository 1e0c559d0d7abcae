//! How far two medians are apart, and how sure that is.
//!
//! A bootstrap draws as many values as there are, with repeats, and looks at the median, many times over. That median is
//! the value at a rank, and which rank is known in advance: an order statistic of uniform numbers follows a Beta
//! distribution. So each draw costs two random numbers, not a pass over a million replies, and is the same in law.

use super::distribution::Distribution;
use super::rng::Rng;
use serde::Serialize;

/// Resamples: the ends of the interval move by some 1 % of its width between seeds.
const DRAWS: usize = 10_000;
/// The share of resamples within the interval.
pub const CONFIDENCE: f64 = 0.95;
/// Fewer values than this say nothing about their own spread.
pub const LEAST: u64 = 5;

/// A ratio and the interval that holds it with [`CONFIDENCE`].
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Ratio {
    /// The second median by the first.
    pub ratio: f64,
    /// The interval's lower end.
    pub low: f64,
    /// Its upper end.
    pub high: f64,
}

/// The ratio of the median of `after` to that of `before`. `None` where either has no values.
pub fn ratio_of_medians(before: &Distribution, after: &Distribution, seed: u64) -> Option<Ratio> {
    let ratio = quotient(after.percentile(0.5)?, before.percentile(0.5)?);
    let mut rng = Rng::new(seed);
    let mut drawn: Vec<f64> = (0..DRAWS)
        .filter_map(|_| Some(quotient(median(after, &mut rng)?, median(before, &mut rng)?)))
        .collect();
    drawn.sort_unstable_by(f64::total_cmp);
    let tail = (DRAWS as f64 * (1.0 - CONFIDENCE) / 2.0) as usize;
    let end = |index: usize| drawn.get(index).copied();
    Some(Ratio { ratio, low: end(tail)?, high: end(DRAWS.saturating_sub(1 + tail))? })
}

/// The median of one resample.
fn median(values: &Distribution, rng: &mut Rng) -> Option<u64> {
    let share = rng.order_statistic(values.rank(0.5), values.count());
    values.at_rank((share * values.count() as f64) as u64 + 1)
}

fn quotient(of: u64, by: u64) -> f64 {
    of.max(1) as f64 / by.max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noisy(mean: f64, count: usize, seed: u64) -> Distribution {
        let mut rng = Rng::new(seed);
        (0..count).map(|_| (mean * (0.9 + 0.2 * rng.unit())) as u64).collect()
    }

    #[test]
    fn a_difference_is_found_and_none_is_not_invented() {
        let before = noisy(1e6, 60, 1);
        let twice = ratio_of_medians(&before, &noisy(2e6, 60, 2), 9).unwrap();
        assert!(twice.low > 1.8 && twice.low < twice.ratio && twice.ratio < twice.high && twice.high < 2.2);
        let same = ratio_of_medians(&before, &before, 9).unwrap();
        assert!(same.ratio == 1.0 && same.low < 1.0 && same.high > 1.0, "{same:?}");
        assert_eq!(ratio_of_medians(&before, &Distribution::default(), 9), None);
    }

    #[test]
    fn a_seed_decides_the_interval() {
        let (a, b) = (noisy(1e6, 30, 1), noisy(1e6, 30, 2));
        assert_eq!(ratio_of_medians(&a, &b, 4), ratio_of_medians(&a, &b, 4));
    }

    /// Against the bootstrap as it is in books: draw, sort, take the middle.
    #[test]
    fn the_short_way_has_the_law_of_the_long_way() {
        let values: Vec<u64> = (0..21).map(|i| i * i * 100).collect();
        let all: Distribution = values.iter().copied().collect();
        let mut rng = Rng::new(5);
        let share_below = |medians: &[u64], limit| {
            medians.iter().filter(|median| **median <= limit).count() as f64 / medians.len() as f64
        };
        let long: Vec<u64> = (0..20_000)
            .map(|_| {
                let mut drawn: Vec<u64> = (0..21).map(|_| values[rng.below(21)]).collect();
                drawn.sort_unstable();
                drawn[10]
            })
            .collect();
        let short: Vec<u64> = (0..20_000).map(|_| median(&all, &mut rng).unwrap()).collect();
        for limit in values.iter().copied() {
            let (long, short) = (share_below(&long, limit), share_below(&short, limit));
            assert!((long - short).abs() < 0.02, "at most {limit}: {long} and {short}");
        }
    }

    /// An interval of 95 % holds the truth in about 95 % of experiments.
    #[test]
    fn the_interval_covers() {
        let held = (0..200)
            .filter(|seed| {
                let (a, b) = (noisy(1e6, 40, 2 * seed + 1000), noisy(1e6, 40, 2 * seed + 1001));
                let found = ratio_of_medians(&a, &b, *seed).unwrap();
                found.low <= 1.0 && 1.0 <= found.high
            })
            .count();
        assert!((180..=200).contains(&held), "{held} of 200");
    }
}
