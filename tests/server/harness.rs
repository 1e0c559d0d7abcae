//! A server on a free port, and a client for it.

pub use crate::answer::{Answer, HANG};
use http_body_util::Full;
use hyper::Request;
use hyper::body::Bytes;
use kiln::backend::wasm::{Wasm, WasmConfig};
use kiln::server::Server;
use kiln::{Function, Host, HostBuilder};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// A server that runs until it is told to end.
pub struct Running {
    pub address: SocketAddr,
    pub host: Host,
    end: oneshot::Sender<()>,
    served: JoinHandle<()>,
}

/// A host with the wasm backend alone, nothing kept on disk.
pub fn host(configure: impl FnOnce(HostBuilder) -> HostBuilder) -> Host {
    let budget = 256 << 20;
    let wasm = WasmConfig { cache_dir: None, budget, ..WasmConfig::default() };
    configure(Host::builder().memory(budget)).backend(Arc::new(Wasm::new(wasm).unwrap())).build().unwrap()
}

/// Serves functions.
pub async fn serve(functions: impl IntoIterator<Item = Function>) -> Running {
    serve_host(host(|builder| builder), functions).await
}

pub async fn serve_host(host: Host, functions: impl IntoIterator<Item = Function>) -> Running {
    for function in functions {
        host.deploy(function).await.unwrap();
    }
    let server = Server::bind("127.0.0.1:0".parse().unwrap(), host.clone()).await.unwrap();
    let address = server.local_addr();
    let (end, ended) = oneshot::channel();
    let served = tokio::spawn(server.run(async move { drop(ended.await) }));
    Running { address, host, end, served }
}

impl Running {
    pub async fn post(&self, path: &str, body: impl Into<Bytes>) -> Answer {
        self.send(self.request("POST", path, body), false).await
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.send(self.request("GET", path, ""), false).await
    }

    pub fn request(&self, method: &str, path: &str, body: impl Into<Bytes>) -> Request<Full<Bytes>> {
        let uri = format!("http://{}{path}", self.address);
        Request::builder().method(method).uri(uri).body(Full::new(body.into())).unwrap()
    }

    pub async fn send(&self, request: Request<Full<Bytes>>, http2: bool) -> Answer {
        Answer::to(request, http2).await
    }

    /// Waits until something is true of the host.
    pub async fn until(&self, what: &str, mut is: impl FnMut(&Host) -> bool) {
        let wait = async {
            while !is(&self.host) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let waited = tokio::time::timeout(HANG, wait).await;
        waited.unwrap_or_else(|_| panic!("not within {HANG:?}: {what}; {:?}", self.host.figures()));
    }

    /// Tells it to end; the task completes when nothing is left.
    pub fn end(self) -> JoinHandle<()> {
        self.end.send(()).unwrap();
        self.served
    }
}
