//! `wasi:http` components, as they are: under Kiln's server, and beside `wasmtime serve`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    unreachable_pub
)]
#![cfg(all(feature = "server", feature = "http-components"))]

mod deploys;
mod ends;
mod fetches;
mod harness;
mod replies;
mod same;
mod streams;

/// What is served.
const COMPONENT: &str = "fixtures/proxy/proxy.wasm";
/// What is said of it where it sets no reply.
const NO_REPLY: &str = "without setting a reply";
/// The largest status that it can set.
const LAST_STATUS: u16 = 999;
