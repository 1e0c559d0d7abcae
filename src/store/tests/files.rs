//! What is in the file: it outlives the store, and a file that isn't right is refused and left alone.

use super::{activation, key};
use crate::error::ErrorKind;
use crate::store::tables::{META, META_SCHEMA};
use crate::store::{Store, StoreConfig, Write};
use redb::{Database, TableDefinition};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// A store with something of everything, closed.
async fn filled(folder: &Path) -> PathBuf {
    let path = folder.join("kiln.redb");
    let store = Store::open(&path).unwrap();
    for number in 0..40 {
        let mut write = Write::new();
        let code = write.code(format!("code {number}").repeat(200));
        write.put(key(&format!("{number:02}")), format!("document {number}"), Some(code));
        write.record(activation("guest", "hello", number));
        store.commit(write).await.unwrap().done().unwrap();
    }
    path
}

#[tokio::test]
async fn what_was_written_is_there_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("kiln.redb");
    let store = Store::open(&path).unwrap();
    let version = store.put(key("a"), "1").await.unwrap();
    let recorded = activation("guest", "hello", 1);
    store.record(recorded.clone()).await.unwrap();
    drop(store);
    let store = Store::open(&path).unwrap();
    assert_eq!(store.get(key("a")).await.unwrap().unwrap().version, version);
    assert_eq!(store.activation(recorded.id).await.unwrap(), Some(recorded));
    assert!(store.put(key("a"), "2").await.unwrap() > version);
}

#[tokio::test]
async fn records_come_to_disk_by_themselves() {
    let folder = tempfile::tempdir().unwrap();
    let (path, copy) = (folder.path().join("kiln.redb"), folder.path().join("copy"));
    let config = StoreConfig { flush_after: Duration::from_millis(20), ..StoreConfig::default() };
    let store = Store::open_with(&path, config).unwrap();
    let recorded = activation("guest", "hello", 1);
    store.record(recorded.clone()).await.unwrap();
    let began = Instant::now();
    loop {
        std::fs::copy(&path, &copy).unwrap();
        // A copy from the middle of a commit may be anything.
        if let Ok(copy) = Store::open(&copy)
            && copy.activation(recorded.id).await.unwrap().is_some()
        {
            break;
        }
        assert!(began.elapsed() < Duration::from_secs(60), "it never is on disk");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[cfg(unix)]
#[tokio::test]
async fn a_store_is_nobody_elses_to_read() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let path = filled(folder.path()).await;
    assert_eq!(std::fs::metadata(path).unwrap().permissions().mode() & 0o777, 0o600);
}

/// Opens what must be refused; returns the error's words. The file is as it was.
fn refused(path: &Path, kind: ErrorKind) -> String {
    let before = std::fs::read(path).unwrap();
    let error = Store::open(path).err().expect("it was opened");
    assert_eq!(error.kind(), kind, "{error}");
    assert!(error.message().contains(path.to_str().unwrap()), "{error}");
    assert!(std::fs::read(path).unwrap() == before, "it was written to");
    error.to_string()
}

#[tokio::test]
async fn a_file_of_somebody_else_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("other");
    std::fs::write(&path, "[host]\nmemory").unwrap();
    assert!(refused(&path, ErrorKind::InvalidInput).contains("begins with \"[host]\\nme\""));
    std::fs::write(&path, "r").unwrap();
    refused(&path, ErrorKind::InvalidInput);

    let path = folder.path().join("redb");
    let database = Database::create(&path).unwrap();
    let transaction = database.begin_write().unwrap();
    let table: TableDefinition<u64, u64> = TableDefinition::new("theirs");
    transaction.open_table(table).unwrap().insert(1, 2).unwrap();
    transaction.commit().unwrap();
    drop(database);
    assert!(refused(&path, ErrorKind::InvalidInput).contains("without Kiln's table"));

    let error = Store::open(folder.path().join("none/kiln.redb")).err().unwrap();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
}

#[tokio::test]
async fn a_newer_store_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = filled(folder.path()).await;
    let database = Database::open(&path).unwrap();
    let transaction = database.begin_write().unwrap();
    transaction.open_table(META).unwrap().insert(META_SCHEMA, 7).unwrap();
    transaction.commit().unwrap();
    drop(database);
    assert!(refused(&path, ErrorKind::InvalidInput).contains("schema 7, and this Kiln reads schema 1"));
}

#[tokio::test]
async fn a_store_in_use_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = filled(folder.path()).await;
    let store = Store::open(&path).unwrap();
    let error = Store::open(&path).err().unwrap();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(error.message().contains("in use by another process"), "{error}");
    store.put(key("a"), "still").await.unwrap();
    drop(store);
    Store::open(&path).unwrap();
}

#[tokio::test]
async fn a_file_that_was_cut_off_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = filled(folder.path()).await;
    let whole = std::fs::read(&path).unwrap();
    for part in [10, 64, 320, 4096, whole.len() / 2, whole.len() - 4096, whole.len() - 1] {
        std::fs::write(&path, &whole[..part]).unwrap();
        refused(&path, ErrorKind::InvalidInput);
    }
    std::fs::write(&path, &whole).unwrap();
    Store::open(&path).unwrap();
}

#[tokio::test]
async fn a_file_with_a_bit_flipped_is_refused_or_none_the_worse() {
    let folder = tempfile::tempdir().unwrap();
    let path = filled(folder.path()).await;
    let whole = std::fs::read(&path).unwrap();
    let mut damaged = 0;
    let mut random = 0x9e37_79b9_7f4a_7c15_u64;
    for round in 0..150 {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        // The header, and then anywhere.
        let at = random as usize % if round < 50 { 320 } else { whole.len() };
        let mut flipped = whole.clone();
        flipped[at] ^= 1 << (random >> 60 & 7);
        std::fs::write(&path, &flipped).unwrap();
        match Store::open(&path) {
            Ok(store) => {
                let found = store.list("functions", "guest", 0, 100).await.unwrap();
                // The header names two commits: with the wrong one, all is as it was before the last.
                assert!(found.len() >= 39, "byte {at}: {}", found.len());
                for (name, document) in found {
                    let number = name.parse::<u32>().unwrap();
                    assert_eq!(document.bytes, format!("document {number}"));
                    let code = store.code(document.code.unwrap()).await.unwrap().unwrap();
                    assert_eq!(code, format!("code {number}").repeat(200));
                }
            }
            Err(error) => {
                damaged += 1;
                assert_eq!(error.kind(), ErrorKind::InvalidInput, "byte {at}: {error}");
                assert!(std::fs::read(&path).unwrap() == flipped, "byte {at}: it was written to");
            }
        }
    }
    assert!(damaged > 5, "{damaged}");
}
