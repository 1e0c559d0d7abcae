//! The feed in the store: work waits in the same file as its record will.

use super::config::IntakeConfig;
use super::feed::{Backlog, Feed, Taken};
use super::lines::{Entry, Lines};
use super::work::{Head, Work};
use crate::error::{Error, ErrorKind, Result};
use crate::store::{Accepted, Activation, Commit, Mark, Store, Write, millis};
use async_trait::async_trait;
use parking_lot::Mutex;
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tokio::sync::Notify;

/// What work takes beside its head and body: its key, and its place in memory.
const OVERHEAD: u64 = 128;

/// Work in a [`Store`]. In memory is only which work is whose, some hundred bytes for each; bodies are read when they are handed out.
///
/// One feed for one store: two would hand out the same work.
pub struct StoreFeed {
    shared: Arc<Shared>,
}

struct Shared {
    store: Store,
    lines: Mutex<Lines>,
    /// There may be more to take.
    changed: Notify,
    config: IntakeConfig,
}

impl StoreFeed {
    /// A feed of what the store holds, and of what comes.
    pub async fn open(store: Store, config: &IntakeConfig) -> Result<Self> {
        let mut lines = Lines::default();
        for kept in store.accepted().await? {
            let head = Head::read(&kept.head)?;
            let bytes = kept.head.len() as u64 + head.body + OVERHEAD;
            // What was promised stays so, whatever the limits are now.
            lines.reserve(bytes, usize::MAX, u64::MAX);
            let (of, attempts) = (Arc::new((head.namespace, head.function)), kept.mark.attempts);
            let entry = Entry { number: kept.number, of, bytes, attempts, found: true };
            lines.add(entry, kept.mark.not_before);
        }
        if lines.works > 0 {
            tracing::info!(works = lines.works, "work that was accepted earlier runs now");
        }
        let (lines, changed) = (Mutex::new(lines), Notify::new());
        Ok(Self { shared: Arc::new(Shared { store, lines, changed, config: *config }) })
    }
}

#[async_trait]
impl Feed for StoreFeed {
    async fn accept(&self, work: Work) -> Result<()> {
        let head = work.head()?;
        let bytes = (head.len() + work.invocation.body.len()) as u64 + OVERHEAD;
        let shared = self.shared.clone();
        let (max_works, max_bytes) = (shared.config.max_works, shared.config.max_bytes);
        if !shared.lines.lock().reserve(bytes, max_works, max_bytes) {
            let backlog = self.backlog();
            return Err(Error::new(
                ErrorKind::Overloaded,
                format!("{} works of {} bytes wait already: try again later", backlog.works, backlog.bytes),
            ));
        }
        let (id, body) = (work.invocation.id.as_u128(), work.invocation.body);
        let of = Arc::new((work.namespace, work.function));
        // On a task of its own: its caller may go away between the disk and the line.
        let kept = tokio::spawn(async move {
            let mut write = Write::new();
            write.accept(Accepted { id, head, body });
            let committed = shared.store.commit(write).await.and_then(Commit::done);
            let mut lines = shared.lines.lock();
            match committed {
                Ok(number) => lines.add(Entry { number, of, bytes, attempts: 0, found: false }, 0),
                Err(_) => lines.forget(bytes),
            }
            drop(lines);
            shared.changed.notify_one();
            committed.map(drop)
        });
        kept.await.map_err(|_| Error::internal("work wasn't accepted: its task did not end"))?
    }

    async fn take(&self, credit: usize) -> Result<Vec<Taken>> {
        loop {
            let now = millis(SystemTime::now());
            let entries = self.shared.lines.lock().take(now, credit, self.shared.config.max_running_bytes);
            if entries.is_empty() {
                self.shared.wait().await;
                continue;
            }
            let handed = HandedOut { shared: &self.shared, entries };
            let taken = self.shared.read(&handed.entries).await?;
            handed.keep(&taken);
            if !taken.is_empty() {
                return Ok(taken);
            }
        }
    }

    async fn done(&self, taken: &Taken, record: Activation) -> Result<()> {
        let mut write = Write::new();
        write.record(record);
        write.finish(taken.ticket);
        self.shared.store.commit(write).await?.done()?;
        self.shared.lines.lock().end(taken.ticket);
        self.shared.changed.notify_one();
        Ok(())
    }

    async fn again(&self, taken: &Taken, pause: Duration, counts: bool) -> Result<()> {
        let not_before = millis(SystemTime::now() + pause);
        let attempts = taken.attempt.saturating_sub(u32::from(!counts));
        // Before it is on disk: whatever becomes of that, it is handed out again.
        self.shared.lines.lock().again(taken.ticket, attempts, not_before);
        self.shared.changed.notify_one();
        let mut write = Write::new();
        write.mark(taken.ticket, Mark { attempts, not_before });
        self.shared.store.commit(write).await?.done().map(drop)
    }

    fn backlog(&self) -> Backlog {
        let lines = self.shared.lines.lock();
        Backlog { works: lines.works, bytes: lines.bytes, running: lines.running(), pausing: lines.pausing() }
    }
}

impl Shared {
    /// Until there may be more to take.
    async fn wait(&self) {
        let next = self.lines.lock().next();
        let Some(next) = next else { return self.changed.notified().await };
        let pause = Duration::from_millis(next.saturating_sub(millis(SystemTime::now())));
        // Both are reasons to look again.
        let _ = tokio::time::timeout(pause, self.changed.notified()).await;
    }

    /// Work with its bodies. The attempts of what was found at the start are written down first, all with one fsync: work that
    /// kills the process shall not do so for ever.
    async fn read(&self, entries: &[Entry]) -> Result<Vec<Taken>> {
        let mut write = Write::new();
        for entry in entries.iter().filter(|entry| entry.found) {
            write.mark(entry.number, Mark { attempts: entry.attempts + 1, not_before: 0 });
        }
        if entries.iter().any(|entry| entry.found) {
            self.store.commit(write).await?.done()?;
        }
        let kept = self.store.accepted_at(entries.iter().map(|entry| entry.number).collect()).await?;
        let mut taken = Vec::with_capacity(kept.len());
        for (ticket, accepted) in kept {
            let work = Work::read(accepted.id, &accepted.head, accepted.body)?;
            let attempt = self.lines.lock().attempts(ticket) + 1;
            taken.push(Taken { work, attempt, ticket });
        }
        Ok(taken)
    }
}

/// Work that is being handed out. Dropped before it was, it goes back.
struct HandedOut<'a> {
    shared: &'a Shared,
    entries: Vec<Entry>,
}

impl HandedOut<'_> {
    /// They were handed out. What isn't in the store any more has ended.
    fn keep(mut self, taken: &[Taken]) {
        let mut lines = self.shared.lines.lock();
        for entry in self.entries.drain(..) {
            if !taken.iter().any(|taken| taken.ticket == entry.number) {
                lines.end(entry.number);
            }
        }
    }
}

impl Drop for HandedOut<'_> {
    fn drop(&mut self) {
        if self.entries.is_empty() {
            return;
        }
        let mut lines = self.shared.lines.lock();
        for entry in self.entries.iter().rev() {
            lines.put_back(entry.number);
        }
        drop(lines);
        self.shared.changed.notify_one();
    }
}
