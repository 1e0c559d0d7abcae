//! The report of `kiln bench load`.

use super::plot::{Curve, Plot};
use super::scale::{self, Scale};
use super::start::share;
use super::table;
use super::text::escape;
use crate::bench::load::LoadResults;
use crate::bench::{Distribution, units};
use std::collections::BTreeMap;
use std::fmt::Write;

pub(super) fn html(load: &LoadResults) -> String {
    let place = load.url.as_deref().map_or("in process", |url| url);
    let mut html = format!(
        "<section><h2>{} <span class=\"chip\">{}</span></h2>\n",
        escape(&load.function),
        escape(place)
    );
    if let Some(why) = &load.behind {
        let _ = writeln!(html, "<p class=\"warning\"><b>Mind:</b> {}.</p>", escape(why));
    }
    let _ = writeln!(
        html,
        "<p>Asked for {}/s ({}) for {} s: {} meant, {} sent, {} answered well, <b>{:.1}/s achieved</b>.</p>",
        load.rate,
        load.arrivals.as_str(),
        load.seconds,
        units::count(load.meant),
        units::count(load.sent),
        units::count(load.answered),
        load.achieved,
    );
    html.push_str(&plot(load).html());
    html.push_str(&percentiles(load));
    html.push_str(&counts("Good replies by start", "start", &load.starts));
    html.push_str(&counts("Errors", "kind", &load.errors));
    html.push_str("</section>\n");
    html.push_str(ABOUT);
    html
}

fn plot(load: &LoadResults) -> Plot {
    let curve = |name: &str, colour, dashed, values: &Distribution| {
        let median = values.percentile(0.5).map(units::time).unwrap_or_else(|| "no replies".into());
        let tail = values.percentile(0.999).map(units::time).unwrap_or_default();
        Curve {
            name: name.to_owned(),
            figures: format!("median {median}, p99.9 {tail}"),
            colour,
            dashed,
            points: values.curve().map(|(value, share)| (value.max(1) as f64, share)).collect(),
        }
    };
    let curves = vec![
        curve("from the meant arrival", "c-warm", false, &load.latency),
        curve("from the sending", "c-cold", true, &load.service),
    ];
    let said: Vec<_> = curves.iter().map(|curve| format!("{}: {}", curve.name, curve.figures)).collect();
    Plot {
        id: "load".into(),
        title: "Latency: the share of good replies that took no longer".into(),
        description: format!("Cumulative curves on a logarithmic time axis. {}.", said.join("; ")),
        labels: ("latency, logarithmic", "share of replies"),
        x: Scale::log(curves.iter().flat_map(|curve| curve.points.iter().map(|point| point.0))),
        y: Scale::Linear(0.0, 1.0),
        write_x: scale::time,
        write_y: share,
        steps: true,
        curves,
    }
}

fn percentiles(load: &LoadResults) -> String {
    let row = |name: &str, values: &Distribution| {
        let found = values.summary()?;
        let mut row = vec![name.to_owned(), units::count(found.count)];
        row.extend([found.min, found.p50, found.p90, found.p99, found.p999, found.max].map(units::time));
        Some(row)
    };
    let rows: Vec<_> = [
        row("from the meant arrival", &load.latency),
        row("from the sending", &load.service),
        row("the generator's lateness", &load.lateness),
    ]
    .into_iter()
    .flatten()
    .collect();
    let heading = ["measure", "count", "min", "p50", "p90", "p99", "p99.9", "max"];
    table::html("Percentiles", &heading, 1, &rows)
}

fn counts(caption: &str, what: &str, counts: &BTreeMap<String, u64>) -> String {
    if counts.is_empty() {
        return String::new();
    }
    let rows: Vec<_> = counts.iter().map(|(name, count)| vec![name.clone(), units::count(*count)]).collect();
    table::html(caption, &[what, "count"], 1, &rows)
}

const ABOUT: &str = "<section class=\"about\"><h2>What is what</h2><dl>\
<dt>open loop</dt><dd>Requests leave by a schedule made before, whether or not earlier ones were answered: a slow reply doesn't \
spare the server the next request.</dd>\
<dt>from the meant arrival</dt><dd>Corrected for coordinated omission: what a request waited because the generator or the server \
was late is in its latency.</dd>\
<dt>from the sending</dt><dd>Without that correction, to be compared with other tools.</dd></dl></section>\n";
