//! Random numbers from a seed: the same bench on the same figures says the same.

/// SplitMix64: 64 bits of state, good enough for statistics and for nothing else.
#[derive(Clone, Debug)]
pub struct Rng(u64);

impl Rng {
    /// The sequence of a seed.
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// 64 random bits.
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Uniform, above 0 and below 1: a logarithm of it is finite.
    pub fn unit(&mut self) -> f64 {
        ((self.bits() >> 11) as f64 + 0.5) / (1_u64 << 53) as f64
    }

    /// Uniform below `end`; 0 where that is 0.
    pub fn below(&mut self, end: usize) -> usize {
        // The bias is 2^-64 of `end`: nothing here has that many.
        usize::try_from((u128::from(self.bits()) * end as u128) >> 64).unwrap_or(0)
    }

    /// Exponential with mean 1: the gaps of a Poisson process.
    pub fn exponential(&mut self) -> f64 {
        -self.unit().ln()
    }

    /// Standard normal (Box and Muller).
    fn normal(&mut self) -> f64 {
        (-2.0 * self.unit().ln()).sqrt() * (std::f64::consts::TAU * self.unit()).cos()
    }

    /// Gamma of a shape from 1 on, scale 1 (Marsaglia and Tsang, 2000).
    fn gamma(&mut self, shape: f64) -> f64 {
        let d = shape.max(1.0) - 1.0 / 3.0;
        let c = (9.0 * d).sqrt().recip();
        loop {
            let x = self.normal();
            let v = (1.0 + c * x).powi(3);
            if v > 0.0 && self.unit().ln() < 0.5 * x * x + d - d * v + d * v.ln() {
                return d * v;
            }
        }
    }

    /// Where the `rank`-th smallest of `count` uniform numbers lies: Beta(rank, count - rank + 1).
    pub fn order_statistic(&mut self, rank: u64, count: u64) -> f64 {
        let below = self.gamma(rank.max(1) as f64);
        let above = self.gamma((count.saturating_sub(rank) + 1) as f64);
        below / (below + above)
    }

    /// Brings a list in a random order.
    pub fn shuffle<T>(&mut self, list: &mut [T]) {
        for end in (2..=list.len()).rev() {
            let other = self.below(end);
            list.swap(end - 1, other);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_is_a_sequence() {
        let sequence = |seed| -> Vec<u64> {
            let mut rng = Rng::new(seed);
            (0..8).map(|_| rng.bits()).collect()
        };
        assert_eq!(sequence(1), sequence(1));
        assert_ne!(sequence(1), sequence(2));
    }

    #[test]
    fn moments_are_as_they_should_be() {
        let mut rng = Rng::new(7);
        let mean = |draw: &mut dyn FnMut() -> f64| (0..50_000).map(|_| draw()).sum::<f64>() / 50_000.0;
        assert!((mean(&mut || rng.unit()) - 0.5).abs() < 0.01);
        assert!((mean(&mut || rng.exponential()) - 1.0).abs() < 0.03);
        assert!(mean(&mut || rng.normal()).abs() < 0.03);
        // The middle one of 9 uniform numbers: mean 1/2, variance p(1-p)/(n+2) = 1/44.
        assert!((mean(&mut || rng.order_statistic(5, 9)) - 0.5).abs() < 0.01);
        assert!((mean(&mut || (rng.order_statistic(5, 9) - 0.5).powi(2)) - 1.0 / 44.0).abs() < 0.002);
        assert!((mean(&mut || rng.order_statistic(1, 1)) - 0.5).abs() < 0.01);
    }

    #[test]
    fn shuffling_loses_nothing() {
        let mut list: Vec<_> = (0..100).collect();
        Rng::new(3).shuffle(&mut list);
        assert_ne!(list, (0..100).collect::<Vec<_>>());
        list.sort_unstable();
        assert_eq!(list, (0..100).collect::<Vec<_>>());
        assert_eq!(Rng::new(3).below(0), 0);
    }
}
