//! Fn's `http-stream`: with PyPI's `fdk`, unmodified, and with what no FDK does.

use crate::docker::{BUSYBOX, Engine, docker_or_skip, skip};
use crate::driver::soon;
use crate::program::{end, host};
use kiln::function::{DEFAULT_NAMESPACE, MIB};
use kiln::invocation::{Outcome, Reply};
use kiln::{Error, ErrorKind, Format, Function, Host, Invocation, Start};
use serde_json::{Value, json};
use std::time::Duration;

const IMAGE: &str = "kiln-fixture-fdk:1";

/// An engine with the FDK's image, or `None` after saying that the test is skipped.
async fn fdk_or_skip(name: &str) -> Option<Engine> {
    let engine = docker_or_skip(name).await?;
    let Err(why) = engine.client.inspect_image(IMAGE).await else { return Some(engine) };
    let why = format!("{name}: no image {IMAGE} ({why}); run scripts/test-runtimes");
    assert!(std::env::var("KILN_REQUIRE_RUNTIMES").as_deref() != Ok("1"), "{why}");
    skip(&why);
    None
}

fn function() -> Function {
    let mut function = Function::image("app", IMAGE).format(Format::HttpStream).memory(128 * MIB);
    // Other tests share the machine.
    function.limits.start_timeout = Duration::from_secs(60);
    function.env("LEVEL", "high")
}

/// A request that came over HTTP, or didn't.
async fn asked(host: &Host, over_http: bool, arguments: &Value) -> Outcome {
    let mut invocation = Invocation::new(arguments.to_string());
    invocation.headers =
        vec![("Content-Type".into(), "application/json".into()), ("X-Name".into(), "you".into())];
    if over_http {
        invocation.method = "PUT".into();
        invocation.url = "http://app.example/r/app/way?x=1".into();
    }
    soon(host.invoke("app", invocation)).await
}

async fn replied(host: &Host, over_http: bool, arguments: Value) -> (Option<Start>, Reply) {
    let outcome = asked(host, over_http, &arguments).await;
    (outcome.start, outcome.result.unwrap_or_else(|error| panic!("{error}: {:?}", error.logs())))
}

async fn failed(host: &Host, arguments: Value) -> Error {
    asked(host, true, &arguments).await.result.expect_err("it should have failed")
}

fn read(reply: &Reply) -> Value {
    serde_json::from_slice(&reply.body).unwrap()
}

#[tokio::test]
async fn an_fdk_is_told_what_fn_tells_it() {
    let Some(engine) = fdk_or_skip("fdk-told").await else { return };
    let host = host(&engine, function()).await;
    let (start, direct) = replied(&host, false, json!({"a": [1, "\u{e9}"]})).await;
    assert_eq!(start, Some(Start::Cold));
    let told = read(&direct);
    assert_eq!(told["asked"], json!({"a": [1, "\u{e9}"]}));
    assert_eq!(
        (&told["level"], &told["type"], &told["memory"]),
        (&json!("high"), &json!("sync"), &json!("128"))
    );
    assert_eq!((&told["app"], &told["function"]), (&json!(DEFAULT_NAMESPACE), &json!("app")));
    assert_eq!(told["call"].as_str().unwrap().len(), 32);
    assert!(told["deadline"].as_str().unwrap().ends_with('Z'), "{told}");
    assert_eq!((&told["method"], &told["headers"]["x-name"]), (&Value::Null, &json!("you")));
    assert_eq!(direct.content_type(), Some("application/json"));
    assert!(header_of(&direct, "Fn-Fdk-Version").is_some_and(|version| version.starts_with("fdk-python/")));

    let (start, triggered) = replied(&host, true, json!({})).await;
    assert_eq!(start, Some(Start::Warm));
    let told = read(&triggered);
    assert_eq!((&told["method"], &told["url"]), (&json!("PUT"), &json!("http://app.example/r/app/way?x=1")));
    assert_eq!(told["headers"]["x-name"], "you");
    assert_eq!(triggered.status, 200);
    assert_eq!(header_of(&triggered, "Fn-Fdk-Version"), None, "what isn't the caller's stays behind");
    let (_, told) = replied(&host, true, json!({"do": "status", "status": 418})).await;
    assert_eq!((told.status, &told.body[..], header_of(&told, "x-mine")), (418, &b"told"[..], Some("yes")));
    let (_, told) = replied(&host, false, json!({"do": "status", "status": 418})).await;
    assert_eq!(told.status, 200, "who doesn't come over HTTP gets the FDK's own");
    let (_, large) = replied(&host, true, json!({"do": "large", "bytes": 3 << 20})).await;
    assert_eq!(large.body.len(), 3 << 20);
    end(host, &engine).await;
}

fn header_of<'a>(reply: &'a Reply, name: &str) -> Option<&'a str> {
    reply.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
}

#[tokio::test]
async fn what_an_fdk_says_of_its_function_decides_over_its_sandbox() {
    let Some(engine) = fdk_or_skip("fdk-fails").await else { return };
    let host = host(&engine, function().timeout(Duration::from_secs(5))).await;
    let pid = read(&replied(&host, true, json!({})).await.1)["pid"].clone();
    for (what, kind, words) in [
        ("raise", ErrorKind::FunctionFailed, "function failed: as it was asked to"),
        ("time out", ErrorKind::TimedOut, "as it was asked to"),
    ] {
        let error = failed(&host, json!({"do": what})).await;
        assert_eq!(error.kind(), kind, "{what}: {error}");
        assert!(error.message().contains(words), "{what}: {error}");
        let (start, reply) = replied(&host, true, json!({})).await;
        assert_eq!((start, &read(&reply)["pid"]), (Some(Start::Warm), &pid), "{what} keeps it");
    }
    for (asked, kind) in [
        (json!({"do": "exit"}), ErrorKind::FunctionFailed),
        (json!({"do": "sleep", "seconds": 100}), ErrorKind::TimedOut),
    ] {
        let error = failed(&host, asked.clone()).await;
        assert_eq!(error.kind(), kind, "{asked}: {error}");
        let (start, _) = replied(&host, true, json!({})).await;
        assert_eq!(start, Some(Start::Cold), "{asked} costs it");
    }
    end(host, &engine).await;
}

#[tokio::test]
async fn a_listener_that_is_none_is_told() {
    let Some(engine) = docker_or_skip("fdk-listener").await else { return };
    for (script, kind, words) in [
        (
            "ln -s /etc/passwd /tmp/iofs/lsnr.sock; sleep 100",
            ErrorKind::FunctionFailed,
            "leaves its directory",
        ),
        ("ln -s ../x /tmp/iofs/lsnr.sock; sleep 100", ErrorKind::FunctionFailed, "leaves its directory"),
        (
            "echo > /tmp/iofs/f; ln -s f /tmp/iofs/lsnr.sock; sleep 100",
            ErrorKind::FunctionFailed,
            "no socket",
        ),
        ("sleep 100", ErrorKind::TimedOut, "/tmp/iofs/lsnr.sock doesn't listen"),
        ("exit 4", ErrorKind::FunctionFailed, "code 4"),
    ] {
        let mut function = Function::image("app", BUSYBOX).format(Format::HttpStream).memory(16 * MIB);
        function.args = ["sh", "-c", script].map(String::from).to_vec();
        assert_eq!(function.limits.start_timeout, Duration::from_secs(5));
        if kind != ErrorKind::TimedOut {
            function.limits.start_timeout = Duration::from_secs(60);
        }
        let host = host(&engine, function).await;
        let error = failed(&host, json!({})).await;
        assert_eq!(error.kind(), kind, "{script}: {error}");
        assert!(error.message().contains(words), "{script}: {error}");
        end(host, &engine).await;
    }
}
