//! What is said when a component of WASI 0.3 is deployed.

use crate::harness::{host, proxy};
use kiln::function::Module;
use kiln::{ErrorKind, Format, Function};

async fn refused(function: Function, parts: &[&str]) {
    let error = host().0.deploy(function).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    for part in parts {
        assert!(error.to_string().contains(part), "{part:?} is not in: {error}");
    }
}

#[tokio::test]
async fn its_format_is_seen_and_several_requests_at_once_are_its_own_to_take() {
    let (host, wasm) = host();
    let mut shared = proxy();
    shared.limits.concurrency = 8;
    let implied = host.deploy(shared.clone()).await.unwrap();
    assert_eq!(host.deploy(shared.format(Format::WasiHttp)).await.unwrap(), implied);
    host.drain().await;
    assert_eq!(wasm.figures().live, 0);
}

#[tokio::test]
async fn what_serves_one_request_at_a_time_is_not_given_more() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures");
    for file in ["proxy/proxy.wasm", "echo/echo.wasm"] {
        let mut function = Function::wasm("one", root.join(file));
        function.limits.concurrency = 2;
        refused(function, &["`concurrency` is 2", "`wasi:http/handler@0.3`", "`max_sandboxes`"]).await;
    }
}

#[tokio::test]
async fn a_command_of_preview_3_is_refused_by_name() {
    let text = r#"(component (instance $i) (export "wasi:cli/run@0.3.0" (instance $i)))"#;
    let bytes = wat::parse_str(text).unwrap();
    let mut function = Function::wasm("command", "");
    function.code.wasm = Some(Module::Bytes(bytes.into()));
    refused(function, &["wasi:cli/run@0.3.0", "`wasi:http/handler` of WASI 0.3"]).await;
}
