//! A backend that panics in the middle of what it was asked for costs one request at most: no charge is left behind it,
//! and the next request is served.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use async_trait::async_trait;
use kiln::backend::{Backend, BoxFuture, Exit, Phases, Program, Sandbox, StartSpec, Started, Stdio, fake};
use kiln::function::MIB;
use kiln::{BackendKind, Format, Function, Host, Invocation, Result};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

const HANG: Duration = Duration::from_secs(30);

/// What is to panic next, once.
#[derive(Clone, Copy, Debug, PartialEq)]
#[repr(u32)]
enum At {
    Nothing,
    Start,
    Pause,
    Remove,
}

/// The fake with a fault.
#[derive(Clone)]
struct Faulty<T: ?Sized> {
    next: Arc<AtomicU32>,
    inner: Arc<T>,
}

fn trip(next: &AtomicU32, at: At) {
    if next.compare_exchange(at as u32, At::Nothing as u32, Ordering::SeqCst, Ordering::SeqCst).is_ok() {
        panic!("a defect at {at:?}, as this test wants it");
    }
}

#[async_trait]
impl Backend for Faulty<fake::Fake> {
    fn kind(&self) -> BackendKind {
        self.inner.kind()
    }
    async fn prepare(&self, function: Arc<Function>) -> Result<Arc<dyn Program>> {
        Ok(Arc::new(Faulty { next: self.next.clone(), inner: self.inner.prepare(function).await? }))
    }
    async fn check(&self) -> Result<()> {
        self.inner.check().await
    }
}

#[async_trait]
impl Program for Faulty<dyn Program> {
    fn code(&self) -> &[u8] {
        self.inner.code()
    }
    fn memory(&self) -> u64 {
        self.inner.memory()
    }
    fn prewarms_oneshot(&self) -> bool {
        self.inner.prewarms_oneshot()
    }
    fn pauses(&self) -> bool {
        self.inner.pauses()
    }
    fn sees_initialisation(&self) -> bool {
        self.inner.sees_initialisation()
    }
    async fn start(&self, spec: StartSpec) -> Result<Started> {
        let Started { sandbox, phases } = self.inner.start(spec).await?;
        trip(&self.next, At::Start);
        Ok(Started { sandbox: Box::new(FaultySandbox { next: self.next.clone(), inner: sandbox }), phases })
    }
}

struct FaultySandbox {
    next: Arc<AtomicU32>,
    inner: Box<dyn Sandbox>,
}

#[async_trait]
impl Sandbox for FaultySandbox {
    fn stdio(&mut self) -> &mut dyn Stdio {
        self.inner.stdio()
    }
    async fn launch(&mut self, env: Vec<(String, String)>) -> Result<Phases> {
        self.inner.launch(env).await
    }
    async fn pause(&mut self) -> Result<()> {
        trip(&self.next, At::Pause);
        self.inner.pause().await
    }
    async fn resume(&mut self) -> Result<()> {
        self.inner.resume().await
    }
    async fn exit(&mut self) -> Exit {
        self.inner.exit().await
    }
    fn held(&self) -> u64 {
        self.inner.held()
    }
    fn is_dead(&mut self) -> bool {
        self.inner.is_dead()
    }
    fn ended(&self) -> Option<BoxFuture> {
        self.inner.ended()
    }
    async fn remove(self: Box<Self>) -> Exit {
        trip(&self.next, At::Remove);
        self.inner.remove().await
    }
}

async fn a_panic_costs_one_request_at_most(at: At) {
    let next = Arc::new(AtomicU32::new(At::Nothing as u32));
    let (inner, _fake) = fake::backend(BackendKind::Docker);
    let backend = Arc::new(Faulty { next: next.clone(), inner });
    // Room for one sandbox: a charge that is left behind would stop everything.
    let host = Host::builder().memory(32 * MIB).backend(backend).build().unwrap();
    let mut function = Function::image("echo", "echo").format(Format::Frame).memory(32 * MIB);
    function.pause_after = Some(Duration::from_millis(1));
    let mut other = function.clone();
    other.name = "other".into();
    host.deploy(function).await.unwrap();
    host.deploy(other).await.unwrap();

    next.store(at as u32, Ordering::SeqCst);
    let first = host.invoke("echo", Invocation::new("1")).await.result;
    assert_eq!(first.is_ok(), at != At::Start, "{first:?}");
    // Evicts what is left of the first, paused or not.
    let waits = async {
        while at == At::Pause && next.load(Ordering::SeqCst) != At::Nothing as u32 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        host.invoke("other", Invocation::new("2")).await.result
    };
    let second = tokio::time::timeout(HANG, waits).await.expect("a charge was left behind");
    assert_eq!(second.unwrap().body, "2");
    assert_eq!(next.load(Ordering::SeqCst), At::Nothing as u32, "nothing panicked at {at:?}");

    tokio::time::timeout(HANG, host.drain()).await.expect("it drains");
    assert_eq!(host.figures().charged, 0);
}

#[tokio::test]
async fn a_panic_in_a_start_leaves_no_charge() {
    a_panic_costs_one_request_at_most(At::Start).await;
}

#[tokio::test]
async fn a_panic_in_a_pause_leaves_no_charge() {
    a_panic_costs_one_request_at_most(At::Pause).await;
}

#[tokio::test]
async fn a_panic_in_a_removal_leaves_no_charge() {
    a_panic_costs_one_request_at_most(At::Remove).await;
}
