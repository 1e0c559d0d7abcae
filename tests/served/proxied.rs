//! What a server gets and gives.

use crate::docker::docker_or_skip;
use crate::program::{asked, end, get, host, replied, server, text};
use kiln::{Invocation, Start};

#[tokio::test]
async fn a_server_gets_what_its_caller_asked_and_its_caller_what_it_answered() {
    let Some(engine) = docker_or_skip("served-proxied").await else { return };
    let host = host(&engine, server()).await;
    let mut invocation = Invocation::new("hello");
    (invocation.method, invocation.path) = ("PUT".into(), "/any/where?x=1&y=%20".into());
    invocation.url = "http://app.example:8443/r/app/any/where?x=1&y=%20".into();
    let headers =
        [("X-Mine", "1"), ("x-mine", "2"), ("Connection", "x-hop"), ("X-Hop", "no"), ("Accept", "a/b")];
    invocation.headers = headers.map(|(name, value)| (name.into(), value.into())).to_vec();
    let id = invocation.id;
    let reply = replied(host.invoke("app", invocation).await);
    let told = String::from_utf8(reply.body.to_vec()).unwrap();
    for line in [
        "PUT /any/where?x=1&y=%20 HTTP/1.1",
        "Host: app.example:8443",
        "Content-Length: 5",
        "X-Mine: 1",
        "x-mine: 2",
        "Accept: a/b",
        "X-Forwarded-Host: app.example:8443",
        "X-Forwarded-Proto: http",
        "X-Forwarded-Prefix: /r/app",
        &format!("Kiln-Invocation-Id: {id}"),
        "connection 1, request 1",
    ] {
        assert!(told.lines().any(|told| told == line), "{line} isn't in {told}");
    }
    assert!(!told.to_ascii_lowercase().contains("x-hop"), "{told}");
    let cookies: Vec<_> = reply.headers.iter().filter(|(name, _)| name == "Set-Cookie").collect();
    assert_eq!(cookies.len(), 2, "{:?}", reply.headers);
    assert_eq!(reply.content_type(), Some("text/plain"));
    end(host, &engine).await;
}

#[tokio::test]
async fn any_status_is_a_reply_and_one_connection_serves_many() {
    let Some(engine) = docker_or_skip("served-status").await else { return };
    let host = host(&engine, server()).await;
    for status in [200, 201, 302, 400, 404, 418, 500, 503, 599] {
        let reply = get(&host, &format!("/status/{status}")).await;
        assert_eq!((reply.status, reply.body), (status, status.to_string().into()));
    }
    for status in [204, 304] {
        let reply = get(&host, &format!("/bodyless/{status}")).await;
        assert_eq!((reply.status, reply.body.len()), (status, 0));
        assert!(reply.headers.iter().any(|(name, _)| name == "X-Mine"));
    }
    let reply = replied(asked(&host, "HEAD", "/bodyless/200", "").await);
    assert_eq!((reply.status, reply.body.len()), (200, 0));
    assert_eq!(text(&host, "/interim").await, "after all");
    let told = text(&host, "/").await;
    assert!(told.contains("Host: localhost") && told.contains("connection 1, request 14"), "{told}");
    end(host, &engine).await;
}

#[tokio::test]
async fn a_server_is_told_its_port_and_has_no_network() {
    let Some(engine) = docker_or_skip("served-port").await else { return };
    let mut function = server();
    function.port = Some(3000);
    let host = host(&engine, function).await;
    let outcome = asked(&host, "GET", "/env/PORT", "").await;
    assert_eq!(outcome.start, Some(Start::Cold));
    assert_eq!(replied(outcome).body, "3000");
    assert_eq!(text(&host, "/interfaces").await, "lo");
    end(host, &engine).await;
}

#[tokio::test]
async fn one_that_asks_for_a_network_has_it() {
    let Some(engine) = docker_or_skip("served-network").await else { return };
    let mut function = server();
    function.network = Some("bridge".into());
    let host = host(&engine, function).await;
    assert_eq!(text(&host, "/interfaces").await, "eth0,lo");
    end(host, &engine).await;
}
