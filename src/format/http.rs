//! `http`: HTTP/1.1 both ways (`SEEDS.md`, "The formats on the wire").
//!
//! The reply's end must be certain, since the stream lives on: a length, or chunks, or a status without a body;
//! neither, or both, is a breach. Interim replies (1xx) are read over, but for 101. The reply to `HEAD` has no body.
//! White space before and after a reply is read over; trailers are dropped.
//! A request's Host is always `localhost`, as the seeds' is: the caller's own is in `Request_url`.

use super::chunked::Chunked;
use super::gather::Gather;
use super::text::{Ascii, Name, Target, Url, excerpt, is_white, put, rfc3339};
use super::{Broken, Call, Encoded, HEAD_LIMIT, Progress, Wire, headers};
use crate::error::Result;
use crate::invocation::Reply;
use bytes::{Buf, Bytes, BytesMut};

/// Headers that one reply may have.
const MAX_HEADERS: usize = 128;

/// Bytes of a head up to which each new piece has it parsed again.
const SHORT_HEAD: usize = 4 << 10;

/// The reader's side.
#[derive(Debug, Default)]
pub(super) struct Http {
    limit: u64,
    parts_above: usize,
    /// Whether the request was `HEAD`.
    to_head: bool,
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
}

/// How a body ends.
#[derive(Debug)]
enum Framing {
    /// After this many bytes.
    Length(usize),
    /// With its last chunk.
    Chunked(Chunked),
}

impl Wire for Http {
    fn write(&mut self, call: &Call<'_>, scratch: &mut BytesMut) -> Result<Encoded> {
        scratch.reserve(512);
        put(
            scratch,
            format_args!(
                "{} {} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n",
                call.method,
                Target(call),
                call.length()
            ),
        );
        if let Some(value) = headers::content_type(call.headers) {
            put(scratch, format_args!("Content-Type: {value}\r\n"));
        }
        for (name, value) in headers::carried(call.headers) {
            if !["host", "content-type"].iter().any(|given| name.eq_ignore_ascii_case(given)) {
                put(scratch, format_args!("{}: {value}\r\n", Name(name)));
            }
        }
        put(
            scratch,
            format_args!(
                "Task-Id: {id}\r\nMethod: {method}\r\nRoute: /{route}\r\nRequest_url: {url}\r\n\
                 Fn_call_id: {id}\r\nFn_deadline: {deadline}\r\nFn_method: {method}\r\nFn_request_url: {url}\r\n\r\n",
                id = call.id,
                method = call.method,
                route = Ascii(call.function),
                url = Url(call),
                deadline = rfc3339(call.deadline),
            ),
        );
        (self.limit, self.parts_above) = (call.max_reply, call.parts_above);
        self.to_head = call.method == "HEAD";
        Ok(Encoded { head: scratch.split().freeze(), body: call.body.clone(), ..Encoded::default() })
    }

    fn idle(&mut self, bytes: Bytes) -> Result<(), Broken> {
        if self.held.is_empty() && self.reply.is_none() && bytes.iter().copied().all(is_white) {
            return Ok(());
        }
        Err(broken(format!(
            "{} bytes on stdout while no request was under way: {}",
            bytes.len(),
            excerpt(&bytes)
        )))
    }

    fn read(&mut self, mut piece: Bytes) -> Result<Progress, Broken> {
        let (mut reply, mut framing) = match self.reply.take() {
            Some(begun) => begun,
            None => match self.head(&mut piece)? {
                Some(begun) => begun,
                None => return Ok(Progress::More(1)),
            },
        };
        let missing = match &mut framing {
            Framing::Length(length) => {
                let in_parts = *length > self.parts_above;
                let count = piece.len().min(*length - self.have());
                self.body.push(piece.split_to(count), if in_parts { 0 } else { *length });
                *length - self.have()
            }
            Framing::Chunked(chunked) => {
                chunked.read(&mut piece, &mut self.body).map_err(broken)?.unwrap_or_default()
            }
        };
        if missing > 0 {
            return Ok(self.so_far(reply, framing, missing));
        }
        reply.body = self.body.take();
        (self.spent, self.begun, self.passed) = (0, false, 0);
        Ok(Progress::Done { answer: Ok(reply), stray: !piece.iter().copied().all(is_white) })
    }

    fn end(&mut self) -> Result<Reply, Broken> {
        let have = self.have();
        let far = match &self.reply {
            None => format!("after {} bytes of its head", self.spent + self.held.len()),
            Some((_, Framing::Length(length))) => format!("{have} of {length} bytes"),
            Some((_, Framing::Chunked(_))) => format!("after {have} bytes, without the last chunk"),
        };
        Err(broken(format!("stdout ended before its reply was whole: {far}")))
    }
}

impl Http {
    /// Makes ready for a reply, whole and of so many bytes at most, to a request that another format has written.
    pub(super) fn awaits(&mut self, limit: u64) {
        (self.limit, self.parts_above, self.to_head) = (limit, usize::MAX, false);
    }

    /// Bytes of the body that have come.
    fn have(&self) -> usize {
        self.passed + self.body.len()
    }

    /// Keeps a reply whose body isn't whole; gives what there is of it if it is too long to be held.
    fn so_far(&mut self, reply: Reply, framing: Framing, missing: usize) -> Progress {
        let (length, in_all) = match framing {
            Framing::Length(length) => (Some(length as u64), length),
            Framing::Chunked(_) => (None, self.have()),
        };
        let (begun, held) = (self.begun, self.body.len());
        self.begun = begun || in_all > self.parts_above;
        if !self.begun || (begun && held == 0) {
            self.reply = Some((reply, framing));
            // Of a chunk that is long enough to make it begin, or that comes after that, no more is waited for than it takes.
            let enough =
                if begun { 1 } else { self.parts_above.saturating_sub(self.have()).saturating_add(1) };
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
    fn head(&mut self, piece: &mut Bytes) -> Result<Option<(Reply, Framing)>, Broken> {
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
                self.parse(fresh)?
            } else {
                self.held.extend_from_slice(fresh);
                // Each piece of a short head is looked at at once; a long one by lines, so that a drip costs no more.
                if self.held.len() <= SHORT_HEAD || fresh.contains(&b'\n') {
                    self.parse(&self.held)?
                } else {
                    None
                }
            };
            let Some(head) = parsed else {
                if fresh.len() == room {
                    return Err(broken(format!("its head is longer than {HEAD_LIMIT} bytes")));
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
            piece.advance(head.len.saturating_sub(before).min(piece.len()));
            if let Some(begun) = head.reply {
                return Ok(Some(begun));
            }
        }
    }

    /// Reads a head; `None` if it isn't whole.
    fn parse(&self, bytes: &[u8]) -> Result<Option<Head>, Broken> {
        const START: &[u8] = b"HTTP/1.";
        if !bytes.iter().zip(START).all(|(byte, due)| byte == due) {
            return Err(broken(format!(
                "it isn't HTTP/1.1: it begins {} (stdout belongs to replies: print to stderr)",
                excerpt(bytes)
            )));
        }
        let mut slots = [httparse::EMPTY_HEADER; MAX_HEADERS];
        let mut response = httparse::Response::new(&mut slots);
        let len = match response.parse(bytes) {
            Ok(httparse::Status::Complete(len)) => len,
            Ok(httparse::Status::Partial) => return Ok(None),
            Err(httparse::Error::TooManyHeaders) => {
                return Err(broken(format!("its head has more than {MAX_HEADERS} headers")));
            }
            Err(error) => {
                return Err(broken(format!("its head isn't HTTP: {error}; it begins {}", excerpt(bytes))));
            }
        };
        let status = response.code.unwrap_or_default();
        let framing = self.framing(status, &response)?;
        let reply = framing.map(|framing| {
            let mut headers: Vec<(String, String)> = response
                .headers
                .iter()
                .map(|header| (header.name.to_owned(), decode(header.value)))
                .collect();
            headers::strip(&mut headers);
            (Reply { status, headers, body: Bytes::new() }, framing)
        });
        Ok(Some(Head { len, reply }))
    }

    /// How the body ends; `None` for an interim reply.
    fn framing(&self, status: u16, response: &httparse::Response<'_, '_>) -> Result<Option<Framing>, Broken> {
        let values = |name: &'static str| {
            response
                .headers
                .iter()
                .filter(move |header| header.name.eq_ignore_ascii_case(name))
                .map(|h| h.value)
        };
        match status {
            101 => return Err(broken("status 101: the stream can't change its protocol".into())),
            100..=199 => return Ok(None),
            200..=999 => {}
            _ => return Err(broken(format!("status {status:03}: give one from 200 to 999"))),
        }
        let mut length = None;
        for value in values("content-length") {
            let this = parse_length(value)
                .ok_or_else(|| broken(format!("its Content-Length is {}, not a number", excerpt(value))))?;
            if length.is_some_and(|length| length != this) {
                return Err(broken("it has two different Content-Lengths".into()));
            }
            length = Some(this);
        }
        let mut codings = values("transfer-encoding");
        let chunked = match (codings.next(), codings.next()) {
            (None, _) => false,
            (Some(coding), None) if coding.eq_ignore_ascii_case(b"chunked") => true,
            (Some(coding), _) => {
                return Err(broken(format!(
                    "its Transfer-Encoding is {}: only `chunked`, once, is read",
                    excerpt(coding)
                )));
            }
        };
        if chunked && response.version != Some(1) {
            return Err(broken("it is chunked, which HTTP/1.0 doesn't have".into()));
        }
        match (chunked, length) {
            (true, Some(_)) => {
                Err(broken("it has both Content-Length and Transfer-Encoding: its end isn't certain".into()))
            }
            _ if self.to_head || matches!(status, 204 | 304) => Ok(Some(Framing::Length(0))),
            (true, None) => Ok(Some(Framing::Chunked(Chunked::new(self.limit)))),
            (false, Some(length)) if length > self.limit => Err(broken(format!(
                "it announces {length} bytes, but `max_reply` is {} bytes",
                self.limit
            ))),
            (false, Some(length)) => Ok(Some(Framing::Length(usize::try_from(length).unwrap_or(usize::MAX)))),
            (false, None) => Err(broken(
                "it has neither Content-Length nor Transfer-Encoding: on a stream that lives on its end can't be known".into(),
            )),
        }
    }
}

/// A head that was read whole.
struct Head {
    /// Its bytes.
    len: usize,
    /// `None` for an interim one.
    reply: Option<(Reply, Framing)>,
}

/// A header's value: UTF-8 if it is that, else Latin-1.
fn decode(value: &[u8]) -> String {
    match std::str::from_utf8(value) {
        Ok(text) => text.to_owned(),
        Err(_) => value.iter().copied().map(char::from).collect(),
    }
}

fn parse_length(value: &[u8]) -> Option<u64> {
    // `parse` alone would take a sign.
    let digits = value.iter().all(u8::is_ascii_digit);
    std::str::from_utf8(value).ok().filter(|_| digits)?.parse().ok()
}

fn broken(what: String) -> Broken {
    Broken(format!("`http` reply: {what}"))
}
