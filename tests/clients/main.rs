//! Clients of OpenWhisk's API against the `kiln` binary: npm's, unmodified; Kiln's own; and one whose server is killed.
#![cfg(all(feature = "cli", feature = "wasm", unix))]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

#[path = "../common/serve.rs"]
mod process;

mod archives;
mod cli;
mod killed;
mod npm;
mod serve;
