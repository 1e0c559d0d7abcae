//! Asks OpenWhisk's API: over HTTP, or with `--local` one in this process.

use super::args::Target;
use crate::cli::client::Client;
use crate::cli::state::{self, Place};
use crate::cli::{host, identity, runtimes};
use crate::error::{Error, ErrorKind};
use crate::host::Host;
use crate::manifest::{HostSettings, Manifest};
use crate::openwhisk::{Namespace, OpenWhisk};
use crate::runtime::Runtime;
use anyhow::Context;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{Request, Response};
use http_body_util::Full;
use serde_json::Value;

/// Who answers.
pub(super) struct Api {
    way: Way,
    key: String,
}

enum Way {
    Remote(Client),
    Local(Box<(OpenWhisk, Host)>),
}

/// The key that is given, else the one that a server has made in the state folder.
pub(in crate::cli) fn key(target: &Target) -> Result<Option<String>, Error> {
    match target.auth.as_deref() {
        None => {
            let place = Place::given(target.state.as_deref(), None).unwrap_or_else(Place::usual);
            Ok(place.guest_key())
        }
        Some(given) => match given.strip_prefix('@') {
            None => Ok(Some(given.to_owned())),
            Some(file) => match std::fs::read_to_string(file) {
                Ok(key) => Ok(Some(key.trim().to_owned())),
                Err(error) => Err(Error::invalid(format!("can't read the key {file:?}: {error}"))),
            },
        },
    }
}

impl Api {
    pub(super) async fn new(target: &Target) -> anyhow::Result<Self> {
        if target.local {
            return local(target).await;
        }
        let key = key(target)?.ok_or_else(|| {
            Error::invalid("there is no key: give it with --auth, or in KILN_AUTH, as `kiln serve` says")
        })?;
        Ok(Self { way: Way::Remote(Client::new(&target.url)?), key })
    }

    /// Asks below `/api/v1/namespaces/_/`. The answer's status, and what it says; a refusal is an error.
    pub(super) async fn ask(
        &self,
        method: &str,
        path: &str,
        body: Option<&Value>,
    ) -> anyhow::Result<(u16, Value)> {
        let body = body.map(|body| Bytes::from(body.to_string())).unwrap_or_default();
        let path = format!("/api/v1/namespaces/_/{path}");
        let authorization = format!("Basic {}", STANDARD.encode(&self.key));
        let answer = match &self.way {
            Way::Remote(client) => {
                let request = client.request(method, &path).header(AUTHORIZATION, authorization);
                let request = request.header(CONTENT_TYPE, "application/json").body(Full::new(body));
                client.send(request.context("can't ask for that")?).await?
            }
            Way::Local(local) => {
                let request = Request::builder().method(method).uri(path);
                let request =
                    request.header(AUTHORIZATION, authorization).header(CONTENT_TYPE, "application/json");
                let (head, body) = request.body(body).context("can't ask for that")?.into_parts();
                match local.0.begin(&head) {
                    Err(refused) => *refused,
                    Ok(asked) => local.0.answer(asked, &head, body).await,
                }
            }
        };
        read(&answer)
    }

    /// Lets what goes on end. Of a server, nothing.
    pub(super) async fn close(self) -> anyhow::Result<()> {
        if let Way::Local(local) = self.way {
            let drained = local.0.drain().await;
            local.1.drain().await;
            drained?;
        }
        Ok(())
    }
}

async fn local(target: &Target) -> anyhow::Result<Api> {
    let manifest = match &target.file {
        Some(file) => Manifest::read(file)?,
        None => Manifest::parse("kiln.toml", "")?,
    };
    let place = Place::given(target.state.as_deref(), manifest.host.state.as_deref());
    let store = place.unwrap_or_else(Place::usual).open(&manifest.store)?;
    let settings = HostSettings { kept_networks: Some(0), ..manifest.host.clone() };
    let mut runtimes = runtimes::offered(&manifest.runtimes, None);
    // Nothing is worth being kept ready for one command.
    runtimes.iter_mut().for_each(Runtime::keep_none);
    let host = host::build(&settings, &runtimes, identity::of_one_life())?;
    // Whoever can read the folder has all of it: the key is for this command alone.
    let name = manifest.namespaces.first().map_or("guest", |namespace| namespace.name.as_str());
    let namespace = Namespace::generate(name)?;
    let key = namespace.key.clone();
    let config = state::config(vec![namespace], &manifest)?;
    let api = OpenWhisk::open(host.clone(), store, config).await?;
    for error in api.start().await {
        tracing::warn!("{error}");
    }
    Ok(Api { way: Way::Local(Box::new((api, host))), key })
}

/// An answer's status and body. What the API refuses is an error of the kind that its status says.
fn read(answer: &Response<Bytes>) -> anyhow::Result<(u16, Value)> {
    let status = answer.status().as_u16();
    let body: Value = match answer.body().is_empty() {
        true => Value::Null,
        false => serde_json::from_slice(answer.body())
            .context("the server doesn't answer as OpenWhisk's API does")?,
    };
    // A failed run has no code: it is a result.
    match (body.get("error").and_then(Value::as_str), body.get("code")) {
        (Some(error), Some(Value::String(_))) if status >= 400 => {
            Err(Error::new(kind(status), error.to_owned()).into())
        }
        _ => Ok((status, body)),
    }
}

fn kind(status: u16) -> ErrorKind {
    match status {
        404 => ErrorKind::NotFound,
        413 => ErrorKind::TooLarge,
        429 => ErrorKind::Overloaded,
        503 => ErrorKind::Unavailable,
        500..=599 => ErrorKind::Internal,
        _ => ErrorKind::InvalidInput,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_an_error_and_a_failed_run_a_result() {
        let answer = |status: u16, body: &'static str| {
            Response::builder().status(status).body(Bytes::from_static(body.as_bytes())).unwrap()
        };
        let error = read(&answer(404, r#"{"error": "no", "code": "x"}"#)).unwrap_err();
        assert_eq!(error.downcast_ref::<Error>().map(Error::kind), Some(ErrorKind::NotFound));
        assert_eq!(read(&answer(502, r#"{"error": "own"}"#)).unwrap().0, 502);
        assert!(read(&answer(200, "<html>")).is_err());
    }
}
