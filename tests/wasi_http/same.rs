//! The same requests to Kiln's server and to `wasmtime serve`, for components made by three toolchains for each version of WASI:
//! replies are the same.
//!
//! `scripts/test-wasmtime-serve` makes what it needs; `KILN_REQUIRE_SERVE=1` makes it required.

use crate::harness::{Answer, HANG, begin, request, send, serve};
use hyper::HeaderMap;
use hyper::header::{HeaderName, HeaderValue};
use kiln::Function;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A file that is made by a script; `None` after saying that the test is skipped.
fn made(file: PathBuf) -> Option<PathBuf> {
    if file.is_file() {
        return Some(file);
    }
    let test = std::thread::current().name().unwrap_or_default().to_owned();
    let why = format!("{test}: there is no {}: run scripts/test-wasmtime-serve", file.display());
    assert!(std::env::var("KILN_REQUIRE_SERVE").as_deref() != Ok("1"), "{why}");
    eprintln!("skipped: {why}");
    None
}

fn kept() -> PathBuf {
    let home = || Path::new(&std::env::var_os("HOME").unwrap_or_default()).join(".cache");
    std::env::var_os("XDG_CACHE_HOME").map_or_else(home, PathBuf::from).join("kiln")
}

/// `wasmtime serve` on a port of its own.
struct Serve {
    child: Child,
    port: u16,
}

impl Serve {
    async fn start(program: &Path, component: &Path) -> Self {
        // Free a moment ago: whoever takes it meanwhile makes the start fail, not the replies wrong.
        let port = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port();
        let child = Command::new(program)
            .args(["serve", "-S", "cli", "--addr", &format!("127.0.0.1:{port}")])
            // As Kiln does it: components of WASI 0.3 would be given more.
            .args(["--max-instance-reuse-count", "1"])
            .arg(component)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut serve = Self { child, port };
        let began = Instant::now();
        // It compiles first.
        while tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_err() {
            assert!(serve.child.try_wait().unwrap().is_none(), "wasmtime serve has ended");
            assert!(began.elapsed() < HANG, "wasmtime serve doesn't listen");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        serve
    }
}

impl Drop for Serve {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What of a reply's head is the component's.
fn own(headers: &HeaderMap) -> Vec<(String, String)> {
    let framing = ["date", "content-length", "transfer-encoding"];
    let mut own: Vec<_> = headers
        .iter()
        .filter(|(name, _)| !framing.contains(&name.as_str()) && !name.as_str().starts_with("kiln-"))
        .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()))
        .collect();
    own.sort();
    own
}

struct Asked {
    method: &'static str,
    path: &'static str,
    headers: &'static [(&'static str, &'static str)],
    body: usize,
}

const fn asked(method: &'static str, path: &'static str, body: usize) -> Asked {
    Asked { method, path, headers: &[], body }
}

const REQUESTS: [Asked; 16] = [
    asked("GET", "/hello", 0),
    asked("HEAD", "/hello", 0),
    asked("GET", "/hello?x=1", 0),
    asked("POST", "/hello", 10),
    asked("POST", "/echo", 0),
    asked("POST", "/echo", 1),
    Asked { method: "POST", path: "/echo", headers: &[("content-type", "image/png")], body: 4097 },
    asked("PUT", "/echo", 100_000),
    asked("POST", "/echo", 3 << 20),
    Asked {
        method: "GET",
        path: "/headers/a%20b?c=d&e=%C3%A9",
        headers: &[("x-one", "1"), ("x-two", "2; q=\"x\""), ("accept", "*/*"), ("X-Three", "caf\u{e9}")],
        body: 0,
    },
    asked("PATCH", "/headers", 3),
    asked("GET", "/status/201", 0),
    asked("GET", "/status/404", 0),
    asked("GET", "/status/503", 0),
    asked("GET", "/count", 0),
    asked("GET", "/nowhere/else", 0),
];

async fn ask(base: &str, asked: &Asked) -> Answer {
    let body: Vec<u8> = (0..asked.body).map(|at| (at % 251) as u8).collect();
    let mut request = request(asked.method, &format!("{base}{}", asked.path), body);
    for (name, value) in asked.headers {
        let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
        request.headers_mut().append(name, HeaderValue::from_str(value).unwrap());
    }
    send(request).await
}

async fn replies_are_the_same(component: PathBuf) {
    let Some(component) = made(component) else { return };
    let Some(program) = made(kept().join("wasmtime-cli-48.0.8/bin/wasmtime")) else { return };
    let theirs = Serve::start(&program, &component).await;
    let mut function = Function::wasm("proxy", &component).timeout(HANG);
    function.limits.start_timeout = HANG;
    let ours = serve([function]).await;
    let (of_ours, of_theirs) = (ours.url(""), format!("http://127.0.0.1:{}", theirs.port));
    for asked in &REQUESTS {
        let (ours, theirs) = (ask(&of_ours, asked).await, ask(&of_theirs, asked).await);
        let what = format!("{} {}, {} bytes", asked.method, asked.path, asked.body);
        assert_eq!(ours.status, theirs.status, "{what}");
        assert_eq!(own(&ours.headers), own(&theirs.headers), "{what}");
        assert!(ours.body == theirs.body, "{what}: {:.200?} and {:.200?}", ours.body, theirs.body);
        assert!(asked.path != "/echo" || ours.body.len() == asked.body, "{what}");
    }
    // A component that fails: who says so, and how, is the host's own.
    for path in ["/trap"] {
        let ours = begin(request("GET", &format!("{of_ours}{path}"), "")).await.status();
        let theirs = begin(request("GET", &format!("{of_theirs}{path}"), "")).await.status();
        assert!(ours.is_server_error() && theirs.is_server_error(), "{path}: {ours} and {theirs}");
    }
    ours.end().await;
}

#[tokio::test]
async fn rust_replies_as_under_wasmtime_serve() {
    replies_are_the_same(Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/proxy/proxy.wasm")).await;
}

#[tokio::test]
async fn python_replies_as_under_wasmtime_serve() {
    replies_are_the_same(kept().join("components/python.wasm")).await;
}

#[tokio::test]
async fn javascript_replies_as_under_wasmtime_serve() {
    replies_are_the_same(kept().join("components/js.wasm")).await;
}

#[cfg(feature = "preview3")]
#[tokio::test]
async fn rust_of_preview_3_replies_as_under_wasmtime_serve() {
    replies_are_the_same(Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/service/service.wasm")).await;
}

#[cfg(feature = "preview3")]
#[tokio::test]
async fn python_of_preview_3_replies_as_under_wasmtime_serve() {
    replies_are_the_same(kept().join("components/python-service.wasm")).await;
}

#[cfg(feature = "preview3")]
#[tokio::test]
async fn javascript_of_preview_3_replies_as_under_wasmtime_serve() {
    replies_are_the_same(kept().join("components/js-service.wasm")).await;
}
