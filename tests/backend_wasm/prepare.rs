//! Modules that can't run, and what is said about them.

use crate::support::*;
use kiln::ErrorKind;
use kiln::function::Function;

#[tokio::test]
async fn a_module_that_cannot_run_says_what_is_wrong() {
    let wasm = backend();
    let invalid = ErrorKind::InvalidInput;
    let none = Function::wasm("guest", "/does/not/exist.wasm");
    refused(&wasm, none, invalid, &["/does/not/exist.wasm", "no such file"]).await;
    refused(&wasm, oneshot(&b"\x7fELF"[..]), invalid, &["not WebAssembly"]).await;
    refused(&wasm, oneshot(""), invalid, &["not WebAssembly"]).await;
    refused(&wasm, oneshot(&b"\0asm\x01\0\0\0junk"[..]), invalid, &["not a module that can run"]).await;
    refused(&wasm, oneshot("(module (func"), invalid, &["not a module that can run"]).await;
    refused(&wasm, oneshot("(component (core"), invalid, &["not a component that can run"]).await;
    let cases = [
        (r#"(module (memory (export "memory") 1))"#, "no `_start`"),
        (r#"(module (memory (export "memory") 1) (memory 1) (func (export "_start")))"#, "2"),
        (r#"(module (memory (export "memory") 1) (func (export "_initialize")))"#, "a library"),
        (r#"(module (memory (export "memory") 1) (func (export "_start") (param i32)))"#, "`_start`"),
        (r#"(module (func (export "_start")))"#, "no `memory`"),
        (
            r#"(module (import "env" "magic" (func)) (memory (export "memory") 1) (func (export "_start")))"#,
            "`magic` from `env`",
        ),
        (
            r#"(module (import "wasi_snapshot_preview1" "fd_read" (func)) (memory (export "memory") 1)
            (func (export "_start")))"#,
            "imports don't fit",
        ),
    ];
    for (text, part) in cases {
        refused(&wasm, oneshot(text), invalid, &[part]).await;
    }
    let file = tempfile::Builder::new().suffix(".wat").tempfile().unwrap();
    std::fs::write(&file, "(module)").unwrap();
    let path = file.path().to_owned();
    refused(&wasm, Function::wasm("guest", &path), invalid, &[path.to_str().unwrap(), "no `_start`"]).await;
}
