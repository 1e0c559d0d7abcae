//! A request as its caller lends it: nothing of it is copied but what its format writes for the function.

use super::{Invocation, InvocationId, Lines};
use std::borrow::Cow;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

/// One request to a function, borrowed; its body comes beside it. What [`Invocation`] is to those who own theirs.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// Its id.
    pub id: InvocationId,
    /// The HTTP method, or `POST` where there was none.
    pub method: &'a str,
    /// The path after the function's own, led by `/`, with the query. `/` where there was none.
    pub path: &'a str,
    /// The whole URL that was asked for.
    pub url: Address<'a>,
    /// The caller's headers, in order, without hop-by-hop ones.
    pub headers: Headers<'a>,
    /// The address it came from, where it has one.
    pub peer: Option<IpAddr>,
    /// Give up after this long in all, as [`Invocation::patience`].
    pub patience: Option<Duration>,
    /// Where the lines go that it writes on stderr, beside the log.
    pub lines: Option<&'a Arc<Lines>>,
    /// Who asks, where that is known: format `openwhisk` tells it.
    pub caller: Option<Caller<'a>>,
}

/// Who asks, as an OpenWhisk action is told.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Caller<'a> {
    /// The namespace that the request is made in; it needn't be the function's.
    pub namespace: &'a str,
    /// What the log calls the request that it came with.
    pub transaction: &'a str,
    /// That namespace's key, where the action is to have it.
    pub key: Option<&'a str>,
}

impl fmt::Debug for Caller<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Caller").field("namespace", &self.namespace).finish_non_exhaustive()
    }
}

impl Request<'_> {
    /// A `POST /`.
    pub fn new() -> Self {
        Self {
            id: InvocationId::new(),
            method: "POST",
            path: "/",
            url: Address::default(),
            headers: Headers::default(),
            peer: None,
            patience: None,
            lines: None,
            caller: None,
        }
    }
}

impl Default for Request<'_> {
    fn default() -> Self {
        Self::new()
    }
}

impl<'a> From<&'a Invocation> for Request<'a> {
    fn from(invocation: &'a Invocation) -> Self {
        Self {
            id: invocation.id,
            method: &invocation.method,
            path: &invocation.path,
            url: Address::Whole(&invocation.url),
            headers: Headers::from(&invocation.headers),
            peer: None,
            patience: invocation.patience,
            lines: None,
            caller: None,
        }
    }
}

/// A URL, put together only where a format writes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Address<'a> {
    /// All of it; empty where there was none.
    Whole(&'a str),
    /// An `http` one in its parts.
    Parts {
        /// The host, and the port where there is one.
        authority: &'a str,
        /// The path, led by `/`, with the query.
        path: &'a str,
    },
}

impl Address<'_> {
    /// Whether there was none.
    pub fn is_empty(&self) -> bool {
        matches!(self, Self::Whole(""))
    }
}

impl Default for Address<'_> {
    fn default() -> Self {
        Self::Whole("")
    }
}

impl<'a> From<&'a str> for Address<'a> {
    fn from(url: &'a str) -> Self {
        Self::Whole(url)
    }
}

impl fmt::Display for Address<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Whole(url) => f.write_str(url),
            Self::Parts { authority, path } => write!(f, "http://{authority}{path}"),
        }
    }
}

/// Headers in order, as names and values: of an invocation that owns them, or of a request that lends them.
#[derive(Clone, Copy, Debug, Default)]
pub struct Headers<'a> {
    owned: &'a [(String, String)],
    lent: &'a [(&'a str, Cow<'a, str>)],
}

impl<'a> Headers<'a> {
    /// Headers that are lent.
    pub const fn lent(lent: &'a [(&'a str, Cow<'a, str>)]) -> Self {
        Self { owned: &[], lent }
    }

    /// Each name with its value.
    pub fn iter(self) -> impl Iterator<Item = (&'a str, &'a str)> {
        let owned = self.owned.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        owned.chain(self.lent.iter().map(|(name, value)| (*name, value.as_ref())))
    }
}

impl<'a> From<&'a Vec<(String, String)>> for Headers<'a> {
    fn from(owned: &'a Vec<(String, String)>) -> Self {
        Self { owned, lent: &[] }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_one_url_however_it_is_held() {
        let parts = Address::Parts { authority: "h:8080", path: "/r/echo?x=1" };
        assert_eq!(parts.to_string(), "http://h:8080/r/echo?x=1");
        assert_eq!(Address::from("http://h/").to_string(), "http://h/");
        assert!(Address::default().is_empty() && !parts.is_empty());
    }

    #[test]
    fn headers_keep_their_order_however_they_are_held() {
        let owned = vec![("A".to_owned(), "1".to_owned()), ("B".to_owned(), "2".to_owned())];
        let lent = [("A", Cow::Borrowed("1")), ("B", Cow::Owned("2".to_owned()))];
        for headers in [Headers::from(&owned), Headers::lent(&lent)] {
            assert_eq!(headers.iter().collect::<Vec<_>>(), [("A", "1"), ("B", "2")]);
        }
    }
}
