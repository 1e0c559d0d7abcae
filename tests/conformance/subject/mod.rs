//! What the suite is run on: how each backend is made, how its guests are named, and what it may not leave behind.

#[cfg(feature = "docker")]
pub mod docker;
#[cfg(feature = "docker")]
pub mod docker_attach;
mod fake;
pub mod fake_docker;
pub mod fake_wasm;
#[cfg(any(feature = "wasm", feature = "docker"))]
mod js;
#[cfg(feature = "http-components")]
pub mod wasi_http;
#[cfg(feature = "preview3")]
pub mod wasi_service;
#[cfg(feature = "wasm")]
pub mod wasm;
#[cfg(feature = "wasm")]
pub mod wasm_component;

use async_trait::async_trait;
use kiln::backend::Backend;
use kiln::{Function, Runtime};
use std::pin::Pin;
use std::sync::Arc;

/// What a source function does.
#[derive(Clone, Copy, Debug)]
pub enum Program {
    /// Answers with its parameters.
    Echo,
    /// Answers `{"count":<requests>}`.
    Count,
    /// Answers `{"LEVEL":<that variable, or null>}`.
    Env,
    /// Fails to load, in its second line, with the word `broken`.
    Broken,
    /// Never loads.
    Endless,
}

/// One backend under test.
#[async_trait]
pub trait Subject: Send + Sync {
    /// The backend itself: the same one each time.
    fn backend(&self) -> Arc<dyn Backend>;

    /// A function that runs one of the guests, `echo` or `faulty`.
    fn function(&self, name: &str, guest: &str) -> Function;

    /// A runtime; if there is none, why.
    async fn runtime(&self) -> Result<Runtime, String>;

    /// A function's source in that runtime's language.
    fn source(&self, program: Program) -> &'static str;

    /// Sandboxes that live now.
    async fn living(&self) -> usize;

    /// Panics where anything of a drained host is left.
    async fn nothing_left(&self);

    /// Whether a one-shot function's sandbox can be started before its request.
    fn prewarms_oneshot(&self) -> bool {
        true
    }

    /// Whether its guests' exit codes reach the host; if not, all but 0 are 1.
    fn tells_exit_codes(&self) -> bool {
        true
    }

    /// Whether its guests can hold long bodies.
    fn takes_long_bodies(&self) -> bool {
        true
    }

    /// Whether a start is dear.
    fn is_slow(&self) -> bool {
        false
    }
}

/// A subject that is being made; `None` after saying that it is skipped.
pub type Opening = Pin<Box<dyn Future<Output = Option<Box<dyn Subject>>>>>;

/// Makes a subject for a test of this name.
pub type Open = fn(&'static str) -> Opening;
