//! What a function is told beside the body, and what reaches its caller beside the reply's.

use crate::bench::{Bench, ask, reply, request};
use kiln::Format;
use serde_json::Value;

/// SEEDS.md E11.
pub async fn e11_status_and_headers_reach_the_caller(bench: &mut Bench) {
    bench.deploy(bench.echo("echo")).await;
    for status in [200, 201, 404, 503] {
        let reply = bench.reply("echo", &format!("/status/{status}"), "body").await;
        assert_eq!((reply.status, &reply.body[..]), (status, &b"body"[..]));
        let echo = reply.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("x-echo"));
        assert_eq!(echo.map(|(_, value)| value.as_str()), Some("yes"), "{:?}", reply.headers);
    }
}

pub async fn the_function_is_told_of_the_request(bench: &mut Bench) {
    bench.deploy(bench.echo("echo")).await;
    let mut invocation = request(bench.format, "/meta?one=1&two=2", "body");
    invocation.method = "PUT".into();
    invocation.headers =
        vec![("X-Kiln-Test".into(), "seven, eight".into()), ("Content-Type".into(), "text/plain".into())];
    let id = invocation.id;
    let told = reply(bench.host.invoke("echo", invocation).await).body;
    let told: Value = serde_json::from_slice(&told).unwrap();
    assert_eq!(told["method"], "PUT", "{told}");
    assert_eq!(told["path"], "/meta?one=1&two=2", "{told}");
    assert_eq!(told["headers"]["x-kiln-test"], "seven, eight", "{told}");
    assert_eq!(told["content_type"], "text/plain", "{told}");
    let deadline = told["deadline"].as_str().unwrap();
    match bench.format {
        Format::Frame => {
            assert_eq!(told["call_id"], id.low().to_string(), "{told}");
            let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
            assert!(deadline.parse::<u128>().unwrap() > now.as_millis(), "{told}");
        }
        _ => {
            assert_eq!(told["call_id"], id.to_string(), "{told}");
            assert!(deadline.starts_with("20") && deadline.ends_with('Z'), "{told}");
        }
    }
}

pub async fn the_environment_is_the_declared_one(bench: &mut Bench) {
    bench.deploy(bench.echo("echo").env("KILN_TEST", "declared = here")).await;
    let env = bench.text("echo", "/env", "").await;
    let has = |line: &str| env.lines().any(|each| each == line);
    assert!(has("KILN_TEST=declared = here"), "{env}");
    assert!(has(&format!("FN_FORMAT={}", bench.format)), "{env}");
    assert!(has("FN_MEMORY=32"), "{env}");
    // cargo sets it for this process.
    assert!(!env.contains("CARGO_MANIFEST_DIR"), "the host's environment is not the function's: {env}");
}

/// SEEDS.md E3: one caller's credentials never reach another's environment.
pub async fn e3_no_caller_is_in_anothers_environment(bench: &mut Bench) {
    bench.deploy(bench.echo("echo")).await;
    let mut seen = Vec::new();
    for secret in ["secret-one", "secret-two"] {
        let mut invocation = request(bench.format, "/env", "");
        invocation.headers = vec![("Authorization".into(), secret.into())];
        let env = reply(ask(&bench.host, bench.format, "echo", invocation).await).body;
        seen.push(String::from_utf8(env.into()).unwrap());
    }
    assert!(!seen[1].contains("secret-one"), "{}", seen[1]);
    let own = bench.format == Format::Default;
    assert_eq!(seen[0].contains("FN_HEADER_AUTHORIZATION=secret-one"), own, "{}", seen[0]);
    assert_eq!(seen[1].contains("FN_HEADER_AUTHORIZATION=secret-two"), own, "{}", seen[1]);
}

pub async fn arguments(bench: &mut Bench) {
    let mut function = bench.echo("echo");
    function.args = vec!["one".into(), "two words".into(), "$HOME \"é\"".into()];
    bench.deploy(function).await;
    assert_eq!(bench.text("echo", "/args", "").await, "one\ntwo words\n$HOME \"é\"\n");
}
