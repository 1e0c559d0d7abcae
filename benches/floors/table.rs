//! The one table: a line for each row, printed as it is known.

use crate::plan::Plan;
use crate::stats::{Rounds, Unit};

/// What a ratio of Kiln to its floor is to be.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Promise {
    AtMost(f64),
    AtLeast(f64),
    /// Shown beside the others to read them by.
    None,
}

/// A verdict needs so many rounds.
const ENOUGH: usize = 5;

/// Where the rows go.
pub(crate) struct Table {
    short: bool,
    missed: usize,
    absent: usize,
}

impl Table {
    pub(crate) fn begin(plan: &Plan) -> Self {
        let form = plan.pick(" (short form: it shows that all rows work, not how fast they are)", "");
        println!("Kiln beside the floor{form}\n");
        println!(
            "| {:<48} | {:>9} | {:>9} | {:>25} | {:>9} | {:<6} |",
            "case", "floor", "Kiln", "ratio (p25 to p75)", "promise", ""
        );
        println!("|{:-<50}|{:->11}|{:->11}|{:->27}|{:->11}|{:-<8}|", "", ":", ":", ":", ":", "");
        Self { short: plan.short, missed: 0, absent: 0 }
    }

    /// A row that was measured.
    pub(crate) fn row(&mut self, case: &str, unit: Unit, rounds: &Rounds, promise: Promise) {
        let ratio = rounds.ratio();
        let (promised, held) = match promise {
            Promise::AtMost(most) => (format!("<= {most}"), Some(ratio.middle <= most)),
            Promise::AtLeast(least) => (format!(">= {least}"), Some(ratio.middle >= least)),
            Promise::None => ("-".to_owned(), None),
        };
        let verdict = match (held, rounds.len()) {
            (None, _) => String::new(),
            (Some(_), _) if self.short => "short".to_owned(),
            (Some(_), few @ ..ENOUGH) => format!("{few} of {ENOUGH}"),
            (Some(true), _) => "held".to_owned(),
            (Some(false), _) => {
                self.missed += 1;
                "MISSED".to_owned()
            }
        };
        let digits = if ratio.middle < 0.1 { 4 } else { 3 };
        let spread = format!("{:.digits$} ({:.digits$} to {:.digits$})", ratio.middle, ratio.low, ratio.high);
        let (floor, kiln) = (show(unit, rounds.floor()), show(unit, rounds.kiln()));
        println!("| {case:<48} | {floor:>9} | {kiln:>9} | {spread:>25} | {promised:>9} | {verdict:<6} |");
    }

    /// A row whose floor can't do what Kiln does: why.
    pub(crate) fn alone(&mut self, case: &str, unit: Unit, kiln: f64, why: &str) {
        let kiln = show(unit, kiln);
        println!("| {case:<48} | {:>9} | {kiln:>9} | the floor can't: {why} |", "-");
    }

    /// A row that can't be measured here, and why.
    pub(crate) fn absent(&mut self, case: &str, why: &str) {
        self.absent += 1;
        println!("| {case:<48} | not measured: {why} |");
    }

    pub(crate) fn end(&self) {
        println!("\n{} missed, {} not measured", self.missed, self.absent);
    }
}

fn show(unit: Unit, value: f64) -> String {
    match unit {
        Unit::Time if value < 1e3 => format!("{value:.0} ns"),
        Unit::Time if value < 1e6 => format!("{:.2} us", value / 1e3),
        Unit::Time => format!("{:.2} ms", value / 1e6),
        Unit::Rate if value < 1e6 => format!("{:.1} k/s", value / 1e3),
        Unit::Rate => format!("{:.2} M/s", value / 1e6),
        Unit::Bytes => format!("{:.1} KiB", value / 1024.0),
    }
}
