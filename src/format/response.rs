//! An HTTP/1 response, read however it is cut in pieces: what a function says in `http`, and every server.
//!
//! On a function's stdout the end must be certain, since that stream lives on. A server's connection can be made anew, so
//! there it may also be the end of the connection ([`Reader::of_server`]).

use super::gather::Gather;
use super::head::{Framing, Head};
use super::text::{excerpt, is_white};
use super::{Broken, Call, HEAD_LIMIT, Progress};
use crate::invocation::Reply;
use bytes::{Buf, Bytes, BytesMut};

/// Bytes of a head up to which each new piece has it parsed again.
const SHORT_HEAD: usize = 4 << 10;

/// What is known of a response before it comes.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Awaited {
    /// The longest body that is taken, in bytes.
    pub(super) limit: u64,
    /// A longer one is given in parts.
    pub(super) parts_above: usize,
    /// Whether the request was `HEAD`: then there is no body, whatever the head says.
    pub(super) to_head: bool,
}

impl Awaited {
    /// The response to a call that is written as it is.
    pub(super) fn by(call: &Call<'_>) -> Self {
        Self { limit: call.max_reply, parts_above: call.parts_above, to_head: call.method == "HEAD" }
    }
}

/// Reads responses, one after the other.
#[derive(Debug, Default)]
pub(super) struct Reader {
    /// Whether a body may end with its connection.
    of_server: bool,
    awaited: Awaited,
    /// The head so far, where it came in more than one piece.
    held: BytesMut,
    /// Bytes of earlier, interim heads of this reply.
    spent: usize,
    /// The reply whose body is being read.
    reply: Option<(Reply, Framing)>,
    body: Gather,
    /// Whether that reply is given in parts, and how many bytes of it have been.
    begun: bool,
    passed: usize,
    /// Whether the last reply said that it is its connection's last.
    closes: bool,
}

impl Reader {
    /// Reads what a server says on a connection of its own.
    pub(super) fn of_server() -> Self {
        Self { of_server: true, ..Self::default() }
    }

    /// Makes ready for the next response, whatever there was of the last.
    pub(super) fn awaits(&mut self, awaited: Awaited) {
        *self = Self { of_server: self.of_server, awaited, ..Self::default() };
    }

    /// Leaves what is still to come of a response unread.
    pub(super) fn leave(&mut self) {
        self.closes = true;
    }

    /// Whether the response that was read is the last on its connection.
    pub(super) fn closes(&self) -> bool {
        self.closes
    }

    /// Takes what came while no response was awaited: white space, or a breach.
    pub(super) fn idle(&mut self, bytes: &Bytes) -> Result<(), Broken> {
        if self.held.is_empty() && self.reply.is_none() && bytes.iter().copied().all(is_white) {
            return Ok(());
        }
        let why =
            format!("{} bytes on stdout while no request was under way: {}", bytes.len(), excerpt(bytes));
        Err(self.broken(&why))
    }

    /// Reads a piece of it.
    pub(super) fn read(&mut self, piece: Bytes) -> Result<Progress, Broken> {
        self.take(piece).map_err(|why| self.broken(&why))
    }

    fn broken(&self, why: &str) -> Broken {
        let what = if self.of_server { "its reply" } else { "`http` reply" };
        Broken(format!("{what}: {why}"))
    }

    fn take(&mut self, mut piece: Bytes) -> Result<Progress, String> {
        let (mut reply, mut framing) = match self.reply.take() {
            Some(begun) => begun,
            None => match self.head(&mut piece)? {
                Some(begun) => begun,
                None => return Ok(Progress::More(1)),
            },
        };
        let missing = match &mut framing {
            Framing::Length(length) => {
                let in_parts = *length > self.awaited.parts_above;
                let count = piece.len().min(*length - self.have());
                self.body.push(piece.split_to(count), if in_parts { 0 } else { *length });
                *length - self.have()
            }
            Framing::Chunked(chunked) => chunked.read(&mut piece, &mut self.body)?.unwrap_or_default(),
            Framing::Close => {
                let have = (self.have() + piece.len()) as u64;
                if have > self.awaited.limit {
                    return Err(format!("it is longer than `max_reply`, {} bytes", self.awaited.limit));
                }
                self.body.push(piece.split_to(piece.len()), 0);
                usize::MAX
            }
        };
        if missing > 0 {
            return Ok(self.so_far(reply, framing, missing));
        }
        reply.body = self.body.take();
        (self.spent, self.begun, self.passed) = (0, false, 0);
        let stray = !piece.iter().copied().all(is_white);
        // A connection on which more came than was asked for is closed, and that is all.
        self.closes |= self.of_server && stray;
        Ok(Progress::Done { answer: Ok(reply), stray: stray && !self.of_server })
    }

    /// The stream has ended: the response, where its end was that of the stream, or a breach.
    pub(super) fn end(&mut self) -> Result<Reply, Broken> {
        let have = self.have();
        let far = match self.reply.take() {
            Some((reply, Framing::Close)) => {
                let body = self.body.take();
                (self.spent, self.begun, self.passed) = (0, false, 0);
                return Ok(Reply { body, ..reply });
            }
            None => format!("after {} bytes of its head", self.spent + self.held.len()),
            Some((_, Framing::Length(length))) => format!("{have} of {length} bytes"),
            Some((_, Framing::Chunked(_))) => format!("after {have} bytes, without the last chunk"),
        };
        let stream = if self.of_server { "its connection" } else { "stdout" };
        Err(self.broken(&format!("{stream} ended before its reply was whole: {far}")))
    }

    /// Bytes of the body that have come.
    fn have(&self) -> usize {
        self.passed + self.body.len()
    }

    /// Keeps a reply whose body isn't whole; gives what there is of it if it is too long to be held.
    fn so_far(&mut self, reply: Reply, framing: Framing, missing: usize) -> Progress {
        let (length, in_all) = match framing {
            Framing::Length(length) => (Some(length as u64), length),
            Framing::Chunked(_) | Framing::Close => (None, self.have()),
        };
        let (begun, held) = (self.begun, self.body.len());
        self.begun = begun || in_all > self.awaited.parts_above;
        if !self.begun || (begun && held == 0) {
            self.reply = Some((reply, framing));
            // Of a chunk that is long enough to make it begin, or that comes after that, no more is waited for than it takes.
            let enough = if begun {
                1
            } else {
                self.awaited.parts_above.saturating_sub(self.have()).saturating_add(1)
            };
            return Progress::More(missing.min(enough));
        }
        self.passed += held;
        let part = self.body.take();
        if begun {
            self.reply = Some((reply, framing));
            return Progress::Part(part);
        }
        self.reply = Some((Reply::ok(Bytes::new()), framing));
        Progress::Begun { reply: Reply { body: part, ..reply }, length }
    }

    /// Reads a head, past interim ones and white space; what follows it is left in `piece`.
    fn head(&mut self, piece: &mut Bytes) -> Result<Option<(Reply, Framing)>, String> {
        loop {
            if self.held.is_empty() {
                let white = piece.iter().take_while(|byte| is_white(**byte)).count();
                piece.advance(white);
            }
            if piece.is_empty() {
                return Ok(None);
            }
            let before = self.held.len();
            let room = HEAD_LIMIT.saturating_sub(self.spent + before);
            let fresh = piece.get(..room).unwrap_or(piece);
            let parsed = if before == 0 {
                Head::parse(fresh, self.awaited, self.of_server)?
            } else {
                self.held.extend_from_slice(fresh);
                // Each piece of a short head is looked at at once; a long one by lines, so that a drip costs no more.
                if self.held.len() <= SHORT_HEAD || fresh.contains(&b'\n') {
                    Head::parse(&self.held, self.awaited, self.of_server)?
                } else {
                    None
                }
            };
            let Some(head) = parsed else {
                if fresh.len() == room {
                    return Err(format!("its head is longer than {HEAD_LIMIT} bytes"));
                }
                if before == 0 {
                    self.held.extend_from_slice(fresh);
                }
                // All of the piece was fresh: there was room left.
                piece.clear();
                return Ok(None);
            };
            self.held = BytesMut::new();
            self.spent += head.len;
            self.closes = head.closes;
            piece.advance(head.len.saturating_sub(before).min(piece.len()));
            if let Some(begun) = head.reply {
                return Ok(Some(begun));
            }
        }
    }
}
