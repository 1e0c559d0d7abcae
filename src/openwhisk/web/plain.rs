//! Any HTTP request to a function from source, at `/r/<function>`.
//!
//! A body that is a JSON object, or none at all, is its parameters as they are, and its result the reply as it is. Anything
//! else, a query, another type, is told as to a web action (`__ow_method`, `__ow_headers`, `__ow_path`, `__ow_query`,
//! `__ow_body`), and the result decides status, headers and body as a web action's does.

use super::context::{Context, Head, is_json, media_type};
use super::media::Media;
use super::reply;
use crate::error::{Error, Result};
use crate::invocation::Reply;
use bytes::Bytes;
use http::Method;
use serde_json::Value;

/// The parameters of a request that isn't plain; `None` where its body is its parameters. `InvalidInput` where it says that it is JSON and isn't.
pub(crate) fn parameters(head: Head<'_>, body: &Bytes) -> Result<Option<Bytes>> {
    let empty = body.trim_ascii().is_empty();
    let typed = media_type(head.headers);
    let untyped = !head.headers.contains_key(http::header::CONTENT_TYPE);
    // Without a type, or with the one that curl gives whatever it is, the body itself tells.
    let maybe = untyped || is_json(&typed) || typed == "application/x-www-form-urlencoded";
    let object = || maybe && body.trim_ascii_start().starts_with(b"{");
    let simple = matches!(*head.method, Method::GET | Method::HEAD | Method::POST);
    if head.query.is_empty() && simple && (empty || object()) {
        return Ok(None);
    }
    let context = Context::read(head, body.clone(), false)
        .map_err(|refusal| Error::invalid(refusal.text.replace('\n', " ")))?;
    Ok(Some(Value::Object(context.arguments(None)).to_string().into()))
}

/// The reply that a result is, where its request wasn't plain. What says neither status, headers nor body is JSON.
pub(crate) fn reply(given: Reply) -> Result<Reply> {
    let Ok(result) = serde_json::from_slice::<Value>(&given.body) else { return Ok(given) };
    let projected = ["statusCode", "headers", "body"].iter().any(|key| result.get(key).is_some());
    if given.status != 200 || !projected {
        return Ok(given);
    }
    let answer =
        reply::of(&result, Media::Http).map_err(|refusal| Error::failed(refusal.text.into_owned()))?;
    let (head, body) = answer.into_parts();
    let headers = head.headers.iter().map(|(name, value)| {
        (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned())
    });
    Ok(Reply { status: head.status.as_u16(), headers: headers.collect(), body })
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderMap;
    use http::header::CONTENT_TYPE;
    use serde_json::json;

    fn told(method: Method, query: &str, content_type: &'static str, body: &'static str) -> Option<Value> {
        let mut headers = HeaderMap::new();
        if !content_type.is_empty() {
            headers.insert(CONTENT_TYPE, http::HeaderValue::from_static(content_type));
        }
        let head = Head { method: &method, headers: &headers, query, path: "/" };
        let body = Bytes::from_static(body.as_bytes());
        parameters(head, &body).unwrap().map(|body| serde_json::from_slice(&body).unwrap())
    }

    #[test]
    fn an_object_is_the_parameters_and_anything_else_is_told_about() {
        assert_eq!(told(Method::POST, "", "application/json", r#"{"a": 1}"#), None);
        assert_eq!(told(Method::POST, "", "application/x-www-form-urlencoded", r#" {"a": 1}"#), None);
        assert_eq!(told(Method::GET, "", "", ""), None);
        let query = told(Method::GET, "a=1", "", "").unwrap();
        assert_eq!((&query["a"], &query["__ow_method"]), (&json!("1"), &json!("get")));
        assert_eq!(told(Method::POST, "", "text/plain", "{}").unwrap()["__ow_body"], "{}");
        assert_eq!(told(Method::POST, "", "image/png", "abc").unwrap()["__ow_body"], "YWJj");
        assert_eq!(told(Method::POST, "", "application/json", "[1]").unwrap()["__ow_body"], json!([1]));
        assert_eq!(told(Method::DELETE, "", "", "").unwrap()["__ow_method"], "delete");
    }

    #[test]
    fn a_result_that_says_how_is_the_whole_reply() {
        let of = |body: &'static str| reply(Reply::ok(body)).unwrap();
        let png = of(r#"{"headers": {"content-type": "image/png"}, "body": "YWJj", "statusCode": 201}"#);
        assert_eq!((png.status, &png.body[..], png.content_type()), (201, &b"abc"[..], Some("image/png")));
        assert_eq!(of(r#"{"a": 1}"#), Reply::ok(r#"{"a": 1}"#));
        assert!(reply(Reply::ok(r#"{"statusCode": "x"}"#)).is_err());
    }
}
