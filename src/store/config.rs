//! The store's limits.

use crate::error::{Error, Result};
use crate::function::MIB;
use std::time::Duration;

/// Limits of a [`Store`](super::Store).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoreConfig {
    /// Bytes of activations kept, their logs and keys included: the oldest go first. Default 256 MiB.
    pub max_bytes: u64,
    /// How long an activation is kept. Default 7 days.
    pub max_age: Duration,
    /// How long a record of [`Store::record`](super::Store::record) may wait for its fsync. Default 100 ms.
    pub flush_after: Duration,
    /// Bytes of writes that may wait for the writer; beyond them callers wait. Default 64 MiB.
    pub max_queued: u64,
    /// Bytes of memory that keep pages of the file, beside what the kernel keeps. Default 32 MiB.
    pub cache: u64,
}

impl Default for StoreConfig {
    fn default() -> Self {
        Self {
            max_bytes: 256 * MIB,
            max_age: Duration::from_secs(7 * 24 * 3600),
            flush_after: Duration::from_millis(100),
            max_queued: 64 * MIB,
            cache: 32 * MIB,
        }
    }
}

impl StoreConfig {
    pub(super) fn check(&self) -> Result<()> {
        let zero = [
            ("max_bytes", self.max_bytes == 0),
            ("max_age", self.max_age.is_zero()),
            ("max_queued", self.max_queued == 0),
        ];
        match zero.iter().find(|(_, zero)| *zero) {
            Some((name, _)) => {
                Err(Error::invalid(format!("the store's `{name}` is 0, so it could keep nothing: give more")))
            }
            None => Ok(()),
        }
    }
}
