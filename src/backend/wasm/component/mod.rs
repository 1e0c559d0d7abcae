//! Components of WASI 0.2 (preview 2), as `componentize-py` and the targets named `wasip2` make them: commands, and
//! those that handle HTTP requests (`http/`).
//!
//! A component is one sandbox as a module is, on the same buffers, limits and clockwork; wasmtime-wasi does all of its
//! WASI but for what a function is told and its standard streams ([`linker`]). It may consist of many core modules
//! with several memories and tables.

mod imports;
mod linker;

pub(super) use linker::linker;

use super::code::Needs;
use super::entry::Pre;
use super::limiter::table_bytes;
use super::state::State;
use crate::error::{Error, Result};
use wasmtime::Engine;
use wasmtime::component::{Component, Linker};
use wasmtime_wasi::p2::bindings::CommandPre;

/// Core instances that one component consists of at most; CPython's has some twenty.
pub(super) const INSTANCES: u32 = 256;
/// What a command exports.
const RUN: &str = "wasi:cli/run";
/// What one exports that handles requests.
const HANDLER: &str = "wasi:http/incoming-handler";
/// One page of linear memory, in bytes.
const PAGE: u64 = 64 << 10;

/// Checks that it is a command or handles requests, and that all it asks for is there. One that does both handles requests.
pub(super) fn link(linker: &Linker<State>, component: &Component) -> Result<Pre> {
    imports::check(component.engine(), component)?;
    let kind = kind(component.engine(), component)?;
    let unfit = |error| Error::invalid(format!("its imports don't fit: {error:#}"));
    let pre = linker.instantiate_pre(component).map_err(unfit)?;
    let misfit = |name| move |error| Error::invalid(format!("its `{name}` doesn't fit: {error:#}"));
    match kind {
        Kind::Command => Ok(Pre::Component(Box::new(CommandPre::new(pre).map_err(misfit(RUN))?))),
        #[cfg(feature = "http-components")]
        Kind::Http => {
            let pre = wasmtime_wasi_http::p2::bindings::ProxyPre::new(pre);
            Ok(Pre::Http(Box::new(pre.map_err(misfit(HANDLER))?)))
        }
    }
}

/// What a component is for.
enum Kind {
    Command,
    #[cfg(feature = "http-components")]
    Http,
}

fn kind(engine: &Engine, component: &Component) -> Result<Kind> {
    let of_component = component.component_type();
    let exports: Vec<&str> = of_component.exports(engine).map(|(name, _)| name).collect();
    if exports.iter().any(|name| split(name) == (HANDLER, true)) {
        #[cfg(feature = "http-components")]
        return Ok(Kind::Http);
        #[cfg(not(feature = "http-components"))]
        return Err(Error::invalid(format!(
            "it exports `{HANDLER}`, but this build of kiln calls none: build it with the feature `http-components`"
        )));
    }
    if exports.iter().any(|name| split(name) == (RUN, true)) {
        return Ok(Kind::Command);
    }
    Err(Error::invalid(format!(
        "it is neither a command nor does it handle requests: it exports no `{RUN}` and no `{HANDLER}` of WASI 0.2{}",
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
