//! A host over modules with the JavaScript runtime, and functions that are called on it.

use crate::Result;
use kiln::backend::wasm::{Wasm, WasmConfig};
use kiln::function::{MIB, Module};
use kiln::{Function, Host, Invocation, Runtime, Start};
use serde_json::Value;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::runtime::Builder;

const JS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/runtimes/js/js.wasm");
/// Of one sandbox, in bytes.
const MEMORY: u64 = 64 * MIB;
/// Longer than a snapshot of an interpreter takes to compile.
const HANG: Duration = Duration::from_secs(180);

pub(crate) struct Bed {
    pub(crate) tokio: tokio::runtime::Runtime,
    pub(crate) host: Host,
}

impl Bed {
    pub(crate) fn new(snapshots: bool) -> Result<Self> {
        let tokio = Builder::new_current_thread().enable_all().build()?;
        let host = tokio.block_on(async {
            let cache = Path::new(env!("CARGO_TARGET_TMPDIR")).join("runtimes-bench");
            let config =
                WasmConfig { cache_dir: Some(cache), max_instances: Some(64), ..WasmConfig::default() };
            let runtime = Runtime::new("js").memory(MEMORY).wasm(Module::File(JS.into()));
            let builder = Host::builder().memory(16 * MEMORY).runtime(runtime).snapshots(snapshots);
            Ok::<_, crate::Error>(builder.backend(Arc::new(Wasm::new(config)?)).build()?)
        })?;
        Ok(Self { tokio, host })
    }

    /// Deploys a source; each of its calls has a sandbox of its own where that is wanted.
    pub(crate) fn deploy(&self, name: &str, code: &str, fresh: bool) -> Result<()> {
        let mut function = Function::source(name, "js", code.to_owned()).timeout(HANG);
        function.limits.max_uses = fresh.then_some(1);
        self.tokio.block_on(self.host.deploy(function))?;
        Ok(())
    }

    /// Waits until a function is served from its snapshot.
    pub(crate) fn switched(&self, name: &str) -> Result<()> {
        let until = Instant::now() + HANG;
        while !self.host.list().iter().any(|it| it.function.name == name && it.snapshot) {
            if Instant::now() > until {
                return Err(format!("no snapshot of {name} is taken").into());
            }
            self.tokio.block_on(async { tokio::time::sleep(Duration::from_millis(5)).await });
        }
        Ok(())
    }

    /// One call, and how long it took in nanoseconds.
    pub(crate) fn call(&self, name: &str, body: &'static str, start: Option<Start>) -> Result<(Value, f64)> {
        let began = Instant::now();
        let outcome = self.tokio.block_on(self.host.invoke(name, Invocation::new(body)));
        let took = began.elapsed().as_nanos() as f64;
        let reply = outcome.result?;
        if start.is_some_and(|start| outcome.start != Some(start)) {
            return Err(
                format!("a call of {name} was {:?} where it had to be {start:?}", outcome.start).into()
            );
        }
        Ok((serde_json::from_slice(&reply.body)?, took))
    }
}
