//! `kiln list` and `kiln pool`: what a running server shows of itself.

use super::args::{Output, Remote};
use super::client::Client;
use super::output::{bytes, show, table};
use crate::server::{FunctionView, PoolView};
use comfy_table::Table;
use std::process::ExitCode;

pub(super) async fn functions(args: &Remote, output: Output) -> anyhow::Result<ExitCode> {
    let functions: Vec<FunctionView> = Client::new(&args.url)?.get("/_kiln/functions").await?;
    show(output, &functions, |functions| functions_table(functions))?;
    Ok(ExitCode::SUCCESS)
}

fn functions_table(functions: &[FunctionView]) -> Table {
    let figures = ["MEMORY", "ACTIVE", "IDLE", "STARTING", "WAITING", "MAX"];
    let heading = [
        "NAME", "BACKEND", "RUNTIME", "FORMAT", "MEMORY", "ACTIVE", "IDLE", "STARTING", "WAITING", "MAX",
        "REVISION",
    ];
    let mut table = table(&heading, &figures);
    for function in functions {
        table.add_row([
            function.name.clone(),
            function.backend.to_string(),
            match &function.runtime {
                Some(runtime) if function.snapshot => format!("{runtime} (snapshot)"),
                Some(runtime) => runtime.clone(),
                None => "-".to_owned(),
            },
            function.format.to_string(),
            bytes(function.memory),
            function.active.to_string(),
            function.idle.to_string(),
            function.starting.to_string(),
            function.waiting.to_string(),
            function.max_sandboxes.to_string(),
            function.revision.chars().take(12).collect(),
        ]);
    }
    table
}

pub(super) async fn pool(args: &Remote, output: Output) -> anyhow::Result<ExitCode> {
    let pool: PoolView = Client::new(&args.url)?.get("/_kiln/pool").await?;
    show(output, &pool, pool_table)?;
    Ok(ExitCode::SUCCESS)
}

fn pool_table(pool: &PoolView) -> Table {
    let mut table = table(&["", "COUNT", "MEMORY"], &["COUNT", "MEMORY"]);
    for (name, share) in [
        ("active", pool.active),
        ("idle", pool.idle),
        ("prewarmed", pool.prewarmed),
        ("starting", pool.starting),
        ("removing", pool.removing),
        ("waiting", pool.waiting),
    ] {
        table.add_row([name.to_owned(), share.count.to_string(), bytes(share.bytes)]);
    }
    table.add_row(["charged".to_owned(), String::new(), bytes(pool.charged)]);
    table.add_row(["budget".to_owned(), String::new(), bytes(pool.budget)]);
    for (name, count) in [("waited", pool.waited), ("ended", pool.ended), ("evicted", pool.evicted)] {
        table.add_row([name.to_owned(), count.to_string(), String::new()]);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::function::{BackendKind, Format, MIB};
    use crate::server::Share;

    #[test]
    fn tables_are_columns_that_a_script_can_cut() {
        let echo = FunctionView {
            namespace: "_".into(),
            name: "echo".into(),
            backend: BackendKind::Wasm,
            runtime: Some("js".into()),
            snapshot: true,
            format: Format::Frame,
            revision: "0123456789abcdef0123456789abcdef".into(),
            memory: 64 * MIB,
            max_sandboxes: 8,
            prewarm: 0,
            active: 1,
            idle: 2,
            paused: 0,
            starting: 3,
            waiting: 4,
        };
        let text = functions_table(&[echo]).trim_fmt();
        let rows: Vec<Vec<_>> = text.lines().map(|line| line.split_whitespace().collect()).collect();
        assert_eq!(
            rows[1],
            [
                "echo",
                "wasm",
                "js",
                "(snapshot)",
                "frame",
                "64.0",
                "MiB",
                "1",
                "2",
                "3",
                "4",
                "8",
                "0123456789ab"
            ]
        );
        assert!(rows[0].starts_with(&["NAME", "BACKEND"]));

        let pool =
            PoolView { active: Share { count: 1, bytes: 64 * MIB }, evicted: 5, ..PoolView::default() };
        let text = pool_table(&pool).trim_fmt();
        assert!(
            text.lines().any(|line| line.split_whitespace().eq(["active", "1", "64.0", "MiB"])),
            "{text}"
        );
        assert!(text.lines().any(|line| line.split_whitespace().eq(["evicted", "5"])), "{text}");
    }
}
