//! What a store holds beside its instance, be it of a module or of a component.

use super::environ::Environ;
use super::limiter::Limiter;
use super::shared::Shared;
use crate::backend::Logs;
use crate::function::{Format, Function};
use std::sync::Arc;
use wasmtime::Memory;
use wasmtime_wasi::p1::WasiP1Ctx;
use wasmtime_wasi::{WasiCtxView, WasiView};

pub(super) const STDIN: i32 = 0;
pub(super) const STDOUT: i32 = 1;
pub(super) const STDERR: i32 = 2;

/// A guest's part of the host.
pub(super) struct State {
    /// That of preview 1 has all that preview 2 needs.
    pub(super) wasi: WasiP1Ctx,
    pub(super) environ: Environ,
    /// Whether stdin and stdout are its own; if not they carry what its host calls it with, and its prints are log.
    pub(super) has_stdio: bool,
    /// Whether there is any directory that it may open.
    pub(super) has_dirs: bool,
    /// A module's, known once instantiated: looking it up by name at each call costs more than the call.
    pub(super) memory: Option<Memory>,
    pub(super) shared: Arc<Shared>,
    pub(super) limiter: Limiter,
    pub(super) logs: Arc<Logs>,
    #[cfg(feature = "http-components")]
    pub(super) http: (wasmtime_wasi_http::WasiHttpCtx, super::http::Hooks),
    /// Standard streams that a module has closed; their numbers are then any other file's.
    closed: u8,
}

impl State {
    pub(super) fn new(
        wasi: WasiP1Ctx,
        environ: Environ,
        shared: Arc<Shared>,
        limiter: Limiter,
        logs: Arc<Logs>,
        function: &Function,
    ) -> Self {
        Self {
            wasi,
            environ,
            has_stdio: function.format != Format::WasiHttp,
            has_dirs: !function.dirs.is_empty(),
            memory: None,
            shared,
            limiter,
            #[cfg(feature = "http-components")]
            http: (Default::default(), super::http::Hooks::new(function, Arc::clone(&logs))),
            logs,
            closed: 0,
        }
    }

    /// Whether the number is still that of a standard stream.
    pub(super) fn is_standard(&self, fd: i32) -> bool {
        (STDIN..=STDERR).contains(&fd) && self.closed & 1 << fd == 0
    }

    /// A standard stream is closed.
    pub(super) fn close(&mut self, fd: i32) {
        self.closed |= 1 << fd;
    }
}

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        self.wasi.ctx()
    }
}
