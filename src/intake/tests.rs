//! The intake on a host with fake sandboxes.

use super::{Ended, Feed, Intake, IntakeConfig, PlainRecords, Records, StoreFeed, Work};
use crate::backend::fake::{self, Handle};
use crate::error::{Error, ErrorKind};
use crate::function::{BackendKind, DEFAULT_NAMESPACE, Format};
use crate::host::Host;
use crate::invocation::{Invocation, InvocationId};
use crate::store::{Activation, Query, Store};
use serde_json::Value;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

struct Bed {
    host: Host,
    handle: Handle,
    store: Store,
    config: IntakeConfig,
}

impl Bed {
    async fn new() -> Self {
        let (backend, handle) = fake::backend(BackendKind::Docker);
        let host = Host::builder().memory(4 << 30).backend(backend).build().unwrap();
        for guest in ["echo", "faulty"] {
            host.deploy(crate::Function::image(guest, guest).format(Format::Frame)).await.unwrap();
        }
        let config = IntakeConfig {
            first_pause: Duration::from_millis(1),
            longest_pause: Duration::from_millis(4),
            ..IntakeConfig::default()
        };
        Self { host, handle, store: Store::memory().unwrap(), config }
    }

    async fn intake(&self) -> Intake {
        self.intake_with(Arc::new(PlainRecords)).await
    }

    async fn intake_with(&self, records: Arc<dyn Records>) -> Intake {
        let feed = Arc::new(StoreFeed::open(self.store.clone(), &self.config).await.unwrap());
        Intake::new(self.host.clone(), feed, records, self.config).unwrap()
    }

    /// The record of an id, once it is there.
    async fn record(&self, id: InvocationId) -> Value {
        let there = async {
            loop {
                if let Some(found) = self.store.activation(id).await.unwrap() {
                    return serde_json::from_slice(&found.record).unwrap();
                }
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(60), there).await.expect("no record")
    }
}

/// Waits until something is so.
async fn until(mut is_so: impl FnMut() -> bool) {
    let waits = async {
        while !is_so() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), waits).await.expect("it never was so");
}

fn work(function: &str, path: &str) -> Work {
    let mut invocation = Invocation::new("hello");
    invocation.path = path.into();
    Work::new(DEFAULT_NAMESPACE, function, invocation)
}

#[tokio::test]
async fn accepted_work_ends_in_a_record_and_is_forgotten() {
    let bed = Bed::new().await;
    let intake = bed.intake().await;
    intake.start();
    let id = intake.accept(work("echo", "/status/201")).await.unwrap();
    let record = bed.record(id).await;
    assert_eq!(record["id"], id.to_string());
    assert_eq!(record["ended"], "answered");
    assert_eq!((&record["status"], &record["body"]), (&201.into(), &"hello".into()));
    assert_eq!((&record["attempts"], &record["start"]), (&1.into(), &"cold".into()));
    intake.drain().await;
    assert_eq!(intake.backlog(), Default::default());
    assert!(bed.store.accepted().await.unwrap().is_empty());
}

#[tokio::test]
async fn the_functions_own_failure_is_a_record_and_no_reason_to_try_again() {
    let bed = Bed::new().await;
    let intake = bed.intake().await;
    intake.start();
    for (function, path, kind) in [
        ("faulty", "/exit/3", "FunctionFailed"),
        ("faulty", "/error/no", "FunctionFailed"),
        ("none", "/", "NotFound"),
    ] {
        let record = bed.record(intake.accept(work(function, path)).await.unwrap()).await;
        assert_eq!(record["kind"], kind, "{record}");
        assert_eq!((&record["attempts"], &record["ended"]), (&1.into(), &"answered".into()), "{record}");
    }
}

#[tokio::test]
async fn work_waits_until_a_backend_is_up_however_often_it_is_tried() {
    let bed = Bed::new().await;
    bed.handle.down(Error::unavailable("no engine"));
    let intake = bed.intake().await;
    intake.start();
    let id = intake.accept(work("echo", "/")).await.unwrap();
    until(|| bed.handle.counts().failed >= u64::from(bed.config.max_attempts) + 2).await;
    bed.handle.up();
    assert_eq!(bed.record(id).await["body"], "hello");
}

#[tokio::test]
async fn work_that_may_not_begin_any_more_is_recorded_so() {
    let bed = Bed::new().await;
    bed.handle.down(Error::unavailable("no engine"));
    let intake = bed.intake().await;
    intake.start();
    let mut old = work("echo", "/");
    old.max_age = Some(Duration::from_millis(20));
    let record = bed.record(intake.accept(old).await.unwrap()).await;
    assert_eq!(record["ended"], "too old");
    assert!(record.get("status").is_none());
}

/// Records that fail where they are asked to.
#[derive(Default)]
struct Broken {
    invoked: AtomicUsize,
}

#[async_trait::async_trait]
impl Records for Broken {
    async fn invoke(&self, host: &Host, work: &Work) -> crate::Outcome {
        self.invoked.fetch_add(1, Ordering::Relaxed);
        assert_ne!(work.context, "panic");
        let mut outcome = host.invoke_in(&work.namespace, &work.function, work.invocation.clone()).await;
        outcome.result = Err(Error::internal("broken"));
        outcome
    }

    fn record(&self, ended: &Ended<'_>) -> Activation {
        PlainRecords.record(ended)
    }
}

#[tokio::test]
async fn attempts_are_bounded() {
    let bed = Bed::new().await;
    let records = Arc::new(Broken::default());
    let intake = bed.intake_with(records.clone()).await;
    intake.start();
    let mut panics = work("echo", "/");
    panics.context = "panic".into();
    for (work, kind) in [(work("echo", "/"), Some("Internal")), (panics, None)] {
        let before = records.invoked.load(Ordering::Relaxed);
        let record = bed.record(intake.accept(work).await.unwrap()).await;
        assert_eq!(record["ended"], "out of attempts", "{record}");
        assert_eq!(record["attempts"], bed.config.max_attempts);
        assert_eq!(record.get("kind").and_then(Value::as_str), kind);
        let invoked = records.invoked.load(Ordering::Relaxed) - before;
        assert_eq!(invoked, bed.config.max_attempts as usize);
    }
}

#[tokio::test]
async fn what_was_accepted_runs_after_a_restart() {
    let bed = Bed::new().await;
    let intake = bed.intake().await;
    let mut ids = Vec::new();
    for _ in 0..20 {
        ids.push(intake.accept(work("echo", "/")).await.unwrap());
    }
    // Some were under way.
    let feed = StoreFeed::open(bed.store.clone(), &bed.config).await.unwrap();
    assert!(!feed.take(4).await.unwrap().is_empty());
    drop((intake, feed));

    let intake = bed.intake().await;
    assert_eq!(intake.backlog().works, 20);
    intake.start();
    for id in ids {
        assert_eq!(bed.record(id).await["body"], "hello");
    }
    intake.drain().await;
    assert_eq!(bed.store.count_activations(Query::of(DEFAULT_NAMESPACE)).await.unwrap(), 20);
}

#[tokio::test]
async fn work_that_kills_the_process_is_given_up() {
    let bed = Bed::new().await;
    let feed = StoreFeed::open(bed.store.clone(), &bed.config).await.unwrap();
    feed.accept(work("echo", "/")).await.unwrap();
    assert_eq!(feed.take(1).await.unwrap()[0].attempt, 1);
    // The process dies, again and again: the first attempt isn't written down, all others are.
    for attempt in [1, 2, 3, 4] {
        let feed = StoreFeed::open(bed.store.clone(), &bed.config).await.unwrap();
        let taken = feed.take(1).await.unwrap();
        assert_eq!((taken.len(), taken[0].attempt), (1, attempt));
    }
    let intake = bed.intake().await;
    intake.start();
    let id = InvocationId::from_u128(bed.store.accepted_at(vec![1]).await.unwrap()[0].1.id);
    assert_eq!(bed.record(id).await["ended"], "out of attempts");
    assert_eq!(bed.handle.counts().starts, 0);
}

#[tokio::test]
async fn no_more_is_under_way_than_there_is_credit_for() {
    let mut bed = Bed::new().await;
    bed.config.credit = 3;
    let intake = bed.intake().await;
    intake.start();
    let mut ids = Vec::new();
    for number in 0..40 {
        ids.push(intake.accept(work(["echo", "faulty"][number % 2], "/")).await.unwrap());
    }
    for id in ids {
        bed.record(id).await;
        assert!(intake.backlog().running <= 3);
    }
    assert!(bed.handle.counts().peak_sandboxes <= 3);
    // All credit came back (`SEEDS.md D1`).
    intake.drain().await;
    intake.drain().await;
}

#[tokio::test]
async fn a_function_that_is_stuck_holds_up_no_other() {
    let mut bed = Bed::new().await;
    bed.config.credit = 8;
    let mut stuck = crate::Function::image("stuck", "faulty").format(Format::Frame);
    stuck.limits.max_sandboxes = 1;
    bed.host.deploy(stuck).await.unwrap();
    let intake = bed.intake().await;
    intake.start();
    for _ in 0..50 {
        intake.accept(work("stuck", "/silence")).await.unwrap();
    }
    let id = intake.accept(work("echo", "/")).await.unwrap();
    assert_eq!(bed.record(id).await["body"], "hello");
    bed.host.stop().await;
    intake.drain().await;
    assert_eq!(intake.backlog().works, 50, "what was cut off is kept");
}

#[tokio::test]
async fn draining_leaves_on_disk_what_has_not_begun() {
    let mut bed = Bed::new().await;
    bed.config.credit = 2;
    bed.handle.hold_starts();
    let intake = bed.intake().await;
    intake.start();
    for _ in 0..10 {
        intake.accept(work("echo", "/")).await.unwrap();
    }
    until(|| intake.backlog().running > 0).await;
    let drained = tokio::spawn({
        let intake = intake.clone();
        async move { intake.drain().await }
    });
    tokio::task::yield_now().await;
    bed.handle.let_starts_go();
    tokio::time::timeout(Duration::from_secs(60), drained).await.expect("it never ends").unwrap();
    assert_eq!(intake.accept(work("echo", "/")).await.unwrap_err().kind(), ErrorKind::Unavailable);
    let left = bed.store.accepted().await.unwrap().len();
    assert!((8..10).contains(&left), "{left}");
    assert_eq!(bed.store.count_activations(Query::of(DEFAULT_NAMESPACE)).await.unwrap(), 10 - left);
}

#[tokio::test]
async fn more_than_may_wait_is_refused() {
    let mut bed = Bed::new().await;
    bed.config.max_works = 2;
    let intake = bed.intake().await;
    for _ in 0..2 {
        intake.accept(work("echo", "/")).await.unwrap();
    }
    let error = intake.accept(work("echo", "/")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Overloaded);
    assert!(error.message().starts_with("2 works"), "{error}");
    intake.start();
    until(|| intake.backlog().works == 0).await;
    intake.accept(work("echo", "/")).await.unwrap();
}

#[tokio::test]
async fn what_somebody_else_has_ended_is_not_handed_out() {
    let bed = Bed::new().await;
    let feed = StoreFeed::open(bed.store.clone(), &bed.config).await.unwrap();
    feed.accept(work("echo", "/")).await.unwrap();
    feed.accept(work("faulty", "/")).await.unwrap();
    let mut write = crate::store::Write::new();
    write.finish(bed.store.accepted().await.unwrap()[0].number);
    bed.store.commit(write).await.unwrap().done().unwrap();
    let taken = feed.take(9).await.unwrap();
    assert_eq!(taken.iter().map(|taken| taken.work.function.as_str()).collect::<Vec<_>>(), ["faulty"]);
    assert_eq!((feed.backlog().works, feed.backlog().running), (1, 1));
}

#[test]
fn a_taker_that_goes_away_takes_nothing() {
    // The store is read on a thread for blocking work: with one, which is kept busy, no read is over before it is left.
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_all().max_blocking_threads(1).build().unwrap();
    runtime.block_on(async {
        let bed = Bed::new().await;
        let feed = StoreFeed::open(bed.store.clone(), &bed.config).await.unwrap();
        feed.accept(work("echo", "/")).await.unwrap();
        let (free, held) = std::sync::mpsc::channel::<()>();
        let busy = tokio::task::spawn_blocking(move || held.recv().is_ok());
        {
            let take = feed.take(1);
            let mut take = std::pin::pin!(take);
            assert!(once(take.as_mut()).await.is_none(), "it has to read from the store first");
            assert_eq!(feed.backlog().running, 1);
        }
        assert_eq!(feed.backlog().running, 0);
        drop(free);
        assert!(!busy.await.unwrap());
        assert_eq!(feed.take(1).await.unwrap().len(), 1);
    });
}

/// One poll.
async fn once<F: Future>(mut future: std::pin::Pin<&mut F>) -> Option<F::Output> {
    use std::task::Poll;
    std::future::poll_fn(|cx| {
        Poll::Ready(match future.as_mut().poll(cx) {
            Poll::Ready(output) => Some(output),
            Poll::Pending => None,
        })
    })
    .await
}
