//! Web actions: any HTTP request, without a key, to an action whose `web-export` annotation says so; its result decides the
//! whole of the reply.

mod context;
mod cors;
mod media;
pub(crate) mod plain;
mod reply;

use super::answer::{self, Answer, about};
use super::invoke::Waited;
use super::name::ActionName;
use super::refusal::{Refusal, Result};
use super::resolve::Resolved;
use super::response::Status;
use super::run::Run;
use super::{Shared, rest, words};
use crate::invocation::InvocationId;
use crate::openwhisk::activation::About;
use bytes::Bytes;
use context::Context;
pub(crate) use context::Head;
pub(super) use context::told_headers;
use http::request::Parts;
use http::{HeaderMap, Method};
use media::Media;
use serde_json::Value;
use std::sync::Arc;

/// A request to a web action.
pub(super) struct Call<'a> {
    pub(super) head: &'a Parts,
    /// The action's name, its extension included.
    pub(super) name: ActionName,
    /// What follows it.
    pub(super) path: &'a str,
    /// The namespace of the caller's key, where it brings one.
    pub(super) own: Option<&'a str>,
    pub(super) transaction: &'a str,
}

/// Answers it.
pub(super) async fn answer(shared: &Arc<Shared>, call: Call<'_>, body: Bytes) -> Answer {
    let (head, transaction) = (call.head, call.transaction);
    let mut cors = false;
    let mut activation = None;
    let answered = answered(shared, &call, body, &mut cors, &mut activation).await;
    let mut answer = answered.unwrap_or_else(|refusal| answer::refusal(&refusal, transaction));
    if let Some(id) = activation {
        answer = about(answer, &id);
    }
    if cors {
        cors::allow(&head.headers, answer.headers_mut());
    }
    rest::identify(answer.headers_mut(), transaction);
    answer
}

async fn answered(
    shared: &Arc<Shared>,
    call: &Call<'_>,
    body: Bytes,
    cors: &mut bool,
    activation: &mut Option<String>,
) -> Result<Answer> {
    let (resolved, media) = exported(shared, &call.name)?;
    let annotations = &resolved.kept.action.annotations;
    // Unless the action answers `OPTIONS` itself, they are answered for it, and every reply says that any origin may read it.
    *cors = !annotations.flag("web-custom-options");
    let options = call.head.method == Method::OPTIONS;
    if *cors && options {
        return Ok(http::Response::new(Bytes::new()));
    }
    let custom = !*cors && options;
    if !custom && !is_allowed(annotations.get("require-whisk-auth"), &call.head.headers, call.own) {
        return Err(Refusal::new(401, words::NO_AUTH));
    }
    let raw = annotations.flag("raw-http");
    let asked = Head {
        method: &call.head.method,
        headers: &call.head.headers,
        query: call.head.uri.query().unwrap_or_default(),
        path: call.path,
    };
    let context = Context::read(asked, body, raw)?;
    if !raw && context.parameters().any(|name| context::is_reserved(name) || resolved.is_immutable(name)) {
        return Err(Refusal::bad(words::RESERVED));
    }
    // It runs for whoever owns it.
    let action = &resolved.kept.action;
    let arguments = context.arguments(call.own);
    let arguments =
        if action.exec.is_sequence() { arguments } else { resolved.parameters.arguments(arguments) };
    let owner = action.name.namespace.clone();
    let id = InvocationId::new();
    let run = Run::new(id, About::new(&owner, action, resolved.binding, call.transaction), arguments);
    let waited = shared.blocking(run, shared.ranges.max_wait).await?;
    *activation = Some(id.to_string());
    let Waited::Ended(ended) = waited else { return Err(Refusal::new(202, words::NOT_READY)) };
    let projection = match ended.response.status {
        Status::Success => Some(&ended.response.result),
        // What it calls its error is its reply.
        Status::ApplicationError => ended.response.result.get("error"),
        Status::DeveloperError | Status::WhiskError => return Err(Refusal::bad(words::PROCESSING)),
    };
    let result = projection.ok_or_else(|| Refusal::new(404, words::NO_PROPERTY))?;
    reply::of(result, media)
}

/// The action that a path names, where it is exported; and as what its result is taken. To a caller one that isn't exported
/// is not there.
fn exported(shared: &Shared, name: &ActionName) -> Result<(Resolved, Media)> {
    let (base, media) = Media::of(&name.name);
    let name = ActionName { name: base.to_owned(), ..name.clone() };
    let missing = |_| Refusal::missing();
    let resolved = shared.catalog.resolve(&name.namespace, &name).map_err(missing)?;
    let exported = shared.keys.has(&name.namespace) && resolved.kept.action.annotations.flag("web-export");
    if exported { Ok((resolved, media)) } else { Err(Refusal::missing()) }
}

/// Whether a caller may go on: `require-whisk-auth` is `true` for any good key, or a secret that
/// `X-Require-Whisk-Auth` must be.
fn is_allowed(required: Option<&Value>, headers: &HeaderMap, own: Option<&str>) -> bool {
    let header = headers.get("x-require-whisk-auth").map(|value| value.as_bytes());
    let is = |secret: &str| header.is_some_and(|given| same(given, secret.as_bytes()));
    match required {
        None | Some(Value::Bool(false)) => true,
        Some(Value::Bool(true)) => own.is_some(),
        Some(Value::String(secret)) => is(secret),
        Some(Value::Number(secret)) => is(&secret.to_string()),
        Some(_) => false,
    }
}

/// Whether two are the same, in a time that tells nothing of either.
fn same(a: &[u8], b: &[u8]) -> bool {
    use sha2::{Digest, Sha256};
    let (a, b) = (Sha256::digest(a), Sha256::digest(b));
    std::hint::black_box(a.iter().zip(&b).fold(0, |sum, (a, b)| sum | (a ^ b))) == 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_secret_or_a_key_opens_what_is_locked() {
        let headers = HeaderMap::from_iter([(
            http::HeaderName::from_static("x-require-whisk-auth"),
            http::HeaderValue::from_static("42"),
        )]);
        let none = HeaderMap::new();
        for (required, headers, own, allowed) in [
            (None, &none, None, true),
            (Some(json!(false)), &none, None, true),
            (Some(json!(true)), &none, None, false),
            (Some(json!(true)), &none, Some("guest"), true),
            (Some(json!("42")), &headers, None, true),
            (Some(json!(42)), &headers, None, true),
            (Some(json!("43")), &headers, Some("guest"), false),
            (Some(json!("42")), &none, Some("guest"), false),
            (Some(json!({})), &headers, Some("guest"), false),
        ] {
            assert_eq!(is_allowed(required.as_ref(), headers, own), allowed, "{required:?} {own:?}");
        }
    }
}
