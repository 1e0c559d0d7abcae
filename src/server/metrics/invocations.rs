//! Invocations as they end: counted and timed, by function.

use crate::error::ErrorKind;
use crate::function::{BackendKind, DEFAULT_NAMESPACE, Function};
use crate::host::Observer;
use crate::invocation::{Outcome, Start};
use parking_lot::RwLock;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};
use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct EndLabels {
    function: String,
    backend: &'static str,
    start: &'static str,
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct PhaseLabels {
    function: String,
    backend: &'static str,
    phase: &'static str,
}

/// 10 us to 42 s, each four times the one before: a warm call and a container's start are both in the middle.
fn histogram() -> Histogram {
    Histogram::new(exponential_buckets(1e-5, 4.0, 12))
}

/// How one ended: what its counter is found by.
type End = (Option<Start>, Option<ErrorKind>);

/// What is counted for one function on one backend, found without writing its labels anew for each invocation.
struct Counted {
    backend: Option<BackendKind>,
    ends: RwLock<Vec<(End, Counter)>>,
    phases: [Histogram; 3],
}

/// Counts invocations as they end.
pub(super) struct Invocations {
    ends: Family<EndLabels, Counter>,
    phases: Family<PhaseLabels, Histogram, fn() -> Histogram>,
    functions: RwLock<HashMap<String, Vec<Arc<Counted>>>>,
}

impl Invocations {
    pub(super) fn new(registry: &mut Registry) -> Self {
        let ends = Family::default();
        registry.register("invocations", "Invocations that have ended", ends.clone());
        let phases = Family::new_with_constructor(histogram as fn() -> Histogram);
        let help = "Where the time of invocations went that had a sandbox";
        registry.register_with_unit("invocation_duration", help, Unit::Seconds, phases.clone());
        Self { ends, phases, functions: RwLock::default() }
    }

    fn counted(&self, name: &str, backend: Option<BackendKind>) -> Arc<Counted> {
        let of = |all: &[Arc<Counted>]| all.iter().find(|counted| counted.backend == backend).cloned();
        if let Some(counted) = self.functions.read().get(name).and_then(|all| of(all)) {
            return counted;
        }
        let mut functions = self.functions.write();
        let all = functions.entry(name.to_owned()).or_default();
        of(all).unwrap_or_else(|| {
            let phases = ["wait", "start", "run"].map(|phase| {
                let labels = PhaseLabels { function: name.to_owned(), backend: label(backend), phase };
                self.phases.get_or_create_owned(&labels)
            });
            let counted = Arc::new(Counted { backend, ends: RwLock::default(), phases });
            all.push(Arc::clone(&counted));
            counted
        })
    }

    fn count(&self, name: &str, counted: &Counted, end: End) {
        let of = |ends: &[(End, Counter)]| {
            ends.iter().find(|(of, _)| *of == end).map(|(_, counter)| counter.inc())
        };
        if of(&counted.ends.read()).is_some() {
            return;
        }
        let mut ends = counted.ends.write();
        if of(&ends).is_none() {
            let labels = EndLabels {
                function: name.to_owned(),
                backend: label(counted.backend),
                start: end.0.map_or("none", Start::as_str),
                outcome: end.1.map_or("ok", ErrorKind::as_str),
            };
            let counter = self.ends.get_or_create_owned(&labels);
            counter.inc();
            ends.push((end, counter));
        }
    }
}

fn label(backend: Option<BackendKind>) -> &'static str {
    backend.map_or("none", BackendKind::as_str)
}

impl Observer for Invocations {
    fn ended(&self, function: Option<&Function>, outcome: &Outcome) {
        // Names that callers make up are no labels: they share the empty one.
        let name = match function {
            None => Cow::Borrowed(""),
            Some(function) if function.namespace == DEFAULT_NAMESPACE => {
                Cow::Borrowed(function.name.as_str())
            }
            Some(function) => Cow::Owned(format!("{}/{}", function.namespace, function.name)),
        };
        let counted = self.counted(&name, outcome.backend);
        let error = outcome.result.as_ref().err().map(|error| error.kind());
        self.count(&name, &counted, (outcome.start, error));
        if outcome.start.is_some() {
            let timings = outcome.timings;
            for (phase, time) in counted.phases.iter().zip([timings.wait, timings.start, timings.run]) {
                phase.observe(time.as_secs_f64());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Error;
    use crate::invocation::{InvocationId, Reply, Timings};
    use std::time::Duration;

    fn outcome(start: Option<Start>, result: Result<Reply, Error>) -> Outcome {
        let timings = Timings { run: Duration::from_millis(1), ..Timings::default() };
        let backend = start.map(|_| BackendKind::Wasm);
        Outcome { id: InvocationId::new(), start, backend, timings, result }
    }

    /// SEEDS.md W9 and W19: starts are counted by how, and only names that exist are labels.
    #[test]
    fn w9_invocations_are_counted_by_start_and_outcome() {
        let mut registry = Registry::with_prefix("kiln");
        let invocations = Invocations::new(&mut registry);
        let echo = Function::wasm("echo", "echo.wasm");
        for _ in 0..2 {
            invocations.ended(Some(&echo), &outcome(Some(Start::Warm), Ok(Reply::ok(""))));
        }
        let failed = Err(Error::new(ErrorKind::TimedOut, "x"));
        invocations.ended(Some(&echo), &outcome(Some(Start::Cold), failed));
        let missing = Err(Error::new(ErrorKind::NotFound, "x"));
        invocations.ended(None, &outcome(None, missing));

        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
        for line in [
            r#"kiln_invocations_total{function="echo",backend="wasm",start="warm",outcome="ok"} 2"#,
            r#"kiln_invocations_total{function="echo",backend="wasm",start="cold",outcome="TimedOut"} 1"#,
            r#"kiln_invocations_total{function="",backend="none",start="none",outcome="NotFound"} 1"#,
            r#"kiln_invocation_duration_seconds_count{function="echo",backend="wasm",phase="run"} 3"#,
            r#"kiln_invocation_duration_seconds_bucket{le="0.00064",function="echo",backend="wasm",phase="run"} 0"#,
            r#"kiln_invocation_duration_seconds_count{function="",backend="none",phase="run"} 0"#,
        ] {
            assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
        }
    }
}
