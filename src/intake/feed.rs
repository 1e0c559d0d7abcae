//! The contract of where work waits: nothing here says how it is kept.

use super::work::Work;
use crate::error::Result;
use crate::store::Activation;
use async_trait::async_trait;
use std::time::Duration;

/// Where accepted work waits until there is credit for it (`SEEDS.md W18`).
///
/// A feed keeps what it accepted until [`Feed::done`], whatever dies: after a restart it hands out all the rest again.
#[async_trait]
pub trait Feed: Send + Sync + 'static {
    /// Keeps work. Returns once it survives a crash. Dropped in the middle, the work may be kept.
    async fn accept(&self, work: Work) -> Result<()>;

    /// Hands out at least one work and at most `credit`; waits until there is one. Each is under way from then on until it is
    /// done or handed back. Dropped in the middle, nothing is.
    async fn take(&self, credit: usize) -> Result<Vec<Taken>>;

    /// The work has ended: keeps its record and forgets the work, both or neither. Returns once that survives a crash. After an
    /// error the work is still under way.
    async fn done(&self, taken: &Taken, record: Activation) -> Result<()>;

    /// Takes work back to hand it out again, no sooner than after the pause. `counts`: whether the attempt is counted. After an error it is
    /// handed out again all the same.
    async fn again(&self, taken: &Taken, pause: Duration, counts: bool) -> Result<()>;

    /// What waits, and what is under way.
    fn backlog(&self) -> Backlog;
}

/// Work that was handed out.
#[derive(Clone, Debug)]
pub struct Taken {
    /// What is to be done.
    pub work: Work,
    /// The how-manieth attempt this is, from 1.
    pub attempt: u32,
    /// What the feed knows it by.
    pub ticket: u64,
}

/// What a feed holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Backlog {
    /// Works accepted and not ended, those under way included.
    pub works: usize,
    /// Bytes that they take.
    pub bytes: u64,
    /// Those under way.
    pub running: usize,
    /// Those that wait for their next attempt's time.
    pub pausing: usize,
}
