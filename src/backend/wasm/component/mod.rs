//! Components of WASI 0.2 (preview 2), as `componentize-py` and the targets named `wasip2` make them: commands, and
//! those that handle HTTP requests (`http/`). Of WASI 0.3 only the latter (`service/`).
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
/// The same in WASI 0.3.
const SERVICE: &str = "wasi:http/handler";
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
        #[cfg(feature = "preview3")]
        Kind::Service => {
            let pre = wasmtime_wasi_http::p3::bindings::ServicePre::new(pre);
            Ok(Pre::Service(Box::new(pre.map_err(misfit(SERVICE))?)))
        }
    }
}

/// What a component is for.
enum Kind {
    Command,
    #[cfg(feature = "http-components")]
    Http,
    #[cfg(feature = "preview3")]
    Service,
}

fn kind(engine: &Engine, component: &Component) -> Result<Kind> {
    let of_component = component.component_type();
    let exports: Vec<&str> = of_component.exports(engine).map(|(name, _)| name).collect();
    let has = |interface, preview| exports.iter().any(|name| split(name) == (interface, Some(preview)));
    #[cfg(feature = "preview3")]
    if has(SERVICE, Preview::Three) {
        return Ok(Kind::Service);
    }
    if has(HANDLER, Preview::Two) {
        #[cfg(feature = "http-components")]
        return Ok(Kind::Http);
        #[cfg(not(feature = "http-components"))]
        return Err(Error::invalid(format!(
            "it exports `{HANDLER}`, but this build of kiln calls none: build it with the feature `http-components`"
        )));
    }
    if has(RUN, Preview::Two) {
        return Ok(Kind::Command);
    }
    Err(Error::invalid(format!(
        "it is neither a command nor does it handle requests: it exports no `{RUN}` and no `{HANDLER}` of WASI 0.2{}{}",
        if cfg!(feature = "preview3") { format!(", and no `{SERVICE}` of WASI 0.3") } else { String::new() },
        match exports.as_slice() {
            [] => String::new(),
            some => format!(
                ", but {}",
                some.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
            ),
        }
    )))
}

/// Versions of WASI.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Preview {
    /// 0.2.
    Two,
    /// 0.3.
    Three,
}

/// An interface's name, and which version of WASI it is of, if of any.
fn split(name: &str) -> (&str, Option<Preview>) {
    let Some((name, version)) = name.split_once('@') else { return (name, None) };
    let preview = match version {
        two if two.starts_with("0.2.") => Some(Preview::Two),
        three if three.starts_with("0.3.") => Some(Preview::Three),
        _ => None,
    };
    (name, preview)
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
