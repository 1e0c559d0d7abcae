//! What a function may take of the machine.

use super::{Format, MIB};
use std::time::Duration;

/// What a function may take of the machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Memory, in bytes. `None`: 128 MiB for images; for wasm the module's own minimum + 16 MiB.
    pub memory: Option<u64>,
    /// The longest that one request may run; waiting and starting don't count (`SEEDS.md E9`).
    pub timeout: Duration,
    /// The longest that one start may take. Default 60 s; 5 s in `http-stream`.
    pub start_timeout: Duration,
    /// Requests that one sandbox serves at once.
    pub concurrency: u32,
    /// Sandboxes of this function at most (`SEEDS.md I2`).
    pub max_sandboxes: u32,
    /// Requests that one sandbox serves before it is replaced; `None`: no limit.
    pub max_uses: Option<u32>,
    /// Bytes of one reply at most.
    pub max_reply: u64,
    /// Bytes of stderr that are kept for one request at most.
    pub max_logs: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            memory: None,
            timeout: Duration::from_secs(30),
            start_timeout: Format::Default.start_timeout(),
            concurrency: 1,
            max_sandboxes: 64,
            max_uses: None,
            max_reply: 16 * MIB,
            max_logs: MIB,
        }
    }
}
