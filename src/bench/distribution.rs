//! Measured values, sorted, and what is read off them: percentiles, spread, the cumulative curve.

use serde::{Deserialize, Serialize};

/// Values and how often each was seen, in rising order: the raw data of a case, whether 20 starts or a million replies.
///
/// Percentiles are *nearest rank*: each is a value that was seen, never one between two.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Vec<(u64, u64)>", into = "Vec<(u64, u64)>")]
pub struct Distribution {
    /// Each value with how many are at most it.
    steps: Vec<(u64, u64)>,
}

/// A distribution in a few figures, in its own unit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// How many values there are.
    pub count: u64,
    /// The least.
    pub min: u64,
    /// The median.
    pub p50: u64,
    /// 90 % are at most this.
    pub p90: u64,
    /// 99 % are at most this; the maximum where there are fewer than 100 values.
    pub p99: u64,
    /// 99.9 % are at most this; the maximum where there are fewer than 1,000 values.
    pub p999: u64,
    /// The greatest.
    pub max: u64,
    /// How far the middle half reaches, for each unit of the median: (p75 - p25) / p50.
    pub spread: f64,
}

impl From<Vec<(u64, u64)>> for Distribution {
    /// From values and their counts, in any order.
    fn from(mut given: Vec<(u64, u64)>) -> Self {
        given.retain(|(_, count)| *count > 0);
        given.sort_unstable();
        let mut steps: Vec<(u64, u64)> = Vec::with_capacity(given.len());
        let mut all: u64 = 0;
        for (value, count) in given {
            all = all.saturating_add(count);
            match steps.last_mut() {
                Some((last, upto)) if *last == value => *upto = all,
                _ => steps.push((value, all)),
            }
        }
        Self { steps }
    }
}

impl From<Distribution> for Vec<(u64, u64)> {
    fn from(distribution: Distribution) -> Self {
        let mut before = 0;
        let count = |(value, upto)| (value, upto - std::mem::replace(&mut before, upto));
        distribution.steps.into_iter().map(count).collect()
    }
}

impl FromIterator<u64> for Distribution {
    fn from_iter<T: IntoIterator<Item = u64>>(values: T) -> Self {
        Self::from(values.into_iter().map(|value| (value, 1)).collect::<Vec<_>>())
    }
}

impl Distribution {
    /// How many values there are.
    pub fn count(&self) -> u64 {
        self.steps.last().map_or(0, |&(_, upto)| upto)
    }

    /// The value of a rank, from 1 on; the greatest beyond the last. `None` where there are no values.
    pub fn at_rank(&self, rank: u64) -> Option<u64> {
        let index = self.steps.partition_point(|&(_, upto)| upto < rank);
        self.steps.get(index).or(self.steps.last()).map(|&(value, _)| value)
    }

    /// The rank of a share from 0 to 1.
    pub fn rank(&self, share: f64) -> u64 {
        // 0.9 * 10 is 9.000000000000002 or so: one rank too many, were it rounded up as it is.
        ((share.clamp(0.0, 1.0) * self.count() as f64 - 1e-9).ceil().max(1.0)) as u64
    }

    /// The value that a share of all, from 0 to 1, is at most. `None` where there are no values.
    pub fn percentile(&self, share: f64) -> Option<u64> {
        self.at_rank(self.rank(share))
    }

    /// The figures; `None` where there are no values.
    pub fn summary(&self) -> Option<Summary> {
        let p50 = self.percentile(0.5)?;
        let half = self.percentile(0.75)?.saturating_sub(self.percentile(0.25)?);
        Some(Summary {
            count: self.count(),
            min: self.at_rank(1)?,
            p50,
            p90: self.percentile(0.9)?,
            p99: self.percentile(0.99)?,
            p999: self.percentile(0.999)?,
            max: self.at_rank(self.count())?,
            spread: half as f64 / p50.max(1) as f64,
        })
    }

    /// The cumulative curve: each value with the share of all that are at most it, the last share 1.
    pub fn curve(&self) -> impl Iterator<Item = (u64, f64)> + '_ {
        let all = self.count() as f64;
        self.steps.iter().map(move |&(value, upto)| (value, upto as f64 / all))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn percentiles_are_values_that_were_seen() {
        let ten: Distribution = (1..=10).rev().collect();
        let found = [0.0, 0.1, 0.5, 0.51, 0.9, 0.99, 1.0].map(|share| ten.percentile(share).unwrap());
        assert_eq!(found, [1, 1, 5, 6, 9, 10, 10]);
        assert_eq!(ten.summary().unwrap().spread, (8.0 - 3.0) / 5.0);
        assert_eq!(Distribution::default().summary(), None);
        assert_eq!(Distribution::default().percentile(0.5), None);
    }

    #[test]
    fn json_is_a_list_of_values_and_counts() {
        let values: Distribution = [5, 3, 5].into_iter().collect();
        assert_eq!(serde_json::to_string(&values).unwrap(), "[[3,1],[5,2]]");
        assert_eq!(serde_json::from_str::<Distribution>("[[5,2],[9,0],[3,1]]").unwrap(), values);
    }

    proptest! {
        #[test]
        fn percentiles_are_those_of_the_sorted_list(mut list in prop::collection::vec(0_u64..50, 1..80), share in 0.0..1.0_f64) {
            let values: Distribution = list.iter().copied().collect();
            list.sort_unstable();
            let index = ((share * list.len() as f64 - 1e-9).ceil() as usize).max(1) - 1;
            prop_assert_eq!(values.percentile(share), Some(list[index]));
            prop_assert_eq!(values.count(), list.len() as u64);
        }

        #[test]
        fn the_curve_rises_to_one(list in prop::collection::vec(any::<u64>(), 1..80)) {
            let curve: Vec<_> = list.iter().copied().collect::<Distribution>().curve().collect();
            prop_assert!(curve.windows(2).all(|pair| pair[0].0 < pair[1].0 && pair[0].1 < pair[1].1));
            prop_assert_eq!(curve.last().unwrap().1, 1.0);
        }
    }
}
