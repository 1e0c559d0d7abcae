//! A request as a web action's parameters.

use crate::openwhisk::query::Query;
use crate::openwhisk::refusal::{Refusal, Result};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::Method;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap};
use serde_json::{Map, Value, json};

/// The parameters that say what the request was.
const RESERVED: [&str; 6] =
    ["__ow_method", "__ow_headers", "__ow_path", "__ow_user", "__ow_query", "__ow_body"];

/// Whether a caller may not set a parameter of this name.
pub(super) fn is_reserved(name: &str) -> bool {
    RESERVED.contains(&name)
}

/// What of a request's head its action is told.
#[derive(Clone, Copy)]
pub(crate) struct Head<'a> {
    pub(crate) method: &'a Method,
    pub(crate) headers: &'a HeaderMap,
    /// The query, as it was sent.
    pub(crate) query: &'a str,
    /// What follows the action's name.
    pub(crate) path: &'a str,
}

/// A request, read as far as its action wants it read.
pub(super) struct Context<'a> {
    head: Head<'a>,
    query: Query,
    body: Option<Value>,
    raw: bool,
}

impl<'a> Context<'a> {
    /// Reads a request: for a raw one the body stays as it is, else JSON and forms are parameters. 400 for a body that says
    /// it is JSON and isn't.
    pub(super) fn read(head: Head<'a>, body: Bytes, raw: bool) -> Result<Self> {
        let query = Query::read(head.query);
        let media = media_type(head.headers);
        let body = match media.as_str() {
            _ if body.is_empty() => None,
            media if is_json(media) && !raw => {
                Some(serde_json::from_slice(&body).map_err(Refusal::malformed)?)
            }
            "application/x-www-form-urlencoded" if !raw => {
                let form = Query::read(&String::from_utf8_lossy(&body));
                let fields = form.pairs().map(|(name, value)| (name.to_owned(), json!(value)));
                Some(Value::Object(fields.collect()))
            }
            media if is_text(media) => Some(json!(String::from_utf8_lossy(&body))),
            _ => Some(json!(STANDARD.encode(&body))),
        };
        Ok(Self { head, query, body, raw })
    }

    /// The names of the parameters that it sets.
    pub(super) fn parameters(&self) -> impl Iterator<Item = &str> {
        let body = self.body.as_ref().and_then(Value::as_object);
        self.query
            .pairs()
            .map(|(name, _)| name)
            .chain(body.into_iter().flat_map(Map::keys).map(String::as_str))
    }

    /// The parameters: what it was, over these its query, over these its body.
    pub(super) fn arguments(&self, own: Option<&str>) -> Map<String, Value> {
        let mut arguments = Map::new();
        let mut put = |name: &str, value: Value| drop(arguments.insert(name.to_owned(), value));
        put("__ow_method", json!(self.head.method.as_str().to_lowercase()));
        put("__ow_headers", headers(self.head.headers));
        put("__ow_path", json!(self.head.path));
        if let Some(own) = own {
            put("__ow_user", json!(own));
        }
        match self.raw {
            true => put("__ow_query", json!(self.head.query)),
            false => self.query.pairs().for_each(|(name, value)| put(name, json!(value))),
        }
        match &self.body {
            Some(Value::Object(fields)) if !self.raw => arguments.extend(fields.clone()),
            Some(body) => put("__ow_body", body.clone()),
            None if self.raw => put("__ow_body", json!("")),
            None => {}
        }
        arguments
    }
}

/// A request's headers but its key, for whoever isn't asked by a web action's caller.
pub(in crate::openwhisk) fn told_headers(all: &HeaderMap) -> Value {
    let mut told = headers(all);
    if let Some(fields) = told.as_object_mut() {
        fields.remove(AUTHORIZATION.as_str());
    }
    told
}

fn headers(headers: &HeaderMap) -> Value {
    let mut all = Map::new();
    for name in headers.keys() {
        let values: Vec<_> =
            headers.get_all(name).iter().map(|value| String::from_utf8_lossy(value.as_bytes())).collect();
        all.insert(name.as_str().to_owned(), json!(values.join(", ")));
    }
    Value::Object(all)
}

/// The content type without its parameters, in lower case; what holds where none is given.
pub(super) fn media_type(headers: &HeaderMap) -> String {
    let given = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let bare = given.split(';').next().unwrap_or_default().trim().to_lowercase();
    if bare.is_empty() { "application/octet-stream".into() } else { bare }
}

/// Whether a type is JSON's or built on it.
pub(super) fn is_json(media: &str) -> bool {
    media == "application/json" || media.ends_with("+json")
}

/// Whether bodies of a type are text. For the sake of old actions, JSON that is not to be read isn't.
fn is_text(media: &str) -> bool {
    media.starts_with("text/")
        || media.ends_with("+json")
        || media.ends_with("+xml")
        || matches!(
            media,
            "application/xml"
                | "application/javascript"
                | "application/x-www-form-urlencoded"
                | "application/graphql"
        )
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::Request;

    fn arguments(uri: &str, content_type: &str, body: &'static str, raw: bool) -> Result<Value> {
        let request = Request::post(uri).header("x-a", "1").header("X-A", "2");
        let request =
            if content_type.is_empty() { request } else { request.header(CONTENT_TYPE, content_type) };
        let (head, ()) = request.body(()).unwrap().into_parts();
        let head = Head {
            method: &head.method,
            headers: &head.headers,
            query: head.uri.query().unwrap_or_default(),
            path: "/rest",
        };
        let context = Context::read(head, Bytes::from_static(body.as_bytes()), raw)?;
        Ok(Value::Object(context.arguments(Some("guest"))))
    }

    fn of(uri: &str, content_type: &str, body: &'static str, raw: bool) -> Value {
        let mut found = arguments(uri, content_type, body, raw).unwrap();
        let fields = found.as_object_mut().unwrap();
        for (name, value) in
            [("__ow_method", json!("post")), ("__ow_path", json!("/rest")), ("__ow_user", json!("guest"))]
        {
            assert_eq!(fields.remove(name), Some(value), "{name}");
        }
        assert_eq!(fields.remove("__ow_headers").unwrap()["x-a"], "1, 2");
        found
    }

    #[test]
    fn queries_and_bodies_are_parameters() {
        let json = "application/json; charset=utf-8";
        assert_eq!(of("/?a=1&b=2", json, r#"{"b": 3}"#, false), json!({"a": "1", "b": 3}));
        assert_eq!(
            of("/", "application/x-www-form-urlencoded", "a=1+2&b=%41", false),
            json!({"a": "1 2", "b": "A"})
        );
        assert_eq!(of("/", json, "[1]", false), json!({"__ow_body": [1]}));
        assert_eq!(of("/", "text/plain", "héllo", false), json!({"__ow_body": "héllo"}));
        assert_eq!(of("/", "image/png", "abc", false), json!({"__ow_body": "YWJj"}));
        assert_eq!(of("/", "", "abc", false), json!({"__ow_body": "YWJj"}));
        assert_eq!(of("/", json, "", false), json!({}));
        assert_eq!(arguments("/", json, "{", false).unwrap_err().status, 400);
    }

    #[test]
    fn a_raw_one_gets_query_and_body_as_they_are() {
        let raw = of("/?a=1&b=%20", "application/json", "{\"b\":3}", true);
        assert_eq!(raw, json!({"__ow_query": "a=1&b=%20", "__ow_body": "eyJiIjozfQ=="}));
        assert_eq!(of("/", "text/plain", "x", true), json!({"__ow_query": "", "__ow_body": "x"}));
        assert_eq!(of("/", "", "", true), json!({"__ow_query": "", "__ow_body": ""}));
    }
}
