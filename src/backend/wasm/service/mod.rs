//! Components of WASI 0.3 (preview 3) that handle HTTP requests, several at once in one instance.
//!
//! Unlike every other guest such an instance is nobody's: many requests are in it, and it may go on working when it has
//! answered. So it runs on a task of its own, and each request has a way into it, a lane, with the framing of `http/`:
//!
//! ```text
//!   Lane (stdin, stdout) ◄─ Shared with bells ─► life.rs: next request ─► handle ─► reply     one loop for each lane
//!   Lane ...             ◄─        ...        ─►    ...                                       all in one `run_concurrent`
//!                         crew.rs: what the task and all lanes know of each other; turn.rs: how long it is polled
//! ```
//! A trap ends the instance, and with it all requests in it: wasmtime knows no smaller failure. Nothing runs in one that is paused.

mod crew;
mod lane;
mod life;
mod sandbox;
mod turn;

pub(super) use sandbox::Service;

use super::state::State;
use wasmtime::component::Linker;

/// Adds the interfaces to what components are linked with.
pub(super) fn add_to_linker(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    wasmtime_wasi::p3::add_to_linker(linker)?;
    wasmtime_wasi_http::p3::add_to_linker(linker)
}
