//! Kiln's server with components behind it, and a client.

use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Bytes, Incoming};
use hyper::{HeaderMap, Request, Response};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use kiln::backend::wasm::{Wasm, WasmConfig};
use kiln::function::DEFAULT_NAMESPACE;
use kiln::invocation::Lines;
use kiln::pool::Figures;
use kiln::server::Server;
use kiln::{Function, Host};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// Far longer than anything here takes: it only turns a hang into a failure.
pub const HANG: Duration = Duration::from_secs(120);

/// Where compiled components are kept, for all tests of all runs: an interpreter takes long.
pub fn cache() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("components-wasm")
}

/// The fixture, in Rust: of WASI 0.2 in `tests/wasi_http`, of 0.3 in `tests/service`.
pub fn proxy() -> Function {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(crate::COMPONENT);
    Function::wasm("proxy", file).timeout(HANG)
}

/// A number that an instance says.
pub fn count(answer: &Answer) -> u32 {
    answer.text().trim_end().parse().unwrap()
}

/// A server in front of a host.
pub struct Bed {
    pub host: Host,
    pub wasm: Wasm,
    pub address: SocketAddr,
}

pub fn host() -> (Host, Wasm) {
    let budget = 2 << 30;
    let config =
        WasmConfig { cache_dir: Some(cache()), budget, max_instances: Some(64), ..WasmConfig::default() };
    let wasm = Wasm::new(config).unwrap();
    let host = Host::builder()
        .memory(budget)
        .max_body(1 << 30)
        .max_wait(HANG)
        .backend(Arc::new(wasm.clone()))
        .build()
        .unwrap();
    (host, wasm)
}

pub async fn serve(functions: impl IntoIterator<Item = Function>) -> Bed {
    let (host, wasm) = host();
    for function in functions {
        host.deploy(function).await.unwrap();
    }
    let server = Server::bind("127.0.0.1:0".parse().unwrap(), host.clone()).await.unwrap();
    let address = server.local_addr();
    tokio::spawn(server.run(std::future::pending()));
    Bed { host, wasm, address }
}

/// An answer, read to its end.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Answer {
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    /// The error that Kiln answers with: kind and text.
    pub fn error(&self) -> (String, String) {
        let body: serde_json::Value = serde_json::from_slice(&self.body).unwrap();
        (body["kind"].as_str().unwrap().to_owned(), body.to_string())
    }
}

pub fn request(method: &str, url: &str, body: impl Into<Bytes>) -> Request<Full<Bytes>> {
    Request::builder().method(method).uri(url).body(Full::new(body.into())).unwrap()
}

/// Sends a request; its answer's body is still to come.
pub async fn begin<B>(request: Request<B>) -> Response<Incoming>
where
    B: Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let client = Client::builder(TokioExecutor::new()).build_http();
    tokio::time::timeout(HANG, client.request(request)).await.expect("an answer in time").unwrap()
}

pub async fn send(request: Request<Full<Bytes>>) -> Answer {
    let (head, body) = begin(request).await.into_parts();
    let body = tokio::time::timeout(HANG, body.collect()).await.expect("a body in time").unwrap().to_bytes();
    Answer { status: head.status.as_u16(), headers: head.headers, body }
}

impl Bed {
    pub fn url(&self, path: &str) -> String {
        format!("http://{}/r/proxy{path}", self.address)
    }

    pub async fn get(&self, path: &str) -> Answer {
        send(request("GET", &self.url(path), "")).await
    }

    pub async fn post(&self, path: &str, body: impl Into<Bytes>) -> Answer {
        send(request("POST", &self.url(path), body)).await
    }

    /// Asks without the server, for the status, the body and what was logged.
    pub async fn logged(&self, path: &str) -> (u16, String, String) {
        let lines = Arc::<Lines>::default();
        let asked = kiln::invocation::Request { path, lines: Some(&lines), ..Default::default() };
        let body = Bytes::new().into();
        let answered = self.host.stream(DEFAULT_NAMESPACE, "proxy", asked, body, usize::MAX).await;
        let reply = answered.result.unwrap();
        let lines: Vec<_> = lines.finish().into_iter().map(|line| line.text).collect();
        (reply.status, String::from_utf8_lossy(&reply.body).into_owned(), lines.join("\n"))
    }

    /// Waits until the pool's figures are so.
    pub async fn until(&self, what: &str, is: impl Fn(&Figures) -> bool) {
        let wait = async {
            while !is(&self.host.figures()) {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        tokio::time::timeout(HANG, wait).await.unwrap_or_else(|_| panic!("never {what}"));
    }

    /// Drains. Nothing is left.
    pub async fn end(self) {
        self.host.drain().await;
        let figures = self.host.figures();
        assert_eq!((figures.charged, figures.active, figures.waiting), (0, 0, 0));
        assert_eq!(self.wasm.figures().live, 0, "instances are left");
    }
}
