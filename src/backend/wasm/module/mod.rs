//! Core modules: WASI preview 1 commands. What is called often is done by hand.

mod environ;
mod linker;
mod stdio;

pub(super) use linker::linker;

use super::limiter::table_bytes;
use super::state::State;
use crate::error::{Error, Result};
use wasmtime::{ExternType, InstancePre, Linker, Module, UnknownImportError};

/// One page of linear memory, in bytes, where the module says nothing else.
const PAGE: u64 = 64 << 10;

/// Whether it is a command.
pub(super) fn check(module: &Module) -> Result<()> {
    let memories = module.resources_required().num_memories;
    if memories > 1 {
        return Err(Error::invalid(format!("it has {memories} memories: build it with one")));
    }
    match module.get_export("_start") {
        Some(ExternType::Func(start)) if start.params().len() == 0 && start.results().len() == 0 => {}
        Some(_) => {
            return Err(Error::invalid("its `_start` is not a function without parameters and results"));
        }
        None if module.get_export("_initialize").is_some() => {
            return Err(Error::invalid(
                "it is a library (`_initialize`), not a command: it needs a `_start`",
            ));
        }
        None => return Err(Error::invalid("it exports no `_start`: build it as a WASI command")),
    }
    match module.get_export("memory") {
        Some(ExternType::Memory(memory)) if !memory.is_shared() => Ok(()),
        Some(_) => Err(Error::invalid("its export `memory` is not a memory of its own")),
        None => Err(Error::invalid("it exports no `memory`: WASI passes everything through it")),
    }
}

pub(super) fn link(linker: &Linker<State>, module: &Module) -> Result<InstancePre<State>> {
    linker.instantiate_pre(module).map_err(|error| match error.downcast_ref::<UnknownImportError>() {
        Some(unknown) => Error::invalid(format!(
            "it imports `{}` from `{}`, which nothing provides: only `wasi_snapshot_preview1` is there",
            unknown.name(),
            unknown.module()
        )),
        None => Error::invalid(format!("its imports don't fit: {error:#}")),
    })
}

/// Bytes that it takes before it runs.
pub(super) fn minimum(module: &Module) -> u64 {
    let needs = module.resources_required();
    let memory = match module.get_export("memory") {
        Some(ExternType::Memory(memory)) => memory.minimum().saturating_mul(memory.page_size()),
        _ => needs.max_initial_memory_size.unwrap_or(0).saturating_mul(PAGE),
    };
    memory.saturating_add(table_bytes(needs.max_initial_table_size.unwrap_or(0)))
}
