//! The API's resources: a request's path and method lead to one of them.

mod actions;
mod activations;
mod invocations;
mod namespaces;
mod packages;
mod rules;
mod triggers;

use super::answer::{self, Answer};
use super::name::OWN;
use super::query::Query;
use super::refusal::{Refusal, Result};
use super::route::{Collection, Route};
use super::{OpenWhisk, Shared, web, words};
use crate::invocation::InvocationId;
use bytes::Bytes;
use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN, ALLOW,
    HeaderName, HeaderValue,
};
use http::request::Parts;
use http::{HeaderMap, Method};
use serde_json::Value;
use std::sync::Arc;

/// What names a request, in its answer and in the log.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// Bytes that a declaration may have beside its code, twice over for what JSON has to escape.
const BESIDE_CODE: u64 = 4 << 20;

/// A request that may be answered once its body is there.
pub(crate) struct Asked {
    route: Route,
    /// The namespace of its key; none for what anybody may ask.
    own: Option<String>,
    transaction: String,
    /// Bytes of its body at most.
    pub(crate) max_body: u64,
}

impl OpenWhisk {
    /// Looks at a request's head: where it leads, and whether its key may go there.
    pub(crate) fn begin(&self, head: &Parts) -> Result<Asked, Box<Answer>> {
        let transaction = transaction(&head.headers);
        let shared = &self.shared;
        let asked = || {
            let route = Route::of(head.uri.path())?;
            let open = matches!(route, Route::Controller | Route::Ping | Route::Api | Route::Nothing);
            let own = match &route {
                _ if open || head.method == Method::OPTIONS && !matches!(route, Route::Web(..)) => None,
                // Anybody may call those; a key that is given must be good.
                Route::Web(..) if !head.headers.contains_key(http::header::AUTHORIZATION) => None,
                Route::Web(..) => shared.keys.of(&head.headers).ok().map(str::to_owned),
                _ => Some(shared.keys.of(&head.headers)?.to_owned()),
            };
            let max_body = match (&head.method, &route) {
                (&Method::PUT, Route::Action(_)) => shared.ranges.max_code.saturating_mul(2) + BESIDE_CODE,
                (&Method::PUT, _) if !matches!(route, Route::Web(..)) => BESIDE_CODE,
                _ => shared.ranges.max_payload,
            };
            Ok(Asked { route, own, transaction: transaction.clone(), max_body })
        };
        asked().map_err(|refusal: Refusal| {
            let mut answer = answer::refusal(&refusal, &transaction);
            dress(answer.headers_mut(), &transaction);
            Box::new(answer)
        })
    }

    /// Says that a body is too large, or couldn't be read.
    pub(crate) fn unread(&self, asked: &Asked, error: &crate::Error, announced: u64) -> Answer {
        let refusal = match error.kind() {
            crate::ErrorKind::TooLarge => Refusal::too_large("Request", announced, asked.max_body),
            _ => Refusal::bad(error.message().to_owned()),
        };
        let mut answer = answer::refusal(&refusal, &asked.transaction);
        dress(answer.headers_mut(), &asked.transaction);
        answer
    }

    /// Answers a request.
    pub(crate) async fn answer(&self, asked: Asked, head: &Parts, body: Bytes) -> Answer {
        let Asked { route, own, transaction, .. } = asked;
        if let Route::Web(name, path) = route {
            let call = web::Call { head, name, path: &path, own: own.as_deref(), transaction: &transaction };
            return web::answer(&self.shared, call, body).await;
        }
        let request = Asking {
            shared: &self.shared,
            own: own.as_deref().unwrap_or_default(),
            method: &head.method,
            query: Query::read(head.uri.query().unwrap_or_default()),
            headers: &head.headers,
            transaction: &transaction,
            body: &body,
        };
        let answered = request.answer(route).await;
        let mut answer = answered.unwrap_or_else(|refusal| answer::refusal(&refusal, &transaction));
        dress(answer.headers_mut(), &transaction);
        answer
    }
}

/// The id that a request brings, or a new one.
fn transaction(headers: &HeaderMap) -> String {
    let given = headers.get(REQUEST_ID).and_then(|id| id.to_str().ok());
    let given = given.filter(|id| (1..=128).contains(&id.len()) && !id.starts_with("sid_"));
    given.map_or_else(|| InvocationId::new().to_string(), str::to_owned)
}

/// What every answer of the API carries.
fn dress(headers: &mut HeaderMap, transaction: &str) {
    for (name, value) in [
        (ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
        (
            ACCESS_CONTROL_ALLOW_HEADERS,
            "Authorization, Origin, X-Requested-With, Content-Type, Accept, User-Agent",
        ),
        (ACCESS_CONTROL_ALLOW_METHODS, "GET, DELETE, POST, PUT, HEAD"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    identify(headers, transaction);
}

pub(super) fn identify(headers: &mut HeaderMap, transaction: &str) {
    if let Ok(id) = HeaderValue::from_str(transaction) {
        headers.insert(REQUEST_ID, id);
    }
}

/// A request of somebody who may ask.
struct Asking<'a> {
    shared: &'a Arc<Shared>,
    /// The namespace of the caller's key.
    own: &'a str,
    method: &'a Method,
    query: Query,
    headers: &'a HeaderMap,
    /// What the log calls the request.
    transaction: &'a str,
    body: &'a Bytes,
}

impl Asking<'_> {
    async fn answer(&self, route: Route) -> Result<Answer> {
        let method = if self.method == Method::HEAD { &Method::GET } else { self.method };
        if method == Method::OPTIONS {
            return Ok(answer::whole(
                200,
                HeaderValue::from_static("text/plain; charset=UTF-8"),
                Bytes::new(),
            ));
        }
        let gets = *method == Method::GET;
        match route {
            Route::Nothing | Route::Web(..) => Err(Refusal::new(404, words::NOT_FOUND)),
            Route::Action(name) => match *method {
                Method::GET => self.action(name).await,
                Method::PUT => self.put_action(name).await,
                Method::DELETE => self.delete_action(name).await,
                Method::POST => self.invoke(name).await,
                _ => Ok(not_allowed("PUT, GET, DELETE, POST")),
            },
            Route::Package(ns, name) => match *method {
                Method::GET => self.package(&ns, &name),
                Method::PUT => self.put_package(&ns, &name).await,
                Method::DELETE => self.delete_package(&ns, &name).await,
                _ => Ok(not_allowed("PUT, GET, DELETE")),
            },
            Route::Trigger(ns, name) => {
                let ns = self.mine(&ns)?;
                match *method {
                    Method::GET => self.trigger(ns, &name),
                    Method::PUT => self.put_trigger(ns, &name).await,
                    Method::DELETE => self.delete_trigger(ns, &name).await,
                    Method::POST => self.fire(ns, &name).await,
                    _ => Ok(not_allowed("PUT, GET, DELETE, POST")),
                }
            }
            Route::Rule(ns, name) => {
                let ns = self.mine(&ns)?;
                match *method {
                    Method::GET => self.rule(ns, &name),
                    Method::PUT => self.put_rule(ns, &name).await,
                    Method::DELETE => self.delete_rule(ns, &name).await,
                    Method::POST => self.switch_rule(ns, &name).await,
                    _ => Ok(not_allowed("PUT, GET, DELETE, POST")),
                }
            }
            _ if !gets => Ok(not_allowed("GET")),
            Route::Controller => Ok(self.controller()),
            Route::Ping => {
                Ok(answer::whole(200, HeaderValue::from_static("text/plain; charset=UTF-8"), "pong"))
            }
            Route::Api => Ok(self.api()),
            Route::Namespaces => Ok(answer::json(200, &[self.own])),
            Route::Namespace(ns) => self.namespace(&ns),
            Route::Limits(ns) => self.limits(&ns),
            Route::List(ns, Collection::Actions) => self.actions(&ns),
            Route::List(ns, Collection::Packages) => self.packages(&ns),
            Route::List(ns, Collection::Activations) => self.activations(&ns).await,
            Route::List(ns, Collection::Triggers) => self.triggers(&ns),
            Route::List(ns, Collection::Rules) => self.rules(&ns),
            Route::PackageActions(ns, package) => self.package_actions(&ns, &package),
            Route::Activation(ns, id, part) => self.activation(&ns, &id, part).await,
        }
    }

    /// A namespace that the caller's key is for. 403 for another's.
    fn mine<'b>(&'b self, namespace: &'b str) -> Result<&'b str> {
        match namespace {
            OWN => Ok(self.own),
            namespace if namespace == self.own => Ok(namespace),
            other => Err(Refusal::forbidden(other)),
        }
    }

    /// The request's body as JSON; `empty` where there is none.
    fn json(&self) -> Result<Value> {
        if self.body.trim_ascii().is_empty() {
            return Ok(Value::Object(serde_json::Map::new()));
        }
        serde_json::from_slice(self.body).map_err(Refusal::malformed)
    }

    /// A list, or how long it is.
    fn list(&self, collection: Collection, rows: impl ExactSizeIterator<Item = Value>) -> Result<Answer> {
        let window = self.query.window(collection.as_str())?;
        if self.query.flag("count", false)? {
            let count = (rows.len() as u64).saturating_sub(window.skip);
            return Ok(counted(collection, count));
        }
        Ok(answer::json(200, &window.of(rows).collect::<Vec<_>>()))
    }
}

fn counted(collection: Collection, count: u64) -> Answer {
    let fields = serde_json::Map::from_iter([(collection.as_str().to_owned(), Value::from(count))]);
    answer::json(200, &fields)
}

fn not_allowed(methods: &'static str) -> Answer {
    let text = format!("HTTP method not allowed, supported methods: {methods}");
    let mut answer = answer::refusal(&Refusal::new(405, text), "unknown");
    answer.headers_mut().insert(ALLOW, HeaderValue::from_static(methods));
    answer
}
