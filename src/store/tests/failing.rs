//! A disk that fails: whoever writes is told, and what is there can be read.

use super::{activation, key};
use crate::error::ErrorKind;
use crate::intake::{Feed, IntakeConfig, StoreFeed, Work};
use crate::invocation::Invocation;
use crate::store::{Store, StoreConfig, open};
use redb::backends::InMemoryBackend;
use redb::{Database, StorageBackend};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

#[derive(Debug)]
struct Disk {
    memory: InMemoryBackend,
    is_full: Arc<AtomicBool>,
}

impl Disk {
    fn write_if_room(&self) -> io::Result<()> {
        if self.is_full.load(Ordering::Relaxed) { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
    }
}

impl StorageBackend for Disk {
    fn len(&self) -> io::Result<u64> {
        self.memory.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.memory.read(offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.write_if_room()?;
        self.memory.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.write_if_room()?;
        self.memory.sync_data()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.write_if_room()?;
        self.memory.write(offset, data)
    }
}

#[tokio::test]
async fn a_full_disk_is_told_to_every_writer_and_reads_go_on() {
    let is_full = Arc::new(AtomicBool::new(false));
    let disk = Disk { memory: InMemoryBackend::new(), is_full: is_full.clone() };
    let database: Database = redb::Builder::new().create_with_backend(disk).unwrap();
    open::begin(&database).unwrap();
    let store = Store::new(database, "the store on a small disk".into(), StoreConfig::default()).unwrap();
    let feed = StoreFeed::open(store.clone(), &IntakeConfig::default()).await.unwrap();
    store.put(key("a"), "1").await.unwrap();
    let recorded = activation("guest", "hello", 1);
    store.record(recorded.clone()).await.unwrap();
    store.flush().await.unwrap();

    is_full.store(true, Ordering::Relaxed);
    for is_first in [true, false] {
        let error = store.put(key("a"), "2").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable);
        assert!(error.message().starts_with("the store on a small disk: "), "{error}");
        let error = feed.accept(Work::new("guest", "hello", Invocation::new("work"))).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable);
        assert_eq!(feed.backlog().works, 0, "what wasn't kept isn't counted");
        assert_eq!(store.get(key("a")).await.unwrap().unwrap().bytes, "1");
        assert_eq!(store.activation(recorded.id).await.unwrap().as_ref(), Some(&recorded));
        // Room again doesn't mend it: who knows what of the last writes is there.
        is_full.store(!is_first, Ordering::Relaxed);
    }
    store.record(activation("guest", "hello", 2)).await.unwrap();
    // Nobody waits for ever for a record that couldn't be written.
    assert_eq!(
        store.activation(recorded.id).await.err().map(|error| error.kind()),
        Some(ErrorKind::Unavailable)
    );
    assert_eq!(store.activation(recorded.id).await.unwrap(), Some(recorded));
}
