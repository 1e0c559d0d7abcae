//! The one thread that writes: it takes all that is waiting and commits it as one transaction, with one fsync.
//!
//! While an fsync runs the next batch gathers, so the more callers there are, the fewer fsyncs each of them costs. The queue
//! is bounded in bytes: callers wait for room before they hand in.

use super::StoreConfig;
use super::apply::Batch;
use super::fault;
use super::write::{Commit, Write};
use crate::error::{Error, Result};
use redb::{Database, Durability};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

/// A batch is closed at this many bytes or writes: its first caller shall not wait for everybody's.
const BATCH_BYTES: u64 = 8 << 20;
const BATCH_WRITES: usize = 4096;
/// How long records that nobody waits for are gathered.
const GATHER: Duration = Duration::from_millis(3);

/// Hands writes to the thread. Dropped, it waits until all of them are on disk.
pub(super) struct Writer {
    queue: Option<Sender<Job>>,
    room: Arc<Semaphore>,
    capacity: u32,
    thread: Option<JoinHandle<()>>,
    counts: Arc<Counts>,
    place: Arc<str>,
}

/// Lazy writes handed in, and those of them that readers see.
#[derive(Default)]
struct Counts {
    lazy: AtomicU64,
    seen: AtomicU64,
}

struct Job {
    write: Write,
    wants: Wants,
    /// Given back when the write is done with.
    _room: Option<OwnedSemaphorePermit>,
}

/// When its caller wants to be told.
enum Wants {
    /// Once it is on disk.
    Disk(oneshot::Sender<Result<Commit>>),
    /// Once readers see it.
    Seen(oneshot::Sender<Result<Commit>>),
    /// Not at all.
    Nothing,
}

impl Writer {
    pub(super) fn start(database: Arc<Database>, place: Arc<str>, config: StoreConfig) -> Result<Self> {
        let (queue, jobs) = channel();
        let counts = Arc::new(Counts::default());
        let thread =
            Thread { database, place: place.clone(), config, jobs, counts: counts.clone(), dirty: None };
        let thread =
            std::thread::Builder::new().name("kiln-store".into()).spawn(move || thread.run()).map_err(
                |error| Error::unavailable(format!("{place}: its thread couldn't be started: {error}")),
            )?;
        let capacity =
            u32::try_from(config.max_queued).unwrap_or(u32::MAX).min(Semaphore::MAX_PERMITS as u32);
        let room = Arc::new(Semaphore::new(capacity as usize));
        Ok(Self { queue: Some(queue), room, capacity, thread: Some(thread), counts, place })
    }

    /// Returns once the write is on disk.
    pub(super) async fn durable(&self, write: Write) -> Result<Commit> {
        let (tell, told) = oneshot::channel();
        let room = self.room(&write).await?;
        self.send(Job { write, wants: Wants::Disk(tell), _room: Some(room) })?;
        told.await.map_err(|_| self.gone())?
    }

    /// Returns once the write is in line.
    pub(super) async fn lazy(&self, write: Write) -> Result<()> {
        let room = self.room(&write).await?;
        self.counts.lazy.fetch_add(1, Ordering::AcqRel);
        self.send(Job { write, wants: Wants::Nothing, _room: Some(room) })
    }

    /// Returns once readers see all lazy writes that were handed in before.
    pub(super) async fn seen(&self) -> Result<()> {
        if self.counts.lazy.load(Ordering::Acquire) == self.counts.seen.load(Ordering::Acquire) {
            return Ok(());
        }
        let (tell, told) = oneshot::channel();
        self.send(Job { write: Write::new(), wants: Wants::Seen(tell), _room: None })?;
        told.await.map_err(|_| self.gone())?.map(drop)
    }

    async fn room(&self, write: &Write) -> Result<OwnedSemaphorePermit> {
        let size = u32::try_from(write.size()).unwrap_or(u32::MAX).min(self.capacity);
        self.room.clone().acquire_many_owned(size).await.map_err(|_| self.gone())
    }

    fn send(&self, job: Job) -> Result<()> {
        let queue = self.queue.as_ref().ok_or_else(|| self.gone())?;
        queue.send(job).map_err(|_| self.gone())
    }

    fn gone(&self) -> Error {
        Error::unavailable(format!("{} takes no writes any more: its thread has ended", self.place))
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.queue = None;
        if let Some(thread) = self.thread.take() {
            // A panic of the thread has been told to whoever waited.
            let _ = thread.join();
        }
    }
}

struct Thread {
    database: Arc<Database>,
    place: Arc<str>,
    config: StoreConfig,
    jobs: Receiver<Job>,
    counts: Arc<Counts>,
    /// Since when there are commits without an fsync.
    dirty: Option<Instant>,
}

impl Thread {
    fn run(mut self) {
        loop {
            let first = match self.dirty {
                None => self.jobs.recv().map_err(|_| RecvTimeoutError::Disconnected),
                Some(since) => {
                    self.jobs.recv_timeout(self.config.flush_after.saturating_sub(since.elapsed()))
                }
            };
            match first {
                Ok(job) => {
                    let batch = self.gather(job);
                    self.carry_out(batch);
                }
                Err(RecvTimeoutError::Timeout) => self.carry_out(Vec::new()),
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        if self.dirty.is_some() {
            self.carry_out(Vec::new());
        }
    }

    /// All that waits, up to a batch. As long as nobody wants to be told, what comes in the next moment is waited for.
    fn gather(&self, first: Job) -> Vec<Job> {
        let (began, mut size, mut waits) =
            (Instant::now(), first.write.size(), !matches!(first.wants, Wants::Nothing));
        let mut batch = vec![first];
        while size < BATCH_BYTES && batch.len() < BATCH_WRITES {
            let job = match self.jobs.try_recv() {
                Ok(job) => job,
                Err(_) if waits => break,
                Err(_) => match self.jobs.recv_timeout(GATHER.saturating_sub(began.elapsed())) {
                    Ok(job) => job,
                    Err(_) => break,
                },
            };
            size += job.write.size();
            waits |= !matches!(job.wants, Wants::Nothing);
            batch.push(job);
        }
        batch
    }

    /// Commits a batch; an empty one brings what was committed before to disk.
    fn carry_out(&mut self, batch: Vec<Job>) {
        let overdue = self.dirty.is_some_and(|since| since.elapsed() >= self.config.flush_after);
        let durable =
            batch.is_empty() || overdue || batch.iter().any(|job| matches!(job.wants, Wants::Disk(_)));
        let lazy = batch.iter().filter(|job| matches!(job.wants, Wants::Nothing)).count() as u64;
        let (writes, told): (Vec<_>, Vec<_>) =
            batch.into_iter().map(|job| (job.write, (job.wants, job._room))).unzip();
        let result = self.commit(writes, durable);
        if durable {
            self.dirty = None;
        } else if result.is_ok() && self.dirty.is_none() {
            self.dirty = Some(Instant::now());
        }
        self.counts.seen.fetch_add(lazy, Ordering::AcqRel);
        let commits = match result {
            Ok(commits) => commits,
            Err(error) => {
                tracing::error!("{error}");
                told.iter().map(|_| Err(error.clone())).collect()
            }
        };
        for ((wants, room), commit) in told.into_iter().zip(commits) {
            drop(room);
            match wants {
                // Whoever has gone doesn't want to know.
                Wants::Disk(tell) | Wants::Seen(tell) => drop(tell.send(commit)),
                Wants::Nothing => {
                    if let Err(error) = commit {
                        tracing::warn!("a record was refused: {error}");
                    }
                }
            }
        }
    }

    fn commit(&self, writes: Vec<Write>, durable: bool) -> Result<Vec<Result<Commit>>> {
        let fault = |error: redb::Error| fault(&self.place, error);
        let mut transaction = self.database.begin_write().map_err(|error| fault(error.into()))?;
        let durability = if durable { Durability::Immediate } else { Durability::None };
        transaction.set_durability(durability).map_err(|error| fault(error.into()))?;
        let mut batch = Batch::begin(&transaction, &self.config).map_err(|error| fault(error.into()))?;
        let mut commits = Vec::with_capacity(writes.len());
        for write in writes {
            commits.push(batch.apply(write).map_err(|error| fault(error.into()))?);
        }
        batch.prune().map_err(|error| fault(error.into()))?;
        batch.end(&transaction).map_err(|error| fault(error.into()))?;
        transaction.commit().map_err(|error| fault(error.into()))?;
        Ok(commits)
    }
}
