//! Headers in and out: those of one hop stay behind, those of Kiln's own can't be forged.

use crate::invocation::{HOP_BY_HOP, header};
use http::header::{CONNECTION, HeaderMap, HeaderName, HeaderValue, UPGRADE};
use std::borrow::Cow;

/// What begins so is Kiln's to say.
const OURS: &str = "kiln-";

/// The caller's headers, in order, as a function gets them; lent, unless one isn't UTF-8.
pub(super) fn inward(headers: &HeaderMap) -> Vec<(&str, Cow<'_, str>)> {
    let named: Vec<_> = headers.get_all(CONNECTION).iter().filter_map(|value| value.to_str().ok()).collect();
    let mut inward = Vec::with_capacity(headers.len());
    let passing = headers.iter().filter(|(name, _)| !is_one_hop(name.as_str(), named.iter().copied()));
    inward.extend(passing.map(|(name, value)| (name.as_str(), String::from_utf8_lossy(value.as_bytes()))));
    inward
}

/// A function's headers, as its caller gets them. What can't stand in a reply is left out and logged.
pub(super) fn outward(from: Vec<(String, String)>, to: &mut HeaderMap) {
    let named = header(&from, CONNECTION.as_str()).map(str::to_owned);
    for (name, value) in from {
        if is_one_hop(&name, named.as_deref().into_iter()) || starts_with_ours(&name) {
            continue;
        }
        // The value moves; the usual names are the http crate's own.
        match (HeaderName::from_bytes(name.as_bytes()), HeaderValue::try_from(value)) {
            (Ok(name), Ok(value)) => drop(to.append(name, value)),
            _ => tracing::warn!(header = ?name, "a function's header can't be in a reply and is left out"),
        }
    }
}

/// Whether a request is a WebSocket's handshake. Any other upgrade is an offer, which nobody has to take (RFC 9110, 7.8).
pub(super) fn asks_for_websocket(headers: &HeaderMap) -> bool {
    let protocols = headers.get_all(UPGRADE).iter().filter_map(|value| value.to_str().ok());
    let mut protocols = protocols.flat_map(|list| list.split(','));
    protocols.any(|protocol| {
        protocol.split('/').next().is_some_and(|name| name.trim().eq_ignore_ascii_case("websocket"))
    })
}

fn starts_with_ours(name: &str) -> bool {
    name.get(..OURS.len()).is_some_and(|start| start.eq_ignore_ascii_case(OURS))
}

fn is_one_hop<'a>(name: &str, mut named: impl Iterator<Item = &'a str>) -> bool {
    // The length, too: whoever passes a body on frames it anew.
    name.eq_ignore_ascii_case("content-length")
        || HOP_BY_HOP.iter().any(|hop| hop.eq_ignore_ascii_case(name))
        || named.any(|list| list.split(',').any(|token| token.trim().eq_ignore_ascii_case(name)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_concerns_one_hop_stays_behind() {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("host", "localhost"),
            ("connection", "close, X-Hop"),
            ("x-hop", "1"),
            ("te", "trailers"),
            ("transfer-encoding", "chunked"),
            ("x-multi", "a"),
            ("x-multi", "b"),
        ] {
            headers.append(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        headers.append("x-name", HeaderValue::from_bytes("é".as_bytes()).unwrap());
        let kept = [("host", "localhost"), ("x-multi", "a"), ("x-multi", "b"), ("x-name", "é")];
        assert_eq!(inward(&headers), kept.map(|(name, value)| (name, Cow::Borrowed(value))));
    }

    #[test]
    fn a_websocket_is_told_from_other_upgrades() {
        let asks = |value: &'static str| {
            asks_for_websocket(&HeaderMap::from_iter([(UPGRADE, HeaderValue::from_static(value))]))
        };
        assert!(asks("websocket") && asks("h2c, WebSocket/13"));
        assert!(!asks("h2c") && !asks("TLS/1.0") && !asks_for_websocket(&HeaderMap::new()));
    }

    /// SEEDS.md E11: a function's headers reach the caller; those of the connection or Kiln's own are not its to set.
    #[test]
    fn e11_a_functions_headers_reach_the_caller() {
        let from = [
            ("Content-Type", "text/plain"),
            ("Set-Cookie", "a=1"),
            ("Set-Cookie", "b=2"),
            ("Content-Length", "999"),
            ("Connection", "X-Hop"),
            ("X-Hop", "1"),
            ("KILN-Error", "NotFound"),
            ("bad name", "x"),
            ("X-Bad", "a\r\nb"),
        ];
        let from = from.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let mut to = HeaderMap::new();
        outward(from.to_vec(), &mut to);
        let kept: Vec<_> = to.iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap())).collect();
        assert_eq!(kept, [("content-type", "text/plain"), ("set-cookie", "a=1"), ("set-cookie", "b=2")]);
    }
}
