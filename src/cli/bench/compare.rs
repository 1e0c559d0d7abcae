//! `kiln bench compare`: two results that were written before.

use super::args::Compare;
use crate::bench::Document;
use crate::bench::compare::{Comparison, compare as cases};
use crate::cli::args::Output;
use crate::cli::output::{no_csv, note, show, table};
use crate::error::{Error, Result};
use comfy_table::Table;
use std::path::Path;
use std::process::ExitCode;

pub(super) fn compare(args: &Compare, output: Output) -> anyhow::Result<ExitCode> {
    if output == Output::Csv {
        return Err(no_csv().into());
    }
    let comparison = cases(&read(&args.before)?, &read(&args.after)?, args.seed)?;
    show(output, &comparison, comparison_table)?;
    comparison.unmatched.iter().chain(&comparison.caveats).for_each(|line| note(&format!("kiln: {line}")));
    Ok(ExitCode::SUCCESS)
}

fn read(file: &Path) -> Result<Document> {
    let json = std::fs::read(file).map_err(|error| {
        Error::invalid(format!(
            "can't read {}: {error}; give a file that `kiln bench -o json` wrote",
            file.display()
        ))
    })?;
    Document::read(file.display(), &json)
}

fn comparison_table(found: &Comparison) -> Table {
    let interval = format!("{:.0} % INTERVAL", found.confidence * 100.0);
    let mut table = table(
        &["CASE", "BEFORE", "AFTER", "RATIO", &interval, "VERDICT"],
        &["BEFORE", "AFTER", "RATIO", &interval],
    );
    for case in &found.cases {
        table.add_row([
            case.case.clone(),
            found.show(case.before),
            found.show(case.after),
            format!("{:.3}", case.ratio.ratio),
            format!("{:.3} to {:.3}", case.ratio.low, case.ratio.high),
            case.verdict.as_str(found.of_time()).to_owned(),
        ]);
    }
    table
}
