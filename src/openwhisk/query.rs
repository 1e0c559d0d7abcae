//! Query parameters, and what percent signs stand for.

use super::refusal::{Refusal, Result};
use std::borrow::Cow;

/// Rows of a list where no limit is given.
const DEFAULT_LIMIT: u64 = 30;
/// Rows of a list at most.
const MAX_LIMIT: u64 = 200;

/// A request's query, decoded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Query(Vec<(String, String)>);

impl Query {
    /// Reads `a=b&c=d`.
    pub(super) fn read(text: &str) -> Self {
        let pairs = text.split('&').filter(|pair| !pair.is_empty());
        Self(
            pairs
                .map(|pair| {
                    let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
                    (form_decoded(name), form_decoded(value))
                })
                .collect(),
        )
    }

    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// All of them.
    pub(super) fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// `true` or `false`, as Scala's directives read it.
    pub(super) fn flag(&self, name: &str, default: bool) -> Result<bool> {
        match self.get(name).map(str::to_ascii_lowercase).as_deref() {
            None | Some("") => Ok(default),
            Some("true" | "yes" | "on" | "1") => Ok(true),
            Some("false" | "no" | "off" | "0") => Ok(false),
            Some(other) => Err(Refusal::query(name, format!("'{other}' is not a valid Boolean value"))),
        }
    }

    /// `limit` and `skip` of a list. A limit of 0 is the largest.
    pub(super) fn window(&self, collection: &str) -> Result<Window> {
        let number = |name: &str, default: u64| match self.get(name) {
            None => Ok(i128::from(default)),
            Some(text) => text.parse::<i32>().map(i128::from).map_err(|_| {
                Refusal::query(name, format!("The value '{text}' is not an integer for {collection}."))
            }),
        };
        let limit = match number("limit", DEFAULT_LIMIT)? {
            0 => MAX_LIMIT,
            given => u64::try_from(given).ok().filter(|limit| *limit <= MAX_LIMIT).ok_or_else(|| {
                let why =
                    format!("The value '{given}' is not in the range of 0 to {MAX_LIMIT} for {collection}.");
                Refusal::query("limit", why)
            })?,
        };
        let given = number("skip", 0)?;
        let skip = u64::try_from(given).map_err(|_| {
            let why = format!("The value '{given}' is not greater than or equal to 0 for {collection}.");
            Refusal::query("skip", why)
        })?;
        Ok(Window { limit, skip })
    }

    /// A moment, in milliseconds since the epoch.
    pub(super) fn moment(&self, name: &str) -> Result<Option<u64>> {
        let Some(text) = self.get(name) else { return Ok(None) };
        let moment = text.parse::<i64>().map(|moment| u64::try_from(moment).unwrap_or_default());
        moment.map(Some).map_err(|_| {
            Refusal::query(name, format!("Parameter is not a valid value for epoch seconds: {text}"))
        })
    }
}

/// Which rows of a list are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Window {
    pub(super) limit: u64,
    pub(super) skip: u64,
}

impl Window {
    /// Those of some rows.
    pub(super) fn of<T>(self, rows: impl Iterator<Item = T>) -> impl Iterator<Item = T> {
        let [limit, skip] = [self.limit, self.skip].map(|n| usize::try_from(n).unwrap_or(usize::MAX));
        rows.skip(skip).take(limit)
    }
}

/// A name or value of a form: `+` is a space.
pub(super) fn form_decoded(text: &str) -> String {
    decoded(&text.replace('+', " ")).into_owned()
}

/// `%41` as `A`; what isn't UTF-8 then is replaced.
pub(super) fn decoded(text: &str) -> Cow<'_, str> {
    if !text.contains('%') {
        return Cow::Borrowed(text);
    }
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let hex = (*first == b'%').then(|| after.get(..2)).flatten();
        let byte = hex.and_then(|hex| {
            let digits = std::str::from_utf8(hex).ok().filter(|digits| !digits.starts_with('+'))?;
            u8::from_str_radix(digits, 16).ok()
        });
        match byte {
            Some(byte) => {
                out.push(byte);
                rest = after.get(2..).unwrap_or_default();
            }
            None => {
                out.push(*first);
                rest = after;
            }
        }
    }
    Cow::Owned(String::from_utf8_lossy(&out).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_are_decoded() {
        let query = Query::read("a=b%20c&d=e+f&g&=h&x=%zz%4");
        let pairs: Vec<_> = query.pairs().collect();
        assert_eq!(pairs, [("a", "b c"), ("d", "e f"), ("g", ""), ("", "h"), ("x", "%zz%4")]);
        assert_eq!(decoded("%C3%A9%ff+"), "é\u{fffd}+");
    }

    #[test]
    fn windows_are_bounded_in_openwhisks_words() {
        let window = |text: &str| Query::read(text).window("actions");
        assert_eq!(window("").unwrap(), Window { limit: 30, skip: 0 });
        assert_eq!(window("limit=0&skip=2").unwrap(), Window { limit: 200, skip: 2 });
        assert_eq!(window("limit=1&skip=1").unwrap().of(0..5).collect::<Vec<_>>(), [1]);
        for (text, why) in [
            ("limit=201", "The value '201' is not in the range of 0 to 200 for actions."),
            ("limit=-1", "The value '-1' is not in the range of 0 to 200 for actions."),
            ("skip=-1", "The value '-1' is not greater than or equal to 0 for actions."),
            ("skip=x", "The value 'x' is not an integer for actions."),
        ] {
            let refusal = window(text).unwrap_err();
            assert_eq!(refusal.status, 400);
            assert!(refusal.text.ends_with(why), "{text}: {}", refusal.text);
        }
    }

    #[test]
    fn flags_and_moments() {
        let query = Query::read("a=true&b=False&c=maybe&since=12&upto=x&d=");
        assert_eq!(query.flag("a", false), Ok(true));
        assert_eq!(query.flag("b", true), Ok(false));
        assert_eq!((query.flag("none", true), query.flag("d", false)), (Ok(true), Ok(false)));
        assert_eq!(query.flag("c", true).unwrap_err().status, 400);
        assert_eq!((query.moment("since"), query.moment("none")), (Ok(Some(12)), Ok(None)));
        assert_eq!(query.moment("upto").unwrap_err().status, 400);
    }
}
