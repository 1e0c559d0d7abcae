//! `wasi:http` components of preview 2: what `wasmtime serve` and Spin run, on the same buffers, limits and clockwork as
//! every other guest.
//!
//! ```text
//!   stdin ─► request.rs ─► incoming-request ─► the component's `handle` ─► response-outparam ─► reply.rs ─► stdout
//!                                              serve.rs: one poll runs the guest and moves both bodies
//! ```
//! wasmtime-wasi-http does all of the interface's types. There is no task and no socket: the request is read from the
//! sandbox's stdin, the reply written to its stdout (`crate::exchange` says how), on the caller's own task. Whom it may
//! send requests to is the function's to say (`hooks.rs`).

mod hooks;
pub(super) mod reply;
pub(super) mod request;
mod serve;

pub(super) use hooks::Hooks;
pub(super) use serve::serve;

use super::state::State;
use wasmtime::component::Linker;
use wasmtime_wasi::WasiView;
use wasmtime_wasi_http::{WasiHttpCtxView, WasiHttpView};

/// Adds the interfaces to what components are linked with.
pub(super) fn add_to_linker(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    wasmtime_wasi_http::p2::add_only_http_to_linker_async(linker)
}

impl WasiHttpView for State {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        let (ctx, hooks) = &mut self.http;
        WasiHttpCtxView { table: self.wasi.ctx().table, ctx, hooks }
    }
}
