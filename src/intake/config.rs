//! The intake's limits.

use crate::error::{Error, Result};
use crate::function::MIB;
use std::time::Duration;

/// Limits of an [`Intake`](super::Intake) and its feed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IntakeConfig {
    /// Works under way at once. Default 64. What is more than the pool has room for waits in its line.
    pub credit: usize,
    /// Bytes of bodies and headers that those may hold in memory; a larger work runs alone. Default 256 MiB.
    pub max_running_bytes: u64,
    /// How often work may begin to run, if what ended it wasn't the function's doing. Default 3.
    pub max_attempts: u32,
    /// How long after it was accepted work may begin, unless it says so itself. Default 6 h.
    pub max_age: Duration,
    /// The pause after the first attempt; it doubles with each. Default 1 s.
    pub first_pause: Duration,
    /// The longest pause. Default 60 s.
    pub longest_pause: Duration,
    /// Works that may be accepted and not ended at once; more are refused as `Overloaded`. Default 100,000.
    pub max_works: usize,
    /// Bytes that they may take on disk. Default 1 GiB.
    pub max_bytes: u64,
}

impl Default for IntakeConfig {
    fn default() -> Self {
        Self {
            credit: 64,
            max_running_bytes: 256 * MIB,
            max_attempts: 3,
            max_age: Duration::from_secs(6 * 3600),
            first_pause: Duration::from_secs(1),
            longest_pause: Duration::from_secs(60),
            max_works: 100_000,
            max_bytes: 1024 * MIB,
        }
    }
}

impl IntakeConfig {
    pub(super) fn check(&self) -> Result<()> {
        let zero = [
            ("credit", self.credit),
            ("max_attempts", self.max_attempts as usize),
            ("max_works", self.max_works),
        ];
        match zero.iter().find(|(_, value)| *value == 0) {
            Some((name, _)) => Err(Error::invalid(format!(
                "the intake's `{name}` is 0, so no work could ever run: give 1 or more"
            ))),
            None => Ok(()),
        }
    }
}
