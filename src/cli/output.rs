//! Results to stdout, all else to stderr.

use super::args::Output;
use crate::error::Error;
use anyhow::Context;
use comfy_table::{CellAlignment, Table, presets};
use serde::Serialize;
use std::io::{ErrorKind, Write};

/// Writes a result. That nobody reads it any more, as after `| head`, is no error.
pub(super) fn write(result: &[u8]) -> anyhow::Result<()> {
    let mut stdout = std::io::stdout().lock();
    match stdout.write_all(result).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(error).context("can't write to stdout"),
        _ => Ok(()),
    }
}

/// Writes a line for people to stderr. Where there is no stderr there is nobody to tell.
pub(super) fn note(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}

/// That a command has no CSV.
pub(super) fn no_csv() -> Error {
    Error::invalid("`-o csv` is for `kiln bench start`, `load` and `density` only: give table or json")
}

/// Writes a result as JSON, or as what `table` makes of it.
pub(super) fn show<T: Serialize>(
    output: Output,
    result: &T,
    table: impl FnOnce(&T) -> Table,
) -> anyhow::Result<()> {
    let text = match output {
        Output::Json => serde_json::to_string_pretty(result).context("can't write the result as JSON")?,
        Output::Table => table(result).trim_fmt(),
        Output::Csv => return Err(no_csv().into()),
    };
    write(format!("{text}\n").as_bytes())
}

/// An empty table with a heading; columns named in `right` are figures.
pub(super) fn table(heading: &[&str], right: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING).set_header(heading);
    for (column, name) in table.column_iter_mut().zip(heading) {
        let padding = (0, 2);
        column.set_padding(padding);
        if right.contains(name) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table
}

/// Bytes as people read them, in powers of 1024.
pub(super) fn bytes(count: u64) -> String {
    bytesize::ByteSize::b(count).display().iec().to_string()
}
