//! What was answered 202 ends in a record, whenever the server is killed.

use crate::serve::{Home, KEY, Serve, root};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http_body_util::{BodyExt, Full};
use hyper::Request;
use hyper::body::Bytes;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use rand::Rng;
use serde_json::{Value, json};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

const CALLS: usize = 1000;
const KILLS: usize = 5;
const CALLERS: usize = 16;

#[derive(Clone)]
struct Http {
    client: Client<HttpConnector, Full<Bytes>>,
    base: String,
}

impl Http {
    fn new(serve: &Serve) -> Self {
        Self {
            client: Client::builder(TokioExecutor::new()).build_http(),
            base: format!("{}/api/v1/namespaces/_", serve.url),
        }
    }

    /// Status and body; none where the server has gone.
    async fn ask(&self, method: &str, path: &str, body: String) -> Option<(u16, Value)> {
        let request = Request::builder()
            .method(method)
            .uri(format!("{}/{path}", self.base))
            .header("authorization", format!("Basic {}", STANDARD.encode(KEY)))
            .header("content-type", "application/json")
            .body(Full::new(body.into()))
            .unwrap();
        let response = self.client.request(request).await.ok()?;
        let status = response.status().as_u16();
        let body = response.into_body().collect().await.ok()?.to_bytes();
        Some((status, serde_json::from_slice(&body).unwrap()))
    }
}

/// The calls that were accepted so far, by id.
type Accepted = Arc<Mutex<Vec<(String, usize)>>>;

/// Calls until so many are accepted in all, or the server is gone.
async fn call(http: Http, next: Arc<AtomicUsize>, accepted: Accepted) {
    while accepted.lock().unwrap().len() < CALLS {
        let call = next.fetch_add(1, Ordering::Relaxed);
        let Some((status, body)) =
            http.ask("POST", "actions/echo", json!({ "call": call }).to_string()).await
        else {
            return;
        };
        assert_eq!(status, 202, "{body}");
        accepted.lock().unwrap().push((body["activationId"].as_str().unwrap().to_owned(), call));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_accepted_calls_have_their_records_though_the_server_is_killed_five_times() {
    let home = Home::new();
    let mut serve = home.serve();
    let code = STANDARD.encode(std::fs::read(root("fixtures/echo/echo.wasm")).unwrap());
    let action = json!({"exec": {"kind": "wasm", "code": code}}).to_string();
    let (status, body) = Http::new(&serve).ask("PUT", "actions/echo", action).await.unwrap();
    assert_eq!(status, 200, "{body}");

    let (next, accepted) = (Arc::new(AtomicUsize::new(0)), Accepted::default());
    for round in 1..=KILLS {
        let enough = accepted.lock().unwrap().len() + rand::rng().random_range(1..CALLS / KILLS);
        let http = Http::new(&serve);
        let callers: Vec<_> =
            (0..CALLERS).map(|_| tokio::spawn(call(http.clone(), next.clone(), accepted.clone()))).collect();
        while accepted.lock().unwrap().len() < enough {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        serve.kill();
        for caller in callers {
            caller.await.unwrap();
        }
        eprintln!("killed {round} times, {} accepted", accepted.lock().unwrap().len());
        serve = home.serve();
    }
    let http = Http::new(&serve);
    let callers: Vec<_> =
        (0..CALLERS).map(|_| tokio::spawn(call(http.clone(), next.clone(), accepted.clone()))).collect();
    for caller in callers {
        caller.await.unwrap();
    }

    let accepted = std::mem::take(&mut *accepted.lock().unwrap());
    assert!(accepted.len() >= CALLS);
    let mut ended = 0;
    for (id, call) in &accepted {
        let record = async {
            loop {
                let (status, record) =
                    http.ask("GET", &format!("activations/{id}"), String::new()).await.unwrap();
                if status == 200 {
                    return record;
                }
                assert_eq!(status, 404, "{record}");
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let record = tokio::time::timeout(Duration::from_secs(120), record).await;
        let record = record.unwrap_or_else(|_| panic!("call {call} has no record {id}"));
        // One that was running at three of the kills is given up, and its record says so.
        if record["response"]["success"] == true {
            assert_eq!(record["response"]["result"], json!({ "call": call }));
            ended += 1;
        }
    }
    assert!(ended * 10 >= accepted.len() * 9, "{ended} of {} ran", accepted.len());
}
