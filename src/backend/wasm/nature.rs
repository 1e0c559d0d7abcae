//! What code is, as far as its bytes say without being compiled: its kind, and what its engine has to be for it.

use crate::error::{Error, Result};
use std::fmt;
use std::str::FromStr;
use wasmparser::{Parser, Payload};

/// How every binary begins, and how a component does.
const BINARY: &[u8] = b"\0asm";
const COMPONENT: &[u8] = b"\0asm\x0d\0\x01\0";

/// Bytes that memories begin with, from which on they are an interpreter's heap: CPython's are 11 MB, SpiderMonkey's 4 MB,
/// those of compiled languages some 10 KB.
const HEAP: usize = 2 << 20;

/// The two kinds of code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Module,
    Component,
}

/// What code is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Nature {
    pub(super) kind: Kind,
    /// Whether its memory begins with an interpreter's heap.
    pub(super) heap: bool,
    /// Whether it is a component of WASI 0.3, which may do several things at once.
    pub(super) concurrent: bool,
}

/// The nature of these bytes; an error where they are no WebAssembly at all.
pub(super) fn of(bytes: &[u8]) -> Result<Nature> {
    let kind = kind(bytes)?;
    let mut nature = Nature { kind, heap: false, concurrent: false };
    if is_binary(bytes) {
        nature.look(bytes);
    } else {
        // Text is written by hand: whatever it names, it means.
        nature.concurrent = kind == Kind::Component && bytes.windows(5).any(|part| part == b"@0.3.");
    }
    Ok(nature)
}

impl Nature {
    /// Looks through the sections. What doesn't parse ends it: compiling will say what is wrong.
    fn look(&mut self, bytes: &[u8]) {
        let (mut data, mut depth) = (0_usize, 0_usize);
        for payload in Parser::new(0).parse_all(bytes) {
            match payload {
                Ok(Payload::DataSection(section)) => data = data.saturating_add(section.range().len()),
                Ok(Payload::ModuleSection { .. } | Payload::ComponentSection { .. }) => depth += 1,
                Ok(Payload::End(_)) => depth = depth.saturating_sub(1),
                Ok(Payload::ComponentImportSection(section)) if depth == 0 => {
                    let mut names = section.into_iter().flatten().map(|import| import.name.name);
                    self.concurrent |= names.any(is_of_preview3);
                }
                Ok(Payload::ComponentExportSection(section)) if depth == 0 => {
                    let mut names = section.into_iter().flatten().map(|export| export.name.name);
                    self.concurrent |= names.any(is_of_preview3);
                }
                Ok(_) => {}
                Err(_) => break,
            }
        }
        self.heap = data >= HEAP;
    }
}

impl fmt::Display for Nature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.kind {
            Kind::Module => "module",
            Kind::Component => "component",
        })?;
        for (is, word) in [(self.heap, "+heap"), (self.concurrent, "+concurrent")] {
            f.write_str(if is { word } else { "" })?;
        }
        Ok(())
    }
}

impl FromStr for Nature {
    type Err = ();

    fn from_str(text: &str) -> std::result::Result<Self, ()> {
        let mut words = text.split('+');
        let kind = match words.next() {
            Some("module") => Kind::Module,
            Some("component") => Kind::Component,
            _ => return Err(()),
        };
        let mut nature = Self { kind, heap: false, concurrent: false };
        for word in words {
            match word {
                "heap" => nature.heap = true,
                "concurrent" => nature.concurrent = true,
                _ => return Err(()),
            }
        }
        Ok(nature)
    }
}

/// Whether an interface is one of WASI 0.3.
fn is_of_preview3(name: &str) -> bool {
    name.starts_with("wasi:") && name.split_once('@').is_some_and(|(_, version)| version.starts_with("0.3."))
}

/// What these bytes are, as far as their beginning says.
fn kind(bytes: &[u8]) -> Result<Kind> {
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
            assert_eq!(of(text.as_bytes()).unwrap().kind, Kind::Module, "{text:?}");
        }
        for text in ["\0asm\x0d\0\x01\0", "(component)", ";; (module\n(; x ;)\n ( (; y ;) component $c"] {
            assert_eq!(of(text.as_bytes()).unwrap().kind, Kind::Component, "{text:?}");
        }
        for text in ["", "\x7fELF", "module", ";; only", "(; open", "\u{feff}x"] {
            assert!(of(text.as_bytes()).is_err(), "{text:?}");
        }
    }

    #[test]
    fn an_interpreters_heap_is_seen_wherever_in_a_component_it_lies() {
        let data = |bytes: usize| format!("(memory 64) (data (i32.const 0) {:?})", "x".repeat(bytes));
        let nature = |text: String| of(&wat::parse_str(text).unwrap()).unwrap();
        let (heap, other) = (data(HEAP), data(HEAP / 2));
        assert!(nature(format!("(module {heap})")).heap);
        assert!(!nature(format!("(module {other})")).heap);
        assert!(nature(format!("(component (component (core module {heap})))")).heap);
        assert!(!nature("(component (core module (memory 64)))".into()).heap);
    }

    #[test]
    fn a_component_of_preview_3_is_seen_by_its_own_imports_and_exports() {
        let nature = |text: &str| of(&wat::parse_str(text).unwrap()).unwrap().concurrent;
        let import = |name: &str| format!("(component (import {name:?} (instance)))");
        assert!(nature(&import("wasi:http/types@0.3.0")));
        assert!(nature(r#"(component (instance $i) (export "wasi:http/handler@0.3.0" (instance $i)))"#));
        for name in ["wasi:http/types@0.2.0", "a:b/c@0.3.0", "wasi:http/types"] {
            assert!(!nature(&import(name)), "{name}");
        }
        assert!(
            !nature(&format!("(component {})", import("wasi:http/types@0.3.0"))),
            "that one isn't instantiated"
        );
    }

    #[test]
    fn it_is_read_as_it_was_written() {
        for kind in [Kind::Module, Kind::Component] {
            for (heap, concurrent) in [(false, false), (true, false), (false, true), (true, true)] {
                let nature = Nature { kind, heap, concurrent };
                assert_eq!(nature.to_string().parse(), Ok(nature));
            }
        }
        for text in ["", "modul", "module+", "component+heaps", "+heap"] {
            assert_eq!(text.parse::<Nature>(), Err(()), "{text:?}");
        }
    }
}
