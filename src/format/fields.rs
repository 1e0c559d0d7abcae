//! What a reply says of itself in JSON (`json`'s object, `frame`'s metadata), and the reply made of it.

use super::headers;
use crate::error::{Error, Result};
use crate::invocation::{Reply, header};
use bytes::Bytes;
use serde::de::{Deserialize, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use std::borrow::Cow;
use std::fmt;

/// A string, borrowed where it has no escapes; empty for `null`, which is how Go writes an absent one.
#[derive(Debug, Default)]
pub(super) struct Text<'a>(pub(super) Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Read;
        impl<'de> Visitor<'de> for Read {
            type Value = Text<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }
            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Text(Cow::Borrowed(text)))
            }
            fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Text(Cow::Owned(text.to_owned())))
            }
            fn visit_string<E>(self, text: String) -> Result<Self::Value, E> {
                Ok(Text(Cow::Owned(text)))
            }
            fn visit_unit<E>(self) -> Result<Self::Value, E> {
                Ok(Text::default())
            }
        }
        from.deserialize_any(Read)
    }
}

/// Headers in the order given: each value a string or a list of strings, `null` for none.
#[derive(Debug, Default)]
pub(super) struct Headers(pub(super) Vec<(String, String)>);

impl<'de> Deserialize<'de> for Headers {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Read;
        impl<'de> Visitor<'de> for Read {
            type Value = Headers;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of header names with strings or lists of strings")
            }
            fn visit_unit<E>(self) -> Result<Headers, E> {
                Ok(Headers::default())
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Headers, A::Error> {
                let mut headers = Vec::new();
                while let Some(name) = map.next_key::<String>()? {
                    map.next_value_seed(Values { name: &name, to: &mut headers })?;
                }
                Ok(Headers(headers))
            }
        }
        from.deserialize_any(Read)
    }
}

/// One header's values.
struct Values<'a> {
    name: &'a str,
    to: &'a mut Vec<(String, String)>,
}

impl<'de> DeserializeSeed<'de> for Values<'_> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<(), D::Error> {
        from.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Values<'_> {
    type Value = ();
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a string or a list of strings for the header {:?}", self.name)
    }
    fn visit_str<E>(self, value: &str) -> Result<(), E> {
        self.to.push((self.name.to_owned(), value.to_owned()));
        Ok(())
    }
    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        while let Some(value) = list.next_element::<String>()? {
            self.to.push((self.name.to_owned(), value));
        }
        Ok(())
    }
}

/// The reply that a function's fields make (`SEEDS.md E11`); the function's error where one of them can't be passed on.
///
/// No status, or 0, is 200. A Content-Type among the headers wins over `content_type`.
pub(super) fn reply(
    status: Option<u16>,
    content_type: &str,
    mut headers: Vec<(String, String)>,
    body: Bytes,
) -> Result<Reply> {
    let status = match status {
        None | Some(0) => 200,
        Some(status @ 200..=999) => status,
        Some(status) => {
            return Err(Error::failed(format!(
                "the function answered with status {status}: give one from 200 to 999"
            )));
        }
    };
    if !content_type.is_empty() && header(&headers, "content-type").is_none() {
        headers.insert(0, ("Content-Type".to_owned(), content_type.to_owned()));
    }
    for (name, value) in &headers {
        headers::check_header(name, value)
            .map_err(|why| Error::failed(format!("the function's reply can't be passed on: {why}")))?;
    }
    headers::strip(&mut headers);
    Ok(Reply { status, headers, body })
}

#[cfg(test)]
mod tests {
    use super::super::tests::pairs;
    use super::*;
    use crate::error::ErrorKind;

    fn headers(json: &str) -> Result<Vec<(String, String)>, String> {
        serde_json::from_str::<Headers>(json).map(|headers| headers.0).map_err(|error| error.to_string())
    }

    #[test]
    fn headers_are_lists_or_plain_strings_in_order() {
        assert_eq!(
            headers(r#"{"Z":["1","2"],"A":"3","N":null,"E":[]}"#),
            Ok(pairs(&[("Z", "1"), ("Z", "2"), ("A", "3")]))
        );
        assert_eq!(headers("null"), Ok(vec![]));
        assert!(headers(r#"{"A":1}"#).unwrap_err().contains("list of strings for the header \"A\""));
        assert!(headers(r#"["A"]"#).is_err());
    }

    #[test]
    fn a_string_without_escapes_is_borrowed() {
        let text: Text<'_> = serde_json::from_str(r#""plain""#).unwrap();
        assert!(matches!(text.0, Cow::Borrowed("plain")));
        let text: Text<'_> = serde_json::from_str(r#""a\nb""#).unwrap();
        assert_eq!(text.0, "a\nb");
        let text: Text<'_> = serde_json::from_str("null").unwrap();
        assert_eq!(text.0, "");
    }

    #[test]
    fn a_reply_that_cannot_be_passed_on_is_the_functions_error() {
        let bad = reply(None, "", pairs(&[("X", "a\r\nSet-Cookie: b")]), Bytes::new()).unwrap_err();
        assert_eq!(bad.kind(), ErrorKind::FunctionFailed);
        assert!(bad.message().contains("the header X has the control character 0x0d"), "{bad}");
        for status in [1, 99, 100, 101, 199, 1000] {
            assert_eq!(
                reply(Some(status), "", vec![], Bytes::new()).unwrap_err().kind(),
                ErrorKind::FunctionFailed
            );
        }
        assert!(reply(None, "a\nb", vec![], Bytes::new()).is_err());
    }

    #[test]
    fn a_content_type_among_the_headers_wins() {
        let got = reply(Some(0), "a/a", pairs(&[("content-type", "b/b")]), Bytes::new()).unwrap();
        assert_eq!((got.status, got.headers), (200, pairs(&[("content-type", "b/b")])));
        let got = reply(Some(999), "a/a", pairs(&[("X", "y")]), Bytes::new()).unwrap();
        assert_eq!(got.headers, pairs(&[("Content-Type", "a/a"), ("X", "y")]));
    }
}
