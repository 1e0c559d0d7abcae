//! Compiled code of either kind, told apart by its first bytes.

use super::core::Core;
use super::entry::Pre;
use super::{component, module};
use crate::error::{Error, Result};
use wasmtime::component::Component;
use wasmtime::{Engine, Module};

/// How every binary begins, and how a component does.
const BINARY: &[u8] = b"\0asm";
const COMPONENT: &[u8] = b"\0asm\x0d\0\x01\0";

/// The two kinds of code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Module,
    Component,
}

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

/// What these bytes are, as far as their beginning says.
pub(super) fn kind(bytes: &[u8]) -> Result<Kind> {
    if bytes.starts_with(COMPONENT) {
        return Ok(Kind::Component);
    }
    if bytes.starts_with(BINARY) {
        return Ok(Kind::Module);
    }
    // Text starts, after space and comments, with a parenthesis or a string; wasmtime says what is wrong with it.
    let text = uncommented(std::str::from_utf8(bytes).unwrap_or_default());
    let Some(inner) = text.strip_prefix('(') else {
        return Err(Error::invalid(
            "it is not WebAssembly: it starts neither with `\\0asm` nor with `(module` or `(component`",
        ));
    };
    Ok(if uncommented(inner).starts_with("component") { Kind::Component } else { Kind::Module })
}

/// Whether they are the binary form.
#[cfg(feature = "snapshot")]
pub(super) fn is_binary(bytes: &[u8]) -> bool {
    bytes.starts_with(BINARY)
}

/// Text after the space and the comments that it begins with.
fn uncommented(mut text: &str) -> &str {
    loop {
        text = text.trim_start();
        let after = match (text.strip_prefix(";;"), text.strip_prefix("(;")) {
            (Some(line), _) => line.split_once('\n'),
            (None, Some(block)) => block.split_once(";)"),
            (None, None) => return text,
        };
        text = after.map_or("", |(_, rest)| rest);
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_component_is_told_from_a_module_in_bytes_and_in_text() {
        let modules = [
            "\0asm\x01\0\0\0",
            "(module)",
            " ;; a (component\n (; (component ;) (module",
            "(func)",
            "( ;; x\n module)",
        ];
        for text in modules {
            assert_eq!(kind(text.as_bytes()).unwrap(), Kind::Module, "{text:?}");
        }
        for text in ["\0asm\x0d\0\x01\0", "(component)", ";; (module\n(; x ;)\n ( (; y ;) component $c"] {
            assert_eq!(kind(text.as_bytes()).unwrap(), Kind::Component, "{text:?}");
        }
        for text in ["", "\x7fELF", "module", ";; only", "(; open", "\u{feff}x"] {
            assert!(kind(text.as_bytes()).is_err(), "{text:?}");
        }
    }
}
