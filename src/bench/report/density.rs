//! The report of `kiln bench density`.

use super::plot::{Curve, Plot};
use super::scale::{self, Scale};
use super::table;
use super::text::escape;
use crate::bench::density::{DensityCase, DensityResults, PerSandbox};
use crate::bench::units;
use crate::function::BackendKind;
use std::fmt::Write;

pub(super) fn html(results: &DensityResults) -> String {
    let mut html = String::new();
    for (number, case) in results.cases.iter().enumerate() {
        let _ = writeln!(
            html,
            "<section><h2>{} <span class=\"chip\">{}</span> <span class=\"chip\">{}</span></h2>",
            escape(&case.function),
            case.backend,
            case.format
        );
        if let Some(why) = &case.absent {
            let _ = writeln!(html, "<p class=\"warning\">{}.</p>", escape(why));
        }
        if let Some(each) = case.per_sandbox {
            let bytes = units::bytes(each.resident);
            let parts = parts(&each);
            let _ = writeln!(html, "<p>Each idle sandbox adds <b>{bytes}</b>: {parts}.</p>");
            html.push_str(&plot(number, case, each.resident).html());
        }
        if !case.points.is_empty() {
            html.push_str(&points(case));
        }
        html.push_str("</section>\n");
    }
    html.push_str(ABOUT);
    html
}

/// What the cost of one is made of. Containers take no maps of Kiln's process.
fn parts(each: &PerSandbox) -> String {
    let own = format!("{} of Kiln's process", units::bytes(each.pss));
    let (Some(container), shim) = (each.containers, each.shims) else {
        return format!(
            "{own}, {} of page tables; and {:.1} memory maps",
            units::bytes(each.page_tables),
            each.maps
        );
    };
    let shim = shim.map_or_else(
        || "a shim that can't be seen".into(),
        |shim| format!("{} of its shim", units::bytes(shim)),
    );
    format!("{} of the container, {shim}, {own}", units::bytes(container))
}

fn plot(number: usize, case: &DensityCase, slope: f64) -> Plot {
    let points: Vec<_> =
        case.points.iter().map(|point| (f64::from(point.count), point.resident() as f64)).collect();
    let figures = format!("{} each", units::bytes(slope));
    let name = format!("{} · all that is resident", case.backend);
    let description = format!("Resident memory by idle sandboxes: {figures}.");
    Plot {
        id: format!("density-{number}"),
        title: "Resident memory by idle sandboxes".into(),
        description,
        labels: ("idle sandboxes", "resident"),
        x: Scale::linear(points.iter().map(|point| point.0)),
        y: Scale::bytes(points.iter().map(|point| point.1)),
        write_x: |value| units::count(value as u64),
        write_y: scale::bytes,
        steps: false,
        curves: vec![Curve {
            name,
            figures,
            colour: "c-warm",
            dashed: case.backend == BackendKind::Docker,
            points,
        }],
    }
}

fn points(case: &DensityCase) -> String {
    let known =
        |figure: Option<u64>| figure.map_or_else(|| "–".to_owned(), |bytes| units::bytes(bytes as f64));
    let rows: Vec<_> = case
        .points
        .iter()
        .map(|point| {
            vec![
                units::count(u64::from(point.count)),
                units::bytes(point.resident() as f64),
                units::bytes(point.rss as f64),
                units::bytes(point.pss as f64),
                units::bytes(point.page_tables as f64),
                known(point.containers),
                known(point.shims),
                units::count(point.maps),
                units::count(point.threads),
            ]
        })
        .collect();
    let heading = ["sandboxes", "all", "RSS", "PSS", "page tables", "containers", "shims", "maps", "threads"];
    table::html("What was resident", &heading, 1, &rows)
}

const ABOUT: &str = "<section class=\"about\"><h2>What is what</h2><dl>\
<dt>idle sandboxes</dt><dd>Started ahead, initialised to their first read where that can be seen, and never used.</dd>\
<dt>all</dt><dd>PSS and page tables of Kiln's own process, and for containers what the engine counts for each, without page cache \
that it could give back, and the process that it runs beside each, where that can be seen.</dd>\
<dt>each</dt><dd>The slope of a straight line through the points: what all sandboxes share isn't counted to one.</dd></dl></section>\n";
