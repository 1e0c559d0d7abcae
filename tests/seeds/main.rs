//! The rules of SEEDS.md that take a whole host to show, over the backend in memory; each test is named by its rule.
//!
//! The pool's clock is the real one, so limits here are short and nothing asserts how long anything took.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    unreachable_pub
)]

mod at_once;
mod deployments;
mod ends;
mod idle;
mod room;
mod runtimes;
mod sandboxes;
mod snapshots;
mod support;
