//! The whole of Kiln through its binary and HTTP, on real modules and real containers.
#![cfg(all(feature = "cli", feature = "wasm", feature = "docker"))]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

#[path = "../common/answer.rs"]
mod answer;
#[path = "../common/docker.rs"]
mod docker;
#[path = "../common/serve.rs"]
mod process;

mod banner;
mod engine;
mod http;
mod leftovers;
mod loops;
mod mixed;
mod serve;
mod starts;
mod thumbnail;
