//! What an instance's task and those who wait for it know of each other.

use crate::backend::Exit;
use crate::backend::wasm::sandbox::OVERHEAD;
use crate::backend::wasm::shared::Shared;
use parking_lot::Mutex;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::SeqCst};
use std::task::{Context, Poll, Waker};
use tokio::sync::{mpsc, watch};

/// One instance's.
pub(super) struct Crew {
    /// The store's: its memory is counted there, and its epochs end. No lane's, since those end nobody's waiting for a request.
    pub(super) store: Arc<Shared>,
    /// The sandbox's own way in.
    pub(super) own: Arc<Shared>,
    /// Where new lanes go.
    inbox: mpsc::UnboundedSender<Arc<Shared>>,
    lanes: Mutex<Vec<Arc<Shared>>>,
    /// Those whose replies have begun, and go on only when their guests have waited.
    begun: Mutex<Vec<Arc<Shared>>>,
    ended: watch::Sender<Option<Exit>>,
    /// Its memory limit, in bytes.
    memory: u64,
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
        store: Arc<Shared>,
        memory: u64,
        max_uses: Option<u32>,
    ) -> (Arc<Self>, mpsc::UnboundedReceiver<Arc<Shared>>) {
        let (inbox, arriving) = mpsc::unbounded_channel();
        let own = Arc::new(Shared::apart());
        let crew = Self {
            store,
            own: Arc::clone(&own),
            inbox,
            lanes: Mutex::default(),
            begun: Mutex::default(),
            ended: watch::Sender::new(None),
            memory,
            uses: max_uses.map(AtomicU32::new),
            quiet: AtomicBool::new(true),
            rest: Mutex::default(),
        };
        crew.admit(own);
        (Arc::new(crew), arriving)
    }

    /// Bytes that the instance holds, whichever way it is looked at.
    pub(super) fn held(&self) -> u64 {
        (OVERHEAD + self.store.held()).min(self.memory)
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

    /// A reply isn't whole. What there is of it is its caller's when the guests have nothing more to do now: most are whole by
    /// then, and one that is whole has a length and takes one write.
    pub(super) fn later(&self, lane: &Arc<Shared>) {
        self.begun.lock().push(Arc::clone(lane));
    }

    /// The guests have nothing more to do now.
    pub(super) fn flush(&self) {
        self.begun.lock().drain(..).for_each(|lane| lane.io().bells.more_output());
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
        // Whoever looks at `ended` and then waits does both under its lane's lock, so it is seen here or has seen it.
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
        !self.is_used_up() || self.quiet.load(SeqCst)
    }

    fn is_used_up(&self) -> bool {
        self.uses.as_ref().is_some_and(|uses| uses.load(SeqCst) == 0)
    }

    /// Whether nothing that was begun in it still goes on.
    pub(super) fn set_quiet(&self, quiet: bool) {
        // Nobody waits for that but the last user.
        if self.quiet.swap(quiet, SeqCst) != quiet && quiet && self.is_used_up() {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn crew(max_uses: Option<u32>) -> Arc<Crew> {
        Crew::new(Arc::new(Shared::default()), 1 << 20, max_uses).0
    }

    #[test]
    fn an_epoch_that_ends_while_guests_run_ends_nobodys_waiting_for_a_request() {
        let crew = crew(None);
        assert!(crew.own.poll_read().is_pending());
        crew.store.io().epoch_ended();
        assert!(crew.own.io().parked());
    }

    #[test]
    fn what_it_still_does_is_waited_for_only_before_it_goes() {
        let (kept, once) = (crew(None), crew(Some(1)));
        for crew in [&kept, &once] {
            crew.set_quiet(false);
            crew.use_up();
        }
        assert!(kept.is_done() && !once.is_done());
        once.set_quiet(true);
        assert!(once.is_done());
    }

    #[test]
    fn the_first_end_is_the_end() {
        let crew = crew(None);
        assert_eq!(crew.exit(), None);
        crew.end(Exit::OutOfMemory);
        crew.end(Exit::Killed);
        assert_eq!(crew.exit(), Some(Exit::OutOfMemory));
    }

    #[test]
    fn it_runs_unless_it_is_paused() {
        let crew = crew(None);
        let cx = Context::from_waker(Waker::noop());
        assert!(crew.poll_running(&cx).is_ready());
        crew.pause();
        assert!(crew.poll_running(&cx).is_pending());
        crew.resume();
        assert!(crew.poll_running(&cx).is_ready());
    }
}
