//! A server in a container, over connections that its kiln-init makes in the container, on its own loopback or to a Unix
//! socket there: the host speaks to it directly, and the container needs no network.
//!
//! The connection is kept from one request to the next. One that the server has closed in between is made anew before the
//! next request's first byte, and never after: what a server has seen of a request isn't sent again. Its stdout and its
//! stderr are log, both.

use super::line::Line;
use super::peer::{Idle, Peer};
use super::queue::Queue;
use super::wire::{LEADS_AWAY, Listener, NO_SOCKET};
use crate::backend::{BoxFuture, Logs, Stdio};
use crate::error::{Error, Result};
use crate::function::{Format, Target};
use bytes::{Bytes, BytesMut};
use std::io::IoSlice;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::AsyncReadExt;
use tokio::time::{Instant, Sleep, sleep, timeout};

/// How long a server that can't be connected to is left alone before it is tried again: OpenWhisk's contract has the one,
/// and what else listens is ready the sooner for the other.
const AGAIN: (Duration, Duration) = (Duration::from_millis(50), Duration::from_millis(10));
/// Pieces of a request that one call hands to the kernel: a head and its body are one segment.
const AT_ONCE: usize = 8;
/// How long nothing may come of a log whose end hasn't come.
const SILENCE: Duration = Duration::from_secs(2);
/// Bytes that are read at once unless more are expected.
const PIECE: usize = 16 << 10;
/// The longest piece that is made room for, in bytes.
const LARGE: usize = 1 << 20;

/// The longest piece that nobody asked for, in bytes: there should be none.
const STRAY: usize = 512;

type Connecting = Pin<Box<dyn Future<Output = Result<Peer, Option<i32>>> + Send + Sync>>;

/// The host's end.
pub(super) struct Served {
    line: Arc<Line>,
    logs: Arc<Logs>,
    listener: Listener,
    /// Whether it says itself where the log of a request ends.
    marks_log: bool,
    state: State,
    /// Whether it reads no more on this connection.
    deaf: bool,
    queue: Queue,
    buffer: BytesMut,
    expected: usize,
    /// What is waited for of the log, while a request's end is awaited: until when, and how much had come.
    resting: Option<(Pin<Box<Sleep>>, u64)>,
    /// Whether it is one of several connections to the server, whose log is everybody's.
    beside: bool,
    /// The same for one of several: nobody is waited for longer than that, or who is silent could be waited for until nobody speaks.
    whole: Option<BoxFuture>,
}

enum State {
    /// There is none, or its server has closed it.
    Closed,
    Connecting(Connecting),
    Open(Peer),
    /// It failed in the middle of a request.
    Lost,
    /// There is none to be had: nothing listens any more.
    Refused,
}

impl Served {
    /// Connects, again and again until the server listens.
    pub(super) async fn new(
        line: Arc<Line>,
        logs: Arc<Logs>,
        target: Target,
        format: Format,
    ) -> Result<Self, Unreached> {
        let listener = match target {
            Target::Port(port) => Listener::Port(port),
            Target::Socket(path) => Listener::Socket(path.to_owned()),
        };
        let marks_log = format == Format::Openwhisk;
        let again = if marks_log { AGAIN.0 } else { AGAIN.1 };
        let state = loop {
            match line.connect(&listener).await {
                Ok(peer) => break State::Open(peer),
                Err(Some(LEADS_AWAY)) => {
                    return Err(Unreached::Odd("its listener is a link that leaves its directory"));
                }
                Err(Some(NO_SOCKET)) => return Err(Unreached::Odd("its listener is no socket")),
                Err(Some(_)) => sleep(again).await,
                Err(None) => return Err(Unreached::Ended),
            }
        };
        Ok(Self::over((line, logs, listener), marks_log, state, false))
    }

    fn over(
        (line, logs, listener): (Arc<Line>, Arc<Logs>, Listener),
        marks_log: bool,
        state: State,
        beside: bool,
    ) -> Self {
        Self {
            line,
            logs,
            listener,
            marks_log,
            state,
            deaf: false,
            queue: Queue::default(),
            buffer: BytesMut::new(),
            expected: 0,
            resting: None,
            beside,
            whole: None,
        }
    }

    /// One more connection to the same server, made when it is first used; the first of them is the one that found it
    /// listening, since a server may serve one after the other.
    pub(super) fn another(&mut self) -> Self {
        let to = (self.line.clone(), self.logs.clone(), self.listener.clone());
        let state = match self.state {
            State::Open(_) => std::mem::replace(&mut self.state, State::Closed),
            _ => State::Closed,
        };
        Self::over(to, self.marks_log, state, true)
    }

    pub(super) fn line(&self) -> &Arc<Line> {
        &self.line
    }

    /// Whether the program has ended, as far as that can be told without waiting, or listens no more.
    pub(super) fn has_ended(&self) -> bool {
        matches!(self.state, State::Refused) || self.line.end_so_far().is_some()
    }

    /// Brings a connection about where there is none; ready with false where none can be had.
    fn poll_connected(&mut self, cx: &mut Context<'_>) -> Poll<bool> {
        loop {
            match &mut self.state {
                State::Open(_) => return Poll::Ready(true),
                State::Lost | State::Refused => return Poll::Ready(false),
                State::Closed => {
                    let (line, listener) = (self.line.clone(), self.listener.clone());
                    self.state = State::Connecting(Box::pin(async move { line.connect(&listener).await }));
                }
                State::Connecting(connecting) => {
                    self.state = match ready!(connecting.as_mut().poll(cx)) {
                        Ok(peer) => State::Open(peer),
                        Err(_) => State::Refused,
                    };
                }
            }
        }
    }

    /// Writes what is queued, as far as it goes now.
    fn pump(&mut self, cx: &mut Context<'_>) {
        while let (State::Open(peer), 1..) = (&mut self.state, self.queue.bytes()) {
            let mut pieces = [IoSlice::new(&[]); AT_ONCE];
            for (slot, piece) in pieces.iter_mut().zip(self.queue.pieces()) {
                *slot = IoSlice::new(piece);
            }
            match peer.poll_write(cx, &pieces) {
                Poll::Ready(Ok(written @ 1..)) => self.queue.advance(written),
                // What has come of an answer, or the end, tells why.
                Poll::Ready(_) => {
                    self.deaf = true;
                    self.queue.clear();
                }
                Poll::Pending => return,
            }
        }
    }

    fn poll_answer(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>>> {
        let State::Open(peer) = &mut self.state else { return Poll::Ready(Ok(None)) };
        self.buffer.reserve(self.expected.clamp(PIECE, LARGE));
        match ready!(pin!(peer.read_buf(&mut self.buffer)).poll(cx)) {
            Ok(1..) => {
                let piece = self.buffer.split().freeze();
                self.expected = self.expected.saturating_sub(piece.len());
                Poll::Ready(Ok(Some(piece)))
            }
            Ok(0) => {
                self.state = State::Lost;
                Poll::Ready(Ok(None))
            }
            Err(error) => {
                self.state = State::Lost;
                Poll::Ready(Err(Error::failed(format!("its connection broke: {error}"))))
            }
        }
    }
}

/// Waits until the log of a run that has just answered is whole, or has had its time.
async fn whole(logs: Arc<Logs>) {
    let ends = logs.awaits();
    if timeout(SILENCE, logs.whole(ends)).await.is_err() {
        logs.forgive(ends);
    }
}

/// Why a server can't be reached.
pub(super) enum Unreached {
    /// Its program has ended.
    Ended,
    /// What is where it should listen can't be it.
    Odd(&'static str),
}

impl Drop for Served {
    /// Whoever waits beside it for its end has the line, too.
    fn drop(&mut self) {
        if !self.beside {
            self.line.hang_up();
        }
    }
}

impl Stdio for Served {
    fn write(&mut self, bytes: Bytes) {
        self.queue.push(bytes);
    }

    /// A server isn't told that there is no more.
    fn close(&mut self) {}

    /// Nothing more is to be taken from a caller for a server that reads no more.
    fn queued(&self) -> usize {
        if self.deaf { usize::MAX } else { self.queue.bytes() }
    }

    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>>> {
        self.line.poll_log(cx);
        self.resting = None;
        if !ready!(self.poll_connected(cx)) {
            return Poll::Ready(Ok(None));
        }
        self.pump(cx);
        self.poll_answer(cx)
    }

    fn expect(&mut self, bytes: usize) {
        self.expected = bytes;
    }

    /// At rest when the log of the request is whole: each of its two streams has said so, or has long been silent. One that
    /// never says so is at rest once it has answered.
    fn poll_rest(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if !self.marks_log {
            self.line.poll_log(cx);
            return Poll::Ready(());
        }
        if self.beside {
            let logs = &self.logs;
            let whole = self.whole.get_or_insert_with(|| Box::pin(whole(logs.clone())));
            ready!(whole.as_mut().poll(cx));
            self.whole = None;
            return Poll::Ready(());
        }
        loop {
            self.line.poll_log(cx);
            let (ends, written) = self.logs.ends();
            if ends >= 2 || self.has_ended() {
                self.resting = None;
                return Poll::Ready(());
            }
            match &mut self.resting {
                Some((sleep, seen)) if *seen == written => {
                    ready!(sleep.as_mut().poll(cx));
                    self.resting = None;
                    return Poll::Ready(());
                }
                Some((sleep, seen)) => {
                    *seen = written;
                    sleep.as_mut().reset(Instant::now() + SILENCE);
                }
                None => self.resting = Some((Box::pin(sleep(SILENCE)), written)),
            }
        }
    }

    fn renew(&mut self) {
        if !matches!(self.state, State::Refused) {
            self.state = State::Closed;
        }
        self.deaf = false;
        self.queue.clear();
        self.buffer.clear();
    }

    fn stray(&mut self) -> Option<Bytes> {
        let State::Open(peer) = &self.state else { return None };
        let mut piece = [0; STRAY];
        match peer.idle(&mut piece) {
            Idle::Bytes(count) => Some(Bytes::copy_from_slice(piece.get(..count).unwrap_or_default())),
            Idle::Nothing => None,
            // Closed between two requests: the next one has a connection of its own.
            Idle::Ended => {
                self.deaf = false;
                self.state = State::Closed;
                None
            }
        }
    }
}

/// `Unavailable`: the engine carries a container's stdio, and nothing else.
pub(super) fn unserved(format: Format) -> Error {
    Error::unavailable(format!(
        "format `{format}` speaks to a server in its container, which only kiln-init can connect to, and containers are \
         reached through the engine's `attach` here: use the transport `auto` or `socket` with an engine of this machine"
    ))
}
