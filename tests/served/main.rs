//! Images that are servers, spoken to as a proxy speaks, in containers without a network; and Fn's functions.

#![cfg(all(feature = "docker", feature = "server", target_os = "linux"))]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

#[path = "../common/compiled.rs"]
mod compiled;
#[path = "../common/docker.rs"]
mod docker;
#[path = "../common/driver.rs"]
mod driver;

mod ends;
mod fdk;
mod http;
mod program;
mod proxied;
mod ready;
mod streams;
mod together;
