//! OpenWhisk's API over HTTP: a real server, a store in memory, and the fake backend with its small language.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    unreachable_pub
)]
#![cfg(feature = "openwhisk")]

#[path = "../common/answer.rs"]
mod answer;

mod actions;
mod activations;
mod harness;
mod invocations;
mod packages;
mod restart;
mod web;
