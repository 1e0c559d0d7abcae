//! What an instance's task and those who wait for it know of each other.

use crate::backend::Exit;
use crate::backend::wasm::shared::Shared;
use parking_lot::Mutex;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::SeqCst};
use std::task::{Context, Poll, Waker};
use tokio::sync::{mpsc, watch};

/// One instance's.
pub(super) struct Crew {
    /// The sandbox's own way in, on whose [`Shared`] memory is counted, too.
    pub(super) own: Arc<Shared>,
    /// Where new lanes go.
    inbox: mpsc::UnboundedSender<Arc<Shared>>,
    lanes: Mutex<Vec<Arc<Shared>>>,
    ended: watch::Sender<Option<Exit>>,
    /// Requests that it may still be given; `None`: any number.
    uses: Option<AtomicU32>,
    /// Whether all that was begun in it is done.
    quiet: AtomicBool,
    rest: Mutex<Rest>,
}

/// Whether it may run.
#[derive(Default)]
struct Rest {
    paused: bool,
    /// The task, while it may not.
    task: Option<Waker>,
}

impl Crew {
    pub(super) fn new(
        own: Arc<Shared>,
        max_uses: Option<u32>,
    ) -> (Arc<Self>, mpsc::UnboundedReceiver<Arc<Shared>>) {
        let (inbox, arriving) = mpsc::unbounded_channel();
        let crew = Self {
            own: Arc::clone(&own),
            inbox,
            lanes: Mutex::default(),
            ended: watch::Sender::new(None),
            uses: max_uses.map(AtomicU32::new),
            quiet: AtomicBool::new(true),
            rest: Mutex::default(),
        };
        crew.admit(own);
        (Arc::new(crew), arriving)
    }

    /// One more way in.
    pub(super) fn admit(&self, lane: Arc<Shared>) {
        self.lanes.lock().push(Arc::clone(&lane));
        // Where the task is gone, the lane finds that out when it is read.
        let _ = self.inbox.send(lane);
    }

    /// Nobody goes this way any more.
    pub(super) fn dismiss(&self, lane: &Arc<Shared>) {
        self.lanes.lock().retain(|other| !Arc::ptr_eq(other, lane));
        lane.io().abandon();
    }

    /// The instance has ended: all who wait hear of it.
    pub(super) fn end(&self, exit: Exit) {
        self.ended.send_if_modified(|ended| {
            let first = ended.is_none();
            if first {
                *ended = Some(exit);
            }
            first
        });
        // Whoever looks at `ended` and then waits does both under this lock.
        self.lanes.lock().iter().for_each(|lane| lane.io().bells.more_output());
    }

    pub(super) fn has_ended(&self) -> bool {
        self.ended.borrow().is_some()
    }

    pub(super) fn exit(&self) -> Option<Exit> {
        self.ended.borrow().clone()
    }

    /// Completes when the instance has ended.
    pub(super) fn ended(&self) -> impl Future<Output = Exit> + Send + use<> {
        let mut ended = self.ended.subscribe();
        async move {
            let exit = ended.wait_for(Option::is_some).await.ok().and_then(|exit| exit.clone());
            exit.unwrap_or(Exit::Killed)
        }
    }

    /// One more request has come.
    pub(super) fn use_up(&self) {
        if let Some(uses) = &self.uses {
            let _ = uses.fetch_update(SeqCst, SeqCst, |uses| uses.checked_sub(1));
        }
    }

    /// Whether it can be given up as far as its guest is concerned, or used again: what it still does beyond its replies is let
    /// finish before its last user leaves it.
    pub(super) fn is_done(&self) -> bool {
        self.uses.as_ref().is_none_or(|uses| uses.load(SeqCst) > 0) || self.quiet.load(SeqCst)
    }

    /// Whether nothing that was begun in it still goes on.
    pub(super) fn set_quiet(&self, quiet: bool) {
        if self.quiet.swap(quiet, SeqCst) != quiet && quiet {
            self.lanes.lock().iter().for_each(|lane| lane.io().bells.more_output());
        }
    }

    pub(super) fn pause(&self) {
        self.rest.lock().paused = true;
    }

    pub(super) fn resume(&self) {
        let mut rest = self.rest.lock();
        rest.paused = false;
        if let Some(task) = rest.task.take() {
            task.wake();
        }
    }

    /// The task may go on.
    pub(super) fn poll_running(&self, cx: &Context<'_>) -> Poll<()> {
        let mut rest = self.rest.lock();
        if !rest.paused {
            return Poll::Ready(());
        }
        rest.task = Some(cx.waker().clone());
        Poll::Pending
    }
}
