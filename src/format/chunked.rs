//! A chunked body (RFC 9112, 7.1), read strictly: every line ends in CR LF, a size is hexadecimal digits and
//! nothing else. Extensions and trailers are read over and dropped.

use super::HEAD_LIMIT;
use super::gather::Gather;
use bytes::{Buf, Bytes};

/// Where in the body the next byte is.
#[derive(Clone, Copy, Debug)]
enum Place {
    /// In a chunk's size, after this many digits.
    Size { size: u64, digits: u8 },
    /// In an extension of the last size.
    Extension { size: u64 },
    /// After the CR of a size line.
    SizeLf { size: u64 },
    /// In a chunk's data, this much of it missing.
    Data { missing: u64 },
    /// After a chunk's data.
    DataCr,
    /// After the CR that follows it.
    DataLf,
    /// At the start of a trailer, or of the empty line that ends them.
    Trailer,
    /// In a trailer; whether its colon has come.
    TrailerText { colon: bool },
    /// After a trailer's CR.
    TrailerLf,
    /// After the empty line's CR.
    EndLf,
}

/// How far a chunked body has been read.
#[derive(Debug)]
pub(super) struct Chunked {
    place: Place,
    /// Bytes of extensions and trailers.
    extra: usize,
    /// Bytes of data.
    have: u64,
    limit: u64,
}

impl Chunked {
    /// A body of at most `limit` bytes.
    pub(super) fn new(limit: u64) -> Self {
        Self { place: Place::Size { size: 0, digits: 0 }, extra: 0, have: 0, limit }
    }

    /// Reads what `piece` has of the body into `body`. `None` when it is whole; else the bytes that are surely missing.
    pub(super) fn read(&mut self, piece: &mut Bytes, body: &mut Gather) -> Result<Option<usize>, String> {
        loop {
            if let Place::Data { missing } = self.place {
                let count = usize::try_from(missing).unwrap_or(usize::MAX).min(piece.len());
                body.push(piece.split_to(count), 0);
                self.have += count as u64;
                let missing = missing - count as u64;
                if missing > 0 {
                    self.place = Place::Data { missing };
                    return Ok(Some(usize::try_from(missing).unwrap_or(usize::MAX)));
                }
                self.place = Place::DataCr;
            }
            let Some(&byte) = piece.first() else { return Ok(Some(1)) };
            piece.advance(1);
            if self.step(byte)? {
                return Ok(None);
            }
        }
    }

    /// Takes a byte that isn't data; whether it is the body's last.
    fn step(&mut self, byte: u8) -> Result<bool, String> {
        use Place::{Data, DataCr, DataLf, EndLf, Extension, Size, SizeLf, Trailer, TrailerLf, TrailerText};
        if matches!(self.place, Extension { .. } | Trailer | TrailerText { .. }) {
            self.extra += 1;
            if self.extra > HEAD_LIMIT {
                return Err(format!("its chunk extensions and trailers are longer than {HEAD_LIMIT} bytes"));
            }
        }
        self.place = match (self.place, byte) {
            (Size { size, digits }, b'0'..=b'9' | b'a'..=b'f' | b'A'..=b'F') if digits < 16 => {
                let digit = char::from(byte).to_digit(16).unwrap_or_default();
                let size = size << 4 | u64::from(digit);
                if size > self.limit.saturating_sub(self.have) {
                    return Err(format!("its chunks are longer than `max_reply`, {} bytes", self.limit));
                }
                Size { size, digits: digits + 1 }
            }
            (Size { size, digits: 1.. }, b';') => Extension { size },
            (Size { size, digits: 1.. }, b'\r') => SizeLf { size },
            (Size { .. }, _) => return Err(wrong("a chunk's size in hexadecimal", byte)),
            (Extension { size }, b'\r') => SizeLf { size },
            (Extension { .. }, b'\n' | 0) => return Err(wrong("a chunk's extension", byte)),
            (Extension { size }, _) => Extension { size },
            (SizeLf { size: 0 }, b'\n') => Trailer,
            (SizeLf { size }, b'\n') => Data { missing: size },
            (DataCr, b'\r') => DataLf,
            (DataLf, b'\n') => Size { size: 0, digits: 0 },
            (Trailer, b'\r') => EndLf,
            (Trailer, b'\n' | b' ' | b'\t' | b':' | 0) => return Err(wrong("a trailer's name", byte)),
            (Trailer, _) => TrailerText { colon: false },
            (TrailerText { colon: true }, b'\r') => TrailerLf,
            (TrailerText { colon: false }, b'\r') => return Err(wrong("a trailer's colon", byte)),
            (TrailerText { .. }, b'\n' | 0) => return Err(wrong("the end of a trailer", byte)),
            (TrailerText { colon }, _) => TrailerText { colon: colon || byte == b':' },
            (TrailerLf, b'\n') => Trailer,
            (EndLf, b'\n') => return Ok(true),
            (SizeLf { .. } | DataCr | DataLf | TrailerLf | EndLf | Data { .. }, _) => {
                return Err(wrong("the CR LF of a chunk", byte));
            }
        };
        Ok(false)
    }
}

fn wrong(place: &str, byte: u8) -> String {
    format!("'{}' came where {place} was due", byte.escape_ascii())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, step: usize, limit: u64) -> Result<(Bytes, String), String> {
        let (mut chunked, mut body) = (Chunked::new(limit), Gather::default());
        let bytes = Bytes::copy_from_slice(text.as_bytes());
        let mut at = 0;
        while at < bytes.len() {
            let mut piece = bytes.slice(at..bytes.len().min(at + step));
            at += piece.len();
            if chunked.read(&mut piece, &mut body)?.is_none() {
                let rest = String::from_utf8_lossy(&bytes[at - piece.len()..]).into_owned();
                return Ok((body.take(), rest));
            }
        }
        Err("unfinished".into())
    }

    #[test]
    fn extensions_and_trailers_are_read_over() {
        let text = "5;a=b;c=\"d\"\r\nhello\r\n00A\r\n, \r\nworld!\r\n0;x\r\nX-Sum: 1\r\nA:\r\n\r\nrest";
        for step in 1..=text.len() {
            assert_eq!(read(text, step, 15), Ok(("hello, \r\nworld!".into(), "rest".into())), "{step}");
        }
        assert_eq!(read("0\r\n\r\n", 1, 0), Ok(("".into(), "".into())));
    }

    #[test]
    fn a_single_chunk_is_not_copied() {
        let mut piece = Bytes::from_static(b"5\r\nhello\r\n0\r\n\r\n");
        let start = piece.as_ptr();
        let mut body = Gather::default();
        assert_eq!(Chunked::new(5).read(&mut piece, &mut body), Ok(None));
        assert_eq!(body.take().as_ptr(), start.wrapping_add(3));
    }

    #[test]
    fn e1_whatever_is_not_chunked_is_refused_at_its_byte() {
        for text in [
            "\r\n",
            ";a\r\n",
            "g",
            "5\n",
            "5 \r\n",
            "-5",
            "+5",
            "0x5",
            "5\r\nhello!",
            "5\r\nhello\n",
            "5\rh",
            "5;a\n",
            "0\r\nno colon\r\n",
            "0\r\nX: 1\n",
            "0\r\n folded: 1",
            "0\r\n: 1",
            "0\r\n\rX",
            "00000000000000000",
        ] {
            for step in [1, 3, text.len()] {
                let why = read(text, step, 100).unwrap_err();
                assert_ne!(why, "unfinished", "{text:?}");
            }
        }
        assert_eq!(read("0\r\nX: 1\r\n", 1, 100), Err("unfinished".into()));
    }

    #[test]
    fn sizes_beyond_the_limit_are_refused_before_any_data() {
        for text in ["ffffffffffffffff\r\n", "6\r\n", "3\r\nabc\r\n3\r\n"] {
            assert_eq!(
                read(text, 1, 5),
                Err("its chunks are longer than `max_reply`, 5 bytes".into()),
                "{text}"
            );
        }
        let flood = format!("1;{}", "x".repeat(HEAD_LIMIT + 1));
        assert!(read(&flood, 1000, 5).unwrap_err().contains("longer than 65536 bytes"));
        let flood = format!("0\r\n{}", "X: 1\r\n".repeat(HEAD_LIMIT));
        assert!(read(&flood, 1000, 5).unwrap_err().contains("longer than 65536 bytes"));
    }
}
