//! How a request and a reply are written on a sandbox's stdin and stdout. Pure: bytes in, bytes out, no I/O.
//!
//! A [`Session`] lives as long as its sandbox: it writes each request and reads each reply, however it is cut in pieces.

use crate::error::{Error, Result};
use crate::function::Format;
use crate::invocation::{InvocationId, Reply};
use bytes::Bytes;
use std::time::SystemTime;

/// One request, as a format sees it.
#[derive(Clone, Copy, Debug)]
pub struct Call<'a> {
    /// The invocation's id.
    pub id: InvocationId,
    /// The function's name.
    pub function: &'a str,
    /// The function's memory limit, in bytes.
    pub memory: u64,
    /// The longest reply that is taken, in bytes.
    pub max_reply: u64,
    /// When the request's time is up.
    pub deadline: SystemTime,
    /// The HTTP method.
    pub method: &'a str,
    /// The path after the function's own, with the query.
    pub path: &'a str,
    /// The whole URL; empty where there was none.
    pub url: &'a str,
    /// The caller's headers.
    pub headers: &'a [(String, String)],
    /// The body.
    pub body: &'a Bytes,
}

/// A request, written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Encoded {
    /// What goes to stdin first; may be empty.
    pub head: Bytes,
    /// What goes after it; may be empty.
    pub body: Bytes,
    /// Whether stdin ends after that: one-shot functions.
    pub close: bool,
    /// Environment of this one process: one-shot functions only (`SEEDS.md E3`).
    pub env: Vec<(String, String)>,
}

/// How far a reply has been read.
#[derive(Debug)]
pub enum Progress {
    /// More is needed; at least about this many bytes, where that is known.
    More(usize),
    /// The reply, or the function's own error. With `stray`, bytes came after it: the sandbox is poisoned (`SEEDS.md E2`).
    Done {
        /// The reply, or the function's own error.
        answer: Result<Reply, Error>,
        /// Whether bytes came after it that don't belong there.
        stray: bool,
    },
}

/// The stream is broken: what was wrong with it. The sandbox is poisoned and its caller told at once (`SEEDS.md E1`).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Broken(pub String);

/// One sandbox's side of a format.
#[derive(Debug)]
pub struct Session {
    format: Format,
}

impl Session {
    /// The session of a new sandbox.
    pub fn new(format: Format) -> Self {
        Self { format }
    }

    /// Bytes that came while no request was under way: white space, a `ready` frame, or a breach.
    pub fn idle(&mut self, bytes: Bytes) -> Result<(), Broken> {
        let _ = (bytes, self.format);
        todo!()
    }

    /// Writes a request and makes ready for its reply. `InvalidInput` where the format can't carry it; the session is then unchanged.
    pub fn encode(&mut self, call: &Call<'_>) -> Result<Encoded> {
        let _ = call;
        todo!()
    }

    /// Reads a piece of the reply.
    pub fn feed(&mut self, piece: Bytes) -> Result<Progress, Broken> {
        let _ = piece;
        todo!()
    }

    /// Stdout has ended: the whole of a one-shot reply, or a breach.
    pub fn end(&mut self) -> Result<Reply, Broken> {
        todo!()
    }
}
