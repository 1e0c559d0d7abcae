//! The same over HTTP: who the caller is, and what isn't carried.

use crate::docker::docker_or_skip;
use crate::driver::soon;
use crate::program::{end, host, server};
use kiln::server::Server;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

async fn said(address: std::net::SocketAddr, head: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(format!("{head}\r\nConnection: close\r\n\r\n").as_bytes()).await.unwrap();
    let mut all = String::new();
    soon(stream.read_to_string(&mut all)).await.unwrap();
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_learns_who_asks_and_no_websocket_is_opened() {
    let Some(engine) = docker_or_skip("served-http").await else { return };
    let host = host(&engine, server()).await;
    let face = Server::bind("127.0.0.1:0".parse().unwrap(), host.clone()).await.unwrap();
    let address = face.local_addr();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let served = tokio::spawn(face.run(async move { drop(stopped.await) }));

    let plain = said(address, "GET /r/app/x?y=1 HTTP/1.1\r\nHost: app.example\r\nUpgrade: h2c").await;
    for line in [
        "GET /x?y=1 HTTP/1.1",
        "Host: app.example",
        "X-Forwarded-For: 127.0.0.1",
        "X-Forwarded-Host: app.example",
        "X-Forwarded-Proto: http",
        "X-Forwarded-Prefix: /r/app",
    ] {
        assert!(plain.lines().any(|told| told == line), "{line} isn't in {plain}");
    }
    assert!(!plain.contains("h2c"), "{plain}");
    let proxied = said(
        address,
        "GET /r/app/ HTTP/1.1\r\nHost: in.example\r\nX-Forwarded-For: 192.0.2.7\r\nX-Forwarded-Proto: https\r\n\
         X-Forwarded-Host: out.example\r\nX-Forwarded-Prefix: /base\r\nKiln-Invocation-Id: forged",
    )
    .await;
    for line in [
        "X-Forwarded-For: 192.0.2.7, 127.0.0.1",
        "X-Forwarded-Host: out.example",
        "X-Forwarded-Proto: https",
        "X-Forwarded-Prefix: /base/r/app",
    ] {
        assert!(proxied.lines().any(|told| told == line), "{line} isn't in {proxied}");
    }
    assert!(!proxied.contains("forged"), "{proxied}");
    let socket = said(
        address,
        "GET /r/app/ HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAA",
    )
    .await;
    assert!(socket.starts_with("HTTP/1.1 501 ") && socket.contains("WebSockets aren't carried"), "{socket}");
    drop(stop);
    soon(served).await.unwrap();
    end(host, &engine).await;
}
