//! Why a guest ended, in Kiln's words.

use crate::backend::Exit;
use wasmtime::component::ResourceTableError;
use wasmtime::{Trap, WasmBacktrace};
use wasmtime_wasi::I32Exit;

/// Frames that a trap's reason names.
const FRAMES: usize = 3;

/// What `_start` came to. `refused`: it was denied memory during the request that it died in.
pub(super) fn exit(result: wasmtime::Result<()>, refused: bool) -> Exit {
    let Err(error) = result else { return Exit::Code(0) };
    match error.downcast_ref::<I32Exit>() {
        Some(I32Exit(0)) => Exit::Code(0),
        _ if refused => Exit::OutOfMemory,
        Some(I32Exit(code)) => Exit::Code(*code),
        None => Exit::Trap(reason(&error)),
    }
}

/// What went wrong, and in which functions of the module, innermost first.
pub(super) fn reason(error: &wasmtime::Error) -> String {
    let mut text = match error.downcast_ref::<Trap>() {
        Some(trap) => trap.to_string(),
        None if error.root_cause().is::<ResourceTableError>() => {
            "too many files and other handles open".to_owned()
        }
        None => error.root_cause().to_string(),
    };
    if let Some(rest) = text.strip_prefix("wasm trap: ") {
        text = rest.to_owned();
    }
    if let Some(trace) = error.downcast_ref::<WasmBacktrace>() {
        // Its text has the names demangled: `  0: 0x1f - module!name`.
        let trace = trace.to_string();
        let names = trace.lines().filter_map(|line| Some(line.split_once(" - ")?.1.split_once('!')?.1));
        let names: Vec<&str> =
            names.filter(|name| !name.starts_with("<wasm function")).take(FRAMES).collect();
        if !names.is_empty() {
            text.push_str(" in ");
            text.push_str(&names.join(", called by "));
        }
    }
    text
}
