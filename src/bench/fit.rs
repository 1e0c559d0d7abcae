//! A straight line through points: what one more sandbox costs, apart from what all of them share.

/// `y = at_zero + slope * x`, by least squares.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Line {
    /// What each `x` more adds to `y`.
    pub slope: f64,
    /// `y` at no `x`.
    pub at_zero: f64,
}

/// The line that fits best. `None` for fewer than two different `x`.
pub fn line(points: &[(f64, f64)]) -> Option<Line> {
    let count = points.len() as f64;
    let mean = |of: fn(&(f64, f64)) -> f64| points.iter().map(of).sum::<f64>() / count;
    let (x_mean, y_mean) = (mean(|point| point.0), mean(|point| point.1));
    let across: f64 = points.iter().map(|(x, _)| (x - x_mean).powi(2)).sum();
    if points.len() < 2 || across <= f64::EPSILON {
        return None;
    }
    let along: f64 = points.iter().map(|(x, y)| (x - x_mean) * (y - y_mean)).sum();
    let slope = along / across;
    Some(Line { slope, at_zero: y_mean - slope * x_mean })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn one_place_is_no_line() {
        assert_eq!(line(&[]), None);
        assert_eq!(line(&[(1.0, 2.0), (1.0, 3.0)]), None);
    }

    proptest! {
        #[test]
        fn a_line_is_found_again(slope in -1e6..1e6_f64, at_zero in -1e6..1e6_f64, xs in prop::collection::btree_set(0_u32..10_000, 2..12)) {
            let points: Vec<_> = xs.iter().map(|&x| (f64::from(x), at_zero + slope * f64::from(x))).collect();
            let found = line(&points).unwrap();
            prop_assert!((found.slope - slope).abs() < 1e-3 * (1.0 + slope.abs()));
        }
    }
}
