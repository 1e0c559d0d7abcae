//! Two results beside each other: is the second one faster?

use super::bootstrap::{self, Ratio};
use super::distribution::Distribution;
use super::document::{Document, Results};
use super::units;
use crate::error::{Error, Result};
use serde::Serialize;

/// What can be said of a case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// The whole interval is below 1: less time, or less memory.
    Faster,
    /// The whole interval is above 1.
    Slower,
    /// The interval holds 1.
    NoDifferenceSeen,
    /// Either has too few values to know its own spread.
    TooFew,
}

impl Verdict {
    /// For people. Of memory it isn't said that it is fast.
    pub const fn as_str(self, of_time: bool) -> &'static str {
        match (self, of_time) {
            (Self::Faster, true) => "faster",
            (Self::Slower, true) => "slower",
            (Self::Faster, false) => "smaller",
            (Self::Slower, false) => "larger",
            (Self::NoDifferenceSeen, _) => "no difference seen",
            (Self::TooFew, _) => "too few values to tell",
        }
    }

    fn of(ratio: Ratio, least: u64) -> Self {
        match ratio {
            _ if least < bootstrap::LEAST => Self::TooFew,
            Ratio { high, .. } if high < 1.0 => Self::Faster,
            Ratio { low, .. } if low > 1.0 => Self::Slower,
            _ => Self::NoDifferenceSeen,
        }
    }
}

/// One case of both.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Compared {
    /// Its name: function, backend, kind.
    pub case: String,
    /// The first one's median.
    pub before: u64,
    /// The second one's.
    pub after: u64,
    /// The second by the first, with its interval.
    #[serde(flatten)]
    pub ratio: Ratio,
    /// What can be said of it.
    pub verdict: Verdict,
}

/// Both results, case by case.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Comparison {
    /// What was measured: `start`, `load` or `density`.
    pub kind: &'static str,
    /// `ns`, or `bytes` for each sandbox.
    pub unit: &'static str,
    /// The share of repetitions that would lie within an interval.
    pub confidence: f64,
    /// The cases that both have.
    pub cases: Vec<Compared>,
    /// The cases that only one of them has.
    pub unmatched: Vec<String>,
    /// What differs beside the figures: another machine, another build.
    pub caveats: Vec<String>,
}

impl Comparison {
    /// A figure in this comparison's unit.
    pub fn show(&self, figure: u64) -> String {
        if self.of_time() { units::time(figure) } else { units::bytes(figure as f64) }
    }

    /// Whether the figures are times.
    pub fn of_time(&self) -> bool {
        self.unit == "ns"
    }
}

/// Compares two results of one kind. `InvalidInput` where they are of two.
pub fn compare(before: &Document, after: &Document, seed: u64) -> Result<Comparison> {
    let (kind, other) = (before.results.kind(), after.results.kind());
    if kind != other {
        return Err(Error::invalid(format!(
            "the first result is of `kiln bench {kind}` and the second of `kiln bench {other}`: give two of one kind"
        )));
    }
    let (firsts, mut seconds) = (cases(&before.results), cases(&after.results));
    let (mut compared, mut unmatched) = (Vec::new(), Vec::new());
    for (case, before) in firsts {
        let Some(index) = seconds.iter().position(|(name, _)| *name == case) else {
            unmatched.push(format!("{case}: only in the first"));
            continue;
        };
        let (_, after) = seconds.remove(index);
        let medians = before.percentile(0.5).zip(after.percentile(0.5));
        if let Some(ratio) = bootstrap::ratio_of_medians(&before, &after, seed)
            && let Some((first, second)) = medians
        {
            let verdict = Verdict::of(ratio, before.count().min(after.count()));
            compared.push(Compared { case, before: first, after: second, ratio, verdict });
        }
    }
    unmatched.extend(seconds.into_iter().map(|(case, _)| format!("{case}: only in the second")));
    let unit = if kind == "density" { "bytes" } else { "ns" };
    let caveats = caveats(before, after);
    Ok(Comparison { kind, unit, confidence: bootstrap::CONFIDENCE, cases: compared, unmatched, caveats })
}

/// The cases that have values, by name.
fn cases(results: &Results) -> Vec<(String, Distribution)> {
    let mut cases: Vec<(String, Distribution)> = match results {
        Results::Start(start) => start
            .cases
            .iter()
            .map(|case| {
                (format!("{} {} {}", case.function, case.backend, case.start.as_str()), case.totals())
            })
            .collect(),
        Results::Load(load) => {
            let place = load.backend.map_or("http", |backend| backend.as_str());
            let case = format!("{} {place} {}/s {}", load.function, load.rate, load.arrivals.as_str());
            vec![(case, load.latency.clone())]
        }
        Results::Density(density) => density
            .cases
            .iter()
            .map(|case| (format!("{} {}", case.function, case.backend), case.steps()))
            .collect(),
    };
    cases.retain(|(_, values)| values.count() > 0);
    cases
}

fn caveats(before: &Document, after: &Document) -> Vec<String> {
    let (a, b) = (&before.about, &after.about);
    let none = || "unknown".to_owned();
    let pairs = [
        ("processor", a.machine.cpu.clone().unwrap_or_else(none), b.machine.cpu.clone().unwrap_or_else(none)),
        ("number of cores", a.machine.cores.to_string(), b.machine.cores.to_string()),
        (
            "kernel",
            a.machine.kernel.clone().unwrap_or_else(none),
            b.machine.kernel.clone().unwrap_or_else(none),
        ),
        ("build", a.versions.profile.clone(), b.versions.profile.clone()),
    ];
    let differ = pairs.into_iter().filter(|(_, a, b)| a != b);
    differ.map(|(what, a, b)| format!("{what} differs: {a}, then {b}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::document::tests::about;
    use crate::bench::rng::Rng;
    use crate::bench::start::{Run, StartCase, StartKind, StartResults};
    use crate::function::{BackendKind, Format};

    fn document(cases: &[(&str, u64, usize)], seed: u64) -> Document {
        let mut rng = Rng::new(seed);
        let cases = cases
            .iter()
            .map(|&(name, mean, count)| {
                let mut case = StartCase::new(name, BackendKind::Wasm, Format::Frame, StartKind::Warm);
                for _ in 0..count {
                    case.count(Run { total: mean + rng.below(mean as usize / 10) as u64, ..Run::default() });
                }
                case
            })
            .collect();
        Document::new(about(), Results::Start(StartResults { rounds: 1, cases }))
    }

    #[test]
    fn each_case_has_its_verdict() {
        let before = document(
            &[
                ("same", 1000, 50),
                ("slower", 1000, 50),
                ("faster", 1000, 50),
                ("few", 1000, 3),
                ("gone", 1, 1),
            ],
            1,
        );
        let mut after = document(
            &[("faster", 500, 50), ("same", 1000, 50), ("slower", 2000, 50), ("few", 9000, 3), ("new", 1, 1)],
            2,
        );
        after.about.machine.cores = 4;
        let found = compare(&before, &after, 1).unwrap();
        let verdicts: Vec<_> = found.cases.iter().map(|case| (case.case.as_str(), case.verdict)).collect();
        assert_eq!(
            verdicts,
            [
                ("same wasm warm", Verdict::NoDifferenceSeen),
                ("slower wasm warm", Verdict::Slower),
                ("faster wasm warm", Verdict::Faster),
                ("few wasm warm", Verdict::TooFew)
            ]
        );
        assert_eq!(
            found.unmatched,
            ["gone wasm warm: only in the first", "new wasm warm: only in the second"]
        );
        assert_eq!(found.caveats, ["number of cores differs: 2, then 4"]);
        assert_eq!(found, compare(&before, &after, 1).unwrap());
    }

    #[test]
    fn two_kinds_are_not_compared() {
        let start = document(&[], 1);
        let density = Document::new(about(), Results::Density(Default::default()));
        let error = compare(&start, &density, 1).unwrap_err();
        assert!(error.message().contains("`kiln bench start` and the second of `kiln bench density`"));
    }
}
