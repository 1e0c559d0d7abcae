//! The page around the results.

use super::text::{escape, json};
use super::{density, load, start};
use crate::bench::document::{About, Document, Results};
use crate::bench::units;
use crate::error::{Error, Result};
use std::fmt::Write;

const STYLE: &str = include_str!("style.css");
const SCRIPT: &str = include_str!("script.js");

/// The report of a result. `Internal` where it can't be written as JSON.
pub fn page(document: &Document) -> Result<String> {
    let raw = serde_json::to_string(document)
        .map_err(|error| Error::internal(format!("the result can't be written as JSON: {error}")))?;
    let (about, kind) = (&document.about, document.results.kind());
    let body = match &document.results {
        Results::Start(results) => start::html(results),
        Results::Load(results) => load::html(results),
        Results::Density(results) => density::html(results),
    };
    let lead = match kind {
        "start" => "How long a function takes to its reply, by how its sandbox came to be",
        "load" => "What an open loop of requests was answered",
        _ => "What one more idle sandbox takes of the machine",
    };
    Ok(format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n\
         <title>kiln bench {kind} · {}</title>\n<link rel=\"icon\" href=\"data:,\">\n<style>\n{STYLE}</style>\n</head>\n<body>\n\
         <header><p class=\"brand\">kiln bench</p><h1>{}</h1><p class=\"lead\">{lead}.</p>{}</header>\n<main>\n{body}</main>\n\
         <footer><p>The raw data is in this page: the script element <code>kiln-bench-data</code> holds the same JSON as \
         <code>-o json</code>.</p></footer>\n\
         <script type=\"application/json\" id=\"kiln-bench-data\">{}</script>\n<script>\n{SCRIPT}</script>\n</body>\n</html>\n",
        escape(&about.date),
        title(kind),
        facts(about),
        json(&raw),
    ))
}

fn title(kind: &str) -> &'static str {
    match kind {
        "start" => "Starts",
        "load" => "Load",
        _ => "Density",
    }
}

fn facts(about: &About) -> String {
    let (machine, versions) = (&about.machine, &about.versions);
    let cores = if machine.cores == 1 { "core" } else { "cores" };
    let mut facts = vec![
        ("processor", machine.cpu.clone().unwrap_or_else(|| "unknown".into())),
        ("cores and memory", {
            let memory = machine.memory.map(|bytes| units::bytes(bytes as f64)).unwrap_or_default();
            format!("{} {cores}, {memory}", machine.cores)
        }),
        ("kernel", machine.kernel.clone().unwrap_or_else(|| "unknown".into())),
        ("kiln", format!("{} ({} build)", versions.kiln, versions.profile)),
    ];
    let known = [("wasmtime", &versions.wasmtime), ("engine", &versions.engine), ("rustc", &versions.rustc)];
    facts.extend(
        known
            .into_iter()
            .filter_map(|(name, version)| Some((name, version.clone()?.split(" (").next()?.to_owned()))),
    );
    let load = machine.load.map(|load| format!(", load {load:.1} before")).unwrap_or_default();
    facts.push(("measured", format!("{} in {:.1}\u{a0}s{load}", about.date, about.seconds)));
    let mut html = String::from("<dl class=\"facts\">");
    for (name, value) in facts {
        let _ = write!(html, "<div><dt>{}</dt><dd>{}</dd></div>", escape(name), escape(&value));
    }
    let _ =
        write!(html, "</dl><pre class=\"command\"><code>{}</code></pre>", escape(&about.command.join(" ")));
    if versions.profile == "debug" {
        html.push_str(
            "<p class=\"warning\"><b>Mind:</b> this was measured on a build without optimisation.</p>",
        );
    }
    html
}
