//! `[function.NAME]`: a function's declaration, made a [`Function`].

use super::faults::Faults;
use super::section::{Section, show};
use super::{code, units};
use crate::function::{BackendKind, Dir, Format, Function, Limits, Module, Outbound};
use std::path::Path;
use toml::Spanned;
use toml::de::DeValue;

const DIR: &str =
    "\"host:guest\", \"host:guest:rw\" or { host = \"...\", guest = \"...\", writable = false }";

/// Reads all of them.
pub(super) fn read(all: Section<'_>, folder: &Path) -> Vec<Function> {
    let faults = all.faults;
    let mut functions = Vec::new();
    for entry in all.entries() {
        let Some(table) = entry.value.as_table() else {
            let found = show(entry.value);
            let name = entry.key;
            faults.add(entry.at, format!("function `{name}` is {found}: give a table, as [function.{name}]"));
            continue;
        };
        let section = Section::new(format!("[function.{}]", entry.key), table, faults);
        let function = one(entry.key, section, folder);
        if let Err(error) = function.validate() {
            faults.add(entry.key_at, format!("function `{}`: {}", entry.key, error.message()));
        }
        functions.push(function);
    }
    functions
}

fn one(name: &str, mut section: Section<'_>, folder: &Path) -> Function {
    let mut function = Function::wasm(name, "");
    function.code.wasm = code::wasm(&mut section, folder).map(Module::File);
    function.code.image = code::image(&mut section);
    function.code.source = code::source(&mut section, folder);
    function.backend =
        section.choice("backend", &BackendKind::ALL.map(|backend| (backend.as_str(), backend)));
    function.format =
        section.choice("format", &Format::ALL.map(|format| (format.as_str(), format))).unwrap_or_default();
    function.port = section.port("port");
    function.ready_path = section.text("ready_path", "a path, as \"/healthz\"").map(str::to_owned);
    function.limits = limits(&mut section, function.format);
    function.prewarm = section.count("prewarm").unwrap_or_default();
    function.idle_timeout = section.duration("idle_timeout");
    function.pause_after = section.duration("pause_after");
    function.env = section.map("env").unwrap_or_default();
    function.args = section.texts("args").unwrap_or_default();
    function.dirs = dirs(&mut section, folder);
    function.network =
        section.text("network", "the name of one of the engine's networks, as \"bridge\"").map(str::to_owned);
    function.user = section.text("user", "a user, as \"1000:1000\"").map(str::to_owned);
    function.outbound = outbound(&mut section);
    section.finish();
    function
}

fn outbound(section: &mut Section<'_>) -> Vec<Outbound> {
    let Some(list) =
        section.list("outbound", "a list of hosts with their ports, as [\"api.example.com:443\"]")
    else {
        return Vec::new();
    };
    list.filter_map(|item| {
        let DeValue::String(text) = item.get_ref() else {
            section
                .faults
                .add(item.span(), format!("`outbound` has {}: give \"host:port\"", show(item.get_ref())));
            return None;
        };
        text.parse().map_err(|why| section.faults.add(item.span(), format!("`outbound` has {why}"))).ok()
    })
    .collect()
}

fn limits(section: &mut Section<'_>, format: Format) -> Limits {
    let default = Limits::default();
    Limits {
        memory: section.size("memory"),
        timeout: section.duration("timeout").unwrap_or(default.timeout),
        start_timeout: section.duration("start_timeout").unwrap_or(format.start_timeout()),
        concurrency: section.count("concurrency").unwrap_or(default.concurrency),
        max_sandboxes: section.count("max_sandboxes").unwrap_or(default.max_sandboxes),
        max_uses: section.count("max_uses"),
        max_reply: section.size("max_reply").unwrap_or(default.max_reply),
        max_logs: section.size("max_logs").unwrap_or(default.max_logs),
    }
}

fn dirs(section: &mut Section<'_>, folder: &Path) -> Vec<Dir> {
    let Some(list) = section.list("dirs", &format!("a list of {DIR}")) else { return Vec::new() };
    list.filter_map(|item| dir(item, section.faults, folder)).collect()
}

fn dir(item: &Spanned<DeValue<'_>>, faults: &Faults<'_>, folder: &Path) -> Option<Dir> {
    let dir = match item.get_ref() {
        DeValue::String(text) => match units::parse_dir(text, folder) {
            Ok(dir) => dir,
            Err(why) => {
                faults.add(item.span(), format!("`dirs` has {text:?}, {why}"));
                return None;
            }
        },
        DeValue::Table(table) => {
            let mut section = Section::new("`dirs`", table, faults);
            let host = section.text("host", "a folder's path");
            let guest = section.text("guest", "where the function sees it, as \"/data\"");
            let writable = section.flag("writable").unwrap_or_default();
            section.finish();
            let (Some(host), Some(guest)) = (host, guest) else {
                faults.add(item.span(), "`dirs` has a table without `host` or `guest`: give both");
                return None;
            };
            Dir { host: folder.join(host), guest: guest.into(), writable }
        }
        other => {
            faults.add(item.span(), format!("`dirs` has {}: give {DIR}", show(other)));
            return None;
        }
    };
    if !dir.host.is_dir() {
        let host = dir.host.display();
        faults.add(
            item.span(),
            format!("`dirs` has {host}, but there is no such folder: make it or name another"),
        );
    }
    Some(dir)
}
