//! Components: commands of WASI 0.2 (preview 2), as `componentize-py` and the targets named `wasip2` make them.
//!
//! A component is one sandbox as a module is, on the same buffers, limits and clockwork; wasmtime-wasi does all of its
//! WASI but for what a function is told and its standard streams ([`linker`]). It may consist of many core modules
//! with several memories and tables.

mod linker;

pub(super) use linker::linker;

use super::code::Needs;
use super::limiter::table_bytes;
use super::state::State;
use crate::error::{Error, Result};
use wasmtime::Engine;
use wasmtime::component::{Component, Linker};
use wasmtime_wasi::p2::bindings::CommandPre;

/// Core instances that one component consists of at most; CPython's has some twenty.
pub(super) const INSTANCES: u32 = 256;
/// The packages that are there, each in its versions 0.2.
const OFFERED: [&str; 6] =
    ["wasi:cli", "wasi:clocks", "wasi:filesystem", "wasi:io", "wasi:random", "wasi:sockets"];
/// What a command exports.
const RUN: &str = "wasi:cli/run";
/// One page of linear memory, in bytes.
const PAGE: u64 = 64 << 10;

/// Checks that it is a command, and that all it asks for is there.
pub(super) fn link(linker: &Linker<State>, component: &Component) -> Result<CommandPre<State>> {
    check(component.engine(), component)?;
    let unfit = |error| Error::invalid(format!("its imports don't fit: {error:#}"));
    let pre = linker.instantiate_pre(component).map_err(unfit)?;
    CommandPre::new(pre).map_err(|error| Error::invalid(format!("its `{RUN}` doesn't fit: {error:#}")))
}

fn check(engine: &Engine, component: &Component) -> Result<()> {
    let of_component = component.component_type();
    let missing: Vec<String> = of_component
        .imports(engine)
        .filter(|(name, _)| !is_offered(name))
        .map(|(name, _)| format!("`{name}`"))
        .collect();
    if !missing.is_empty() {
        return Err(Error::invalid(format!(
            "it imports {}, which nothing provides: only WASI 0.2's cli, clocks, filesystem, io, random and sockets \
             (without a network) are there",
            missing.join(", ")
        )));
    }
    let exports: Vec<&str> = of_component.exports(engine).map(|(name, _)| name).collect();
    if exports.iter().any(|name| split(name) == (RUN, true)) {
        return Ok(());
    }
    Err(Error::invalid(format!(
        "it is no command: it exports no `{RUN}` of WASI 0.2{}",
        match exports.as_slice() {
            [] => String::new(),
            some => format!(
                ", but {}",
                some.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
            ),
        }
    )))
}

/// An interface's name, and whether its version is one of 0.2.
fn split(name: &str) -> (&str, bool) {
    name.split_once('@').map_or((name, false), |(name, version)| (name, version.starts_with("0.2.")))
}

fn is_offered(name: &str) -> bool {
    let (interface, fits) = split(name);
    fits && interface.split_once('/').is_some_and(|(package, _)| OFFERED.contains(&package))
}

/// What its instances take.
pub(super) fn needs(component: &Component) -> Result<Needs> {
    let Some(needs) = component.resources_required() else {
        return Err(Error::invalid("it imports core modules, which nothing provides"));
    };
    let memory = needs.max_initial_memory_size.unwrap_or(0).saturating_mul(PAGE);
    let table = table_bytes(needs.max_initial_table_size.unwrap_or(0));
    let all = memory.saturating_mul(needs.num_memories.into());
    Ok(Needs {
        least: memory.saturating_add(table),
        // Of several only the largest is known.
        enough: all.saturating_add(table.saturating_mul(needs.num_tables.into())),
        memories: needs.num_memories,
        tables: needs.num_tables,
        instances: INSTANCES,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_offered_is_told_by_package_and_version() {
        for name in ["wasi:io/streams@0.2.0", "wasi:sockets/tcp@0.2.12", "wasi:cli/exit@0.2.3"] {
            assert!(is_offered(name), "{name}");
        }
        for name in [
            "wasi:io/streams@0.3.0",
            "wasi:http/types@0.2.0",
            "wasi:io/streams",
            "wasi:clock/x@0.2.0",
            "run",
            "a/b",
        ] {
            assert!(!is_offered(name), "{name}");
        }
    }
}
