//! A web action's result as the reply to its caller.

use super::context::is_json;
use super::media::Media;
use crate::openwhisk::answer::{self, Answer};
use crate::openwhisk::refusal::{Refusal, Result};
use crate::openwhisk::words;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use serde_json::Value;

const HTML: HeaderValue = HeaderValue::from_static("text/html; charset=UTF-8");
const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=UTF-8");
const SVG: HeaderValue = HeaderValue::from_static("image/svg+xml");

/// The reply that a result is, taken as `media`.
pub(super) fn of(result: &Value, media: Media) -> Result<Answer> {
    let field = |name: &str| match result {
        Value::Object(fields) => fields.get("body").or_else(|| fields.get(name)),
        whole => Some(whole),
    };
    let invalid = |media: &str| Refusal::bad(words::invalid_media(media));
    match media {
        Media::Http => http(result).unwrap_or_else(|| Err(invalid("message/http"))),
        Media::Json => match result {
            Value::Object(_) | Value::Array(_) => Ok(answer::json(200, result)),
            _ => Err(invalid("application/json")),
        },
        Media::Html => {
            let html = field("html").and_then(Value::as_str).ok_or_else(|| invalid("text/html"))?;
            Ok(answer::whole(200, HTML, html.to_owned()))
        }
        Media::Svg => {
            let svg = field("svg").and_then(Value::as_str).ok_or_else(|| invalid("image/svg+xml"))?;
            Ok(answer::whole(200, SVG, svg.to_owned()))
        }
        Media::Text => {
            let text = field("text").ok_or_else(|| Refusal::new(404, words::NO_PROPERTY))?;
            let text = match text {
                Value::String(text) => text.clone(),
                Value::Object(_) | Value::Array(_) => {
                    serde_json::to_string_pretty(text).map_err(Refusal::internal)?
                }
                other => other.to_string(),
            };
            Ok(answer::whole(200, TEXT, text))
        }
    }
}

/// `{"statusCode", "headers", "body"}` as a reply; `None` where a result isn't one.
fn http(result: &Value) -> Option<Result<Answer>> {
    let fields = result.as_object()?;
    let mut headers = HeaderMap::new();
    if let Some(given) = fields.get("headers") {
        for (name, value) in given.as_object()? {
            header(&mut headers, name, value)?;
        }
    }
    let status = match fields.get("statusCode") {
        None => None,
        Some(Value::Number(code)) => Some(code.as_u64()?),
        Some(Value::String(code)) => Some(code.parse().ok()?),
        Some(_) => return None,
    };
    let status = match status {
        None => None,
        // What is below is no end of a request.
        Some(code) => Some(u16::try_from(code).ok().filter(|code| (200..1000).contains(code))?),
    };
    let content_type = headers.remove(CONTENT_TYPE);
    let answered = match fields.get("body") {
        None | Some(Value::Null) => Ok((status.unwrap_or(204), None, Bytes::new())),
        Some(Value::String(text)) if text.is_empty() => Ok((status.unwrap_or(204), None, Bytes::new())),
        Some(Value::String(text)) => {
            bytes(text, content_type).map(|(media, body)| (status.unwrap_or(200), Some(media), body))
        }
        Some(body) => {
            json(body, content_type).map(|(media, body)| (status.unwrap_or(200), Some(media), body))
        }
    };
    Some(answered.map(|(status, media, body)| {
        let mut answer = http::Response::new(body);
        *answer.status_mut() = answer::status(status);
        if let Some(media) = media {
            headers.insert(CONTENT_TYPE, media);
        }
        *answer.headers_mut() = headers;
        answer
    }))
}

/// Adds a header; a list is one for each of its items. `None` where it can't be one.
fn header(headers: &mut HeaderMap, name: &str, value: &Value) -> Option<()> {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Bool(_) | Value::Number(_) => value.to_string(),
        Value::Array(list) => return list.iter().try_for_each(|value| header(headers, name, value)),
        Value::Null | Value::Object(_) => return None,
    };
    headers.append(HeaderName::from_bytes(name.as_bytes()).ok()?, HeaderValue::try_from(text).ok()?);
    Some(())
}

/// A body of text: as it is for a type of text, out of base64 for any other.
fn bytes(text: &str, content_type: Option<HeaderValue>) -> Result<(HeaderValue, Bytes)> {
    let Some(content_type) = content_type else { return Ok((HTML, text.to_owned().into())) };
    let media = media(&content_type).ok_or_else(|| Refusal::bad(words::UNKNOWN_TYPE))?;
    let decoded = || STANDARD.decode(text).map(Bytes::from);
    let plain = || Bytes::from(text.to_owned());
    let body = match media.as_str() {
        // Old actions give JSON in base64.
        media if is_json(media) => decoded().unwrap_or_else(|_| plain()),
        media if is_text(media) => plain(),
        _ => decoded().map_err(|_| Refusal::bad(words::TYPE_MISMATCH))?,
    };
    let named = content_type.as_bytes().to_ascii_lowercase();
    let charset = named.windows(8).any(|part| part == b"charset=");
    let shown = match is_text(&media) && !charset {
        true => HeaderValue::try_from(format!("{media}; charset=UTF-8")).unwrap_or(content_type),
        false => content_type,
    };
    Ok((shown, body))
}

/// A body that is JSON; its type must be JSON's.
fn json(body: &Value, content_type: Option<HeaderValue>) -> Result<(HeaderValue, Bytes)> {
    let content_type = content_type.unwrap_or(HeaderValue::from_static("application/json"));
    match media(&content_type) {
        Some(media) if is_json(&media) => Ok((content_type, body.to_string().into())),
        _ => Err(Refusal::bad(words::TYPE_MISMATCH)),
    }
}

/// A type without its parameters; `None` where it is none.
fn media(content_type: &HeaderValue) -> Option<String> {
    let text = content_type.to_str().ok()?.split(';').next()?.trim().to_lowercase();
    let token = |part: &str| {
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$&-^_.+".contains(&byte);
        !part.is_empty() && part.bytes().all(fits)
    };
    let (kind, rest) = text.split_once('/')?;
    (token(kind) && token(rest)).then_some(text)
}

fn is_text(media: &str) -> bool {
    media.starts_with("text/")
        || media.ends_with("+xml")
        || matches!(media, "application/xml" | "application/javascript" | "application/x-www-form-urlencoded")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// Status, content type and body of a reply; or status and text of a refusal.
    fn reply(result: Value, media: Media) -> (u16, String, String) {
        match of(&result, media) {
            Ok(answer) => {
                let kind = answer.headers().get(CONTENT_TYPE).map_or("", |value| value.to_str().unwrap());
                let body = String::from_utf8_lossy(answer.body()).into_owned();
                (answer.status().as_u16(), kind.to_owned(), body)
            }
            Err(refusal) => (refusal.status, "refused".into(), refusal.text.into_owned()),
        }
    }

    fn expect(status: u16, kind: &str, body: &str) -> (u16, String, String) {
        (status, kind.into(), body.into())
    }

    #[test]
    fn http_results_are_whole_replies() {
        let http = |result| reply(result, Media::Http);
        assert_eq!(http(json!({"body": "<b>"})), expect(200, "text/html; charset=UTF-8", "<b>"));
        assert_eq!(http(json!({})), expect(204, "", ""));
        assert_eq!(http(json!({"body": "", "statusCode": 201})), expect(201, "", ""));
        assert_eq!(
            http(json!({"body": {"a": 1}, "statusCode": "202"})),
            expect(202, "application/json", r#"{"a":1}"#)
        );
        let typed = |kind: &str, body: Value| http(json!({"headers": {"Content-Type": kind}, "body": body}));
        assert_eq!(typed("image/png", json!("YWJj")), expect(200, "image/png", "abc"));
        assert_eq!(typed("application/json", json!("YWJj")), expect(200, "application/json", "abc"));
        assert_eq!(typed("application/json", json!("{}")), expect(200, "application/json", "{}"));
        assert_eq!(typed("text/css", json!("a")), expect(200, "text/css; charset=UTF-8", "a"));
        assert_eq!(typed("application/x+json", json!([1])), expect(200, "application/x+json", "[1]"));
        assert_eq!(typed("image/png", json!("!")), expect(400, "refused", words::TYPE_MISMATCH));
        assert_eq!(typed("text/html", json!({})), expect(400, "refused", words::TYPE_MISMATCH));
        assert_eq!(typed("nonsense", json!("a")), expect(400, "refused", words::UNKNOWN_TYPE));
        let invalid = "Response is not valid 'message/http'.";
        for bad in [
            json!([1]),
            json!({"statusCode": 99}),
            json!({"statusCode": "x"}),
            json!({"statusCode": 1.5}),
            json!({"statusCode": 101}),
            json!({"headers": 1}),
            json!({"headers": {"a": {}}}),
            json!({"headers": {"a b": "x"}}),
        ] {
            assert_eq!(http(bad.clone()), expect(400, "refused", invalid), "{bad}");
        }
    }

    #[test]
    fn headers_may_be_many_of_one_name() {
        let result =
            json!({"headers": {"Set-Cookie": ["a=1", "b=2"], "X-N": 1, "X-B": true}, "statusCode": 302});
        let answer = of(&result, Media::Http).unwrap();
        let cookies: Vec<_> = answer.headers().get_all("set-cookie").iter().collect();
        assert_eq!(cookies, ["a=1", "b=2"]);
        assert!(answer.headers()["x-n"] == "1" && answer.headers()["x-b"] == "true");
    }

    #[test]
    fn extensions_project_what_they_name() {
        assert_eq!(reply(json!({"a": 1}), Media::Json), expect(200, "application/json", r#"{"a":1}"#));
        assert_eq!(reply(json!("x"), Media::Json).0, 400);
        let html = expect(200, "text/html; charset=UTF-8", "<i>");
        assert_eq!(reply(json!({"html": "<i>"}), Media::Html), html);
        assert_eq!(reply(json!({"body": "<i>"}), Media::Html), html);
        assert_eq!(
            reply(json!({"x": "<i>"}), Media::Html),
            expect(400, "refused", "Response is not valid 'text/html'.")
        );
        assert_eq!(reply(json!({"svg": "<svg/>"}), Media::Svg), expect(200, "image/svg+xml", "<svg/>"));
        assert_eq!(reply(json!({"text": 1}), Media::Text).2, "1");
        assert_eq!(reply(json!({"text": {"a": 1}}), Media::Text).2, "{\n  \"a\": 1\n}");
        assert_eq!(reply(json!({"x": 1}), Media::Text), expect(404, "refused", words::NO_PROPERTY));
    }
}
