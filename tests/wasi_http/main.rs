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
