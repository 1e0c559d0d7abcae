//! Where a figure lies on an axis, and which figures are written beside it.

use crate::bench::units;

/// An axis: its two ends and how it goes from one to the other.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Scale {
    /// Equal ratios at equal distances. Both ends above 0.
    Log(f64, f64),
    /// Equal differences at equal distances.
    Linear(f64, f64),
    /// The same of bytes: what is round in powers of 1024 is round.
    Bytes(f64, f64),
}

impl Scale {
    /// Holds all values on a logarithmic axis, with some air, and never less than a factor of four.
    pub(super) fn log(values: impl IntoIterator<Item = f64>) -> Self {
        let (low, high) = ends(values);
        let (low, high) = if low > high { (1.0, 10.0) } else { (low.max(1.0), high.max(1.0)) };
        let middle = (low * high).sqrt();
        Self::Log((low / 1.2).min(middle / 2.0), (high * 1.2).max(middle * 2.0))
    }

    /// Holds 0 and all values on a linear axis.
    pub(super) fn linear(values: impl IntoIterator<Item = f64>) -> Self {
        let (low, high) = ends(values.into_iter().chain([0.0]));
        Self::Linear(low, if high > low { high + (high - low) * 0.05 } else { low + 1.0 })
    }

    /// Holds 0 and all values, which are bytes, on a linear axis.
    pub(super) fn bytes(values: impl IntoIterator<Item = f64>) -> Self {
        match Self::linear(values) {
            Self::Linear(low, high) => Self::Bytes(low, high),
            other => other,
        }
    }

    /// The share of the axis before a value, from 0 to 1.
    pub(super) fn place(self, value: f64) -> f64 {
        let share = match self {
            Self::Log(low, high) => (value.max(f64::MIN_POSITIVE) / low).ln() / (high / low).ln(),
            Self::Linear(low, high) | Self::Bytes(low, high) => (value - low) / (high - low),
        };
        share.clamp(0.0, 1.0)
    }

    /// About as many figures as there is room for, at round values.
    pub(super) fn ticks(self, room: usize) -> Vec<f64> {
        match self {
            Self::Log(low, high) => log_ticks(low, high, room),
            Self::Linear(low, high) => linear_ticks(low, high, room),
            Self::Bytes(low, high) => {
                let unit =
                    [1024_f64.powi(3), 1024_f64.powi(2), 1024.0].into_iter().find(|unit| high >= *unit);
                let unit = unit.unwrap_or(1.0);
                linear_ticks(low / unit, high / unit, room).into_iter().map(|tick| tick * unit).collect()
            }
        }
    }

    /// Lines between the ticks, by whose distances a logarithmic axis is known.
    pub(super) fn between(self) -> Vec<f64> {
        let Self::Log(low, high) = self else { return Vec::new() };
        let (first, last) = (low.log10().floor() as i32, high.log10().ceil() as i32);
        let steps =
            (first..=last).flat_map(|power| (1..=9).map(move |step| f64::from(step) * 10_f64.powi(power)));
        steps.filter(|value| (low..=high).contains(value)).collect()
    }
}

fn ends(values: impl IntoIterator<Item = f64>) -> (f64, f64) {
    let start = (f64::INFINITY, f64::NEG_INFINITY);
    values.into_iter().fold(start, |(low, high), value| (low.min(value), high.max(value)))
}

fn log_ticks(low: f64, high: f64, room: usize) -> Vec<f64> {
    let (first, last) = (low.log10().floor() as i32, high.log10().ceil() as i32);
    let of = |steps: &[f64]| -> Vec<f64> {
        let all = (first..=last).flat_map(|power| steps.iter().map(move |step| step * 10_f64.powi(power)));
        all.filter(|value| (low..=high).contains(value)).collect()
    };
    let fine = of(&[1.0, 2.0, 5.0]);
    if fine.len() <= room {
        return fine;
    }
    let decades = of(&[1.0]);
    let every = decades.len().div_ceil(room.max(1)).max(1);
    decades.into_iter().step_by(every).collect()
}

fn linear_ticks(low: f64, high: f64, room: usize) -> Vec<f64> {
    let rough = (high - low) / room.max(1) as f64;
    let size = 10_f64.powf(rough.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0].into_iter().map(|step| step * size).find(|step| *step >= rough);
    let step = step.unwrap_or(size * 10.0);
    let count = ((high - low) / step).floor().clamp(0.0, 100.0) as u32;
    (0..=count)
        .map(|index| (low / step).ceil() * step + f64::from(index) * step)
        .filter(|at| *at <= high)
        .collect()
}

/// A time beside an axis: `10 µs`.
pub(super) fn time(nanoseconds: f64) -> String {
    short(&units::time(nanoseconds as u64))
}

/// Bytes beside an axis: `20 MiB`.
pub(super) fn bytes(count: f64) -> String {
    short(&units::bytes(count))
}

/// Without digits that say nothing: `1.00 ms` is `1 ms`.
fn short(text: &str) -> String {
    match text.split_once(' ') {
        Some((figure, unit)) if figure.contains('.') => {
            format!("{} {unit}", figure.trim_end_matches('0').trim_end_matches('.'))
        }
        _ => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn ticks_are_round() {
        assert_eq!(
            Scale::Log(800.0, 2.5e6).ticks(8).into_iter().map(time).collect::<Vec<_>>(),
            ["1 µs", "10 µs", "100 µs", "1 ms"]
        );
        assert_eq!(
            Scale::Log(3e6, 3e7).ticks(8).into_iter().map(time).collect::<Vec<_>>(),
            ["5 ms", "10 ms", "20 ms"]
        );
        assert_eq!(
            Scale::bytes([0.0, 4e7]).ticks(5).into_iter().map(bytes).collect::<Vec<_>>(),
            ["0 B", "10 MiB", "20 MiB", "30 MiB", "40 MiB"]
        );
        assert_eq!(Scale::Linear(0.0, 105.0).ticks(6), [0.0, 20.0, 40.0, 60.0, 80.0, 100.0]);
    }

    proptest! {
        #[test]
        fn whatever_is_measured_lies_on_the_axis(values in prop::collection::vec(0.0..1e12_f64, 0..20), room in 0_usize..12) {
            for scale in [Scale::log(values.iter().copied()), Scale::linear(values.iter().copied()), Scale::bytes(values.iter().copied())] {
                let mut places: Vec<_> = values.iter().chain(&scale.ticks(room)).map(|value| scale.place(*value)).collect();
                prop_assert!(places.iter().all(|place| (0.0..=1.0).contains(place)));
                let ticks = scale.ticks(room).len();
                prop_assert!(ticks <= room.max(1) + 1, "{} ticks in room for {}", ticks, room);
                places.clear();
            }
        }
    }
}
