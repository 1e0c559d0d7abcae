//! Rounds in which floor and Kiln take turns, and what they come to.

use crate::Result;
use std::time::Instant;

/// What a figure counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unit {
    /// Nanoseconds of one call.
    Time,
    /// Calls in a second.
    Rate,
    /// Bytes of one sandbox.
    Bytes,
}

/// Floor and Kiln, round by round.
pub(crate) struct Rounds {
    floor: Vec<f64>,
    kiln: Vec<f64>,
}

impl Rounds {
    pub(crate) fn new() -> Self {
        Self { floor: Vec::new(), kiln: Vec::new() }
    }

    pub(crate) fn add(&mut self, floor: f64, kiln: f64) {
        self.floor.push(floor);
        self.kiln.push(kiln);
    }

    /// Runs so many rounds after one that doesn't count. Whoever is first in one round is second in the next, so that
    /// neither always finds what the other left in the caches.
    pub(crate) fn run(
        count: usize,
        mut floor: impl FnMut() -> Result<f64>,
        mut kiln: impl FnMut() -> Result<f64>,
    ) -> Result<Self> {
        floor()?;
        kiln()?;
        let mut rounds = Self::new();
        for round in 0..count {
            if round % 2 == 0 {
                let floor = floor()?;
                rounds.add(floor, kiln()?);
            } else {
                let kiln = kiln()?;
                rounds.add(floor()?, kiln);
            }
        }
        Ok(rounds)
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.kiln.len()
    }

    /// The same rounds as other figures.
    pub(crate) fn map(&self, mut each: impl FnMut(f64, f64) -> (f64, f64)) -> Self {
        let (floor, kiln) =
            self.floor.iter().zip(&self.kiln).map(|(floor, kiln)| each(*floor, *kiln)).unzip();
        Self { floor, kiln }
    }

    pub(crate) fn floor(&self) -> f64 {
        Quartiles::of(self.floor.clone()).middle
    }

    pub(crate) fn kiln(&self) -> f64 {
        Quartiles::of(self.kiln.clone()).middle
    }

    /// Of each round's Kiln over its floor.
    pub(crate) fn ratio(&self) -> Quartiles {
        Quartiles::of(self.kiln.iter().zip(&self.floor).map(|(kiln, floor)| kiln / floor).collect())
    }
}

/// A median, and where the middle half lies.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Quartiles {
    pub(crate) low: f64,
    pub(crate) middle: f64,
    pub(crate) high: f64,
}

impl Quartiles {
    fn of(mut values: Vec<f64>) -> Self {
        values.sort_by(f64::total_cmp);
        let at = |percent: usize| values.get((values.len() - 1) * percent / 100).copied().unwrap_or(f64::NAN);
        if values.is_empty() {
            return Self { low: f64::NAN, middle: f64::NAN, high: f64::NAN };
        }
        Self { low: at(25), middle: at(50), high: at(75) }
    }
}

/// Nanoseconds of one of `calls` calls.
pub(crate) fn each(calls: u32, mut call: impl FnMut() -> Result<()>) -> Result<f64> {
    let began = Instant::now();
    for _ in 0..calls {
        call()?;
    }
    Ok(began.elapsed().as_nanos() as f64 / f64::from(calls))
}
