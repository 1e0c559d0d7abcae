//! What the host and a `wasi:http` sandbox tell each other over its stdio: one request, one reply, as plain fields and
//! pieces of a body. Both ends are Kiln's, so nothing is escaped and nothing has to be parsed but lengths.
//!
//! ```text
//!   message := head (piece)* last      head, piece, last, failed := u32 length | u8 kind | that many bytes
//!   head of a request := method, scheme, authority, path, (name, value)*     each u32 length | bytes
//!   head of a reply   := u16 status | (name, value)*                         failed := why there is no reply
//! ```
//! Numbers are little-endian. The format's half is `format/wasi_http.rs`, the backend's `backend/wasm/http/`.

use bytes::{Buf, BufMut, Bytes, BytesMut};

/// Bytes in front of each part of a message.
pub(crate) const HEADER: usize = 5;

/// What a part of a message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// All but the body.
    Head = 1,
    /// Some of the body.
    Piece = 2,
    /// The last of the body, which may be nothing.
    Last = 3,
    /// Instead of a reply: why there is none.
    Failed = 4,
}

/// A part's kind and length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) kind: Kind,
    pub(crate) len: usize,
}

impl Header {
    /// Reads one; `None` for a kind that isn't known.
    pub(crate) fn read(bytes: [u8; HEADER]) -> Option<Self> {
        let [a, b, c, d, kind] = bytes;
        let kind = match kind {
            1 => Kind::Head,
            2 => Kind::Piece,
            3 => Kind::Last,
            4 => Kind::Failed,
            _ => return None,
        };
        Some(Self { kind, len: usize::try_from(u32::from_le_bytes([a, b, c, d])).ok()? })
    }
}

/// Begins a part of `len` bytes. One that is longer than 4 GiB can't be told: its length is the largest there is.
pub(crate) fn put_header(to: &mut BytesMut, kind: Kind, len: usize) {
    to.put_u32_le(u32::try_from(len).unwrap_or(u32::MAX));
    to.put_u8(kind as u8);
}

/// Writes a part whose length is known only when it is written.
pub(crate) fn put_part(to: &mut BytesMut, kind: Kind, write: impl FnOnce(&mut BytesMut)) {
    let at = to.len();
    put_header(to, kind, 0);
    write(to);
    let len = to.len().saturating_sub(at + HEADER);
    if let Some(mut header) = to.get_mut(at..at + 4) {
        header.put_u32_le(u32::try_from(len).unwrap_or(u32::MAX));
    }
}

/// Writes one field of a head.
pub(crate) fn put_field(to: &mut BytesMut, field: &[u8]) {
    to.put_u32_le(u32::try_from(field.len()).unwrap_or(u32::MAX));
    to.put_slice(field);
}

/// The fields of a head, one after the other. They share its memory.
pub(crate) struct Fields(pub(crate) Bytes);

impl Iterator for Fields {
    type Item = Bytes;

    fn next(&mut self) -> Option<Bytes> {
        let len = usize::try_from(self.0.try_get_u32_le().ok()?).ok()?;
        (len <= self.0.len()).then(|| self.0.split_to(len))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_read_as_it_was_written() {
        let mut bytes = BytesMut::from(&b"before"[..]);
        put_part(&mut bytes, Kind::Head, |to| {
            for field in [&b"GET"[..], b"", b"/x"] {
                put_field(to, field);
            }
        });
        let mut bytes = bytes.freeze().split_off(6);
        let mut header = [0; HEADER];
        bytes.copy_to_slice(&mut header);
        assert_eq!(Header::read(header), Some(Header { kind: Kind::Head, len: bytes.len() }));
        assert_eq!(Fields(bytes).collect::<Vec<_>>(), ["GET", "", "/x"]);
    }

    #[test]
    fn a_field_that_is_cut_ends_them() {
        for cut in [&b"\x05\0\0\0abc"[..], b"\x05\0\0", b"\xff\xff\xff\xffabc", b""] {
            assert_eq!(Fields(Bytes::from_static(cut)).next(), None);
        }
        assert_eq!(Header::read([0, 0, 0, 0, 9]), None);
    }
}
