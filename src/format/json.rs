//! `json`: one object each way, the request's followed by one newline (`SEEDS.md`, "The formats on the wire").
//!
//! Bodies are strings, so this format carries text only. The reply's fields are all optional and unknown ones are
//! ignored. The reply as written may be as long as `max_reply` and 64 KiB for its other fields and its escapes.

use super::fields::{self, Headers, Text};
use super::gather::Gather;
use super::scan::Scan;
use super::text::{Name, Url, excerpt, is_white, put, put_json, rfc3339};
use super::{Broken, Call, Encoded, HEAD_LIMIT, Progress, Wire, headers};
use crate::error::{Error, Result};
use crate::invocation::Reply;
use bytes::{Buf, BufMut, Bytes, BytesMut};
use serde::Deserialize;
use std::borrow::Cow;

/// The reader's side.
#[derive(Debug, Default)]
pub(super) struct Json {
    limit: u64,
    text: Gather,
    scan: Scan,
}

impl Wire for Json {
    fn write(&mut self, call: &Call<'_>, scratch: &mut BytesMut) -> Result<Encoded> {
        let body = std::str::from_utf8(call.body).map_err(|error| {
            Error::invalid(format!(
                "the body isn't UTF-8 (at byte {}): format `json` carries text, `frame` and `http` carry bytes",
                error.valid_up_to()
            ))
        })?;
        scratch.reserve(body.len() + 512);
        put(
            scratch,
            format_args!(r#"{{"call_id":"{}","deadline":"{}","body":"#, call.id, rfc3339(call.deadline)),
        );
        put_json(scratch, body)?;
        scratch.put_slice(br#","content_type":"#);
        put_json(scratch, headers::content_type(call.headers).unwrap_or_default())?;
        put(
            scratch,
            format_args!(
                r#","protocol":{{"type":"http","method":"{}","request_url":"{}","headers":"#,
                call.method,
                Url(call)
            ),
        );
        put_headers(scratch, headers::carried(call.headers))?;
        scratch.put_slice(b"}}\n");
        self.limit = call.max_reply;
        Ok(Encoded { head: scratch.split().freeze(), ..Encoded::default() })
    }

    fn idle(&mut self, bytes: Bytes) -> Result<(), Broken> {
        if self.text.len() == 0 && bytes.iter().copied().all(is_white) {
            return Ok(());
        }
        Err(broken(format!(
            "{} bytes on stdout while no request was under way: {}",
            bytes.len(),
            excerpt(&bytes)
        )))
    }

    fn read(&mut self, mut piece: Bytes) -> Result<Progress, Broken> {
        if self.text.len() == 0 {
            let white = piece.iter().take_while(|byte| is_white(**byte)).count();
            piece.advance(white);
            match piece.first() {
                None => return Ok(Progress::More(1)),
                Some(b'{') => {}
                Some(_) => {
                    return Err(broken(format!(
                        "it isn't a JSON object: it begins {} (print to stderr)",
                        excerpt(&piece)
                    )));
                }
            }
        }
        let end = self.scan.read(&piece).map_err(broken)?;
        let taken = end.unwrap_or(piece.len());
        let limit = self.limit.saturating_add(HEAD_LIMIT as u64);
        if (self.text.len() + taken) as u64 > limit {
            self.text.take();
            return Err(self.too_long());
        }
        self.text.push(piece.split_to(taken), 0);
        if end.is_none() {
            return Ok(Progress::More(1));
        }
        self.scan = Scan::default();
        let answer = answer(&self.text.take())?;
        if answer.as_ref().is_ok_and(|reply| reply.body.len() as u64 > self.limit) {
            return Err(self.too_long());
        }
        Ok(Progress::Done { answer, stray: !piece.iter().copied().all(is_white) })
    }

    fn end(&mut self) -> Result<Reply, Broken> {
        Err(broken(format!("stdout ended before its object was whole: after {} bytes", self.text.len())))
    }
}

impl Json {
    fn too_long(&self) -> Broken {
        broken(format!("it is longer than `max_reply`, {} bytes", self.limit))
    }
}

#[derive(Deserialize)]
struct Answer<'a> {
    #[serde(borrow, default)]
    body: Text<'a>,
    #[serde(borrow, default)]
    content_type: Text<'a>,
    protocol: Option<Protocol>,
}

#[derive(Deserialize)]
struct Protocol {
    status_code: Option<u16>,
    #[serde(default)]
    headers: Headers,
}

/// The reply that an object's text is.
fn answer(text: &Bytes) -> Result<Result<Reply>, Broken> {
    let read: Answer<'_> = serde_json::from_slice(text).map_err(|error| broken(error.to_string()))?;
    let body = match read.body.0 {
        // Borrowed from `text` itself, so it is a slice of it.
        Cow::Borrowed(body) => text.slice_ref(body.as_bytes()),
        Cow::Owned(body) => Bytes::from(body),
    };
    let (status, headers) = match read.protocol {
        Some(protocol) => (protocol.status_code, protocol.headers.0),
        None => (None, Vec::new()),
    };
    Ok(fields::reply(status, &read.content_type.0, headers, body))
}

/// Writes headers as an object: each name once, with the list of its values.
pub(super) fn put_headers<'a>(
    to: &mut BytesMut,
    headers: impl Iterator<Item = (&'a str, &'a str)>,
) -> Result<()> {
    let headers: Vec<_> = headers.collect();
    let mut comma = "";
    to.put_u8(b'{');
    for (index, (name, _)) in headers.iter().enumerate() {
        let same = |(_, (other, _)): &(usize, &(&str, &str))| other.eq_ignore_ascii_case(name);
        let mut values = headers.iter().enumerate().filter(same);
        // A name is written where it comes first.
        let Some((_, (_, value))) = values.next().filter(|(first, _)| *first == index) else { continue };
        put(to, format_args!(r#"{comma}"{}":["#, Name(name)));
        comma = ",";
        put_json(to, value)?;
        for (_, (_, value)) in values {
            to.put_u8(b',');
            put_json(to, value)?;
        }
        to.put_u8(b']');
    }
    to.put_u8(b'}');
    Ok(())
}

fn broken(what: String) -> Broken {
    Broken(format!("`json` reply: {what}"))
}
