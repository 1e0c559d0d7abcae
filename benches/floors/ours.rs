//! Kiln's side: a host with the wasm backend, and the one program that all rows run.

use crate::Result;
use bytes::Bytes;
use kiln::backend::wasm::{Wasm, WasmConfig};
use kiln::{Format, Function, Host, Invocation};
use std::path::PathBuf;
use std::sync::Arc;
use tokio::runtime::{Builder, Runtime};

/// Replies with what it was sent; used by tests, benches and the README alike.
pub(crate) const ECHO: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/echo/echo.wasm");

/// Slots of both engines, where a row needs no more.
pub(crate) const SLOTS: u32 = 1000;

/// More memory than any row is charged: what is charged is not what these rows are about.
pub(crate) const BUDGET: u64 = 1 << 40;

pub(crate) fn echo(format: Format) -> Function {
    let mut function = Function::wasm("echo", ECHO).format(format);
    function.limits.max_sandboxes = 1_000_000;
    function
}

/// How the backend is set up where a row needs nothing else.
pub(crate) fn config(slots: u32) -> WasmConfig {
    WasmConfig { cache_dir: None, budget: BUDGET, max_instances: Some(slots), ..WasmConfig::default() }
}

/// A host in which `echo` is deployed. To be called within a runtime.
pub(crate) async fn host(config: WasmConfig, function: Function) -> Result<Host> {
    let host = Host::builder().memory(BUDGET).backend(Arc::new(Wasm::new(config)?)).build()?;
    host.deploy(function).await?;
    Ok(host)
}

/// One call of `echo`; its reply's body.
pub(crate) async fn call(host: &Host, body: Bytes) -> Result<Bytes> {
    Ok(host.invoke("echo", Invocation::new(body)).await.result?.body)
}

pub(crate) fn one_thread() -> Result<Runtime> {
    Ok(Builder::new_current_thread().enable_all().build()?)
}

/// A runtime as a server has it: a worker for each core.
pub(crate) fn all_cores() -> Result<Runtime> {
    Ok(Builder::new_multi_thread().enable_all().build()?)
}

/// A body that is told from any other of its length.
pub(crate) fn body(len: usize) -> Bytes {
    (0..len).map(|at| (at % 251) as u8).collect::<Vec<_>>().into()
}

/// Whether a reply is what was sent, as far as its ends tell: comparing all of it would be most of a large call's time.
pub(crate) fn is_echo(sent: &[u8], got: &[u8]) -> Result<()> {
    const END: usize = 64;
    let ends = |bytes: &[u8]| {
        let (first, last) = (bytes.first_chunk::<END>().copied(), bytes.last_chunk::<END>().copied());
        (bytes.len(), first, last)
    };
    if ends(sent) == ends(got) { Ok(()) } else { Err("a reply is not what was sent".into()) }
}

/// A directory that is gone when this is.
pub(crate) fn scratch() -> Result<(tempfile::TempDir, PathBuf)> {
    let dir = tempfile::tempdir()?;
    let path = dir.path().join("cache");
    Ok((dir, path))
}
