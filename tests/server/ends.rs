//! How requests and servers end: the caller hangs up, or the server is told to.

use crate::guests;
use crate::harness::{HANG, serve};
use kiln::Function;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Never ends by itself, nor by its time limit while any of this runs.
fn endless() -> Function {
    Function::wasm_bytes("endless", guests::endless()).timeout(Duration::from_secs(3600))
}

/// SEEDS.md E10: a caller that hangs up stops its function, and what it took is given back.
#[tokio::test(flavor = "multi_thread")]
async fn e10_hanging_up_stops_the_function() {
    let server = serve([endless()]).await;
    let mut caller = TcpStream::connect(server.address).await.unwrap();
    caller.write_all(b"POST /r/endless HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\nx").await.unwrap();
    server.until("it runs", |host| host.figures().active == 1).await;
    drop(caller);
    server.until("it has stopped", |host| host.figures().charged == 0).await;
    let counted =
        r#"kiln_invocations_total{function="endless",backend="wasm",start="cold",outcome="Cancelled"} 1"#;
    let told = async {
        while !String::from_utf8_lossy(&server.get("/metrics").await.body).lines().any(|line| line == counted)
        {
        }
    };
    tokio::time::timeout(HANG, told).await.expect("it is counted");
}

/// A caller that only closes its sending side can't be told from one that is gone, so it is taken as gone.
#[tokio::test(flavor = "multi_thread")]
async fn e10_closing_one_side_is_hanging_up() {
    let server = serve([endless()]).await;
    let mut caller = TcpStream::connect(server.address).await.unwrap();
    caller.write_all(b"POST /r/endless HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n").await.unwrap();
    server.until("it runs", |host| host.figures().active == 1).await;
    caller.shutdown().await.unwrap();
    server.until("it has stopped", |host| host.figures().charged == 0).await;
}

/// The same on HTTP/2, where one stream of many is given up.
#[tokio::test(flavor = "multi_thread")]
async fn e10_giving_up_one_of_many_streams_stops_that_one() {
    let server = serve([endless()]).await;
    let request = server.request("POST", "/r/endless", "x");
    let client = hyper_util::client::legacy::Client::builder(hyper_util::rt::TokioExecutor::new())
        .http2_only(true)
        .build_http::<http_body_util::Full<hyper::body::Bytes>>();
    let asked = tokio::spawn(client.request(request));
    server.until("it runs", |host| host.figures().active == 1).await;
    asked.abort();
    server.until("it has stopped", |host| host.figures().charged == 0).await;
    let still = server.request("GET", "/healthz", "");
    assert_eq!(client.request(still).await.unwrap().status(), 200, "the connection lives");
}

/// SEEDS.md I8: what was asked is answered, then nothing is left, and nobody is let in.
#[tokio::test(flavor = "multi_thread")]
async fn i8_ending_finishes_what_was_asked() {
    let server = serve([Function::wasm_bytes("slow", guests::slow(500))]).await;
    let mut caller = TcpStream::connect(server.address).await.unwrap();
    caller.write_all(b"POST /r/slow HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n").await.unwrap();
    // Kept open, idle: it must not hold the end up.
    let idle = TcpStream::connect(server.address).await.unwrap();
    server.until("it runs", |host| host.figures().active == 1).await;

    let (address, host) = (server.address, server.host.clone());
    let ended = server.end();
    let mut answer = Vec::new();
    tokio::time::timeout(HANG, caller.read_to_end(&mut answer)).await.expect("an answer in time").unwrap();
    let answer = String::from_utf8_lossy(&answer);
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("\r\n\r\ndone"), "{answer}");
    tokio::time::timeout(HANG, ended).await.expect("an end in time").unwrap();
    assert_eq!(host.figures().charged, 0, "no sandbox is left");
    assert!(TcpStream::connect(address).await.is_err(), "nobody is let in");
    drop(idle);
}
