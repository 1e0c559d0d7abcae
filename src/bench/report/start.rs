//! The report of `kiln bench start`: for each function its curves, its bars, its tables.

use super::plot::{Curve, Plot};
use super::scale::{self, Scale};
use super::text::escape;
use super::{bars, table};
use crate::bench::start::{Phase, StartCase, StartKind, StartResults};
use crate::bench::units;
use crate::function::BackendKind;
use std::fmt::Write;

/// Percent beside an axis.
pub(super) fn share(value: f64) -> String {
    format!("{:.0} %", value * 100.0)
}

pub(super) fn html(results: &StartResults) -> String {
    let mut html = String::new();
    let mut functions: Vec<&str> = Vec::new();
    for case in &results.cases {
        if !functions.contains(&case.function.as_str()) {
            functions.push(&case.function);
        }
    }
    for (number, function) in functions.iter().enumerate() {
        let cases: Vec<_> = results.cases.iter().filter(|case| case.function == **function).collect();
        section(number, function, &cases, &mut html);
    }
    html.push_str(KINDS);
    html
}

fn section(number: usize, function: &str, cases: &[&StartCase], html: &mut String) {
    let format = cases.first().map_or("", |case| case.format.as_str());
    let _ = writeln!(html, "<section><h2>{} <span class=\"chip\">{format}</span></h2>", escape(function));
    let counted: Vec<_> = cases.iter().copied().filter(|case| !case.runs.is_empty()).collect();
    if !counted.is_empty() {
        html.push_str(&plot(number, function, &counted).html());
        html.push_str(&bars::html(&counted));
        html.push_str(&percentiles(&counted));
        html.push_str(&phases(&counted));
    }
    html.push_str(&untold(cases));
    html.push_str("</section>\n");
}

fn colour(kind: StartKind) -> &'static str {
    match kind {
        StartKind::Cold => "c-cold",
        StartKind::Cached => "c-cached",
        StartKind::Recreated => "c-recreated",
        StartKind::Prewarmed => "c-prewarmed",
        StartKind::Snapshot => "c-snapshot",
        StartKind::Warm => "c-warm",
    }
}

fn plot(number: usize, function: &str, cases: &[&StartCase]) -> Plot {
    let curves: Vec<_> = cases
        .iter()
        .map(|case| {
            let median = case.summary.map(|summary| units::time(summary.p50)).unwrap_or_default();
            Curve {
                name: format!("{} · {}", case.backend, case.start.as_str()),
                figures: format!("median {median}"),
                colour: colour(case.start),
                dashed: case.backend == BackendKind::Docker,
                points: case.totals().curve().map(|(value, share)| (value.max(1) as f64, share)).collect(),
            }
        })
        .collect();
    let said: Vec<_> = curves.iter().map(|curve| format!("{}: {}", curve.name, curve.figures)).collect();
    Plot {
        id: format!("start-{number}"),
        title: "Time to the reply: the share of runs that took no longer".to_owned(),
        description: format!(
            "Cumulative curves of {function} on a logarithmic time axis. {}.",
            said.join("; ")
        ),
        labels: ("time to the reply, logarithmic", "share of runs"),
        x: Scale::log(curves.iter().flat_map(|curve| curve.points.iter().map(|point| point.0))),
        y: Scale::Linear(0.0, 1.0),
        write_x: scale::time,
        write_y: share,
        steps: true,
        curves,
    }
}

fn percentiles(cases: &[&StartCase]) -> String {
    let row = |case: &&StartCase| {
        let found = case.summary?;
        let mut row =
            vec![case.backend.to_string(), case.start.as_str().to_owned(), units::count(found.count)];
        row.extend([found.min, found.p50, found.p90, found.p99, found.max].map(units::time));
        row.push(units::percent(found.spread));
        Some(row)
    };
    let heading = ["backend", "start", "runs", "min", "p50", "p90", "p99", "max", "spread"];
    let rows: Vec<_> = cases.iter().filter_map(row).collect();
    table::html("Percentiles of the total", &heading, 2, &rows)
}

fn phases(cases: &[&StartCase]) -> String {
    let row = |case: &&StartCase| {
        let run = case.typical()?;
        let mut row = vec![case.backend.to_string(), case.start.as_str().to_owned()];
        row.extend(Phase::ALL.map(|phase| match run.phase(phase) {
            0 => "–".to_owned(),
            time => units::time(time),
        }));
        row.push(units::time(run.total));
        Some(row)
    };
    let mut heading = vec!["backend", "start"];
    heading.extend(Phase::ALL.map(Phase::as_str));
    heading.push("total");
    let rows: Vec<_> = cases.iter().filter_map(row).collect();
    table::html("A typical start, phase by phase (mean of the middle fifth of the runs)", &heading, 2, &rows)
}

/// What wasn't measured, and why: nothing is left out in silence.
fn untold(cases: &[&StartCase]) -> String {
    let mut items = String::new();
    for case in cases {
        let name = escape(&format!("{} · {}", case.backend, case.start.as_str()));
        if let Some(why) = &case.absent {
            let _ = write!(items, "<li><b>{name}</b> not measured: {}</li>", escape(why));
        }
        for uncounted in &case.uncounted {
            let (count, why) = (units::count(uncounted.count), escape(&uncounted.why));
            let _ = write!(items, "<li><b>{name}</b> {count} not counted: {why}</li>");
        }
    }
    if items.is_empty() { items } else { format!("<ul class=\"untold\">{items}</ul>\n") }
}

const KINDS: &str = "<section class=\"about\"><h2>What is what</h2><dl>\
<dt>cold</dt><dd>Nothing is resident: a new host with new backends deploys the function and serves its first request. A module \
is loaded from the cache on disk and never compiled (seen in the engine's own counters); an image is on the engine.</dd>\
<dt>cached</dt><dd>The function is deployed, its module mapped or its image known; the sandbox is made for the request.</dd>\
<dt>recreated</dt><dd>As cached, after another function's idle sandbox was evicted to make room.</dd>\
<dt>prewarmed</dt><dd>The sandbox was started ahead; a source function's is a stem cell of its runtime, and its source is loaded \
then.</dd>\
<dt>snapshot</dt><dd>As cached, of a source function that is served from its snapshot: its source is loaded already. All other \
kinds of it are measured without one.</dd>\
<dt>warm</dt><dd>The sandbox has served before.</dd>\
<dt>phases</dt><dd><i>host</i> makes the host and its backends, <i>load</i> deploys the function (both in cold only), <i>queue</i> waits \
for a sandbox or for room, <i>create</i> makes it, <i>start</i> is a container's start, <i>init</i> the program's way to its first \
read and the loading of a source, <i>call</i> runs from the first byte of the request to the last of the reply, <i>rest</i> is what is left.</dd>\
<dt>how</dt><dd>All kinds of a function on all backends are measured in rounds, in a new random order each, so that the machine's \
noise hits all alike. A run that the host itself called anything else than its kind isn't counted. Percentiles are nearest rank: \
p99 of fewer than 100 runs is the maximum. Spread is (p75 − p25) / p50.</dd></dl></section>\n";
