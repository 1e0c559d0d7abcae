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
#[cfg(all(feature = "docker", target_os = "linux"))]
#[path = "../common/compiled.rs"]
mod compiled;
#[cfg(all(feature = "docker", target_os = "linux"))]
#[path = "../common/docker.rs"]
mod docker;
mod harness;
#[cfg(all(feature = "docker", target_os = "linux"))]
mod images;
mod invocations;
mod packages;
mod restart;
mod sequences;
mod triggers;
mod web;
