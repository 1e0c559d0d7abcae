//! The HTTP face over a real host: every test starts a server of its own on a free port.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    unreachable_pub
)]
#![cfg(all(feature = "server", feature = "wasm"))]

#[path = "../common/answer.rs"]
mod answer;
#[path = "../common/guests.rs"]
mod guests;

mod ends;
mod harness;
mod own_paths;
mod reload;
mod requests;
mod streams;
