//! Requests that a component sends: none, but to whom its function names.

use crate::harness::{proxy, serve};
use kiln::Function;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

/// A server that answers every request alike, and how many came.
async fn other() -> (u16, Arc<AtomicUsize>) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let (port, count) = (listener.local_addr().unwrap().port(), Arc::<AtomicUsize>::default());
    let counted = count.clone();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            counted.fetch_add(1, Ordering::Relaxed);
            let mut request = [0; 1024];
            let _ = stream.read(&mut request).await.unwrap();
            let reply = "HTTP/1.1 203 So\r\nContent-Length: 6\r\nConnection: close\r\n\r\nother\n";
            stream.write_all(reply.as_bytes()).await.unwrap();
        }
    });
    (port, count)
}

fn reaching(hosts: &[String]) -> Function {
    let mut function = proxy();
    function.outbound = hosts.iter().map(|host| host.parse().unwrap()).collect();
    function
}

#[tokio::test]
async fn a_host_that_is_not_named_is_not_reached_and_the_log_says_what_to_add() {
    let (port, count) = other().await;
    let named = [format!("127.0.0.1:{}", port - 1), format!("localhost:{port}")];
    for function in [proxy(), reaching(&named)] {
        let bed = serve([function]).await;
        let (status, said, lines) = bed.logged(&format!("/fetch/127.0.0.1:{port}/x")).await;
        assert_eq!(status, 502);
        assert!(said.contains("HttpRequestDenied"), "{said}");
        assert!(lines.contains(&format!("add \"127.0.0.1:{port}\" to the function's `outbound`")), "{lines}");
        bed.end().await;
    }
    assert_eq!(count.load(Ordering::Relaxed), 0);
}

#[cfg(feature = "outbound")]
#[tokio::test]
async fn a_host_that_is_named_is_reached() {
    let (port, count) = other().await;
    let bed = serve([reaching(&[format!("127.0.0.1:{port}")])]).await;
    let answer = bed.get(&format!("/fetch/127.0.0.1:{port}/x")).await;
    assert_eq!((answer.status, answer.text()), (203, "other\n"));
    assert_eq!(count.load(Ordering::Relaxed), 1);
    bed.end().await;
}
