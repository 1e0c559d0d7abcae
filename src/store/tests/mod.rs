//! The store as its users see it.

mod failing;
mod files;
mod random;

use super::{Activation, Commit, Expect, Key, Query, Store, StoreConfig, Write};
use crate::error::ErrorKind;
use crate::invocation::InvocationId;
use bytes::Bytes;
use std::time::Duration;

fn key(name: &str) -> Key {
    Key::new("functions", "guest", name)
}

fn activation(namespace: &str, name: &str, start: u64) -> Activation {
    Activation {
        id: InvocationId::new(),
        namespace: namespace.into(),
        name: name.into(),
        start,
        record: Bytes::from(format!("{name} at {start}")),
        logs: Bytes::from_static(b"said"),
    }
}

#[tokio::test]
async fn a_document_is_there_until_it_is_deleted() {
    let store = Store::memory().unwrap();
    assert_eq!(store.get(key("a")).await.unwrap(), None);
    let first = store.put(key("a"), "1").await.unwrap();
    let second = store.put(key("a"), "2").await.unwrap();
    let found = store.get(key("a")).await.unwrap().unwrap();
    assert_eq!((found.bytes, found.code, found.version), ("2".into(), None, second));
    assert!(second > first);
    store.delete(key("a")).await.unwrap();
    store.delete(key("a")).await.unwrap();
    assert_eq!(store.get(key("a")).await.unwrap(), None);
}

#[tokio::test]
async fn of_two_who_expect_the_same_one_wins() {
    let store = Store::memory().unwrap();
    let (one, two) = tokio::join!(
        store.put_if(key("a"), Expect::Absent, "1"),
        store.put_if(key("a"), Expect::Absent, "2")
    );
    let (one, two) = (one.unwrap(), two.unwrap());
    let Commit::Done(version) = one else { panic!("the first lost: {one:?}") };
    assert_eq!(two, Commit::Conflict(key("a")));
    assert_eq!(store.get(key("a")).await.unwrap().unwrap().bytes, "1");

    let conflict = store.put_if(key("a"), Expect::Version(version + 1), "3").await.unwrap();
    assert_eq!(conflict, Commit::Conflict(key("a")));
    assert!(matches!(store.put_if(key("a"), Expect::Version(version), "3").await.unwrap(), Commit::Done(_)));
    assert!(matches!(store.put_if(key("a"), Expect::Present, "4").await.unwrap(), Commit::Done(_)));
    let conflict = store.put_if(key("b"), Expect::Present, "4").await.unwrap();
    assert_eq!(conflict, Commit::Conflict(key("b")));
}

#[tokio::test]
async fn a_write_happens_whole_or_not_at_all() {
    let store = Store::memory().unwrap();
    store.put(key("there"), "").await.unwrap();
    let mut write = Write::new();
    write.put(key("new"), "1", None);
    write.delete(key("there"));
    write.expect(key("there"), Expect::Absent);
    assert_eq!(store.commit(write).await.unwrap(), Commit::Conflict(key("there")));
    assert_eq!(store.get(key("new")).await.unwrap(), None);
    assert!(store.get(key("there")).await.unwrap().is_some());
}

#[tokio::test]
async fn lists_are_by_name_and_of_one_namespace() {
    let store = Store::memory().unwrap();
    for (collection, namespace, name) in [
        ("functions", "guest", "b"),
        ("functions", "guest", "a"),
        ("functions", "guest", "c"),
        ("functions", "gues", "t"),
        ("functions", "guest\0", "x"),
        ("functions", "guests", "x"),
        ("packages", "guest", "p"),
    ] {
        store.put(Key::new(collection, namespace, name), "").await.unwrap();
    }
    let names = |found: Vec<(String, _)>| found.into_iter().map(|(name, _)| name).collect::<Vec<_>>();
    assert_eq!(names(store.list("functions", "guest", 0, 10).await.unwrap()), ["a", "b", "c"]);
    assert_eq!(names(store.list("functions", "guest", 1, 1).await.unwrap()), ["b"]);
    assert_eq!(store.count("functions", "guest").await.unwrap(), 3);

    let mut all: Vec<Key> = Vec::new();
    loop {
        let page = store.all("functions", all.last().cloned(), 2).await.unwrap();
        if page.is_empty() {
            break;
        }
        all.extend(page.into_iter().map(|(key, _)| key));
    }
    assert_eq!(all.len(), 6);
    assert!(all.is_sorted());
}

#[tokio::test]
async fn code_stays_as_long_as_a_document_refers_to_it() {
    let store = Store::memory().unwrap();
    let mut write = Write::new();
    let digest = write.code("code");
    let unused = write.code("unused");
    write.put(key("a"), "", Some(digest));
    write.put(key("b"), "", Some(digest));
    store.commit(write).await.unwrap().done().unwrap();
    assert_eq!(store.code(digest).await.unwrap().unwrap(), "code");
    assert_eq!(store.code(unused).await.unwrap(), None);
    assert_eq!(store.get(key("a")).await.unwrap().unwrap().code, Some(digest));

    // Put again with the same code, which needn't be brought again.
    let mut write = Write::new();
    write.put(key("a"), "new", Some(digest));
    store.commit(write).await.unwrap().done().unwrap();
    store.delete(key("b")).await.unwrap();
    assert_eq!(store.code(digest).await.unwrap().unwrap(), "code");

    store.put(key("a"), "without").await.unwrap();
    assert_eq!(store.code(digest).await.unwrap(), None);
    let mut write = Write::new();
    write.put(key("a"), "", Some(digest));
    assert_eq!(store.commit(write).await.unwrap_err().kind(), ErrorKind::NotFound);

    // Deleted and put by one write: it was never nobody's.
    let mut write = Write::new();
    let digest = write.code("code");
    write.put(key("a"), "", Some(digest));
    store.commit(write).await.unwrap().done().unwrap();
    let mut write = Write::new();
    write.delete(key("a"));
    write.put(key("c"), "", Some(digest));
    store.commit(write).await.unwrap().done().unwrap();
    assert_eq!(store.code(digest).await.unwrap().unwrap(), "code");
}

#[tokio::test]
async fn a_record_is_seen_at_once_and_the_first_of_an_id_stays() {
    let store = Store::memory().unwrap();
    let first = activation("guest", "hello", 5);
    store.record(first.clone()).await.unwrap();
    store.record(Activation { record: "other".into(), ..first.clone() }).await.unwrap();
    assert_eq!(store.activation(first.id).await.unwrap(), Some(first));
    assert_eq!(store.activation(InvocationId::new()).await.unwrap(), None);
}

#[tokio::test]
async fn activations_are_listed_newest_first() {
    let store = Store::memory().unwrap();
    for start in [30, 10, 20] {
        for name in ["a", "b"] {
            store.record(activation("guest", name, start)).await.unwrap();
        }
    }
    store.record(activation("other", "a", 25)).await.unwrap();
    let list = async |query: Query| {
        let found = store.activations(query).await.unwrap();
        assert!(found.iter().all(|found| found.logs.is_empty()));
        found.into_iter().map(|found| (found.name, found.start)).collect::<Vec<_>>()
    };
    let at = |name: &str, start| (name.to_owned(), start);
    let all = [at("b", 30), at("a", 30), at("b", 20), at("a", 20), at("b", 10), at("a", 10)];
    assert_eq!(list(Query::of("guest")).await, all);
    assert_eq!(list(Query { skip: 1, limit: 2, ..Query::of("guest") }).await, all[1..3]);
    assert_eq!(list(Query { limit: 0, ..Query::of("guest") }).await, []);
    let some = Query { name: Some("a".into()), since: 20, upto: 29, ..Query::of("guest") };
    assert_eq!(list(some.clone()).await, [at("a", 20)]);
    assert_eq!(list(Query { since: 2, upto: 1, ..Query::of("guest") }).await, []);
    assert_eq!(store.count_activations(some).await.unwrap(), 1);
    assert_eq!(store.count_activations(Query { skip: 3, limit: 1, ..Query::of("guest") }).await.unwrap(), 6);
}

#[tokio::test]
async fn the_ring_lets_the_oldest_go() {
    let config = StoreConfig { max_bytes: 2000, ..StoreConfig::default() };
    let store = Store::memory_with(config).unwrap();
    for start in 0..20 {
        store.record(activation("guest", "hello", start)).await.unwrap();
    }
    let kept = store.activations(Query::of("guest")).await.unwrap();
    assert!((2..8).contains(&kept.len()), "{}", kept.len());
    assert_eq!(kept[0].start, 19);
    assert!(kept.iter().rev().map(|kept| kept.start).eq(20 - kept.len() as u64..20));

    // One that is larger than the ring is kept alone.
    let large = Activation { logs: vec![b'x'; 5000].into(), ..activation("guest", "large", 1) };
    store.record(large.clone()).await.unwrap();
    assert_eq!(store.count_activations(Query::of("guest")).await.unwrap(), 1);
    assert_eq!(store.activation(large.id).await.unwrap(), Some(large));
}

#[tokio::test]
async fn the_ring_lets_go_what_is_too_old() {
    let config = StoreConfig { max_age: Duration::from_millis(1), ..StoreConfig::default() };
    let store = Store::memory_with(config).unwrap();
    let old = activation("guest", "old", 1);
    store.record(old.clone()).await.unwrap();
    store.flush().await.unwrap();
    std::thread::sleep(Duration::from_millis(5));
    store.record(activation("guest", "new", 2)).await.unwrap();
    assert_eq!(store.activation(old.id).await.unwrap(), None);
    assert_eq!(store.count_activations(Query::of("guest")).await.unwrap(), 1);
}

#[tokio::test]
async fn limits_of_nothing_are_refused() {
    let config = StoreConfig { max_bytes: 0, ..StoreConfig::default() };
    assert_eq!(Store::memory_with(config).err().unwrap().kind(), ErrorKind::InvalidInput);
}

#[tokio::test]
async fn callers_wait_for_room_and_all_of_them_get_it() {
    let config = StoreConfig { max_queued: 1000, ..StoreConfig::default() };
    let store = Store::memory_with(config).unwrap();
    let puts: Vec<_> = (0..50)
        .map(|number| {
            let store = store.clone();
            // Some are larger than all the room there is.
            tokio::spawn(async move { store.put(key(&number.to_string()), vec![1; number * 50]).await })
        })
        .collect();
    for put in puts {
        tokio::time::timeout(Duration::from_secs(60), put).await.expect("it never ends").unwrap().unwrap();
    }
    assert_eq!(store.count("functions", "guest").await.unwrap(), 50);
}
