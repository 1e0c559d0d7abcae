//! Where a start's time goes: one bar for each case, cut into phases.

use super::text::escape;
use crate::bench::start::{Phase, Run, StartCase};
use crate::bench::units;
use std::fmt::Write;

/// The bars of some cases. Each is as long as every other: totals lie decades apart, and the chart above shows them.
pub(super) fn html(cases: &[&StartCase]) -> String {
    let typical: Vec<(&StartCase, Run)> =
        cases.iter().filter_map(|case| Some((*case, case.typical()?))).collect();
    let mut html = String::from(
        "<figure class=\"bars\"><figcaption>Where the time of a typical start goes</figcaption><div class=\"rows\">",
    );
    for (case, run) in &typical {
        let name = format!("{} · {}", case.backend, case.start.as_str());
        let parts: Vec<_> = Phase::ALL.into_iter().filter(|phase| run.phase(*phase) > 0).collect();
        let said: Vec<_> = parts
            .iter()
            .map(|phase| format!("{} {}", phase.as_str(), units::time(run.phase(*phase))))
            .collect();
        let _ = write!(
            html,
            "<div class=\"row\"><span class=\"what\">{}</span><span class=\"bar\" role=\"img\" aria-label=\"{}\">",
            escape(&name),
            escape(&format!("{name}: {}", said.join(", "))),
        );
        for (phase, said) in parts.iter().zip(&said) {
            let share = run.phase(*phase) as f64 / run.total.max(1) as f64;
            let _ = write!(
                html,
                "<span class=\"part ph-{}\" style=\"flex-grow:{:.5}\" title=\"{}\">",
                phase.as_str(),
                share,
                escape(&format!("{said} ({})", units::percent(share))),
            );
            // A narrow part has no room for its name: the key and the table say it.
            if share > 0.14 {
                let _ = write!(html, "<span>{}</span>", phase.as_str());
            }
            html.push_str("</span>");
        }
        let _ = write!(html, "</span><span class=\"total\">{}</span></div>", units::time(run.total));
    }
    html.push_str("</div><ul class=\"phases\">");
    let seen = |phase: &Phase| typical.iter().any(|(_, run)| run.phase(*phase) > 0);
    for phase in Phase::ALL.iter().filter(|phase| seen(phase)) {
        let name = phase.as_str();
        let _ = write!(html, "<li><span class=\"swatch ph-{name}\"></span>{name}</li>");
    }
    html.push_str("</ul></figure>\n");
    html
}
