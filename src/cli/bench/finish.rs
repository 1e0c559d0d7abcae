//! What a bench shows: a table, JSON or CSV on stdout, the page where it was asked for, and how it ends.

use crate::bench::density::DensityResults;
use crate::bench::load::LoadResults;
use crate::bench::start::{Phase, StartResults};
use crate::bench::{Document, Results, csv, report, units};
use crate::cli::args::Output;
use crate::cli::output::{note, table, write};
use crate::error::{Error, ErrorKind};
use anyhow::Context;
use comfy_table::Table;
use std::path::Path;
use std::process::ExitCode;

/// Says before anything is measured that the page could not be written.
pub(super) fn check_report(file: Option<&Path>) -> Result<(), Error> {
    let Some(file) = file else { return Ok(()) };
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if file.is_dir() || !folder.is_dir() {
        return Err(Error::invalid(format!(
            "`--report` is {}, which can't be written: give a file in a folder that is there",
            file.display()
        )));
    }
    Ok(())
}

/// Shows the result. What wasn't measured is said on stderr, so that it is seen whatever stdout is used for.
pub(super) fn finish(document: &Document, output: Output, file: Option<&Path>) -> anyhow::Result<ExitCode> {
    let text = match output {
        Output::Table => tables(&document.results),
        Output::Csv => csv::csv(&document.results),
        Output::Json => serde_json::to_string(document).context("it can't be written as JSON")? + "\n",
    };
    write(text.as_bytes())?;
    let (untold, nothing) = untold(&document.results);
    untold.iter().for_each(|line| note(&format!("kiln: {line}")));
    if let Some(file) = file {
        std::fs::write(file, report::page(document)?)
            .map_err(|error| Error::invalid(format!("can't write the report {}: {error}", file.display())))?;
        note(&format!("kiln: the report is in {}", file.display()));
    }
    if document.about.versions.profile == "debug" {
        note("kiln: this is a build without optimisation: its figures say little");
    }
    Ok(nothing.map_or(ExitCode::SUCCESS, |kind| ExitCode::from(kind.exit_code())))
}

fn tables(results: &Results) -> String {
    let tables = match results {
        Results::Start(start) => start_tables(start),
        Results::Load(load) => load_tables(load),
        Results::Density(density) => vec![density_table(density)],
    };
    let tables: Vec<_> = tables.iter().map(|table| table.trim_fmt() + "\n").collect();
    tables.join("\n")
}

fn start_tables(start: &StartResults) -> Vec<Table> {
    let figures = ["RUNS", "MIN", "P50", "P90", "P99", "MAX", "SPREAD"];
    let names = ["FUNCTION", "BACKEND", "START"];
    let mut totals = table(&[&names[..], &figures].concat(), &figures);
    let phase_names = Phase::ALL.map(|phase| phase.as_str().to_uppercase());
    let mut columns: Vec<&str> = phase_names.iter().map(String::as_str).collect();
    columns.push("TOTAL");
    // A phase and a kind are both a start: this column is the kind's.
    let mut phases = table(&[&["FUNCTION", "BACKEND", "KIND"], &columns[..]].concat(), &columns);
    for case in &start.cases {
        let (Some(summary), Some(typical)) = (case.summary, case.typical()) else { continue };
        let names = || vec![case.function.clone(), case.backend.to_string(), case.start.as_str().to_owned()];
        let mut row = names();
        row.push(units::count(summary.count));
        row.extend([summary.min, summary.p50, summary.p90, summary.p99, summary.max].map(units::time));
        row.push(units::percent(summary.spread));
        totals.add_row(row);
        let mut row = names();
        row.extend(Phase::ALL.map(|phase| match typical.phase(phase) {
            0 => "-".to_owned(),
            time => units::time(time),
        }));
        row.push(units::time(typical.total));
        phases.add_row(row);
    }
    vec![totals, phases]
}

fn load_tables(load: &LoadResults) -> Vec<Table> {
    let figures = ["COUNT", "MIN", "P50", "P90", "P99", "P99.9", "MAX"];
    let mut times = table(&[&["MEASURE"], &figures[..]].concat(), &figures);
    for (name, values) in
        [("latency", &load.latency), ("from the sending", &load.service), ("lateness", &load.lateness)]
    {
        let Some(found) = values.summary() else { continue };
        let mut row = vec![name.to_owned(), units::count(found.count)];
        row.extend([found.min, found.p50, found.p90, found.p99, found.p999, found.max].map(units::time));
        times.add_row(row);
    }
    let mut counts = table(&["", "COUNT", "A SECOND"], &["COUNT", "A SECOND"]);
    let a_second = |rate: f64| format!("{rate:.1}");
    counts.add_row(["meant".to_owned(), units::count(load.meant), a_second(load.rate)]);
    counts.add_row(["sent".to_owned(), units::count(load.sent), String::new()]);
    counts.add_row(["answered".to_owned(), units::count(load.answered), a_second(load.achieved)]);
    for (start, count) in &load.starts {
        counts.add_row([format!("  {start}"), units::count(*count), String::new()]);
    }
    for (kind, count) in &load.errors {
        counts.add_row([format!("error {kind}"), units::count(*count), String::new()]);
    }
    vec![times, counts]
}

fn density_table(density: &DensityResults) -> Table {
    let figures = ["SANDBOXES", "EACH", "PSS", "PAGE TABLES", "CONTAINER", "SHIM", "MAPS", "ALL"];
    let mut table = table(&[&["FUNCTION", "BACKEND"], &figures[..]].concat(), &figures);
    for case in &density.cases {
        let (Some(each), Some(last)) = (case.per_sandbox, case.points.last()) else { continue };
        let known = |bytes: Option<f64>| bytes.map_or_else(|| "-".to_owned(), units::bytes);
        table.add_row([
            case.function.clone(),
            case.backend.to_string(),
            units::count(u64::from(last.count)),
            units::bytes(each.resident),
            units::bytes(each.pss),
            units::bytes(each.page_tables),
            known(each.containers),
            known(each.shims),
            format!("{:.1}", each.maps),
            units::bytes(last.resident() as f64),
        ]);
    }
    table
}

/// What wasn't measured or counted, and where nothing was, the kind of error that this is.
fn untold(results: &Results) -> (Vec<String>, Option<ErrorKind>) {
    let mut lines = Vec::new();
    let nothing = match results {
        Results::Start(start) => {
            for case in &start.cases {
                let name = format!("{} on {}, {}", case.function, case.backend, case.start.as_str());
                lines.extend(case.absent.iter().map(|why| format!("{name}: not measured: {why}")));
                let told = case.uncounted.iter();
                lines.extend(told.map(|told| format!("{name}: {} not counted: {}", told.count, told.why)));
            }
            let none = start.cases.iter().all(|case| case.runs.is_empty());
            let ran = start.cases.iter().any(|case| !case.uncounted.is_empty());
            none.then_some(if ran { ErrorKind::FunctionFailed } else { ErrorKind::Unavailable })
        }
        Results::Load(load) => {
            lines.extend(load.behind.clone());
            (load.answered == 0 && load.meant > 0).then_some(ErrorKind::FunctionFailed)
        }
        Results::Density(density) => {
            for case in &density.cases {
                lines.extend(
                    case.absent.iter().map(|why| format!("{} on {}: {why}", case.function, case.backend)),
                );
            }
            density.cases.iter().all(|case| case.per_sandbox.is_none()).then_some(ErrorKind::Unavailable)
        }
    };
    (lines, nothing)
}
