//! A request's body on its way in: what of it has come, and where the rest comes from.

use crate::error::{Error, ErrorKind, Result};
use crate::format::Rest;
use bytes::{Bytes, BytesMut};
use std::fmt;
use std::future::poll_fn;
use std::task::{Context, Poll};

/// Where the rest of a request's body comes from, piece by piece: only as fast as the function takes it.
///
/// The function's time limit doesn't go on while all that came has been passed on and more is awaited, and meanwhile it
/// keeps its sandbox: a source ends a sender that stalls by an error of its own.
pub trait BodySource: Send {
    /// The next piece; `None` at the end. An error is the request's: its function is stopped.
    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes>>>;
}

/// A request's body: whole, or the start of it with a source of the rest.
pub struct Upload {
    pub(super) start: Bytes,
    pub(super) rest: Rest,
    pub(super) source: Option<Box<dyn BodySource>>,
}

impl Upload {
    /// A body of which `start` has come, and `rest` is still to come from `source`.
    pub fn new(start: impl Into<Bytes>, rest: Rest, source: impl BodySource + 'static) -> Self {
        let source = (rest != Rest::Nothing).then(|| Box::new(source) as Box<dyn BodySource>);
        Self { start: start.into(), rest, source }
    }

    /// Refuses a body that is known to be longer than `limit`.
    pub(super) fn check(&self, limit: u64) -> Result<()> {
        let rest = if let Rest::Bytes(rest) = self.rest { rest } else { 0 };
        let length = rest.saturating_add(self.start.len() as u64);
        if length > limit { Err(too_large(length, limit)) } else { Ok(()) }
    }

    /// All of a body of at most `limit` bytes. `TooLarge` as soon as it is known to be longer.
    pub async fn into_whole(mut self, limit: u64) -> Result<Bytes> {
        self.check(limit)?;
        self.gather(limit).await?;
        Ok(self.start)
    }

    /// Takes all of the rest, for a format that needs it before it writes anything.
    pub(super) async fn gather(&mut self, limit: u64) -> Result<()> {
        let Some(mut source) = self.source.take() else { return Ok(()) };
        let mut whole = BytesMut::from(&*std::mem::take(&mut self.start));
        while let Some(piece) = poll_fn(|cx| source.poll_piece(cx)).await.transpose()? {
            let length = (whole.len() + piece.len()) as u64;
            if length > limit {
                return Err(too_large(length, limit));
            }
            whole.extend_from_slice(&piece);
        }
        self.start = whole.freeze();
        self.rest = Rest::Nothing;
        Ok(())
    }
}

impl From<Bytes> for Upload {
    fn from(start: Bytes) -> Self {
        Self { start, rest: Rest::Nothing, source: None }
    }
}

impl fmt::Debug for Upload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Upload({} bytes, then {:?})", self.start.len(), self.rest)
    }
}

pub(super) fn too_large(length: u64, limit: u64) -> Error {
    Error::new(ErrorKind::TooLarge, format!("the body has {length} bytes or more, but `max_body` is {limit}"))
}
