//! The head of a response: its status, its headers, and how its body ends.

use super::chunked::Chunked;
use super::headers;
use super::response::Awaited;
use super::text::excerpt;
use crate::invocation::Reply;
use bytes::Bytes;

/// Headers that one response may have.
const MAX_HEADERS: usize = 128;

/// A head that was read whole.
pub(super) struct Head {
    /// Its bytes.
    pub(super) len: usize,
    /// Whether its connection ends with the response.
    pub(super) closes: bool,
    /// `None` for an interim one.
    pub(super) reply: Option<(Reply, Framing)>,
}

/// How a body ends.
#[derive(Debug)]
pub(super) enum Framing {
    /// After this many bytes.
    Length(usize),
    /// With its last chunk.
    Chunked(Chunked),
    /// With its connection.
    Close,
}

impl Head {
    /// Reads a head; `None` if it isn't whole.
    pub(super) fn parse(bytes: &[u8], awaited: Awaited, of_server: bool) -> Result<Option<Self>, String> {
        const START: &[u8] = b"HTTP/1.";
        if !bytes.iter().zip(START).all(|(byte, due)| byte == due) {
            let hint = if of_server { "" } else { " (stdout belongs to replies: print to stderr)" };
            return Err(format!("it isn't HTTP/1.1: it begins {}{hint}", excerpt(bytes)));
        }
        let mut slots = [httparse::EMPTY_HEADER; MAX_HEADERS];
        let mut response = httparse::Response::new(&mut slots);
        let len = match response.parse(bytes) {
            Ok(httparse::Status::Complete(len)) => len,
            Ok(httparse::Status::Partial) => return Ok(None),
            Err(httparse::Error::TooManyHeaders) => {
                return Err(format!("its head has more than {MAX_HEADERS} headers"));
            }
            Err(error) => {
                return Err(format!("its head isn't HTTP: {error}; it begins {}", excerpt(bytes)));
            }
        };
        let status = response.code.unwrap_or_default();
        let framing = framing(status, &response, awaited, of_server)?;
        let closes = matches!(framing, Some(Framing::Close)) || closes(&response);
        let reply = framing.map(|framing| {
            let mut headers: Vec<(String, String)> = response
                .headers
                .iter()
                .map(|header| (header.name.to_owned(), decode(header.value)))
                .collect();
            headers::strip(&mut headers);
            (Reply { status, headers, body: Bytes::new() }, framing)
        });
        Ok(Some(Self { len, closes, reply }))
    }
}

/// How the body ends; `None` for an interim reply.
fn framing(
    status: u16,
    response: &httparse::Response<'_, '_>,
    awaited: Awaited,
    of_server: bool,
) -> Result<Option<Framing>, String> {
    match status {
        101 => return Err("status 101: the stream can't change its protocol".into()),
        100..=199 => return Ok(None),
        200..=999 => {}
        _ => return Err(format!("status {status:03}: give one from 200 to 999")),
    }
    let mut length = None;
    for value in values(response, "content-length") {
        let this = parse_length(value)
            .ok_or_else(|| format!("its Content-Length is {}, not a number", excerpt(value)))?;
        if length.is_some_and(|length| length != this) {
            return Err("it has two different Content-Lengths".into());
        }
        length = Some(this);
    }
    let mut codings = values(response, "transfer-encoding");
    let chunked = match (codings.next(), codings.next()) {
        (None, _) => false,
        (Some(coding), None) if coding.eq_ignore_ascii_case(b"chunked") => true,
        (Some(coding), _) => {
            return Err(format!(
                "its Transfer-Encoding is {}: only `chunked`, once, is read",
                excerpt(coding)
            ));
        }
    };
    if chunked && response.version != Some(1) {
        return Err("it is chunked, which HTTP/1.0 doesn't have".into());
    }
    match (chunked, length) {
        (true, Some(_)) => {
            Err("it has both Content-Length and Transfer-Encoding: its end isn't certain".into())
        }
        _ if awaited.to_head || matches!(status, 204 | 304) => Ok(Some(Framing::Length(0))),
        (true, None) => Ok(Some(Framing::Chunked(Chunked::new(awaited.limit)))),
        (false, Some(length)) if length > awaited.limit => Err(format!(
            "it announces {length} bytes, but `max_reply` is {} bytes",
            awaited.limit
        )),
        (false, Some(length)) => Ok(Some(Framing::Length(usize::try_from(length).unwrap_or(usize::MAX)))),
        (false, None) if of_server => Ok(Some(Framing::Close)),
        (false, None) => Err(
            "it has neither Content-Length nor Transfer-Encoding: on a stream that lives on its end can't be known".into(),
        ),
    }
}

/// Whether a server ends its connection after this response: as it says, or as HTTP/1.0 has it.
fn closes(response: &httparse::Response<'_, '_>) -> bool {
    let says = |word: &str| {
        values(response, "connection")
            .filter_map(|value| std::str::from_utf8(value).ok())
            .any(|list| list.split(',').any(|item| item.trim().eq_ignore_ascii_case(word)))
    };
    says("close") || (response.version == Some(0) && !says("keep-alive"))
}

/// The values of a header.
fn values<'a>(
    response: &'a httparse::Response<'_, '_>,
    name: &'static str,
) -> impl Iterator<Item = &'a [u8]> {
    let named = response.headers.iter().filter(move |header| header.name.eq_ignore_ascii_case(name));
    named.map(|header| header.value)
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
