//! What a function is given of the world beyond its stdio and environment: its directories. No network, and none of the
//! host's own streams.

use super::shared::Shared;
use super::streams::{Stderr, Stdin};
use crate::backend::Logs;
use crate::error::{Error, Result};
use crate::function::{Format, Function};
use std::sync::Arc;
use wasmtime_wasi::p1::WasiP1Ctx;
use wasmtime_wasi::{FsPerms, WasiCtxBuilder, WasiView};

/// Files, directories and what is polled, open at once in one instance: file descriptors are the whole host's.
const HANDLES: usize = 256;
/// The same where requests and replies are handles, too. JavaScript gives back those of a body's pieces only when it
/// collects its garbage, so that a body of a few megabytes takes thousands; each is some hundred bytes of the host's.
const HTTP_HANDLES: usize = 16_384;

/// Which of an instance's standard streams are its context's. All others are given it by hand.
pub(super) enum Streams {
    /// What a module waits on in `poll_oneoff`.
    Stdin(Arc<Shared>),
    /// What WASI 0.3 calls stdout and stderr: both are the log. Its requests come another way.
    Log(Arc<Logs>),
}

/// The context of one instance.
pub(super) fn context(function: &Function, streams: Option<Streams>) -> Result<WasiP1Ctx> {
    let mut builder = WasiCtxBuilder::new();
    builder.allow_tcp(false).allow_udp(false);
    match streams {
        Some(Streams::Stdin(shared)) => _ = builder.stdin(Stdin(shared)),
        Some(Streams::Log(logs)) => _ = builder.stdout(Stderr(Arc::clone(&logs))).stderr(Stderr(logs)),
        None => {}
    }
    for dir in &function.dirs {
        let access = if dir.writable { FsPerms::ReadWrite } else { FsPerms::ReadOnly };
        builder.preopened_dir(&dir.host, &dir.guest, access).map_err(|error| {
            Error::failed(format!("directory {} can't be opened: {error}", dir.host.display()))
        })?;
    }
    let mut wasi = builder.build_p1();
    let handles = if function.format == Format::WasiHttp { HTTP_HANDLES } else { HANDLES };
    wasi.ctx().table.set_max_capacity(handles);
    Ok(wasi)
}
