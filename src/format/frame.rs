//! `frame`: a header of 16 bytes, metadata in JSON, the body (`DESIGN.md`, "The frame format").
//!
//! ```text
//!   u32 len (meta + body) │ u8 kind │ u8 flags = 0 │ u16 meta_len │ u64 call id │ meta │ body      little-endian
//!   kind: 1 ready (once, before the first reply, len 0)   2 request   3 response   4 error (body = message)
//!         5 init (to a runtime, once: body = source)
//! ```
//!
//! Request meta: `deadline_ms` (of the epoch), `method`, `path`, and where there are any `content_type` and `headers`
//! (each name with its list of values; the content type isn't repeated there). Response meta: `status`, `content_type`,
//! `headers`, none of them needed. Init meta: `namespace`, `name`, `main`, `file`, `env`; it is answered with `ready` or
//! `error` and its call id, and requests to a runtime that has loaded its code say their `id`. An `error` frame is the function's own error: the stream is sound and the sandbox kept.

use super::fields::{self, Headers, Text};
use super::gather::Gather;
use super::text::{Ascii, epoch_millis, excerpt, put, put_json};
use super::{Broken, Call, Encoded, First, Init, Progress, Wire, headers, json};
use crate::error::{Error, Result};
use crate::invocation::Reply;
use bytes::{Buf, BufMut, Bytes, BytesMut};
use serde::Deserialize;
use serde_json::json;

const HEADER: usize = 16;
const READY: u8 = 1;
const REQUEST: u8 = 2;
const RESPONSE: u8 = 3;
const ERROR: u8 = 4;
const INIT: u8 = 5;

/// The call id of an `init`: no invocation's, and not that of the first `ready`.
const INIT_ID: u64 = u64::MAX;
/// The longest answer to an `init`, in bytes: an error may quote a line of the source.
const INIT_ANSWER: u64 = 1 << 20;

const TWICE: &str = "a `ready` frame (kind 1) came twice or after a reply";

/// Bytes of an error frame's message that the caller is told.
const MESSAGE: usize = 4096;

/// The reader's side.
#[derive(Debug)]
pub(super) struct Frame {
    /// The call whose reply is awaited.
    call: Option<u64>,
    /// Whether a `ready` frame may still come.
    may_be_ready: bool,
    /// Whether that call is an `init`.
    loading: bool,
    /// Whether its guest is a runtime that has loaded a function.
    loaded: bool,
    limit: u64,
    parts_above: usize,
    /// The header that is being read, and how much of it there is.
    header: [u8; HEADER],
    have: usize,
    payload: Gather,
    /// Bytes of the payload that were given: the reply has begun if there are any.
    passed: usize,
}

impl Default for Frame {
    fn default() -> Self {
        let (header, payload) = ([0; HEADER], Gather::default());
        Self {
            call: None,
            may_be_ready: true,
            loading: false,
            loaded: false,
            limit: 0,
            parts_above: usize::MAX,
            header,
            have: 0,
            payload,
            passed: 0,
        }
    }
}

impl Wire for Frame {
    fn awaits_ready(&self) -> bool {
        self.may_be_ready
    }

    fn is_loaded(&mut self) {
        self.loaded = true;
    }

    fn initialise(&mut self, init: &Init, _first: Option<First<'_>>) -> Result<Encoded> {
        let Init { namespace, name, main, file, code, binary, env } = init;
        if *binary {
            return Err(Error::invalid(
                "the code is an archive, which runtimes of format `frame` don't take: give its source as text, bundled into one file",
            ));
        }
        let meta = json!({ "namespace": namespace, "name": name, "main": main, "file": file, "env": env })
            .to_string();
        let Ok(meta_len) = u16::try_from(meta.len()) else {
            return Err(Error::invalid(format!(
                "the function's environment takes {} bytes: format `frame` carries at most {}",
                meta.len(),
                u16::MAX
            )));
        };
        let Ok(len) = u32::try_from(code.len().saturating_add(meta.len())) else {
            return Err(Error::invalid(format!(
                "the source has {} bytes: format `frame` carries at most 4 GiB with its metadata",
                code.len()
            )));
        };
        let mut head = BytesMut::with_capacity(HEADER + meta.len());
        put_header(&mut head, len, INIT, meta_len, INIT_ID);
        head.put_slice(meta.as_bytes());
        (self.call, self.loading) = (Some(INIT_ID), true);
        (self.limit, self.parts_above) = (INIT_ANSWER, usize::MAX);
        Ok(Encoded { head: head.freeze(), body: code.clone(), ..Encoded::default() })
    }

    fn write(&mut self, call: &Call<'_>, scratch: &mut BytesMut) -> Result<Encoded> {
        scratch.reserve(256);
        scratch.put_bytes(0, HEADER);
        put_meta(scratch, call, self.loaded)?;
        let meta = scratch.len() - HEADER;
        let Ok(meta_len) = u16::try_from(meta) else {
            return Err(Error::invalid(format!(
                "the request's path and headers take {meta} bytes: format `frame` carries at most {}",
                u16::MAX
            )));
        };
        let body = call.length();
        let Ok(len) = u32::try_from(body.saturating_add(meta as u64)) else {
            return Err(Error::invalid(format!(
                "the body has {body} bytes: format `frame` carries at most 4 GiB with its metadata"
            )));
        };
        if let Some(mut header) = scratch.get_mut(..HEADER) {
            put_header(&mut header, len, REQUEST, meta_len, call.id.low());
        }
        self.call = Some(call.id.low());
        (self.limit, self.parts_above) = (call.max_reply, call.parts_above);
        Ok(Encoded { head: scratch.split().freeze(), body: call.body.clone(), ..Encoded::default() })
    }

    fn idle(&mut self, mut bytes: Bytes) -> Result<(), Broken> {
        while !bytes.is_empty() {
            self.fill(&mut bytes);
            self.check(None)?;
            self.take_ready();
        }
        Ok(())
    }

    fn read(&mut self, mut piece: Bytes) -> Result<Progress, Broken> {
        loop {
            self.fill(&mut piece);
            let head = self.check(self.call)?;
            if self.have < HEADER {
                return Ok(Progress::More(HEADER - self.have));
            }
            if self.take_ready() {
                continue;
            }
            let in_parts = head.kind == RESPONSE && head.len - head.meta > self.parts_above;
            let missing = head.len - self.passed - self.payload.len();
            let held = piece.split_to(missing.min(piece.len()));
            self.payload.push(held, if in_parts { 0 } else { head.len });
            let missing = head.len - self.passed - self.payload.len();
            if missing > 0 {
                return if in_parts { self.so_far(&head, missing) } else { Ok(Progress::More(missing)) };
            }
            let payload = self.payload.take();
            let answer = if self.passed > 0 { Ok(Reply::ok(payload)) } else { head.answer(payload)? };
            (self.call, self.may_be_ready, self.have, self.passed) = (None, false, 0, 0);
            if std::mem::take(&mut self.loading) {
                self.loaded = answer.is_ok();
            }
            return Ok(Progress::Done { answer, stray: !piece.is_empty() });
        }
    }

    fn end(&mut self) -> Result<Reply, Broken> {
        let whole = self.check(self.call).map_or(0, |head| head.len);
        let (what, have, of) = if self.have < HEADER {
            ("header", self.have, HEADER)
        } else {
            ("payload", self.passed + self.payload.len(), whole)
        };
        Err(broken(format!("stdout ended before its reply was whole: {have} of {of} bytes of its {what}")))
    }
}

impl Frame {
    /// Gives what there is of a payload that is too long to be held.
    fn so_far(&mut self, head: &Head, missing: usize) -> Result<Progress, Broken> {
        let held = self.payload.len();
        // The metadata is read whole, and no more than that is waited for: the rest comes as the function writes it.
        if held == 0 || self.passed + held < head.meta {
            return Ok(Progress::More(head.meta.saturating_sub(held).max(1)));
        }
        let payload = self.payload.take();
        if self.passed > 0 {
            self.passed += held;
            return Ok(Progress::Part(payload));
        }
        match head.answer(payload.clone())? {
            Ok(reply) => {
                self.passed = held;
                Ok(Progress::Begun { reply, length: Some((head.len - head.meta) as u64) })
            }
            Err(_) => {
                // What can't be passed on is its error when it is whole, as it is for a short one.
                self.parts_above = usize::MAX;
                self.payload.push(payload, head.len);
                Ok(Progress::More(missing))
            }
        }
    }

    /// Takes what the header lacks.
    fn fill(&mut self, piece: &mut Bytes) {
        let count = piece.len().min(HEADER - self.have);
        if let Some(to) = self.header.get_mut(self.have..self.have + count) {
            piece.copy_to_slice(to);
            self.have += count;
        }
    }

    /// Whether the header is that of a `ready` frame, which is then done with. The one that answers an `init` is a reply.
    fn take_ready(&mut self) -> bool {
        let [_, _, _, _, kind, _, _, _, id @ ..] = self.header;
        let answers = self.loading && u64::from_le_bytes(id) == INIT_ID;
        let ready = self.have == HEADER && kind == READY && !answers;
        if ready {
            (self.may_be_ready, self.have) = (false, 0);
        }
        ready
    }

    /// Reads the header, and says what is wrong as soon as the field is there that shows it (`SEEDS.md E1`).
    /// Fields that aren't there yet are read as 0. `asked` is the call whose reply may come now.
    fn check(&self, asked: Option<u64>) -> Result<Head, Broken> {
        let [a, b, c, d, kind, flags, e, f, id @ ..] = self.header;
        let have = self.have;
        let field = |end: usize, value: u64| if have >= end { value } else { 0 };
        let len = field(4, u32::from_le_bytes([a, b, c, d]).into());
        let meta = field(8, u16::from_le_bytes([e, f]).into());
        let id = u64::from_le_bytes(id);
        let breach = |what: String| {
            let seen = excerpt(self.header.get(..have).unwrap_or_default());
            Err(broken(format!(
                "{what}; the frame begins {seen} (stdout belongs to frames: print to stderr)"
            )))
        };
        // At rest only a `ready` frame may come, and its length is 0: any other byte shows the breach.
        if asked.is_none()
            && have > 0
            && (!self.may_be_ready || self.header.iter().take(have.min(4)).any(|byte| *byte != 0))
        {
            return breach("bytes came while no request was under way".into());
        }
        if len > self.limit.saturating_add(u16::MAX.into()) {
            return breach(format!("a frame announces {len} bytes, but `max_reply` is {} bytes", self.limit));
        }
        if have >= 5 {
            match kind {
                // While its code is loaded, the call id says which one this is.
                READY if !self.may_be_ready && !self.loading => return breach(TWICE.into()),
                READY if len > 0 => {
                    return breach(format!("a `ready` frame (kind 1) announces {len} bytes, not 0"));
                }
                RESPONSE | ERROR if asked.is_none() => {
                    return breach(format!("a frame of kind {kind} came while no request was under way"));
                }
                RESPONSE if self.loading => {
                    return breach(
                        "a response (kind 3) came while the function's code was to be loaded".into(),
                    );
                }
                READY | RESPONSE | ERROR => {}
                other => {
                    return breach(format!(
                        "a frame has kind {other}, not 1 (ready), 3 (response) or 4 (error)"
                    ));
                }
            }
        }
        if have >= 6 && flags != 0 {
            return breach(format!("a frame has flags {flags:#04x}, not 0"));
        }
        if meta > len {
            return breach(format!("a frame announces {meta} bytes of metadata in {len} bytes"));
        }
        if have >= 8 && len - meta > self.limit {
            return breach(format!(
                "a frame announces a body of {} bytes, but `max_reply` is {} bytes",
                len - meta,
                self.limit
            ));
        }
        match asked {
            Some(asked) if have == HEADER && kind != READY && id != asked => {
                breach(format!("a reply to call {id} came where one to call {asked} was awaited"))
            }
            Some(asked) if have == HEADER && id != asked && !self.may_be_ready => breach(TWICE.into()),
            None if have == HEADER && self.loading && id == INIT_ID => {
                breach("code was loaded before it was asked for".into())
            }
            _ => Ok(Head { kind, len: usize_of(len), meta: usize_of(meta) }),
        }
    }
}

/// A header that was found good.
struct Head {
    kind: u8,
    len: usize,
    meta: usize,
}

#[derive(Deserialize)]
struct Meta<'a> {
    status: Option<u16>,
    #[serde(borrow, default)]
    content_type: Text<'a>,
    #[serde(default)]
    headers: Headers,
}

impl Head {
    /// What the frame's payload says.
    fn answer(&self, mut payload: Bytes) -> Result<Result<Reply>, Broken> {
        let meta = payload.split_to(self.meta.min(payload.len()));
        if self.kind == ERROR {
            return Ok(Err(Error::failed(message(&payload))));
        }
        if meta.is_empty() {
            return Ok(Ok(Reply::ok(payload)));
        }
        let read: Meta<'_> = serde_json::from_slice(&meta).map_err(|error| {
            broken(format!(
                "the reply's metadata isn't as it should be: {error}; it begins {}",
                excerpt(&meta)
            ))
        })?;
        Ok(fields::reply(read.status, &read.content_type.0, read.headers.0, payload))
    }
}

/// An error frame's body, for people.
fn message(body: &Bytes) -> String {
    if body.is_empty() {
        return "the function answered with an error and no message".to_owned();
    }
    match body.get(..MESSAGE) {
        Some(start) if body.len() > MESSAGE => {
            format!("{}… ({} bytes in all)", String::from_utf8_lossy(start), body.len())
        }
        _ => String::from_utf8_lossy(body).into_owned(),
    }
}

fn put_header(to: &mut impl BufMut, len: u32, kind: u8, meta_len: u16, id: u64) {
    to.put_u32_le(len);
    to.put_u8(kind);
    to.put_u8(0);
    to.put_u16_le(meta_len);
    to.put_u64_le(id);
}

/// Writes a request's metadata, for a runtime with the invocation's id.
fn put_meta(to: &mut BytesMut, call: &Call<'_>, with_id: bool) -> Result<()> {
    put(
        to,
        format_args!(
            r#"{{"deadline_ms":{},"method":"{}","path":"{}""#,
            epoch_millis(call.deadline),
            call.method,
            Ascii(call.path)
        ),
    );
    if with_id {
        put(to, format_args!(r#","id":"{}""#, call.id));
    }
    if let Some(content_type) = headers::content_type(call.headers) {
        to.put_slice(br#","content_type":"#);
        put_json(to, content_type)?;
    }
    let mut rest = headers::carried(call.headers)
        .filter(|(name, _)| !name.eq_ignore_ascii_case("content-type"))
        .peekable();
    if rest.peek().is_some() {
        to.put_slice(br#","headers":"#);
        json::put_headers(to, rest)?;
    }
    to.put_u8(b'}');
    Ok(())
}

fn usize_of(count: u64) -> usize {
    usize::try_from(count).unwrap_or(usize::MAX)
}

fn broken(what: String) -> Broken {
    Broken(format!("`frame` reply: {what}"))
}
