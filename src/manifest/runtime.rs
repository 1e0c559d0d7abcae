//! `[runtime.NAME]`: a language's runtime, made a [`Runtime`].

use super::code;
use super::faults::Faults;
use super::section::{Section, show};
use crate::function::{BackendKind, Format, Module};
use crate::runtime::{Prewarm, Runtime};
use std::path::Path;
use toml::Spanned;
use toml::de::DeValue;

const PREWARM: &str = "a whole number, or a list of { backend = \"wasm\", memory = \"64MiB\", count = 2 }";

/// Reads all of them.
pub(super) fn read(all: Section<'_>, folder: &Path) -> Vec<Runtime> {
    let faults = all.faults;
    let mut runtimes = Vec::new();
    for entry in all.entries() {
        let name = entry.key;
        let Some(table) = entry.value.as_table() else {
            let found = show(entry.value);
            faults.add(entry.at, format!("runtime `{name}` is {found}: give a table, as [runtime.{name}]"));
            continue;
        };
        let runtime = one(name, Section::new(format!("[runtime.{name}]"), table, faults), folder);
        if let Err(error) = runtime.validate() {
            faults.add(entry.key_at, format!("runtime `{name}`: {}", error.message()));
        }
        runtimes.push(runtime);
    }
    runtimes
}

fn one(name: &str, mut section: Section<'_>, folder: &Path) -> Runtime {
    let mut runtime = Runtime::new(name);
    runtime.wasm = code::wasm(&mut section, folder).map(Module::File);
    runtime.image = code::image(&mut section);
    let formats = Format::ALL.map(|format| (format.as_str(), format));
    runtime.format = section.choice("format", &formats).unwrap_or(runtime.format);
    runtime.memory = section.size("memory");
    runtime.kinds = section.texts("kinds").unwrap_or_default();
    // Unless it is said how many, one is at hand for whatever memory is asked for.
    runtime.ready = u32::from(section.place("prewarm").is_none());
    runtime.prewarm = prewarm(&mut section, runtime.backend());
    section.finish();
    runtime
}

/// One number is that many on the backend that functions run on which name none.
fn prewarm(section: &mut Section<'_>, backend: Option<BackendKind>) -> Vec<Prewarm> {
    let Some(entry) = section.take("prewarm") else { return Vec::new() };
    let whole = entry.value.as_integer();
    let count = whole.and_then(|number| u32::from_str_radix(number.as_str(), number.radix()).ok());
    match (count, entry.value.as_array(), backend) {
        (Some(count), _, Some(backend)) => vec![Prewarm { backend, memory: None, count }],
        // That it has no code is what is wrong, and is said.
        (Some(_), _, None) => Vec::new(),
        (None, Some(list), _) => {
            list.iter().filter_map(|item| one_prewarm(item, section.faults, backend)).collect()
        }
        (None, None, _) => {
            section.faults.add(entry.at, format!("`prewarm` is {}: give {PREWARM}", show(entry.value)));
            Vec::new()
        }
    }
}

fn one_prewarm(
    item: &Spanned<DeValue<'_>>,
    faults: &Faults<'_>,
    default: Option<BackendKind>,
) -> Option<Prewarm> {
    let Some(table) = item.get_ref().as_table() else {
        faults.add(item.span(), format!("`prewarm` has {}: give {PREWARM}", show(item.get_ref())));
        return None;
    };
    let mut section = Section::new("`prewarm`", table, faults);
    let backend = section.choice("backend", &BackendKind::ALL.map(|backend| (backend.as_str(), backend)));
    let (memory, count) = (section.size("memory"), section.count("count"));
    section.finish();
    if count.is_none() {
        faults.add(item.span(), "`prewarm` has a table without a good `count`: give how many are kept ready");
    }
    Some(Prewarm { backend: backend.or(default)?, memory, count: count? })
}
