//! Both directions of one exchange: the rest of a request's body goes in while its reply comes out.
//!
//! One poll moves both, so a function that answers while it still reads can't lock up with its caller. Nothing is read
//! ahead: at most [`AHEAD`] bytes and one piece wait for the function, and the next piece is asked for when there is room.

use super::limit::Limit;
use super::upload::{BodySource, Upload, too_large};
use crate::backend::{Sandbox, Stdio};
use crate::error::{Error, Result};
use crate::format::{Encoded, Rest, Session};
use bytes::Bytes;
use std::task::{Context, Poll};
use std::time::Duration;

/// Bytes that wait in front of a function's stdin before no more are asked for.
const AHEAD: usize = 256 << 10;

/// Pieces that one poll moves at most, so that a function that swallows all it gets holds up nobody else.
const TURNS: usize = 32;

/// What came of waiting for a function.
pub(super) enum Came {
    /// A piece of stdout, or its end.
    Piece(Option<Bytes>),
    /// The transport failed.
    Lost(Error),
    /// The rest of the request's body didn't come as it should.
    Refused(Error),
    /// The function's time is over.
    TimedOut,
}

/// What of a request is still to be written, and how long the function may take.
#[derive(Default)]
pub(super) struct Flow {
    source: Option<Box<dyn BodySource>>,
    /// What the source has yet to give, where that is known.
    due: Option<u64>,
    /// What it has given and may give in all, in bytes.
    taken: u64,
    most: u64,
    /// Bytes of a reply that may be held.
    held: usize,
    /// `None` where somebody else looks at the time.
    limit: Option<Limit>,
}

impl Flow {
    /// The flow of a request whose start has been written.
    pub(super) fn new(upload: &mut Upload, max_body: u64, held: usize) -> Self {
        let due = if let Rest::Bytes(rest) = upload.rest { Some(rest) } else { None };
        let taken = upload.start.len() as u64;
        Self { source: upload.source.take(), due, taken, most: max_body, held, limit: None }
    }

    /// From now on the function is waited for so long, unless that was said before.
    pub(super) fn limit(&mut self, limit: Duration) {
        self.limit.get_or_insert_with(|| Limit::new(limit));
    }

    /// Whether all of the request has been written.
    pub(super) fn is_sent(&self) -> bool {
        self.source.is_none()
    }

    /// Bytes of a reply that may be held: no more are asked for at once.
    pub(super) fn held(&self) -> usize {
        self.held
    }

    /// Awaits what a function that writes no more has yet to tell, within its time; `None` if that is over.
    pub(super) async fn within<T>(&mut self, told: impl Future<Output = T>) -> Option<T> {
        match &self.limit {
            Some(limit) => tokio::time::timeout(limit.left(), told).await.ok(),
            None => Some(told.await),
        }
    }

    /// Until it is polled again, somebody else is waited for.
    pub(super) fn hold(&mut self) {
        if let Some(limit) = &mut self.limit {
            limit.hold();
        }
    }

    /// Moves what can be moved, until something comes of it.
    pub(super) fn poll(
        &mut self,
        sandbox: &mut dyn Sandbox,
        session: &mut Session,
        cx: &mut Context<'_>,
    ) -> Poll<Came> {
        if self.limit.as_mut().is_some_and(Limit::go_on) {
            return Poll::Ready(Came::TimedOut);
        }
        let stdio = sandbox.stdio();
        for _ in 0..TURNS {
            let moved = match self.send(stdio, session, cx) {
                Ok(moved) => moved,
                Err(error) => return Poll::Ready(Came::Refused(error)),
            };
            match stdio.poll_read(cx) {
                Poll::Ready(Ok(piece)) => return Poll::Ready(Came::Piece(piece)),
                Poll::Ready(Err(error)) => return Poll::Ready(Came::Lost(error)),
                Poll::Pending => {}
            }
            let has_room = self.source.is_some() && stdio.queued() < AHEAD;
            match moved {
                // The function may have made room just now.
                Moved::Full if has_room => {}
                Moved::All | Moved::Full => return self.wait(cx),
                Moved::Waits => {
                    // It has had all there is: that it waits is the caller's doing.
                    if stdio.queued() == 0 {
                        self.hold();
                    }
                    return self.wait(cx);
                }
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    fn wait(&mut self, cx: &mut Context<'_>) -> Poll<Came> {
        match &mut self.limit {
            Some(limit) => limit.poll(cx).map(|()| Came::TimedOut),
            None => Poll::Pending,
        }
    }

    /// Writes as much of the request as there is room for.
    fn send(&mut self, stdio: &mut dyn Stdio, session: &mut Session, cx: &mut Context<'_>) -> Result<Moved> {
        for _ in 0..TURNS {
            let Some(source) = &mut self.source else { return Ok(Moved::All) };
            if stdio.queued() >= AHEAD {
                return Ok(Moved::Full);
            }
            match source.poll_piece(cx) {
                Poll::Pending => return Ok(Moved::Waits),
                Poll::Ready(Some(piece)) => {
                    let piece = piece?;
                    self.count(piece.len() as u64)?;
                    write(stdio, session.part(piece));
                }
                Poll::Ready(None) => {
                    if let Some(due @ 1..) = self.due {
                        return Err(Error::invalid(format!("the body ended {due} bytes before its length")));
                    }
                    self.source = None;
                    write(stdio, session.last());
                }
            }
        }
        Ok(Moved::Full)
    }

    fn count(&mut self, bytes: u64) -> Result<()> {
        self.taken = self.taken.saturating_add(bytes);
        if self.taken > self.most {
            return Err(too_large(self.taken, self.most));
        }
        if let Some(due) = &mut self.due {
            *due = due
                .checked_sub(bytes)
                .ok_or_else(|| Error::invalid("the body is longer than its length".to_owned()))?;
        }
        Ok(())
    }
}

/// How far the request has been written.
enum Moved {
    /// All of it.
    All,
    /// As far as there is room.
    Full,
    /// As far as it has come.
    Waits,
}

/// Queues bytes for a sandbox's stdin.
pub(super) fn write(stdio: &mut dyn Stdio, written: Encoded) {
    for bytes in [written.head, written.body] {
        if !bytes.is_empty() {
            stdio.write(bytes);
        }
    }
    if written.close {
        stdio.close();
    }
}
