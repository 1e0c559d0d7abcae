//! What is said when a component can't be served.

use crate::harness::{host, proxy};
use kiln::{ErrorKind, Format, Function};

async fn refused(function: Function, parts: &[&str]) {
    let (host, _) = host();
    let error = host.deploy(function).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
    for part in parts {
        assert!(error.message().contains(part), "{error} doesn't say {part:?}");
    }
}

fn component(text: &str) -> Function {
    Function::wasm_bytes("c", text.to_owned())
}

/// A component that exports a handler of nothing, with these imports.
fn importing(imports: &str) -> Function {
    component(&format!(
        r#"(component {imports} (instance $i) (export "wasi:http/incoming-handler@0.2.0" (instance $i)))"#
    ))
}

#[tokio::test]
async fn each_import_that_is_not_there_is_named_with_what_does_instead() {
    let imports = r#"(import "wasi:config/store@0.2.0-rc.1" (instance))
        (import "wasi:keyvalue/store@0.2.0-draft2" (instance))
        (import "fermyon:spin/variables@2.0.0" (instance))
        (import "acme:own/thing" (instance))"#;
    let named = [
        "`wasi:config/store@0.2.0-rc.1`, `wasi:keyvalue/store@0.2.0-draft2`, `fermyon:spin/variables@2.0.0`, `acme:own/thing`",
        "give them as the function's `env`",
        "name its host in the function's `outbound`",
        "`wac plug`",
    ];
    refused(importing(imports), &named).await;
}

#[tokio::test]
async fn a_format_that_is_said_otherwise_is_refused() {
    for format in [Format::Http, Format::Json, Format::Frame] {
        let said = format!("`format` is `{format}`");
        refused(proxy().format(format), &[&said, "`wasi-http`", "leave it out"]).await;
    }
    refused(proxy().format(Format::Openwhisk), &["`openwhisk`"]).await;
    let (host, _) = host();
    let implied = host.deploy(proxy()).await.unwrap();
    assert_eq!(
        host.deploy(proxy().format(Format::WasiHttp)).await.unwrap(),
        implied,
        "saying it changes nothing"
    );
    refused(Function::wasm_bytes("m", "(module)").format(Format::WasiHttp), &["_start"]).await;
    let module = r#"(module (memory (export "memory") 1) (func (export "_start")))"#;
    refused(Function::wasm_bytes("m", module).format(Format::WasiHttp), &["`wasi:http/incoming-handler`"])
        .await;
    let image = Function::image("i", "i:1").format(Format::WasiHttp).validate().unwrap_err();
    assert!(image.message().contains("give `wasm`"), "{image}");
}

#[tokio::test]
async fn a_component_that_is_neither_command_nor_handler_is_refused() {
    let other = r#"(component (instance $i) (export "acme:own/thing" (instance $i)))"#;
    refused(component(other), &["`wasi:cli/run`", "`wasi:http/incoming-handler`", "`acme:own/thing`"]).await;
}

#[tokio::test]
async fn more_memory_than_it_may_have_is_refused_when_it_is_deployed() {
    refused(proxy().memory(1 << 16), &["`memory` is 65536 bytes"]).await;
}
