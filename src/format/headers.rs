//! What may pass between caller and function: hop-by-hop headers don't, and a caller can't give a name that the
//! host gives, nor smuggle one in a value.

use super::Call;
use crate::error::{Error, Result};
use crate::invocation::{Address, HOP_BY_HOP, Headers};

/// Names that the host gives; so does it every one that begins with `fn-`.
const OURS: [&str; 5] = ["content-length", "method", "request-url", "route", "task-id"];

/// Refuses what no format may carry: a method or header name that isn't a token, control characters elsewhere.
pub(super) fn check(call: &Call<'_>) -> Result<()> {
    if !is_token(call.method) {
        return Err(Error::invalid(format!("the method {:?} isn't an HTTP token", call.method)));
    }
    let (start, end) = match call.url {
        Address::Whole(url) => (url, ""),
        Address::Parts { authority, path } => (authority, path),
    };
    for (what, text) in [("function name", call.function), ("path", call.path), ("URL", start), ("URL", end)]
    {
        if let Some(c) = text.chars().find(|c| c.is_control() || c.is_whitespace()) {
            return Err(Error::invalid(format!("the {what} {text:?} has {c:?} in it: percent-encode it")));
        }
    }
    for (name, value) in call.headers.iter() {
        check_header(name, value).map_err(Error::invalid)?;
    }
    Ok(())
}

/// Says what is wrong with a header, so that none can end its line and begin another.
pub(super) fn check_header(name: &str, value: &str) -> Result<(), String> {
    if !is_token(name) {
        return Err(format!("the header name {name:?} isn't an HTTP token"));
    }
    match value.bytes().find(|byte| byte.is_ascii_control() && *byte != b'\t') {
        None => Ok(()),
        Some(byte) => {
            Err(format!("the header {name} has the control character {byte:#04x} in its value: take it out"))
        }
    }
}

/// The caller's headers that reach the function, in order.
pub(super) fn carried<'a>(headers: Headers<'a>) -> impl Iterator<Item = (&'a str, &'a str)> {
    let named = named(headers);
    headers.iter().filter(move |(name, _)| !is_ours(name) && passes(name, named.as_deref()))
}

/// The caller's headers that reach a server, in order: none that the host writes itself.
pub(super) fn proxied<'a>(headers: Headers<'a>) -> impl Iterator<Item = (&'a str, &'a str)> {
    const FORWARDED: [&str; 4] =
        ["x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-forwarded-prefix"];
    let is_kilns = |name: &str| name.get(..5).is_some_and(|start| alike(start, "kiln-"));
    called(headers)
        .filter(move |(name, _)| !is_kilns(name) && !FORWARDED.iter().any(|ours| alike(name, ours)))
}

/// The caller's headers that reach an FDK, in order.
pub(super) fn called<'a>(headers: Headers<'a>) -> impl Iterator<Item = (&'a str, &'a str)> {
    const OURS: [&str; 4] = ["host", "content-length", "fn-call-id", "fn-deadline"];
    let named = named(headers);
    headers
        .iter()
        .filter(move |(name, _)| passes(name, named.as_deref()) && !OURS.iter().any(|ours| alike(name, ours)))
}

/// The caller's headers that reach a function which tells them from what the host says, in order: all but hop-by-hop ones
/// and Content-Length, which is written anew.
pub(super) fn passing<'a>(headers: Headers<'a>) -> impl Iterator<Item = (&'a str, &'a str)> {
    let named = named(headers);
    headers.iter().filter(move |(name, _)| !alike(name, "content-length") && passes(name, named.as_deref()))
}

/// The caller's content type, if it reaches the function.
pub(super) fn content_type(headers: Headers<'_>) -> Option<&str> {
    carried(headers).find(|(name, _)| name.eq_ignore_ascii_case("content-type")).map(|(_, value)| value)
}

/// Takes out of a reply's headers those that don't reach the caller.
pub(super) fn strip(headers: &mut Vec<(String, String)>) {
    let named = named(Headers::from(&*headers));
    headers.retain(|(name, _)| !alike(name, "content-length") && passes(name, named.as_deref()));
}

/// What the `Connection` headers name; nothing is allocated where there are none.
fn named(headers: Headers<'_>) -> Option<String> {
    let mut lists = headers.iter().filter(|(name, _)| alike(name, "connection")).map(|(_, list)| list);
    let first = lists.next()?.to_owned();
    Some(lists.fold(first, |all, list| all + "," + list))
}

/// Whether a header belongs to the message: not hop-by-hop, and not among those that `Connection` names.
fn passes(name: &str, named: Option<&str>) -> bool {
    !HOP_BY_HOP.iter().any(|hop| alike(name, hop))
        && !named.is_some_and(|list| list.split(',').any(|item| item.trim().eq_ignore_ascii_case(name)))
}

fn is_ours(name: &str) -> bool {
    OURS.iter().any(|ours| alike(name, ours)) || name.get(..3).is_some_and(|start| alike(start, "fn-"))
}

/// Whether two names are one to a function that doesn't tell cases apart, nor `-` and `_` (as CGI doesn't).
fn alike(name: &str, lower: &str) -> bool {
    let plain = |byte: u8| if byte == b'_' { b'-' } else { byte.to_ascii_lowercase() };
    name.len() == lower.len() && name.bytes().map(plain).eq(lower.bytes())
}

/// Whether it is a token of RFC 9110.
fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b))
}

#[cfg(test)]
mod tests {
    use super::super::tests::{call, pairs};
    use super::*;
    use crate::error::ErrorKind;

    #[test]
    fn hop_by_hop_headers_and_our_own_names_do_not_pass() {
        let headers = pairs(&[
            ("Accept", "*/*"),
            ("Connection", "close, X-Secret"),
            ("X-Secret", "1"),
            ("Transfer_Encoding", "chunked"),
            ("TE", "trailers"),
            ("connection", "x-other"),
            ("X-Other", "1"),
            ("content-length", "99"),
            ("Content_Length", "99"),
            ("FN-CALL-ID", "forged"),
            ("fn_deadline", "forged"),
            ("Fn_anything", "forged"),
            ("task_id", "forged"),
            ("Method", "forged"),
            ("Request-Url", "forged"),
            ("Fnord", "kept"),
            ("Content-Type", "a/b"),
        ]);
        let passed: Vec<_> = carried((&headers).into()).map(|(name, _)| name).collect();
        assert_eq!(passed, ["Accept", "Fnord", "Content-Type"]);
        assert_eq!(content_type((&headers).into()), Some("a/b"));
    }

    #[test]
    fn a_reply_keeps_all_but_its_framing() {
        let mut headers = pairs(&[
            ("Set-Cookie", "a"),
            ("Content-Length", "5"),
            ("Connection", "x-hop"),
            ("X-Hop", "1"),
            ("Set-Cookie", "b"),
        ]);
        strip(&mut headers);
        assert_eq!(headers, pairs(&[("Set-Cookie", "a"), ("Set-Cookie", "b")]));
    }

    #[test]
    fn what_could_end_a_line_is_refused() {
        for (name, value) in [
            ("X", "a\r\nFn_call_id: forged"),
            ("X", "a\nb"),
            ("X", "a\rb"),
            ("X", "a\0b"),
            ("X Y", "a"),
            ("X:", "a"),
            ("", "a"),
            ("X\r\nY", "a"),
            ("\u{e9}", "a"),
        ] {
            let headers = pairs(&[(name, value)]);
            let error = check(&Call { headers: (&headers).into(), ..call() }).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput, "{name:?}: {value:?}");
        }
        for call in [
            Call { method: "GET /x HTTP/1.1\r\nA: b\r\n\r\n", ..call() },
            Call { method: "", ..call() },
            Call { url: "http://h/a b".into(), ..call() },
            Call { url: "http://h/a\r\nX: y".into(), ..call() },
            Call { path: "/\n", ..call() },
            Call { path: "/\0", ..call() },
        ] {
            assert_eq!(check(&call).unwrap_err().kind(), ErrorKind::InvalidInput);
        }
        let fine = pairs(&[("X-Name", "caf\u{e9}\tau lait")]);
        assert!(check(&Call { headers: (&fine).into(), ..call() }).is_ok());
    }
}
