//! A host over modules with the JavaScript runtime.

use kiln::backend::wasm::{Wasm, WasmConfig};
use kiln::function::{MIB, Module};
use kiln::host::HostBuilder;
use kiln::invocation::Outcome;
use kiln::pool::Figures;
use kiln::{Function, Host, Invocation, Runtime};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// Only a hang is caught by it: compilers and other tests share the machine.
pub const HANG: Duration = Duration::from_secs(180);
/// Of one sandbox, in bytes.
pub const MEMORY: u64 = 32 * MIB;

pub struct Bed {
    pub host: Host,
    pub wasm: Wasm,
}

/// The runtime's module; `None` after saying that the test is skipped.
fn js() -> Option<PathBuf> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("runtimes/js/js.wasm");
    if file.is_file() {
        return Some(file);
    }
    let test = std::thread::current().name().unwrap_or_default().to_owned();
    let why = format!("{test}: there is no {}", file.display());
    assert!(std::env::var("KILN_REQUIRE_RUNTIMES").as_deref() != Ok("1"), "{why}");
    eprintln!("skipped: {why}");
    None
}

/// Where compiled modules are kept: for all tests of all runs, since an interpreter takes long.
pub fn cache() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("runtimes-wasm")
}

pub fn bed(cache: PathBuf, set: impl FnOnce(HostBuilder, Runtime) -> HostBuilder) -> Option<Bed> {
    let runtime = Runtime::new("js").kind("nodejs:default").memory(MEMORY).wasm(Module::File(js()?));
    let config = WasmConfig { cache_dir: Some(cache), max_instances: Some(64), ..WasmConfig::default() };
    let wasm = Wasm::new(config).unwrap();
    let builder = Host::builder().memory(16 * MEMORY).max_wait(HANG);
    let host = set(builder, runtime).backend(Arc::new(wasm.clone())).build().unwrap();
    Some(Bed { host, wasm })
}

pub fn source(name: &str, code: impl Into<String>) -> Function {
    let mut function = Function::source(name, "js", code.into()).timeout(HANG);
    function.limits.start_timeout = HANG;
    function
}

impl Bed {
    pub async fn until(&self, what: &str, reached: impl Fn(&Figures) -> bool) {
        let waited = async {
            while !reached(&self.host.figures()) {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        assert!(tokio::time::timeout(HANG, waited).await.is_ok(), "never: {what}; {:?}", self.host.figures());
    }

    pub async fn ready(&self, stems: usize) {
        self.until("the stem cells are ready", |it| (it.prewarmed, it.prewarming) == (stems, 0)).await;
    }

    pub async fn call(&self, name: &str, params: &Value) -> Outcome {
        self.host.invoke(name, Invocation::new(params.to_string())).await
    }

    /// Drains. Nothing is left.
    pub async fn end(self) {
        self.host.drain().await;
        let figures = self.host.figures();
        assert_eq!((figures.charged, figures.active, figures.waiting), (0, 0, 0));
        assert_eq!(self.wasm.figures().live, 0, "instances are left");
    }
}

pub fn result(outcome: Outcome) -> Value {
    let reply =
        outcome.result.unwrap_or_else(|error| panic!("{}: {error}; {:?}", error.kind(), error.logs()));
    serde_json::from_slice(&reply.body).unwrap()
}
