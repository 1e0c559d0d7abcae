//! A request's body on a server's connection: with its length where that is known, else in chunks.

use super::text::put;
use super::{Call, Encoded, Rest};
use bytes::{Bytes, BytesMut};

/// Methods whose requests are taken to have no body unless they say that they have one (RFC 9110, 8.6).
const BARE: [&str; 5] = ["GET", "HEAD", "DELETE", "OPTIONS", "TRACE"];

/// How a body is being written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Sending {
    /// As it comes: its length was said.
    #[default]
    Plain,
    /// In chunks, of which none has been written.
    Chunks,
    /// In chunks, the last of which lacks its end of line.
    More,
}

impl Sending {
    /// Writes the header that says how the body ends.
    pub(super) fn begin(call: &Call<'_>, head: &mut BytesMut) -> Self {
        let length = call.length();
        if call.rest == Rest::Unknown {
            put(head, format_args!("Transfer-Encoding: chunked\r\n"));
            return Self::Chunks;
        }
        if length > 0 || !BARE.contains(&call.method) {
            put(head, format_args!("Content-Length: {length}\r\n"));
        }
        Self::Plain
    }

    /// Ends a head, and writes after it what there is of the body.
    pub(super) fn first(&mut self, head: &mut BytesMut, body: &Bytes) -> Encoded {
        put(head, format_args!("\r\n"));
        if *self == Self::Chunks && !body.is_empty() {
            put(head, format_args!("{:x}\r\n", body.len()));
            *self = Self::More;
        }
        Encoded { head: head.split().freeze(), body: body.clone(), ..Encoded::default() }
    }

    /// Writes more of it. Never called with nothing, which would be the last chunk.
    pub(super) fn part(&mut self, body: Bytes) -> Encoded {
        let head = match std::mem::replace(self, if *self == Self::Plain { Self::Plain } else { Self::More })
        {
            Self::Plain => Bytes::new(),
            Self::Chunks => format!("{:x}\r\n", body.len()).into(),
            Self::More => format!("\r\n{:x}\r\n", body.len()).into(),
        };
        Encoded { head, body, ..Encoded::default() }
    }

    /// Ends it.
    pub(super) fn last(&mut self) -> Encoded {
        let head: &'static [u8] = match std::mem::take(self) {
            Self::Plain => b"",
            Self::Chunks => b"0\r\n\r\n",
            Self::More => b"\r\n0\r\n\r\n",
        };
        Encoded { head: Bytes::from_static(head), ..Encoded::default() }
    }
}
