//! Network namespaces kept ready: a container that joins one starts in less than half the time.
//!
//! A function has no network, but its container gets an empty namespace of its own, and making that is most of a start.
//! So a *holder*, a tiny container of the function's own image in which only kiln-init runs, keeps one ready. A sandbox
//! has its namespace to itself for all of its life; then, with every process gone that knew it, it is empty again and
//! serves the next sandbox of the same function. It is never another function's.
//!
//! ```text
//!   deploy, or a start that took the last ─► make (behind starts that somebody waits for) ─► ready
//!   ready ─► take ─► a sandbox's ─► give back ─► ready        too many, too old or its function gone: removed
//! ```

use super::reap::Container;
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::io::ErrorKind;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::net::UnixStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Ready ones of one function at most.
const READY: usize = 2;
/// How long one is left to its function before another may have its place: were it shorter, functions that take turns
/// would cost each other a holder at every start.
const LEASE: Duration = Duration::from_secs(60);

/// Whose a namespace is: one deployment of a function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Key(pub(super) u64);

/// The namespaces of all functions.
pub(super) struct Networks {
    /// One for each that exists, ready or not.
    places: Arc<Semaphore>,
    /// One is made at a time.
    making: tokio::sync::Mutex<()>,
    number: AtomicU64,
    /// Oldest first.
    shelf: Mutex<VecDeque<Ready>>,
}

struct Ready {
    key: Key,
    since: Instant,
    network: Network,
}

/// A namespace. Dropped, it is removed.
pub(super) struct Network {
    holder: Container,
    /// To its holder, which ends when this does, however this process goes.
    line: UnixStream,
    _place: Place,
}

/// The right to make one.
pub(super) struct Place(#[expect(dead_code, reason = "it is held for its drop")] OwnedSemaphorePermit);

impl Network {
    pub(super) fn new(holder: Container, line: UnixStream, place: Place) -> Self {
        Self { holder, line, _place: place }
    }

    /// Whether its holder has ended, as far as that can be told without waiting: nobody can join it any more.
    pub(super) fn is_gone(&self) -> bool {
        !self.line.try_read(&mut [0]).is_err_and(|error| error.kind() == ErrorKind::WouldBlock)
    }

    /// How the engine is told to have a container join it.
    pub(super) fn mode(&self) -> String {
        format!("container:{}", self.holder.id())
    }

    /// The engine's name for its holder.
    pub(super) fn holder(&self) -> &str {
        self.holder.id()
    }

    /// Removes it; returns when the engine has confirmed that.
    pub(super) async fn remove(self) {
        self.holder.remove().await;
    }
}

impl Networks {
    /// Keeps at most `most` at once, those in use included.
    pub(super) fn new(most: usize) -> Self {
        let places = Arc::new(Semaphore::new(most.min(Semaphore::MAX_PERMITS)));
        Self { places, making: Default::default(), number: AtomicU64::new(0), shelf: Mutex::default() }
    }

    /// Waits for the turn to make one.
    pub(super) async fn making(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.making.lock().await
    }

    /// A number that no other call gets.
    pub(super) fn number(&self) -> u64 {
        self.number.fetch_add(1, Ordering::Relaxed)
    }

    /// A ready one, the one that was used last: its holder's pages are the likeliest to be in memory.
    pub(super) fn take(&self, key: Key) -> Option<Network> {
        let mut shelf = self.shelf.lock();
        shelf.retain(|ready| ready.key != key || !ready.network.is_gone());
        let newest = shelf.iter().rposition(|ready| ready.key == key)?;
        shelf.remove(newest).map(|ready| ready.network)
    }

    /// Lays one on the shelf, unless enough of its function's are there or the shelf is closed.
    pub(super) fn give(&self, key: Key, network: Network, now: Instant) {
        let mut shelf = self.shelf.lock();
        if self.is_closed() || network.is_gone() {
            return;
        }
        if shelf.iter().filter(|ready| ready.key == key).count() < READY {
            shelf.push_back(Ready { key, since: now, network });
        }
    }

    /// The right to make one for `key`, if it has none ready. Where all places are taken, one that nobody has used for a
    /// while makes room.
    pub(super) fn place(&self, key: Key, now: Instant) -> Option<Place> {
        let mut shelf = self.shelf.lock();
        if shelf.iter().any(|ready| ready.key == key) {
            return None;
        }
        if self.places.available_permits() == 0 && shelf.front()?.since + LEASE <= now {
            shelf.pop_front();
        }
        Arc::clone(&self.places).try_acquire_owned().ok().map(Place)
    }

    pub(super) fn is_closed(&self) -> bool {
        self.places.is_closed()
    }

    /// Removes those of a function that is gone.
    pub(super) fn forget(&self, key: Key) {
        self.shelf.lock().retain(|ready| ready.key != key);
    }

    /// Removes all that are ready, and makes no more. Returns when the engine has confirmed it.
    pub(super) async fn close(&self) {
        self.places.close();
        // What is being made is removed by whoever makes it.
        drop(self.making().await);
        let all = std::mem::take(&mut *self.shelf.lock());
        futures_util::future::join_all(all.into_iter().map(|ready| ready.network.remove())).await;
    }
}

#[cfg(test)]
mod tests {
    use super::super::DockerConfig;
    use super::super::connect::Engine;
    use super::super::reap::Reaper;
    use super::*;

    use std::cell::RefCell;

    const A: Key = Key(1);
    const B: Key = Key(2);

    /// Networks whose engine is away: what is dropped is tried to be removed until the test's runtime ends.
    struct Bed {
        networks: Networks,
        reaper: Arc<Reaper>,
        now: Instant,
        /// Holders' ends of their lines, by the order in which they were made.
        holders: RefCell<Vec<UnixStream>>,
    }

    impl Bed {
        fn new(most: usize) -> Self {
            let config = DockerConfig { host: Some("unix:///nowhere".into()), ..DockerConfig::new("test") };
            let reaper = Reaper::new(Arc::new(Engine::new(&config)));
            Self { networks: Networks::new(most), reaper, now: Instant::now(), holders: RefCell::default() }
        }

        fn make(&self, key: Key, id: &str) -> bool {
            let Some(place) = self.networks.place(key, self.now) else { return false };
            let runtime = tokio::runtime::Handle::current();
            let holder = Container::new(id.into(), self.reaper.clone(), runtime);
            let (line, far) = UnixStream::pair().unwrap();
            self.holders.borrow_mut().push(far);
            self.networks.give(key, Network::new(holder, line, place), self.now);
            true
        }

        fn take(&self, key: Key) -> Option<Network> {
            self.networks.take(key)
        }
    }

    #[tokio::test]
    async fn one_is_its_functions_and_nobody_elses() {
        let bed = Bed::new(8);
        assert!(bed.make(A, "a"));
        assert!(bed.take(B).is_none());
        assert_eq!(bed.take(A).unwrap().mode(), "container:a");
        assert!(bed.take(A).is_none(), "it is one sandbox's alone");
    }

    #[tokio::test]
    async fn one_that_is_given_back_serves_again_and_too_many_are_not_kept() {
        let bed = Bed::new(8);
        let mut used = Vec::new();
        for id in ["1", "2", "3"] {
            assert!(bed.make(A, id), "the last one was taken, so another is wanted");
            used.push(bed.take(A).unwrap());
        }
        for network in used {
            bed.networks.give(A, network, bed.now);
        }
        assert!(!bed.make(A, "4"), "there is one ready");
        assert_eq!(bed.take(A).unwrap().mode(), "container:2", "the one that was used last, of two");
        assert!(bed.take(A).is_some() && bed.take(A).is_none());
    }

    #[tokio::test]
    async fn one_whose_holder_is_gone_is_nobodys() {
        let bed = Bed::new(2);
        assert!(bed.make(A, "a"));
        drop(bed.holders.borrow_mut().remove(0));
        // The runtime has to hear of it first.
        let heard = async {
            while !bed.networks.shelf.lock().iter().all(|ready| ready.network.is_gone()) {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(60), heard).await.unwrap();
        assert!(bed.take(A).is_none());
        assert!(bed.make(A, "b") && bed.take(A).is_some(), "another takes its place");
    }

    #[tokio::test]
    async fn places_are_counted_until_a_namespace_is_gone() {
        let mut bed = Bed::new(1);
        assert!(bed.make(A, "a"));
        assert!(!bed.make(B, "b"), "the one place is taken");
        bed.now += LEASE;
        assert!(bed.make(B, "b"), "nobody has used the other for a while");
        let used = bed.take(B);
        bed.now += LEASE;
        assert!(!bed.make(A, "a"), "what is in use is nobody's to take");
        drop(used);
        assert!(bed.make(A, "a"));
        bed.networks.forget(A);
        assert!(bed.take(A).is_none() && bed.make(B, "b"));
    }

    #[tokio::test]
    async fn none_are_kept_where_none_are_wanted_or_all_is_over() {
        assert!(!Bed::new(0).make(A, "a"));
        let bed = Bed::new(2);
        assert!(bed.make(A, "a"));
        let used = bed.take(A).unwrap();
        bed.networks.close().await;
        bed.networks.give(A, used, bed.now);
        assert!(bed.take(A).is_none() && !bed.make(A, "b"));
    }
}
