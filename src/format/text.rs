//! How the formats write URLs, deadlines, names and JSON strings, and how they quote bytes in an error.

use super::Call;
use crate::error::{Error, Result};
use crate::invocation::Address;
use bytes::{BufMut, BytesMut};
use std::fmt::{self, Write};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The last second of the year 9999, the last that RFC 3339 can write.
const LAST_SECOND: u64 = 253_402_300_799;

/// A time as RFC 3339 in UTC with milliseconds: `2026-01-30T16:52:39.786Z`. One out of its range becomes the nearest in it.
pub(super) fn rfc3339(time: SystemTime) -> humantime::Rfc3339Timestamp {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    let since = since.min(Duration::from_secs(LAST_SECOND));
    humantime::format_rfc3339_millis(UNIX_EPOCH + since)
}

/// A time in milliseconds of the epoch, 0 before it.
pub(super) fn epoch_millis(time: SystemTime) -> u128 {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis()
}

/// Part of a URL in visible ASCII: anything else, `"` and `\` are percent-encoded, so it also fits between a JSON
/// string's quotes.
pub(super) struct Ascii<'a>(pub(super) &'a str);

impl fmt::Display for Ascii<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let odd = |c: char| !c.is_ascii_graphic() || c == '"' || c == '\\';
        let mut rest = self.0;
        while let Some((plain, c)) = rest.find(odd).and_then(|at| {
            let (plain, tail) = rest.split_at_checked(at)?;
            Some((plain, tail.chars().next()?))
        }) {
            f.write_str(plain)?;
            let mut bytes = [0; 4];
            for byte in c.encode_utf8(&mut bytes).bytes() {
                write!(f, "%{byte:02X}")?;
            }
            rest = rest.get(plain.len() + c.len_utf8()..).unwrap_or_default();
        }
        f.write_str(rest)
    }
}

/// The whole URL that was asked for.
pub(super) struct Url<'a>(pub(super) &'a Call<'a>);

impl fmt::Display for Url<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.url.is_empty() {
            f.write_str("http://localhost")?;
            Target(self.0).fmt(f)
        } else {
            match self.0.url {
                Address::Whole(url) => Ascii(url).fmt(f),
                Address::Parts { authority, path } => write!(f, "http://{}{}", Ascii(authority), Ascii(path)),
            }
        }
    }
}

/// The URL's path and query, as a request line has them.
pub(super) struct Target<'a>(pub(super) &'a Call<'a>);

impl fmt::Display for Target<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let url = match self.0.url {
            Address::Whole(url) => url,
            Address::Parts { path, .. } => path,
        };
        let url = url.split('#').next().unwrap_or(url);
        let place = if url.starts_with('/') {
            url
        } else if let Some((_, rest)) = url.split_once("://") {
            rest.find(['/', '?']).and_then(|at| rest.get(at..)).unwrap_or("/")
        } else {
            return write!(f, "/r/{}{}", Ascii(self.0.function), Ascii(self.0.path));
        };
        if place.starts_with('?') {
            f.write_char('/')?;
        }
        Ascii(place).fmt(f)
    }
}

/// A header's name as the seeds write it: `Content-Type` for `content-type`.
pub(super) struct Name<'a>(pub(super) &'a str);

impl fmt::Display for Name<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut first = true;
        for c in self.0.chars() {
            f.write_char(if first { c.to_ascii_uppercase() } else { c.to_ascii_lowercase() })?;
            first = c == '-';
        }
        Ok(())
    }
}

/// Appends formatted text.
pub(super) fn put(to: &mut BytesMut, text: fmt::Arguments<'_>) {
    // A BytesMut grows, and nothing that is written here fails by itself.
    let _ = to.write_fmt(text);
}

/// Appends a JSON string, quotes included.
pub(super) fn put_json(to: &mut BytesMut, text: &str) -> Result<()> {
    serde_json::to_writer(to.writer(), text)
        .map_err(|error| Error::internal(format!("a JSON string couldn't be written: {error}")))
}

/// Whether a byte is white space between two exchanges.
pub(super) fn is_white(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n')
}

/// The start of some bytes, quoted for an error.
pub(super) fn excerpt(bytes: &[u8]) -> String {
    const SHOWN: usize = 32;
    let shown = bytes.get(..SHOWN).unwrap_or(bytes);
    let more = if bytes.len() > SHOWN { "…" } else { "" };
    format!("\"{}\"{more}", shown.escape_ascii())
}

#[cfg(test)]
mod tests {
    use super::super::tests::call;
    use super::*;

    #[test]
    fn a_deadline_is_written_with_milliseconds_and_never_out_of_range() {
        let at = |millis| UNIX_EPOCH + Duration::from_millis(millis);
        assert_eq!(rfc3339(at(1_769_791_959_786)).to_string(), "2026-01-30T16:52:39.786Z");
        assert_eq!(rfc3339(at(1_769_791_959_000)).to_string(), "2026-01-30T16:52:39.000Z");
        assert_eq!(rfc3339(at(951_782_400_001)).to_string(), "2000-02-29T00:00:00.001Z");
        assert_eq!(rfc3339(UNIX_EPOCH - Duration::from_secs(1)).to_string(), "1970-01-01T00:00:00.000Z");
        assert_eq!(rfc3339(at(253_402_300_800_000)).to_string(), "9999-12-31T23:59:59.000Z");
        assert_eq!(epoch_millis(UNIX_EPOCH - Duration::from_secs(1)), 0);
        assert_eq!(epoch_millis(at(1_769_791_959_786)), 1_769_791_959_786);
    }

    #[test]
    fn a_target_is_the_path_and_query_of_the_url() {
        for (url, target) in [
            ("http://localhost/r/echo?x=1", "/r/echo?x=1"),
            ("https://h:1/a/b#frag", "/a/b"),
            ("http://h", "/"),
            ("http://h?q", "/?q"),
            ("/r/echo?u=http://x/y", "/r/echo?u=http://x/y"),
            ("", "/r/echo/sub?y=2"),
            ("nonsense", "/r/echo/sub?y=2"),
            ("http://h/caf\u{e9}?\"\\", "/caf%C3%A9?%22%5C"),
        ] {
            let call = Call { url: url.into(), path: "/sub?y=2", ..call() };
            assert_eq!(Target(&call).to_string(), target, "{url}");
        }
        let call = Call { url: Address::default(), path: "/", ..call() };
        assert_eq!(Url(&call).to_string(), "http://localhost/r/echo/");
    }

    #[test]
    fn names_are_written_as_the_seeds_write_them() {
        for (name, written) in
            [("content-type", "Content-Type"), ("X-TRACE", "X-Trace"), ("x_y-z", "X_y-Z"), ("a--b", "A--B")]
        {
            assert_eq!(Name(name).to_string(), written);
        }
    }
}
