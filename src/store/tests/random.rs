//! Random writes against plain maps: what is there, in what order, and after a crash behind any of them.

use crate::invocation::InvocationId;
use crate::store::ring::size;
use crate::store::{
    Accepted, Activation, Commit, Digest, Expect, Key, Mark, Query, Store, StoreConfig, Write,
};
use bytes::Bytes;
use proptest::prelude::*;
use std::collections::BTreeMap;

#[derive(Clone, Debug)]
enum Op {
    Put { name: u8, code: Option<u8> },
    PutIf { name: u8, current: bool },
    Delete { name: u8 },
    Record { namespace: u8, name: u8, start: u64, bytes: usize, again: bool },
    Accept { bytes: usize },
    Mark { which: usize, attempts: u32 },
    Finish { which: usize },
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        2 => (0..4_u8, proptest::option::of(0..3_u8)).prop_map(|(name, code)| Op::Put { name, code }),
        1 => (0..4_u8, any::<bool>()).prop_map(|(name, current)| Op::PutIf { name, current }),
        1 => (0..4_u8).prop_map(|name| Op::Delete { name }),
        4 => (0..2_u8, 0..3_u8, 0..50_u64, 0..900_usize, proptest::bool::weighted(0.1))
            .prop_map(|(namespace, name, start, bytes, again)| Op::Record { namespace, name, start, bytes, again }),
        2 => (0..9000_usize).prop_map(|bytes| Op::Accept { bytes }),
        1 => (any::<usize>(), 1..9_u32).prop_map(|(which, attempts)| Op::Mark { which, attempts }),
        1 => any::<usize>().prop_map(|which| Op::Finish { which }),
    ]
}

const RING: u64 = 6000;

/// What has to be in a store.
#[derive(Clone, Default)]
struct Model {
    documents: BTreeMap<String, (u64, Option<u8>)>,
    /// The oldest first, in order of writing.
    records: Vec<Activation>,
    accepted: BTreeMap<u64, (Accepted, Mark)>,
}

fn key(name: u8) -> Key {
    Key::new("functions", "guest", name.to_string())
}

fn code(code: u8) -> Bytes {
    Bytes::from(vec![code; 5000])
}

impl Model {
    /// Does one thing to both.
    async fn step(&mut self, store: &Store, op: Op) {
        let mut write = Write::new();
        match op {
            Op::Put { name, code: brought } => {
                let digest = brought.map(|brought| write.code(code(brought)));
                write.put(key(name), "document", digest);
                let version = store.commit(write).await.unwrap().done().unwrap();
                self.documents.insert(name.to_string(), (version, brought));
            }
            Op::PutIf { name, current } => {
                let version = self.documents.get(&name.to_string()).map_or(1, |(version, _)| *version);
                let expect = Expect::Version(version + u64::from(!current));
                match store.put_if(key(name), expect, "document").await.unwrap() {
                    Commit::Done(version) => {
                        assert!(
                            current && self.documents.insert(name.to_string(), (version, None)).is_some()
                        );
                    }
                    Commit::Conflict(_) => {
                        assert!(!current || !self.documents.contains_key(&name.to_string()))
                    }
                }
            }
            Op::Delete { name } => {
                store.delete(key(name)).await.unwrap();
                self.documents.remove(&name.to_string());
            }
            Op::Record { namespace, name, start, bytes, again } => {
                let last = self.records.last().map(|last| last.id).filter(|_| again);
                let activation = Activation {
                    id: last.unwrap_or_else(InvocationId::new),
                    namespace: format!("namespace {namespace}"),
                    name: format!("name {name}"),
                    start,
                    record: vec![b'r'; bytes / 2].into(),
                    logs: vec![b'l'; bytes / 3].into(),
                };
                write.record(activation.clone());
                store.commit(write).await.unwrap().done().unwrap();
                if last.is_none() {
                    self.records.push(activation);
                }
                let took = |one: &Activation| size(&one.namespace, &one.name, &one.record, &one.logs);
                while self.records.len() > 1 && self.records.iter().map(took).sum::<u64>() > RING {
                    self.records.remove(0);
                }
            }
            Op::Accept { bytes } => {
                let body = vec![b'b'; bytes].into();
                let accepted = Accepted { id: InvocationId::new().as_u128(), head: "head".into(), body };
                write.accept(accepted.clone());
                let number = store.commit(write).await.unwrap().done().unwrap();
                self.accepted.insert(number, (accepted, Mark::default()));
            }
            Op::Mark { which, attempts } => {
                let Some(number) = self.pick(which) else { return };
                let mark = Mark { attempts, not_before: 5 };
                write.mark(number, mark);
                store.commit(write).await.unwrap().done().unwrap();
                self.accepted.get_mut(&number).unwrap().1 = mark;
            }
            Op::Finish { which } => {
                let Some(number) = self.pick(which) else { return };
                write.finish(number);
                // What has ended has no marks any more, whoever still makes some.
                write.mark(number, Mark { attempts: 1, not_before: 1 });
                store.commit(write).await.unwrap().done().unwrap();
                self.accepted.remove(&number);
            }
        }
    }

    fn pick(&self, which: usize) -> Option<u64> {
        let count = self.accepted.len();
        self.accepted.keys().nth(which.checked_rem(count)?).copied()
    }

    /// Looks whether all of it is in the store, and nothing else.
    async fn check(&self, store: &Store) {
        let found = store.list("functions", "guest", 0, usize::MAX).await.unwrap();
        let digest = |brought: Option<u8>| brought.map(|brought| Digest::of(&code(brought)));
        let documents = found.into_iter().map(|(name, document)| (name, (document.version, document.code)));
        let wanted = self
            .documents
            .iter()
            .map(|(name, (version, brought))| (name.clone(), (*version, digest(*brought))));
        assert_eq!(documents.collect::<BTreeMap<_, _>>(), wanted.collect::<BTreeMap<_, _>>());
        for one in 0..3 {
            let is_used = self.documents.values().any(|(_, brought)| *brought == Some(one));
            let found = store.code(Digest::of(&code(one))).await.unwrap();
            assert_eq!(found, is_used.then(|| code(one)));
        }

        for namespace in ["namespace 0", "namespace 1"] {
            for name in [None, Some("name 0"), Some("name 2")] {
                let mut wanted: Vec<_> = self
                    .records
                    .iter()
                    .filter(|one| one.namespace == namespace && name.is_none_or(|name| one.name == name))
                    .filter(|one| (10..=40).contains(&one.start))
                    .map(|one| Activation { logs: Bytes::new(), ..one.clone() })
                    .collect();
                // Of two that began in the same moment the one written later is the newer.
                wanted.sort_by_key(|one| one.start);
                wanted.reverse();
                let name = name.map(str::to_owned);
                let query = Query { name, since: 10, upto: 40, skip: 1, limit: 5, ..Query::of(namespace) };
                assert_eq!(store.count_activations(query.clone()).await.unwrap(), wanted.len());
                let wanted: Vec<_> = wanted.into_iter().skip(1).take(5).collect();
                assert_eq!(store.activations(query).await.unwrap(), wanted);
            }
        }
        for one in &self.records {
            assert_eq!(store.activation(one.id).await.unwrap().as_ref(), Some(one));
        }

        let heads: Vec<_> =
            store.accepted().await.unwrap().into_iter().map(|one| (one.number, one.mark)).collect();
        let wanted: Vec<_> = self.accepted.iter().map(|(number, (_, mark))| (*number, *mark)).collect();
        assert_eq!(heads, wanted);
        let found = store.accepted_at(self.accepted.keys().copied().collect()).await.unwrap();
        let wanted: Vec<_> = self.accepted.iter().map(|(number, (one, _))| (*number, one.clone())).collect();
        assert_eq!(found, wanted);
    }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn a_store_is_what_was_written_to_it(ops in proptest::collection::vec(op(), 1..80)) {
        runtime().block_on(async {
            let store = Store::memory_with(StoreConfig { max_bytes: RING, ..StoreConfig::default() }).unwrap();
            let mut model = Model::default();
            for op in ops {
                model.step(&store, op).await;
                model.check(&store).await;
            }
        });
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4, ..ProptestConfig::default() })]

    /// A copy of the file in the middle of everything is what a killed process leaves behind.
    #[test]
    fn a_crash_behind_any_commit_loses_nothing(ops in proptest::collection::vec(op(), 1..30)) {
        runtime().block_on(async {
            let folder = tempfile::tempdir().unwrap();
            let (path, copy) = (folder.path().join("kiln.redb"), folder.path().join("copy.redb"));
            let config = StoreConfig { max_bytes: RING, ..StoreConfig::default() };
            let store = Store::open_with(&path, config).unwrap();
            let mut model = Model::default();
            for op in ops {
                model.step(&store, op.clone()).await;
                std::fs::copy(&path, &copy).unwrap();
                let crashed = Store::open_with(&copy, config).unwrap();
                model.check(&crashed).await;
                // It goes on from there.
                model.clone().step(&crashed, op).await;
            }
        });
    }
}
