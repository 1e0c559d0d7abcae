//! A server in a container, over connections that its kiln-init makes on the container's own loopback: the host speaks
//! to it directly, and the container needs no network.
//!
//! The connection is kept from one request to the next. One that the server has closed in between is made anew before the
//! next request's first byte, and never after: what a server has seen of a request isn't sent again. Its stdout and its
//! stderr are log, both.

use super::line::Line;
use super::queue::Queue;
use crate::backend::{BoxFuture, Logs, Stdio};
use crate::error::{Error, Result};
use bytes::{Bytes, BytesMut};
use rustix::io::Errno;
use rustix::net::{RecvFlags, recv};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep, sleep, timeout};

/// How long a server that can't be connected to is left alone before it is tried again.
const AGAIN: Duration = Duration::from_millis(50);
/// How long nothing may come of a log whose end hasn't come.
const SILENCE: Duration = Duration::from_secs(2);
/// Bytes that are read at once unless more are expected.
const PIECE: usize = 16 << 10;
/// The longest piece that is made room for, in bytes.
const LARGE: usize = 1 << 20;

/// The longest piece that nobody asked for, in bytes: there should be none.
const STRAY: usize = 512;

type Connecting = Pin<Box<dyn Future<Output = Result<TcpStream, Option<i32>>> + Send + Sync>>;

/// The host's end.
pub(super) struct Served {
    line: Arc<Line>,
    logs: Arc<Logs>,
    port: u16,
    state: State,
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
    Open(TcpStream),
    /// It failed in the middle of a request.
    Lost,
}

impl Served {
    /// Connects, again and again until the server listens. `None` where the program has ended.
    pub(super) async fn new(line: Arc<Line>, logs: Arc<Logs>, port: u16) -> Option<Self> {
        loop {
            match line.connect(port).await {
                Ok(stream) => {
                    return Some(Self::over((line, logs, port), open(stream), false));
                }
                Err(Some(_)) => sleep(AGAIN).await,
                Err(None) => return None,
            }
        }
    }

    fn over((line, logs, port): (Arc<Line>, Arc<Logs>, u16), state: State, beside: bool) -> Self {
        Self {
            line,
            logs,
            port,
            state,
            queue: Queue::default(),
            buffer: BytesMut::new(),
            expected: 0,
            resting: None,
            beside,
            whole: None,
        }
    }

    /// One more connection to the same server, made when it is first used.
    pub(super) fn another(&self) -> Self {
        Self::over((self.line.clone(), self.logs.clone(), self.port), State::Closed, true)
    }

    pub(super) fn line(&self) -> &Arc<Line> {
        &self.line
    }

    /// Whether the program has ended, as far as that can be told without waiting.
    pub(super) fn has_ended(&self) -> bool {
        self.line.end_so_far().is_some()
    }

    /// Brings a connection about where there is none; ready with false where none can be had.
    fn poll_connected(&mut self, cx: &mut Context<'_>) -> Poll<bool> {
        loop {
            match &mut self.state {
                State::Open(_) => return Poll::Ready(true),
                State::Lost => return Poll::Ready(false),
                State::Closed => {
                    let (line, port) = (self.line.clone(), self.port);
                    self.state = State::Connecting(Box::pin(async move { line.connect(port).await }));
                }
                State::Connecting(connecting) => {
                    self.state = match ready!(connecting.as_mut().poll(cx)) {
                        Ok(stream) => open(stream),
                        Err(_) => State::Lost,
                    };
                }
            }
        }
    }

    /// Writes what is queued, as far as it goes now.
    fn pump(&mut self, cx: &mut Context<'_>) {
        while let (State::Open(stream), Some(piece)) = (&mut self.state, self.queue.pieces().next()) {
            match Pin::new(stream).poll_write(cx, piece) {
                Poll::Ready(Ok(written @ 1..)) => self.queue.advance(written),
                // Nobody reads it: what has come of an answer, or the end, tells why.
                Poll::Ready(_) => self.queue.clear(),
                Poll::Pending => return,
            }
        }
    }

    fn poll_answer(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        let State::Open(stream) = &mut self.state else { return Poll::Ready(None) };
        self.buffer.reserve(self.expected.clamp(PIECE, LARGE));
        match ready!(pin!(stream.read_buf(&mut self.buffer)).poll(cx)) {
            Ok(1..) => {
                let piece = self.buffer.split().freeze();
                self.expected = self.expected.saturating_sub(piece.len());
                Poll::Ready(Some(piece))
            }
            Ok(0) | Err(_) => {
                self.state = State::Lost;
                Poll::Ready(None)
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

fn open(stream: TcpStream) -> State {
    // Each request is one write or two, and waits for its answer.
    let _ = stream.set_nodelay(true);
    State::Open(stream)
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

    fn queued(&self) -> usize {
        self.queue.bytes()
    }

    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>>> {
        self.line.poll_log(cx);
        self.resting = None;
        if !ready!(self.poll_connected(cx)) {
            return Poll::Ready(Ok(None));
        }
        self.pump(cx);
        self.poll_answer(cx).map(Ok)
    }

    fn expect(&mut self, bytes: usize) {
        self.expected = bytes;
    }

    /// At rest when the log of the request is whole: each of its two streams has said so, or has long been silent.
    fn poll_rest(&mut self, cx: &mut Context<'_>) -> Poll<()> {
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

    fn stray(&mut self) -> Option<Bytes> {
        let State::Open(stream) = &self.state else { return None };
        let mut piece = [0; STRAY];
        // The kernel itself is asked: the runtime may not have had the time to hear of an end from it.
        match recv(stream, &mut piece, RecvFlags::DONTWAIT).map(|(count, _)| count) {
            Ok(count @ 1..) => Some(Bytes::copy_from_slice(piece.get(..count).unwrap_or_default())),
            Err(Errno::AGAIN | Errno::INTR) => None,
            // Closed between two requests: the next one has a connection of its own.
            Ok(0) | Err(_) => {
                self.state = State::Closed;
                None
            }
        }
    }
}

/// `Unavailable`: the engine carries a container's stdio, and nothing else.
pub(super) fn unserved(format: crate::function::Format) -> Error {
    Error::unavailable(format!(
        "format `{format}` speaks to a server in its container, which only kiln-init can connect to, and containers are \
         reached through the engine's `attach` here: use the transport `auto` or `socket` with an engine of this machine"
    ))
}
