//! A reply that is given as it comes: who polls it runs the function, on a task of their own choosing.
//!
//! ```text
//!   poll_part ─► the rest of the invocation (a future) ─► guest
//!       ▲               │ puts a part down and waits until it is taken
//!       └───── slot ◄───┘
//! ```
//! No task and no channel lies between: while nobody polls, nothing moves, and a guest whose stdout is full stands still.
//! Only a reader who takes nothing for [`STALL`] is looked for, by a task that does nothing else: it would keep the sandbox.

use super::Shared;
use super::ongoing::{Next, Ongoing};
use super::record::Record;
use crate::error::{Error, ErrorKind, Result};
use crate::invocation::Reply;
use bytes::Bytes;
use parking_lot::Mutex;
use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, Waker};
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::AbortHandle;
use tokio::time::Instant;

/// How long a reader may take nothing of a reply before its function is stopped: this long at least, twice at most.
const STALL: Duration = Duration::from_secs(30);

/// How long until a reply of a host that stops is looked at again.
const AGAIN: Duration = Duration::from_millis(20);

/// The body of a reply that has begun.
///
/// It holds the invocation's sandbox until its end. Dropped before that, it stops the function, and the sandbox is
/// removed (`SEEDS.md E10`). The function's time limit goes on while the function is waited for, not between two polls;
/// one that isn't polled for 30 to 60 seconds is ended with an error.
pub struct ReplyParts {
    inner: Arc<Inner>,
    guard: AbortHandle,
    length: Option<u64>,
}

struct Inner {
    driven: Mutex<Driven>,
    slot: Arc<Slot>,
}

struct Driven {
    /// The rest of the invocation; `None` when that is over.
    rest: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
    /// When a part was last taken.
    taken: Instant,
}

/// Where a part lies until it is taken.
#[derive(Default)]
struct Slot(Mutex<Laid>);

#[derive(Default)]
struct Laid {
    part: Option<Result<Bytes>>,
    /// Whether the function is waited for, and not the reader.
    functions_turn: bool,
    /// Why the reader is waited for no longer.
    cut: Option<Error>,
}

impl Slot {
    /// The reader has asked for more.
    fn go_on(&self) -> Result<()> {
        let mut laid = self.0.lock();
        laid.functions_turn = true;
        laid.cut.take().map_or(Ok(()), Err)
    }

    /// Lays a part down and waits until the next is asked for.
    async fn put(&self, part: Result<Bytes>) -> Result<()> {
        {
            let mut laid = self.0.lock();
            (laid.part, laid.functions_turn) = (Some(part), false);
        }
        // Whoever takes the part polls again.
        poll_fn(|_| {
            let laid = self.0.lock();
            if laid.part.is_some() && laid.cut.is_none() { Poll::Pending } else { Poll::Ready(()) }
        })
        .await;
        self.go_on()
    }
}

impl ReplyParts {
    pub(super) fn new(
        host: &Arc<Shared>,
        record: Record<Arc<Shared>>,
        head: Reply,
        (first, length): (Bytes, Option<u64>),
        ongoing: Box<Ongoing>,
    ) -> Self {
        let slot = Arc::new(Slot::default());
        let (runtime, stopping) = (host.runtime.clone(), host.stopping.clone());
        let rest = Box::pin(rest(record, head, first, ongoing, slot.clone()));
        let driven = Mutex::new(Driven { rest: Some(rest), taken: Instant::now() });
        let inner = Arc::new(Inner { driven, slot });
        let guard = runtime.spawn(guard(Arc::downgrade(&inner), stopping)).abort_handle();
        Self { inner, guard, length }
    }

    /// How long the body is in all, where the function has said so.
    pub fn length(&self) -> Option<u64> {
        self.length
    }

    /// The next part, never empty; `None` at the end. After an error there is no more, and what came isn't the reply.
    pub fn poll_part(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes>>> {
        let mut driven = self.inner.driven.lock();
        let over = match driven.rest.as_mut() {
            Some(rest) => rest.as_mut().poll(cx).is_ready(),
            None => true,
        };
        if over {
            driven.rest = None;
        }
        let part = self.inner.slot.0.lock().part.take();
        match part {
            Some(part) => {
                driven.taken = Instant::now();
                Poll::Ready(Some(part))
            }
            None if over => Poll::Ready(None),
            None => Poll::Pending,
        }
    }

    /// As [`ReplyParts::poll_part`].
    pub async fn next(&mut self) -> Option<Result<Bytes>> {
        poll_fn(|cx| self.poll_part(cx)).await
    }
}

impl Drop for ReplyParts {
    fn drop(&mut self) {
        self.guard.abort();
        let rest = self.inner.driven.lock().rest.take();
        drop(rest);
    }
}

impl fmt::Debug for ReplyParts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReplyParts").field("length", &self.length).finish_non_exhaustive()
    }
}

/// An invocation from the beginning of its reply to its end.
async fn rest(
    mut record: Record<Arc<Shared>>,
    head: Reply,
    mut part: Bytes,
    mut ongoing: Box<Ongoing>,
    slot: Arc<Slot>,
) {
    let last = loop {
        let asked = if part.is_empty() { slot.go_on() } else { slot.put(Ok(part)).await };
        if let Err(error) = asked {
            ongoing.cut();
            break Err(error);
        }
        match ongoing.next(&mut record.outcome.timings).await {
            Next::Part(next) => part = next,
            Next::Ended(last) => break last,
        }
    };
    // The sandbox is free: what is left is between this and the reader.
    drop(ongoing);
    record.end(last.as_ref().map(|_| head).map_err(Error::clone));
    if !last.as_ref().is_ok_and(Bytes::is_empty) {
        // A reader that is gone by now has missed nothing that anybody waits for.
        let _ = slot.put(last).await;
    }
}

/// Ends a reply whose reader takes nothing of it, or whose host stops.
async fn guard(inner: Weak<Inner>, mut stopping: watch::Receiver<bool>) {
    let mut stopped = false;
    loop {
        if stopped {
            // It may have been polled just now.
            tokio::time::sleep(AGAIN).await;
        } else {
            tokio::select! {
                () = tokio::time::sleep(STALL) => {}
                Ok(_) = stopping.wait_for(|stopped| *stopped) => stopped = true,
            }
        }
        let Some(inner) = inner.upgrade() else { return };
        // One that is being polled isn't stalled, and sees for itself that the host stops.
        if let Some(mut driven) = inner.driven.try_lock()
            && (stopped || driven.taken.elapsed() >= STALL)
        {
            let error = if stopped {
                Error::unavailable("the host stopped while the request ran")
            } else {
                Error::new(
                    ErrorKind::InvalidInput,
                    format!("the reply was not read for {} s: read it to its end", STALL.as_secs()),
                )
            };
            inner.cut(&mut driven, error);
        }
    }
}

impl Inner {
    /// Ends what waits for its reader.
    fn cut(&self, driven: &mut Driven, error: Error) {
        {
            let mut laid = self.slot.0.lock();
            if laid.functions_turn {
                return;
            }
            laid.cut = Some(error);
        }
        // Nobody polls it now. It releases its sandbox and lays the error down, and has nothing else to wait for.
        if let Some(rest) = driven.rest.as_mut()
            && rest.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready()
        {
            driven.rest = None;
        }
    }
}
