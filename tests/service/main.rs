//! `wasi:http` components of WASI 0.3: all that `tests/wasi_http` says of those of 0.2 holds for them, and several requests can be
//! in one instance at once.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    unreachable_pub
)]
#![cfg(all(feature = "server", feature = "preview3"))]

#[path = "../wasi_http/ends.rs"]
mod ends;
#[path = "../wasi_http/fetches.rs"]
mod fetches;
#[path = "../wasi_http/harness.rs"]
mod harness;
#[path = "../wasi_http/replies.rs"]
mod replies;
#[path = "../wasi_http/streams.rs"]
mod streams;

mod deploys;
mod many;

/// What is served.
const COMPONENT: &str = "fixtures/service/service.wasm";
/// What is said of it where it answers with an error.
const NO_REPLY: &str = "answered with the error";
/// The largest status that it can set.
const LAST_STATUS: u16 = 599;
