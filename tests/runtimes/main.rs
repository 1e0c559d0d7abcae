//! Source functions on modules: stem cells and snapshots of the JavaScript runtime.
//!
//! `runtimes/js/js.wasm` is needed. Without it the tests say by name that they are skipped, or fail where
//! `KILN_REQUIRE_RUNTIMES=1`.
#![cfg(feature = "wasm")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    unreachable_pub
)]

#[cfg(feature = "docker")]
#[path = "../common/docker.rs"]
mod docker;
mod many;
#[cfg(feature = "snapshot")]
mod snapshot;
mod stem;
mod support;
mod table;
