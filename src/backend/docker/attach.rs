//! A container's stdin, stdout and stderr over one attached connection.
//!
//! The engine sends stdout and stderr in frames on one stream and takes stdin raw on the other direction. Writes are
//! queued and moved by whoever polls for stdout: both directions make progress in one poll, so a function that
//! answers while it still reads can't lock up with a caller who writes more than the pipes hold.

use super::connect::Engine;
use super::queue::Queue;
use crate::backend::{Logs, Stdio};
use crate::error::{Error, Result};
use bollard::container::{AttachContainerResults, LogOutput};
use bytes::Bytes;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};

/// Pieces of stderr that one poll takes at most, so that a flood of it holds up nobody else.
const TURNS: usize = 64;

/// A container's stdio. Without a link until its process is launched.
pub(super) struct Attach {
    engine: Arc<Engine>,
    logs: Arc<Logs>,
    link: Option<AttachContainerResults>,
    stdin: Stdin,
    end: Option<Result<()>>,
}

#[derive(Default)]
struct Stdin {
    queue: Queue,
    closing: bool,
    /// Shut down, or broken because nobody reads it: the reply or the exit tells why.
    closed: bool,
}

impl Attach {
    pub(super) fn new(engine: Arc<Engine>, logs: Arc<Logs>) -> Self {
        Self { engine, logs, link: None, stdin: Stdin::default(), end: None }
    }

    pub(super) fn connect(&mut self, link: AttachContainerResults) {
        self.link = Some(link);
    }

    /// Hangs up. An engine can't end a container while somebody is attached to it and doesn't read.
    pub(super) fn disconnect(&mut self) {
        self.link = None;
    }

    /// Whether stdout has ended or failed, as far as that can be told without waiting.
    pub(super) fn has_ended(&self) -> bool {
        self.end.is_some()
    }

    /// What stdout holds now.
    fn take_now(&mut self) -> Option<Bytes> {
        // Unconstrained: a task that has used up its share would be told that nothing is there.
        let read = tokio::task::unconstrained(std::future::poll_fn(|cx| self.poll_output(cx)));
        match pin!(read).poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(Ok(piece)) => piece,
            // Kept in `end`, and told to whoever reads next.
            Poll::Ready(Err(_)) | Poll::Pending => None,
        }
    }

    fn poll_output(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>>> {
        if let Some(end) = &self.end {
            return Poll::Ready(end.clone().map(|()| None));
        }
        let Some(link) = &mut self.link else {
            return Poll::Ready(Err(Error::internal("a container's stdio is used before it is launched")));
        };
        let mut turns = TURNS;
        let end = loop {
            if turns == 0 {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            turns -= 1;
            match ready!(futures_util::Stream::poll_next(link.output.as_mut(), cx)) {
                Some(Ok(LogOutput::StdOut { message })) if !message.is_empty() => {
                    return Poll::Ready(Ok(Some(message)));
                }
                Some(Ok(LogOutput::StdErr { message })) => self.logs.write(&message),
                Some(Ok(LogOutput::StdOut { .. } | LogOutput::StdIn { .. })) => {}
                // Bytes that are no frame: the connection broke in the middle of one.
                Some(Ok(LogOutput::Console { .. })) => break Err("its connection broke in the middle".into()),
                Some(Err(failure)) => break Err(failure.to_string()),
                None => break Ok(()),
            }
        };
        let end = end.map_err(|why: String| self.engine.unavailable("read the function's output", &why));
        self.end = Some(end.clone());
        Poll::Ready(end.map(|()| None))
    }
}

impl Stdin {
    /// Moves what can be moved now; the context is woken when more can.
    fn pump(&mut self, link: &mut AttachContainerResults, cx: &mut Context<'_>) {
        if self.closed {
            return self.give_up();
        }
        while let Some(front) = self.queue.pieces().next() {
            match link.input.as_mut().poll_write(cx, front) {
                Poll::Ready(Ok(written)) if written > 0 => self.queue.advance(written),
                Poll::Ready(_) => return self.give_up(),
                Poll::Pending => return,
            }
        }
        if self.closing && link.input.as_mut().poll_shutdown(cx).is_ready() {
            self.closed = true;
        }
    }

    fn give_up(&mut self) {
        self.closed = true;
        self.queue.clear();
    }
}

impl Stdio for Attach {
    fn write(&mut self, bytes: Bytes) {
        self.stdin.queue.push(bytes);
    }

    fn close(&mut self) {
        self.stdin.closing = true;
    }

    fn queued(&self) -> usize {
        self.stdin.queue.bytes()
    }

    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>>> {
        if let Some(link) = &mut self.link {
            self.stdin.pump(link, cx);
        }
        self.poll_output(cx)
    }

    /// The engine doesn't tell whether a process waits for stdin.
    fn poll_rest(&mut self, _: &mut Context<'_>) -> Poll<()> {
        Poll::Ready(())
    }

    fn stray(&mut self) -> Option<Bytes> {
        self.take_now()
    }
}
