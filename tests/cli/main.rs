//! The `kiln` binary, as a shell sees it: stdout, stderr, exit code.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]
#![cfg(all(feature = "cli", feature = "wasm"))]

#[path = "../common/guests.rs"]
mod guests;

mod kiln;
mod once;
mod served;
