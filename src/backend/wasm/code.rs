//! Compiled code of either kind.

use super::core::Core;
use super::entry::Pre;
use super::nature::Kind;
use super::{component, module};
use crate::error::Result;
use wasmtime::component::Component;
use wasmtime::{Engine, Module};

/// Compiled code.
pub(super) enum Code {
    Module(Module),
    Component(Component),
}

/// What one sandbox takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Needs {
    /// Bytes of memory and tables, at least, before it runs.
    pub(super) least: u64,
    /// Bytes that are enough for that.
    pub(super) enough: u64,
    /// Linear memories.
    pub(super) memories: u32,
    /// Tables.
    pub(super) tables: u32,
    /// Core instances, at most.
    pub(super) instances: u32,
}

impl Code {
    pub(super) fn compile(engine: &Engine, kind: Kind, bytes: &[u8]) -> wasmtime::Result<Self> {
        Ok(match kind {
            Kind::Module => Self::Module(Module::new(engine, bytes)?),
            Kind::Component => Self::Component(Component::new(engine, bytes)?),
        })
    }

    pub(super) fn serialize(&self) -> wasmtime::Result<Vec<u8>> {
        match self {
            Self::Module(module) => module.serialize(),
            Self::Component(component) => component.serialize(),
        }
    }

    /// Checks that it is something that can be run, and joins it with what it imports.
    pub(super) fn link(&self, core: &Core) -> Result<Pre> {
        match self {
            Self::Module(module) => {
                module::check(module)?;
                Ok(Pre::Module(module::link(&core.linkers.module, module)?))
            }
            Self::Component(component) => component::link(&core.linkers.component, component),
        }
    }

    pub(super) fn needs(&self) -> Result<Needs> {
        match self {
            Self::Module(module) => {
                let bytes = module::minimum(module);
                Ok(Needs { least: bytes, enough: bytes, memories: 1, tables: 1, instances: 1 })
            }
            Self::Component(component) => component::needs(component),
        }
    }

    /// Makes the image of its memory now, which keeps that out of the first start.
    pub(super) fn image(&self) -> wasmtime::Result<()> {
        match self {
            Self::Module(module) => module.initialize_copy_on_write_image(),
            Self::Component(component) => component.initialize_copy_on_write_image(),
        }
    }
}
