//! What outlives the process: documents, code, activations, accepted work. One redb file, or memory.
//!
//! ```text
//!   callers ── Write ──► queue, bounded in bytes ──► one writer thread ── a batch, one fsync ──► the file
//!      ▲                                                                                          │
//!      └───────────── each is told when its write is on disk            readers see snapshots ◄───┘
//! ```
//! | room | key | holds |
//! | --- | --- | --- |
//! | documents | collection, namespace, name | whatever bytes their owner puts there, and the digest of the code they refer to |
//! | code | its SHA-256 | bytes, for as long as a document refers to them |
//! | activations | id | a record and its logs, in a ring with a byte and an age limit |
//! | accepted | order of arrival | work that was promised and hasn't ended (see [`crate::intake`]) |
//!
//! **Group commit.** Callers hand in a [`Write`] and wait; the writer takes all that is there and commits it as one
//! transaction with one fsync. A `Write` is whole or not there at all, whatever dies. What came first is applied first.
//!
//! **What survives what.** Once [`Store::commit`] has returned, the write survives `kill -9` and a loss of power.
//! [`Store::record`] returns earlier: everybody who asks sees the record, and a killed process or lost power takes what was
//! recorded less than [`StoreConfig::flush_after`] ago, the newest first and never one in the middle.
//!
//! No call blocks an async thread: reads run on tokio's blocking threads, writes on the writer's.
//!
//! ```
//! use kiln::store::{Key, Store};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> kiln::Result<()> {
//! let store = Store::memory()?;
//! let key = Key::new("functions", "guest", "hello");
//! store.put(key.clone(), "{}").await?;
//! assert_eq!(store.get(key).await?.map(|document| document.bytes), Some("{}".into()));
//! # Ok(())
//! # }
//! ```

mod accepted;
mod activations;
mod apply;
mod code;
mod config;
mod documents;
mod look;
mod open;
mod ring;
mod tables;
#[cfg(test)]
mod tests;
mod write;
mod writer;

pub(crate) use accepted::{Accepted, Mark};
pub use activations::{Activation, Query};
pub(crate) use apply::millis;
pub use code::Digest;
pub use config::StoreConfig;
pub use documents::{Document, Key};
pub use write::{Commit, Expect, Write};

use crate::error::{Error, Result};
use redb::{Database, ReadTransaction, ReadableDatabase};
use std::path::Path;
use std::sync::Arc;
use writer::Writer;

/// The store. Cheap to clone: all clones are one store. When the last is dropped, what was handed in is on disk and the file is closed.
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

struct Inner {
    /// Before the database: its thread ends first.
    writer: Writer,
    database: Arc<Database>,
    place: Arc<str>,
}

impl Store {
    /// Opens the store in a file, or makes a new one there, with the usual limits. Blocks: after a crash, for as long as
    /// reading the whole file takes.
    ///
    /// What is there and isn't a store of this version is refused and left as it is: `InvalidInput` for a file of somebody
    /// else, of a newer Kiln or a damaged one, `Unavailable` for one that is in use or can't be read.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        Self::open_with(path, StoreConfig::default())
    }

    /// As [`Store::open`], with limits.
    pub fn open_with(path: impl AsRef<Path>, config: StoreConfig) -> Result<Self> {
        config.check()?;
        let path = path.as_ref();
        let place = format!("the store {}", path.display());
        Self::new(open::file(path, &config)?, place.into(), config)
    }

    /// A store in memory, which goes with its last clone.
    pub fn memory() -> Result<Self> {
        Self::memory_with(StoreConfig::default())
    }

    /// As [`Store::memory`], with limits.
    pub fn memory_with(config: StoreConfig) -> Result<Self> {
        config.check()?;
        Self::new(open::memory(&config)?, "the store in memory".into(), config)
    }

    fn new(database: Database, place: Arc<str>, config: StoreConfig) -> Result<Self> {
        let database = Arc::new(database);
        let writer = Writer::start(database.clone(), place.clone(), config)?;
        Ok(Self { inner: Arc::new(Inner { writer, database, place }) })
    }

    /// Hands a write in and waits until it is on disk. If what it expects isn't so, nothing of it happens and the first
    /// document that differs is told. Dropping the future doesn't take the write back.
    pub async fn commit(&self, write: Write) -> Result<Commit> {
        self.inner.writer.durable(write).await
    }

    /// Records an activation that nobody was promised, as one of a caller who waited for the reply. It returns once the record
    /// is in line, sooner than it is on disk: whoever asks from now on sees it. Waits where the writer lags behind.
    pub async fn record(&self, activation: Activation) -> Result<()> {
        let mut write = Write::new();
        write.record(activation);
        self.inner.writer.lazy(write).await
    }

    /// Returns when all that was handed in before is on disk.
    pub async fn flush(&self) -> Result<()> {
        self.inner.writer.durable(Write::new()).await.map(drop)
    }

    /// Reads from a snapshot, on a thread that may block.
    async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&ReadTransaction) -> Result<T, redb::Error> + Send + 'static,
    ) -> Result<T> {
        let inner = self.inner.clone();
        let read = move || {
            let snapshot = inner.database.begin_read().map_err(|error| fault(&inner.place, error))?;
            read(&snapshot).map_err(|error| fault(&inner.place, error))
        };
        tokio::task::spawn_blocking(read)
            .await
            .map_err(|_| Error::internal(format!("{}: a read did not end", self.inner.place)))?
    }
}

/// What redb says, as the rest of Kiln has it.
fn fault(place: &str, error: impl Into<redb::Error>) -> Error {
    Error::unavailable(format!("{place}: {}", error.into()))
}
