//! `wasi-http`: a call of a component's `wasi:http/incoming-handler`, over the plain parts of [`crate::exchange`].
//!
//! The guest is told the caller's own request, as a proxy passes it on: method, authority, path after the function's name,
//! headers but hop-by-hop ones. Whatever of its reply is there when it waits is passed on, so what it writes a piece at
//! a time is read a piece at a time. Trailers are dropped.

use super::gather::Gather;
use super::{Broken, Call, Encoded, HEAD_LIMIT, Progress, Rest, Wire, headers};
use crate::error::{Error, Result};
use crate::exchange::{Fields, HEADER, Header, Kind, put_field, put_header, put_part};
use crate::invocation::{Address, Reply};
use bytes::{Buf, Bytes, BytesMut};

/// The reader's side.
#[derive(Debug, Default)]
pub(super) struct WasiHttp {
    limit: u64,
    /// Whether the reply must be whole.
    whole: bool,
    /// The header that is being read, and how much of it there is.
    header: [u8; HEADER],
    have: usize,
    /// The part that it began, and bytes of it that haven't come.
    part: Option<Header>,
    missing: usize,
    /// What of a head, or of a reason, has come.
    held: BytesMut,
    reply: Option<Head>,
    body: Gather,
    /// Whether the reply has begun, and bytes of its body that came in all.
    begun: bool,
    came: u64,
}

/// A reply's head, and the length that it announces.
#[derive(Debug)]
struct Head {
    reply: Reply,
    length: Option<u64>,
}

impl Wire for WasiHttp {
    fn write(&mut self, call: &Call<'_>, scratch: &mut BytesMut) -> Result<Encoded> {
        if u32::try_from(call.body.len()).is_err() {
            return Err(Error::invalid("the body has more than 4 GiB in one piece: send it in parts"));
        }
        scratch.reserve(512);
        put_part(scratch, Kind::Head, |to| put_request(to, call));
        let last = call.rest == Rest::Nothing;
        put_header(scratch, if last { Kind::Last } else { Kind::Piece }, call.body.len());
        *self = Self { limit: call.max_reply, whole: call.parts_above == usize::MAX, ..Self::default() };
        Ok(Encoded { head: scratch.split().freeze(), body: call.body.clone(), ..Encoded::default() })
    }

    fn part(&mut self, bytes: Bytes) -> Encoded {
        let mut header = BytesMut::with_capacity(HEADER);
        put_header(&mut header, Kind::Piece, bytes.len());
        Encoded { head: header.freeze(), body: bytes, ..Encoded::default() }
    }

    fn last(&mut self) -> Encoded {
        let mut header = BytesMut::with_capacity(HEADER);
        put_header(&mut header, Kind::Last, 0);
        Encoded { head: header.freeze(), ..Encoded::default() }
    }

    fn idle(&mut self, bytes: Bytes) -> Result<(), Broken> {
        Err(broken(format!("{} bytes came while no request was under way", bytes.len())))
    }

    fn read(&mut self, mut piece: Bytes) -> Result<Progress, Broken> {
        loop {
            let Some(part) = self.begin(&mut piece)? else { return Ok(self.so_far()) };
            let count = piece.len().min(self.missing);
            let bytes = piece.split_to(count);
            self.missing -= count;
            match part.kind {
                Kind::Head | Kind::Failed => self.held.extend_from_slice(&bytes),
                Kind::Piece | Kind::Last => self.body.push(bytes, 0),
            }
            if self.missing > 0 {
                return Ok(self.so_far());
            }
            (self.part, self.have) = (None, 0);
            match part.kind {
                Kind::Head => self.reply = Some(head(self.held.split().freeze())?),
                Kind::Piece => {}
                Kind::Last => {
                    let body = self.body.take();
                    // Of one that has begun it is no more than what was left.
                    let head = self.reply.take().map_or_else(|| Reply::ok(Bytes::new()), |head| head.reply);
                    let reply = Reply { body, ..head };
                    return Ok(Progress::Done { answer: Ok(reply), stray: !piece.is_empty() });
                }
                Kind::Failed => {
                    let why = String::from_utf8_lossy(&self.held.split()).into_owned();
                    return Ok(Progress::Done { answer: Err(Error::failed(why)), stray: !piece.is_empty() });
                }
            }
        }
    }

    fn end(&mut self) -> Result<Reply, Broken> {
        Err(broken(match &self.reply {
            None => "the component ended before it set one".into(),
            Some(_) => format!("the component ended in the middle of its body, after {} bytes", self.came),
        }))
    }
}

impl WasiHttp {
    /// The part that is being read, once its header is there and makes sense.
    fn begin(&mut self, piece: &mut Bytes) -> Result<Option<Header>, Broken> {
        if let Some(part) = self.part {
            return Ok(Some(part));
        }
        let count = piece.len().min(HEADER - self.have);
        if let Some(to) = self.header.get_mut(self.have..self.have + count) {
            piece.copy_to_slice(to);
            self.have += count;
        }
        if self.have < HEADER {
            return Ok(None);
        }
        let part =
            Header::read(self.header).ok_or_else(|| broken("a part of it is of no known kind".into()))?;
        match part.kind {
            Kind::Head | Kind::Failed if self.reply.is_some() => {
                return Err(broken("it has two heads".into()));
            }
            Kind::Head | Kind::Failed if part.len > HEAD_LIMIT => {
                return Err(broken(format!("its head is longer than {HEAD_LIMIT} bytes")));
            }
            Kind::Piece | Kind::Last if self.reply.is_none() => {
                return Err(broken("its body came before its head".into()));
            }
            Kind::Head | Kind::Failed => {}
            Kind::Piece | Kind::Last => {
                self.came = self.came.saturating_add(part.len as u64);
                if self.came > self.limit {
                    return Err(broken(format!(
                        "its body is longer than `max_reply`, {} bytes: raise that, or send less",
                        self.limit
                    )));
                }
            }
        }
        self.missing = part.len;
        self.part = Some(part);
        Ok(Some(part))
    }

    /// What there is of a reply that isn't whole: the guest waits, or its reader's buffer is full.
    fn so_far(&mut self) -> Progress {
        let Some(head) = self.reply.as_mut().filter(|_| !self.whole) else {
            return Progress::More(self.missing.max(1));
        };
        let part = self.body.take();
        if !self.begun {
            self.begun = true;
            let length = head.length;
            let reply = std::mem::replace(&mut head.reply, Reply::ok(Bytes::new()));
            return Progress::Begun { reply: Reply { body: part, ..reply }, length };
        }
        if part.is_empty() { Progress::More(self.missing.max(1)) } else { Progress::Part(part) }
    }
}

fn put_request(to: &mut BytesMut, call: &Call<'_>) {
    let (scheme, authority) = match call.url {
        Address::Parts { authority, .. } => ("http", authority),
        Address::Whole(url) => {
            let (scheme, rest) = url.split_once("://").unwrap_or(("http", ""));
            (scheme, rest.split(['/', '?', '#']).next().unwrap_or_default())
        }
    };
    let authority = if authority.is_empty() { "localhost" } else { authority };
    for field in [call.method, scheme, authority, call.path] {
        put_field(to, field.as_bytes());
    }
    for (name, value) in headers::passing(call.headers) {
        put_field(to, name.as_bytes());
        put_field(to, value.as_bytes());
    }
    if call.rest != Rest::Unknown && call.length() > 0 {
        put_field(to, b"content-length");
        put_field(to, call.length().to_string().as_bytes());
    }
}

fn head(mut bytes: Bytes) -> Result<Head, Broken> {
    let status = bytes.try_get_u16_le().map_err(|_| broken("its head has no status".into()))?;
    let mut fields = Fields(bytes);
    let mut headers = Vec::new();
    let mut length = None;
    while let (Some(name), Some(value)) = (fields.next(), fields.next()) {
        let (name, value) = (text(&name), text(&value));
        if name.eq_ignore_ascii_case("content-length") {
            length = value.parse().ok();
        }
        headers.push((name, value));
    }
    headers::strip(&mut headers);
    // A body that mustn't be there has no length that it could keep to.
    let length = length.filter(|_| !matches!(status, 204 | 304));
    Ok(Head { reply: Reply { status, headers, body: Bytes::new() }, length })
}

/// A header's text: UTF-8 if it is that, else Latin-1.
fn text(bytes: &Bytes) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) => text.to_owned(),
        Err(_) => bytes.iter().copied().map(char::from).collect(),
    }
}

fn broken(what: String) -> Broken {
    Broken(format!("`wasi-http` reply: {what}"))
}
