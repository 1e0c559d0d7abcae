//! Starts: which kinds there are, what each is made of, and where the time of each went.

use super::distribution::{Distribution, Summary};
use crate::function::{BackendKind, Format};
use crate::invocation::{Outcome, Start};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// A way to come to a first reply, from the slowest to the fastest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StartKind {
    /// Nothing is resident: a new host with new backends deploys the function and serves its first request. A module is
    /// loaded from the cache on disk, never compiled; an image is on the engine.
    Cold,
    /// The function is deployed, its module mapped or its image known; the sandbox is made for the request.
    Cached,
    /// As `Cached`, after another function's idle sandbox was evicted to make room.
    Recreated,
    /// The sandbox was started ahead. A source function's is a stem cell of its runtime: its source is loaded now.
    Prewarmed,
    /// As `Cached`, of a source function on modules that is served from its snapshot: its source is loaded already.
    Snapshot,
    /// The sandbox has served before.
    Warm,
}

impl StartKind {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Cold, Self::Cached, Self::Recreated, Self::Prewarmed, Self::Snapshot, Self::Warm];

    /// Those that a function from source, or any other, can have on a backend.
    pub fn of(source: bool, backend: BackendKind) -> impl Iterator<Item = Self> {
        let has = move |kind: &Self| *kind != Self::Snapshot || (source && backend == BackendKind::Wasm);
        Self::ALL.into_iter().filter(has)
    }

    /// Its name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Cold => "cold",
            Self::Cached => "cached",
            Self::Recreated => "recreated",
            Self::Prewarmed => "prewarmed",
            Self::Snapshot => "snapshot",
            Self::Warm => "warm",
        }
    }

    /// What the host has to call it: a run that it calls anything else isn't counted.
    pub const fn seen_as(self) -> Start {
        match self {
            Self::Cold | Self::Cached | Self::Snapshot => Start::Cold,
            Self::Recreated => Start::Recreated,
            Self::Prewarmed => Start::Prewarmed,
            Self::Warm => Start::Warm,
        }
    }
}

/// A part of the time from the request to its reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Making the host and its backends: an engine, its reserved instances. Cold only.
    Host,
    /// Deploying the function: reading, checking, mapping and linking a module. Cold only.
    Load,
    /// Waiting for a sandbox or for room.
    Queue,
    /// Making the sandbox.
    Create,
    /// Starting it: a container's start.
    Start,
    /// Its program's way to its first read, or what readies a sandbox that was there; a source's loading.
    Init,
    /// From the first byte of the request to the last of the reply.
    Call,
    /// What is left: the host's own work between the others.
    Rest,
}

impl Phase {
    /// All of them, in order.
    pub const ALL: [Self; 8] =
        [Self::Host, Self::Load, Self::Queue, Self::Create, Self::Start, Self::Init, Self::Call, Self::Rest];

    /// Its name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Host => "host",
            Self::Load => "load",
            Self::Queue => "queue",
            Self::Create => "create",
            Self::Start => "start",
            Self::Init => "init",
            Self::Call => "call",
            Self::Rest => "rest",
        }
    }
}

/// One start, in nanoseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// From the caller's side, all of it.
    pub total: u64,
    /// [`Phase::Host`].
    pub host: u64,
    /// [`Phase::Load`].
    pub load: u64,
    /// [`Phase::Queue`].
    pub queue: u64,
    /// [`Phase::Create`].
    pub create: u64,
    /// [`Phase::Start`].
    pub start: u64,
    /// [`Phase::Init`].
    pub init: u64,
    /// [`Phase::Call`].
    pub call: u64,
    /// [`Phase::Rest`].
    pub rest: u64,
}

impl Run {
    /// What an invocation's outcome says, of which the caller saw `total` in all, after `host` and `load` of it.
    pub fn new(outcome: &Outcome, total: Duration, host: Duration, load: Duration) -> Self {
        let timings = &outcome.timings;
        // The phases are those of the sandbox's start, whoever waited for it: only what this caller waited for is its own.
        let own = matches!(outcome.start, Some(Start::Cold | Start::Recreated));
        let mut left = timings.start;
        let mut take = |phase: Duration| {
            let taken = if own { phase.min(left) } else { Duration::ZERO };
            left -= taken;
            nanos(taken)
        };
        let (create, start) = (take(outcome.phases.create), take(outcome.phases.start));
        let mut run = Self {
            total: nanos(total),
            host: nanos(host),
            load: nanos(load),
            queue: nanos(timings.wait),
            create,
            start,
            init: nanos(left),
            call: nanos(timings.run),
            rest: 0,
        };
        let known: u64 = Phase::ALL.iter().map(|phase| run.phase(*phase)).sum();
        run.rest = run.total.saturating_sub(known);
        run
    }

    /// The time of a phase.
    pub const fn phase(&self, phase: Phase) -> u64 {
        match phase {
            Phase::Host => self.host,
            Phase::Load => self.load,
            Phase::Queue => self.queue,
            Phase::Create => self.create,
            Phase::Start => self.start,
            Phase::Init => self.init,
            Phase::Call => self.call,
            Phase::Rest => self.rest,
        }
    }
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

/// Why runs weren't counted, and how many.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Uncounted {
    /// Why.
    pub why: String,
    /// How many.
    pub count: u64,
}

/// One kind of start of one function on one backend.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StartCase {
    /// The function.
    pub function: String,
    /// The backend.
    pub backend: BackendKind,
    /// The function's format.
    pub format: Format,
    /// The kind of start.
    pub start: StartKind,
    /// The total in figures, in nanoseconds; `None` where nothing was counted.
    pub summary: Option<Summary>,
    /// Every run that was counted, in order.
    pub runs: Vec<Run>,
    /// The runs that were not.
    pub uncounted: Vec<Uncounted>,
    /// Why there are no runs, where there can be none.
    pub absent: Option<String>,
}

/// What `kiln bench start` saw.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct StartResults {
    /// Rounds; each tries every case once, in an order of its own.
    pub rounds: u32,
    /// The cases.
    pub cases: Vec<StartCase>,
}

impl StartCase {
    /// A case that nothing was seen of yet.
    pub fn new(function: &str, backend: BackendKind, format: Format, start: StartKind) -> Self {
        Self {
            function: function.to_owned(),
            backend,
            format,
            start,
            summary: None,
            runs: Vec::new(),
            uncounted: Vec::new(),
            absent: None,
        }
    }

    /// Counts a run.
    pub fn count(&mut self, run: Run) {
        self.runs.push(run);
        self.summary = self.totals().summary();
    }

    /// Notes a run that isn't counted.
    pub fn discount(&mut self, why: String) {
        match self.uncounted.iter_mut().find(|known| known.why == why) {
            Some(known) => known.count += 1,
            None => self.uncounted.push(Uncounted { why, count: 1 }),
        }
    }

    /// The totals, in nanoseconds.
    pub fn totals(&self) -> Distribution {
        self.runs.iter().map(|run| run.total).collect()
    }

    /// A typical run, phase by phase: the mean of the middle fifth by total. Medians of phases would not add up.
    pub fn typical(&self) -> Option<Run> {
        let mut runs = self.runs.clone();
        runs.sort_unstable_by_key(|run| run.total);
        let aside = runs.len().saturating_sub(1) * 2 / 5;
        let middle = runs.get(aside..runs.len() - aside).filter(|middle| !middle.is_empty())?;
        let mean = |of: fn(&Run) -> u64| {
            let sum: u128 = middle.iter().map(|run| u128::from(of(run))).sum();
            u64::try_from(sum / middle.len() as u128).unwrap_or(u64::MAX)
        };
        Some(Run {
            total: mean(|run| run.total),
            host: mean(|run| run.host),
            load: mean(|run| run.load),
            queue: mean(|run| run.queue),
            create: mean(|run| run.create),
            start: mean(|run| run.start),
            init: mean(|run| run.init),
            call: mean(|run| run.call),
            rest: mean(|run| run.rest),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::invocation::{InvocationId, Phases, Reply, Timings};

    const fn ms(count: u64) -> Duration {
        Duration::from_millis(count)
    }

    fn outcome(start: Start) -> Outcome {
        Outcome {
            id: InvocationId::new(),
            start: Some(start),
            backend: Some(BackendKind::Docker),
            timings: Timings { wait: ms(1), start: ms(60), run: ms(3) },
            phases: Phases { create: ms(10), start: ms(40), init: ms(0) },
            result: Ok(Reply::ok("")),
        }
    }

    #[test]
    fn phases_add_up_to_the_total() {
        let run = Run::new(&outcome(Start::Cold), ms(100), ms(20), ms(10));
        let found = Phase::ALL.map(|phase| run.phase(phase) / 1_000_000);
        assert_eq!(found, [20, 10, 1, 10, 40, 10, 3, 6]);
        assert_eq!(Phase::ALL.map(|phase| run.phase(phase)).iter().sum::<u64>(), run.total);
    }

    /// Its sandbox's start took 50 ms, but before this caller came.
    #[test]
    fn a_sandbox_that_was_ready_has_cost_its_caller_no_start() {
        let mut ready = outcome(Start::Prewarmed);
        ready.timings.start = ms(2);
        let run = Run::new(&ready, ms(7), ms(0), ms(0));
        assert_eq!((run.create, run.start, run.init), (0, 0, 2_000_000));
    }

    #[test]
    fn the_typical_run_is_the_middle() {
        let mut case = StartCase::new("a", BackendKind::Wasm, Format::Frame, StartKind::Warm);
        assert_eq!(case.typical(), None);
        for total in [1000, 5, 4, 6, 0] {
            case.count(Run { total, call: total, ..Run::default() });
        }
        assert_eq!(case.typical().unwrap(), Run { total: 5, call: 5, ..Run::default() });
        assert_eq!(case.summary.unwrap().p50, 5);
        case.discount("x".into());
        case.discount("x".into());
        assert_eq!(case.uncounted, [Uncounted { why: "x".into(), count: 2 }]);
    }
}
