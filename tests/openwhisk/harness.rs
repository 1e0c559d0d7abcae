//! A server with the API on a free port, and a client with a key.

pub use crate::answer::{Answer, HANG};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http_body_util::Full;
use hyper::Request;
use hyper::body::Bytes;
use kiln::backend::{Backend, fake};
use kiln::function::Module;
use kiln::openwhisk::{Namespace, OpenWhisk, OpenWhiskConfig, Ranges};
use kiln::server::Server;
use kiln::store::Store;
use kiln::{BackendKind, Host, Runtime};
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// The keys of two namespaces.
pub const GUEST: &str = "23bc46b1-71f6-4ed5-8c54-816aa4f8c502:guests-own-key";
pub const OTHER: &str = "789c46b1-71f6-4ed5-8c54-816aa4f8c502:others-own-key";

/// Where actions are told that the API is.
pub const API_HOST: &str = "http://here:8080";

pub struct Api {
    pub address: SocketAddr,
    pub host: Host,
    pub store: Store,
    pub wasm: fake::Handle,
    end: oneshot::Sender<()>,
    served: JoinHandle<()>,
}

/// What only this API says.
impl Answer {
    /// The status, and what it says that is wrong.
    pub fn error(&self) -> (u16, String) {
        let body = self.json();
        assert!(body["code"].as_str().is_some_and(|code| !code.is_empty()), "{body}");
        (self.status, body["error"].as_str().unwrap().to_owned())
    }

    #[track_caller]
    pub fn ok(self) -> Value {
        assert_eq!(self.status, 200, "{}", self.text());
        self.json()
    }
}

/// A server with nothing in it.
pub async fn api() -> Api {
    with(Store::memory().unwrap(), Ranges::default(), 512 << 20).await
}

/// A server over a store.
pub async fn with(store: Store, ranges: Ranges, memory: u64) -> Api {
    let (docker, _) = fake::backend(BackendKind::Docker);
    over(docker, store, ranges, memory).await
}

/// A server whose images run on a backend.
pub async fn over(docker: Arc<dyn Backend>, store: Store, ranges: Ranges, memory: u64) -> Api {
    let (backend, wasm) = fake::backend(BackendKind::Wasm);
    let lines = Runtime::new("lines").kind("lines:default").kind("lines:1");
    let lines = lines.wasm(Module::Bytes("runtime".into()));
    let host = Host::builder().memory(memory).backend(backend).backend(docker).runtime(lines);
    // What its loading logs, and how long that takes, is for each cold start to tell.
    let host = host.snapshots(false).max_wait(Duration::from_secs(2)).build().unwrap();
    let namespace = |name: &str, key: &str| Namespace { name: name.into(), key: key.into() };
    let config = OpenWhiskConfig {
        namespaces: vec![namespace("guest", GUEST), namespace("other", OTHER)],
        ranges,
        api_host: Some(API_HOST.into()),
        ..OpenWhiskConfig::default()
    };
    let api = OpenWhisk::open(host.clone(), store.clone(), config).await.unwrap();
    let failed = api.start().await;
    assert!(failed.is_empty(), "{failed:?}");
    let server = Server::bind("127.0.0.1:0".parse().unwrap(), host.clone()).await.unwrap().openwhisk(api);
    let address = server.local_addr();
    let (end, ended) = oneshot::channel();
    let served = tokio::spawn(server.run(async move { drop(ended.await) }));
    Api { address, host, store, wasm, end, served }
}

impl Api {
    /// A request with the guest's key, below `/api/v1/namespaces/_/` where the path isn't whole.
    pub async fn ask(&self, method: &str, path: &str, body: Value) -> Answer {
        self.ask_as(Some(GUEST), method, path, body).await
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, Value::Null).await
    }

    pub async fn ask_as(&self, key: Option<&str>, method: &str, path: &str, body: Value) -> Answer {
        let body = if body.is_null() { Bytes::new() } else { body.to_string().into() };
        let lead = if path.starts_with('/') { "" } else { "/api/v1/namespaces/_/" };
        let mut request = Request::builder()
            .method(method)
            .uri(format!("http://{}{lead}{path}", self.address))
            .header("content-type", "application/json");
        if let Some(key) = key {
            request = request.header("authorization", format!("Basic {}", STANDARD.encode(key)));
        }
        self.send(request.body(Full::new(body)).unwrap()).await
    }

    /// Any request.
    pub async fn send(&self, request: Request<Full<Bytes>>) -> Answer {
        Answer::to(request, false).await
    }

    /// Declares an action in the fake backend's language.
    pub async fn create(&self, name: &str, code: &str) -> Value {
        let exec = json!({"exec": {"kind": "lines:default", "code": code}});
        self.ask("PUT", &format!("actions/{name}"), exec).await.ok()
    }

    /// An activation, once it is there.
    pub async fn activation(&self, id: &str) -> Value {
        let wait = async {
            loop {
                let answer = self.get(&format!("activations/{id}")).await;
                if answer.status == 200 {
                    return answer.json();
                }
                assert_eq!(answer.status, 404);
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(HANG, wait).await.expect("a record in time")
    }

    /// Ends the server; returns when nothing is left.
    pub async fn end(self) {
        self.end.send(()).unwrap();
        tokio::time::timeout(HANG, self.served).await.expect("it ends").unwrap();
    }
}
