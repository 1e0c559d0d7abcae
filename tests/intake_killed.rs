//! Accepted work survives `kill -9`: a child process of this very test accepts and runs work and is killed at random
//! moments, five times over. Afterwards the store opens, and all that was accepted ends in a record.

#![cfg(all(feature = "store", unix))]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

use kiln::backend::fake;
use kiln::function::DEFAULT_NAMESPACE;
use kiln::intake::{Intake, IntakeConfig, PlainRecords, StoreFeed, Work};
use kiln::store::{Query, Store};
use kiln::{BackendKind, Format, Function, Host, Invocation, InvocationId};
use rand::Rng;
use std::collections::HashSet;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

/// Says to the child where its store is.
const STORE: &str = "KILN_TEST_KILLED_STORE";
const CALLERS: usize = 16;

async fn intake(store: &Store) -> Intake {
    let host = Host::builder().memory(4 << 30).backend(fake::backend(BackendKind::Docker).0).build().unwrap();
    host.deploy(Function::image("echo", "echo").format(Format::Frame)).await.unwrap();
    // No work is at fault here, however often it is killed.
    let config = IntakeConfig { max_attempts: 100, ..IntakeConfig::default() };
    let feed = Arc::new(StoreFeed::open(store.clone(), &config).await.unwrap());
    let intake = Intake::new(host, feed, Arc::new(PlainRecords), config).unwrap();
    intake.start();
    intake
}

/// The child: accepts work and says so, until it is killed. Does nothing where it is no child.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn child() {
    let Some(path) = std::env::var_os(STORE) else { return };
    let store = Store::open(path).unwrap();
    let intake = intake(&store).await;
    let mut callers = tokio::task::JoinSet::new();
    for _ in 0..CALLERS {
        let intake = intake.clone();
        callers.spawn(async move {
            loop {
                let mut invocation = Invocation::new(vec![b'x'; 2000]);
                invocation.path = "/sleep/2".into();
                let id = intake.accept(Work::new(DEFAULT_NAMESPACE, "echo", invocation)).await.unwrap();
                // One write: a line is there whole or not at all.
                std::io::stdout().write_all(format!("\naccepted {id}\n").as_bytes()).unwrap();
            }
        });
    }
    callers.join_all().await;
}

/// Runs a child and kills it some time after its first word; returns what it said was accepted.
fn killed_child(path: &Path, after: Duration) -> Vec<InvocationId> {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child", "--nocapture"])
        .env(STORE, path)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let (first, said) = std::sync::mpsc::channel();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let reader = std::thread::spawn(move || {
        let accepted =
            lines.map_while(Result::ok).filter_map(|line| line.strip_prefix("accepted ")?.parse().ok());
        accepted
            .inspect(|_| {
                // Heard once, it is known.
                let _ = first.send(());
            })
            .collect()
    });
    said.recv_timeout(Duration::from_secs(60)).expect("the child accepts nothing");
    std::thread::sleep(after);
    // SIGKILL, by the child's own id.
    child.kill().unwrap();
    assert!(!child.wait().unwrap().success());
    reader.join().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_accepted_ends_in_a_record_whatever_is_killed() {
    if std::env::var_os(STORE).is_some() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("kiln.redb");
    let mut accepted = HashSet::new();
    for _ in 0..5 {
        let after = Duration::from_micros(rand::rng().random_range(0..120_000));
        let said = killed_child(&path, after);
        assert!(!said.is_empty());
        for id in said {
            assert!(accepted.insert(id), "{id} was given twice");
        }
    }

    let store = Store::open(&path).unwrap();
    let before = store.count_activations(Query::of(DEFAULT_NAMESPACE)).await.unwrap();
    let intake = intake(&store).await;
    let left = intake.backlog().works;
    let all_done = async {
        while intake.backlog().works > 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(120), all_done).await.expect("some work never ends");
    for id in &accepted {
        let found = store.activation(*id).await.unwrap();
        let found = found.unwrap_or_else(|| panic!("{id} was accepted and has no record"));
        let record: serde_json::Value = serde_json::from_slice(&found.record).unwrap();
        assert_eq!((&record["status"], &record["ended"]), (&200.into(), &"answered".into()), "{record}");
    }
    // Every work has one record: what was accepted, and what was on disk when its caller was killed before it heard.
    let records = store.count_activations(Query::of(DEFAULT_NAMESPACE)).await.unwrap();
    assert!(records <= before + left, "{before} records and {left} works became {records} records");
    assert!(
        (accepted.len()..=accepted.len() + 5 * CALLERS).contains(&records),
        "{} {records}",
        accepted.len()
    );
}
