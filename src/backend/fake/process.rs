//! A process that isn't one: byte queues for stdin and stdout, with the guest's hand on one side and the
//! sandbox's on the other. Nothing here runs by itself: the guest is polled by whoever reads its stdout.

use crate::backend::{BoxFuture, Exit, Logs};
use bytes::Bytes;
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Poll, Waker};
use tokio::sync::watch;

/// Bytes of stdout that wait to be read before a guest has to wait, as in a pipe.
const PIPE: usize = 64 << 10;

/// What a sandbox and its guest share.
pub(super) struct Process {
    state: Mutex<State>,
    /// True once an end is to be noticed by [`crate::backend::Sandbox::ended`].
    ended: watch::Sender<bool>,
    logs: Arc<Logs>,
    limit: u64,
}

struct State {
    stdin: VecDeque<Bytes>,
    closed: bool,
    stdout: VecDeque<Bytes>,
    queued: usize,
    /// The guest waits for more of stdin, or has not begun.
    parked: bool,
    memory: u64,
    exit: Option<Exit>,
    reader: Option<Waker>,
}

impl Process {
    /// A process that has not begun, and may use `limit` bytes of memory.
    pub(super) fn new(logs: Arc<Logs>, limit: u64) -> Self {
        let state = State {
            stdin: VecDeque::new(),
            closed: false,
            stdout: VecDeque::new(),
            queued: 0,
            parked: true,
            memory: 0,
            exit: None,
            reader: None,
        };
        Self { state: Mutex::new(state), ended: watch::Sender::new(false), logs, limit }
    }

    // The sandbox's side.

    /// Its guest begins: until now it was at rest.
    pub(super) fn begin(&self) {
        self.state.lock().parked = false;
    }

    /// Queues bytes for stdin.
    pub(super) fn feed(&self, bytes: Bytes) {
        if !bytes.is_empty() {
            self.state.lock().stdin.push_back(bytes);
        }
    }

    /// Bytes of stdin that the guest hasn't taken.
    pub(super) fn fed(&self) -> usize {
        self.state.lock().stdin.iter().map(Bytes::len).sum()
    }

    /// Ends stdin after what is queued.
    pub(super) fn close(&self) {
        self.state.lock().closed = true;
    }

    /// The next piece of stdout.
    pub(super) fn take(&self) -> Option<Bytes> {
        let mut state = self.state.lock();
        let piece = state.stdout.pop_front()?;
        state.queued -= piece.len();
        Some(piece)
    }

    /// Whether the guest can't go on by itself: it waits for stdin that isn't there, or for its stdout to be read.
    pub(super) fn rests(&self) -> bool {
        let state = self.state.lock();
        state.exit.is_some()
            || (state.parked && state.stdin.is_empty() && !state.closed)
            || state.queued >= PIPE
    }

    /// Why it ended, if it has.
    pub(super) fn exit(&self) -> Option<Exit> {
        self.state.lock().exit.clone()
    }

    /// Ends it, unless it has ended. A `silent` end is seen by who looks, and told to nobody.
    pub(super) fn end(&self, exit: Exit, silent: bool) {
        let reader = {
            let mut state = self.state.lock();
            if state.exit.is_some() {
                return;
            }
            state.exit = Some(exit);
            state.reader.take()
        };
        if !silent {
            self.ended.send_replace(true);
        }
        if let Some(reader) = reader {
            reader.wake();
        }
    }

    /// Completes when it has ended, unless silently.
    pub(super) fn told(&self) -> BoxFuture {
        let mut ended = self.ended.subscribe();
        Box::pin(async move {
            if ended.wait_for(|ended| *ended).await.is_err() {
                // The sandbox is gone without having ended by itself: there is nothing to tell.
                std::future::pending::<()>().await;
            }
        })
    }

    /// Who is to be woken when it is ended from outside.
    pub(super) fn wake_on_end(&self, waker: &Waker) {
        let mut state = self.state.lock();
        match &mut state.reader {
            Some(known) => known.clone_from(waker),
            none => *none = Some(waker.clone()),
        }
    }

    /// Bytes that the guest has taken and not given back.
    pub(super) fn memory(&self) -> u64 {
        self.state.lock().memory
    }

    // The guest's side.

    /// The next piece of stdin; `None` at its end.
    pub(super) async fn read(&self) -> Option<Bytes> {
        poll_fn(|_| {
            let mut state = self.state.lock();
            state.parked = false;
            match state.stdin.pop_front() {
                None if state.closed => Poll::Ready(None),
                None => {
                    state.parked = true;
                    Poll::Pending
                }
                piece => Poll::Ready(piece),
            }
        })
        .await
    }

    /// Writes to stdout, in pieces of what the pipe has room for.
    pub(super) async fn write(&self, mut bytes: Bytes) {
        while !bytes.is_empty() {
            poll_fn(|_| {
                let mut state = self.state.lock();
                let room = PIPE.saturating_sub(state.queued);
                if room == 0 {
                    return Poll::Pending;
                }
                let piece = bytes.split_to(room.min(bytes.len()));
                state.queued += piece.len();
                state.stdout.push_back(piece);
                Poll::Ready(())
            })
            .await;
        }
    }

    /// Writes to stderr.
    pub(super) fn log(&self, text: &str) {
        self.logs.write(text.as_bytes());
    }

    /// Takes memory; what is beyond the limit ends the guest.
    pub(super) fn allocate(&self, bytes: u64) -> Result<(), Exit> {
        let mut state = self.state.lock();
        let memory = state.memory.saturating_add(bytes);
        if memory > self.limit {
            return Err(Exit::OutOfMemory);
        }
        state.memory = memory;
        Ok(())
    }

    /// Gives memory back.
    pub(super) fn free(&self, bytes: u64) {
        let mut state = self.state.lock();
        state.memory = state.memory.saturating_sub(bytes);
    }
}
