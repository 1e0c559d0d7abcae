//! Kiln runs functions from WebAssembly modules, container images and source code, kept warm behind one pool.
//!
//! A [`Function`] is what a user declares: its code, how requests are written on its stdin, what it may take. A [`Host`]
//! deploys functions and runs [`Invocation`]s of them, on sandboxes that its [`pool`] keeps warm under one memory budget.
//! Whether a function is a module or an image is the [`backend`]'s matter: request, reply, limits and errors are the same.
//!
#![cfg_attr(feature = "wasm", doc = "```")]
#![cfg_attr(not(feature = "wasm"), doc = "```ignore")]
//! use kiln::backend::wasm::{Wasm, WasmConfig};
//! use kiln::{Function, Host, Invocation};
//! use std::sync::Arc;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> kiln::Result<()> {
//! let builder = Host::builder().memory(64 << 20);
//! let wasm = Wasm::new(WasmConfig { budget: builder.budget(), ..WasmConfig::default() })?;
//! let host = builder.backend(Arc::new(wasm)).build()?;
//!
//! let module = r#"(module
//!   (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
//!   (memory (export "memory") 1)
//!   (data (i32.const 0) "\08\00\00\00\05\00\00\00hello")
//!   (func (export "_start") (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 16)))))"#;
//! host.deploy(Function::wasm_bytes("greet", module)).await?;
//!
//! let outcome = host.invoke("greet", Invocation::new("")).await;
//! assert_eq!(outcome.result?.body, "hello");
//! host.drain().await;
//! # Ok(())
//! # }
//! ```

#![warn(missing_docs, unreachable_pub)]

pub mod backend;
#[cfg(feature = "cli")]
pub mod bench;
#[cfg(feature = "cli")]
pub mod cli;
pub mod error;
mod exchange;
pub mod format;
pub mod function;
pub mod host;
#[cfg(feature = "store")]
pub mod intake;
pub mod invocation;
pub mod manifest;
#[cfg(feature = "openwhisk")]
pub mod openwhisk;
pub mod pool;
mod revision;
pub mod runtime;
#[cfg(feature = "server")]
pub mod server;
#[cfg(feature = "store")]
pub mod store;
#[cfg(any(feature = "wasm", feature = "cli"))]
mod xdg;

pub use error::{Error, ErrorKind, Result};
pub use function::{BackendKind, Code, Format, Function, Limits, Source};
pub use host::{Host, HostBuilder};
pub use invocation::{Invocation, InvocationId, Outcome, Phases, Reply, Start, Timings};
pub use revision::Revision;
pub use runtime::Runtime;
