//! Durable asynchronous work: what was accepted is on disk, and ends in a record whatever dies in between.
//!
//! ```text
//!   accept ──► feed: on disk, one fsync for all who come at once ──► accepted
//!                │ take, by credit                        ▲ again, later: not the function's fault
//!                ▼                                        │
//!             runner ──► host.invoke ──► outcome ──► judged ──► done: the record in, the work out, one transaction
//! ```
//! - **At least once.** Work that was running when the process died runs again at the next start. An id has one record: the
//!   first that was written stays.
//! - **By credit** (`SEEDS.md W18`, `D1`): no more work is under way than [`IntakeConfig::credit`]; what has ended gives its own
//!   credit back, exactly once. One function never holds all of it (`SEEDS.md E4`): they take turns, and while *n* functions
//!   have work, each holds at most one part in *n + 1*.
//! - **Retried** is what failed for reasons that aren't the function's; see [`Why`] for the ends, and `policy.rs` for the table.
//!
//! The [`Feed`] is where work waits. [`StoreFeed`] keeps it in the [store](crate::store); a queue elsewhere is another feed.
//! What a record looks like is the matter of whoever reads it: [`Records`].
//!
//! ```
//! use kiln::backend::fake;
//! use kiln::function::DEFAULT_NAMESPACE;
//! use kiln::intake::{Intake, IntakeConfig, PlainRecords, StoreFeed, Work};
//! use kiln::store::Store;
//! use kiln::{BackendKind, Function, Host, Invocation};
//! use std::sync::Arc;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> kiln::Result<()> {
//! let host = Host::builder().memory(1 << 30).backend(fake::backend(BackendKind::Docker).0).build()?;
//! host.deploy(Function::image("echo", "echo")).await?;
//!
//! let store = Store::memory()?;
//! let config = IntakeConfig::default();
//! let feed = Arc::new(StoreFeed::open(store.clone(), &config).await?);
//! let intake = Intake::new(host, feed, Arc::new(PlainRecords), config)?;
//! intake.start();
//!
//! let id = intake.accept(Work::new(DEFAULT_NAMESPACE, "echo", Invocation::new("hello"))).await?;
//! // It is on disk. Some time later its record is, too.
//! # while store.activation(id).await?.is_none() { tokio::task::yield_now().await }
//! assert!(store.activation(id).await?.is_some());
//! intake.drain().await;
//! # Ok(())
//! # }
//! ```

mod config;
mod feed;
mod lines;
mod policy;
mod records;
mod runner;
mod stored;
#[cfg(test)]
mod tests;
mod work;

pub use config::IntakeConfig;
pub use feed::{Backlog, Feed, Taken};
pub use records::{Ended, PlainRecords, Records, Why};
pub use stored::StoreFeed;
pub use work::Work;

use crate::error::{Error, Result};
use crate::host::Host;
use crate::invocation::InvocationId;
use runner::Runner;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Accepts work, and runs it on a host. Cheap to clone: all clones are one intake. When the last is dropped nothing more is
/// taken; what runs ends as usual.
#[derive(Clone)]
pub struct Intake {
    shared: Arc<Shared>,
}

struct Shared {
    runner: Arc<Runner>,
    started: AtomicBool,
}

impl Intake {
    /// An intake for a host. Nothing runs before [`Intake::start`].
    pub fn new(
        host: Host,
        feed: Arc<dyn Feed>,
        records: Arc<dyn Records>,
        config: IntakeConfig,
    ) -> Result<Self> {
        config.check()?;
        let runner = Arc::new(Runner::new(host, feed, records, config));
        Ok(Self { shared: Arc::new(Shared { runner, started: AtomicBool::new(false) }) })
    }

    /// Begins to run what is there and what comes. Deploy the functions first: work of one that isn't there ends so. Must be
    /// called within a tokio runtime; the second call does nothing.
    pub fn start(&self) {
        if !self.shared.started.swap(true, Ordering::AcqRel) {
            tokio::spawn(self.shared.runner.clone().run());
        }
    }

    /// Accepts work. When this returns it is on disk, and it will end in a record. `Overloaded` where too much waits, `Unavailable`
    /// where the intake is drained or nothing can be written. Dropping the future doesn't take the work back.
    pub async fn accept(&self, mut work: Work) -> Result<InvocationId> {
        if self.shared.runner.is_stopping() {
            return Err(Error::unavailable("no work is accepted any more: the host is shutting down"));
        }
        let id = work.invocation.id;
        work.max_age.get_or_insert(self.shared.runner.config.max_age);
        self.shared.runner.feed.accept(work).await?;
        Ok(id)
    }

    /// What waits, and what is under way.
    pub fn backlog(&self) -> Backlog {
        self.shared.runner.feed.backlog()
    }

    /// Takes no more work and accepts none; returns when what runs has ended. The rest stays on disk. Drain it before the host.
    pub async fn drain(&self) {
        self.shared.runner.drain().await;
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.runner.stop();
    }
}
