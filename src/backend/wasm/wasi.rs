//! What a function is given of the world: its arguments, its environment, its directories. No network, and none of
//! the host's own streams.

use super::shared::Shared;
use super::stdio::Stdin;
use crate::error::{Error, Result};
use crate::function::Function;
use std::collections::BTreeMap;
use std::sync::Arc;
use wasmtime_wasi::p1::WasiP1Ctx;
use wasmtime_wasi::{FsPerms, WasiCtxBuilder, WasiView};

/// Files, directories and what is polled, open at once in one instance: file descriptors are the whole host's.
pub(super) const HANDLES: usize = 256;

/// The context of one instance. `env` is added to the function's own; the last of a name wins.
pub(super) fn context<'a>(
    function: &'a Function,
    env: impl Iterator<Item = &'a (String, String)>,
    shared: Arc<Shared>,
) -> Result<WasiP1Ctx> {
    let mut builder = WasiCtxBuilder::new();
    builder.stdin(Stdin(shared)).allow_tcp(false).allow_udp(false);
    builder.arg(&function.name).args(&function.args);
    let mut names: BTreeMap<&str, &str> = BTreeMap::new();
    names.extend(function.env.iter().map(|(name, value)| (name.as_str(), value.as_str())));
    names.extend(env.map(|(name, value)| (name.as_str(), value.as_str())));
    for (name, value) in names {
        builder.env(name, value);
    }
    for dir in &function.dirs {
        let access = if dir.writable { FsPerms::ReadWrite } else { FsPerms::ReadOnly };
        builder.preopened_dir(&dir.host, &dir.guest, access).map_err(|error| {
            Error::failed(format!("directory {} can't be opened: {error}", dir.host.display()))
        })?;
    }
    let mut wasi = builder.build_p1();
    wasi.ctx().table.set_max_capacity(HANDLES);
    Ok(wasi)
}
