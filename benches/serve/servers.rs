//! The two servers, each a process of its own on a port of its own.

use crate::{Error, Result};
use kiln::backend::wasm::{Wasm, WasmConfig};
use kiln::server::Server;
use kiln::{Function, Host};
use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The argument that makes this program Kiln's server.
pub(crate) const ROLE: &str = "kiln";
/// Longer than compiling an interpreter takes.
const HANG: Duration = Duration::from_secs(300);
/// What is asked of each server.
const PATH: &str = "/hello";

/// Where to ask, and for what.
pub(crate) struct Target {
    pub(crate) address: SocketAddr,
    pub(crate) path: String,
}

/// Where `scripts/test-wasmtime-serve` leaves what it makes.
pub(crate) fn kept() -> PathBuf {
    let home = || Path::new(&std::env::var_os("HOME").unwrap_or_default()).join(".cache");
    std::env::var_os("XDG_CACHE_HOME").map_or_else(home, PathBuf::from).join("kiln")
}

pub(crate) fn program() -> PathBuf {
    kept().join("wasmtime-cli-48.0.8/bin/wasmtime")
}

/// A process that ends with this.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// How many requests one instance serves.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reuse {
    /// One.
    Fresh,
    /// Any number, so many at once.
    Shared(u32),
}

/// `wasmtime serve`, with a fresh instance for each request, which is its default for preview 2, said all the same.
pub(crate) struct Serve {
    address: SocketAddr,
    _process: Process,
}

impl Serve {
    pub(crate) fn start(program: &Path, component: &Path, reuse: Reuse) -> Result<Self> {
        let (each, at_once) = match reuse {
            Reuse::Fresh => (1, 1),
            Reuse::Shared(at_once) => (u32::MAX, at_once),
        };
        let address = TcpListener::bind(("127.0.0.1", 0))?.local_addr()?;
        let child = Command::new(program)
            .args(["serve", "-S", "cli", "--addr", &address.to_string()])
            .args(["--max-instance-reuse-count", &each.to_string()])
            .args(["--max-instance-concurrent-reuse-count", &at_once.to_string()])
            .arg(component)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        let mut process = Process(child);
        let began = Instant::now();
        while TcpStream::connect(address).is_err() {
            if process.0.try_wait()?.is_some() || began.elapsed() > HANG {
                return Err(format!("wasmtime doesn't serve {}", component.display()).into());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(Self { address, _process: process })
    }

    pub(crate) fn target(&self) -> Target {
        Target { address: self.address, path: PATH.into() }
    }
}

/// Kiln's server, with nothing said of the function but its file.
pub(crate) struct Kiln {
    address: SocketAddr,
    _process: Process,
}

impl Kiln {
    pub(crate) fn start(component: &Path, reuse: Reuse) -> Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        let at_once = if let Reuse::Shared(at_once) = reuse { at_once } else { 1 };
        let mut child =
            command.args([ROLE, &at_once.to_string()]).arg(component).stdout(Stdio::piped()).spawn()?;
        let stdout = child.stdout.take();
        let process = Process(child);
        let mut line = String::new();
        BufReader::new(stdout.ok_or("kiln has no stdout")?).read_line(&mut line)?;
        let address = line.trim().parse().map_err(|error| format!("kiln doesn't serve: {error}"))?;
        Ok(Self { address, _process: process })
    }

    pub(crate) fn target(&self) -> Target {
        Target { address: self.address, path: format!("/r/proxy{PATH}") }
    }
}

/// Kiln's server, with one function that takes so many requests at once: prints its address and serves until it is ended.
pub(crate) fn child(concurrency: &str, component: &Path) -> Result<()> {
    let mut function = Function::wasm("proxy", component);
    function.limits.concurrency = concurrency.parse()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let budget = 4 << 30;
        let wasm = Wasm::new(WasmConfig { budget, ..WasmConfig::default() })?;
        let host = Host::builder().memory(budget).backend(Arc::new(wasm)).build()?;
        host.deploy(function).await?;
        let server = Server::bind(([127, 0, 0, 1], 0).into(), host).await?;
        println!("{}", server.local_addr());
        server.run(std::future::pending()).await;
        Ok::<_, Error>(())
    })
}
