//! `kiln bench`, as a shell sees it, and its report, as a browser does.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    unreachable_pub
)]
#![cfg(all(feature = "cli", feature = "wasm", feature = "docker"))]

#[path = "../common/docker.rs"]
mod docker;
#[allow(dead_code, reason = "shared with a test binary that uses all of it")]
#[path = "../whole/engine.rs"]
mod engine;
#[path = "../common/guests.rs"]
mod guests;
#[path = "../cli/kiln.rs"]
mod kiln;

mod chromium;
mod compare;
mod density;
mod load;
mod report;
mod start;

/// The fixtures' manifest.
const FIXTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/kiln.toml");

/// What `-o json` wrote.
fn json(said: &kiln::Said) -> serde_json::Value {
    assert_eq!(said.code, Some(0), "{}", said.err);
    let found: serde_json::Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!((&found["schema"], &found["version"]), (&"kiln-bench".into(), &1.into()));
    found
}
