//! Asks a running server.

use crate::error::{Error, ErrorKind};
use anyhow::Context;
use bytes::Bytes;
use http::request::Builder;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client as Http;
use hyper_util::rt::TokioExecutor;
use serde::Deserialize;
use serde::de::DeserializeOwned;

/// A server's address.
pub(super) struct Client {
    base: String,
}

/// What the server answers where it can't give a reply; see [`crate::server`].
#[derive(Deserialize)]
struct ErrorBody {
    error: String,
    #[serde(default)]
    logs: Vec<String>,
}

impl Client {
    pub(super) fn new(url: &str) -> Result<Self, Error> {
        if !url.starts_with("http://") {
            return Err(Error::invalid(format!(
                "the URL is {url:?}: give one such as http://127.0.0.1:8080"
            )));
        }
        Ok(Self { base: url.trim_end_matches('/').to_owned() })
    }

    /// Begins a request for a path.
    pub(super) fn request(&self, method: &str, path: &str) -> Builder {
        Request::builder().method(method).uri(format!("{}{path}", self.base))
    }

    /// The whole answer. An error that the server reports becomes that error again, the function's last words included.
    pub(super) async fn send(&self, request: Request<Full<Bytes>>) -> anyhow::Result<Response<Bytes>> {
        let answer = Http::builder(TokioExecutor::new()).build_http().request(request).await;
        let answer = answer.map_err(|error| {
            let why =
                std::error::Error::source(&error).map_or_else(|| error.to_string(), ToString::to_string);
            let mend = "start one with `kiln serve`, or give its address with --url";
            Error::unavailable(format!("no server answers at {}: {why}; {mend}", self.base))
        })?;
        let (head, body) = answer.into_parts();
        let body = body.collect().await.context("the answer broke off")?.to_bytes();
        match head.headers.get("kiln-error").and_then(|kind| kind.to_str().ok()) {
            Some(kind) => Err(reported(kind, &body).into()),
            None => Ok(Response::from_parts(head, body)),
        }
    }

    /// What the server shows at a path.
    pub(super) async fn get<T: DeserializeOwned>(&self, path: &str) -> anyhow::Result<T> {
        let request = self.request("GET", path).body(Full::default()).context("can't ask for that")?;
        let answer = self.send(request).await?;
        let read = serde_json::from_slice(answer.body());
        read.with_context(|| format!("{}{path} doesn't answer as a Kiln of this version does", self.base))
    }
}

fn reported(kind: &str, body: &[u8]) -> Error {
    let kind = ErrorKind::ALL.into_iter().find(|known| known.as_str() == kind).unwrap_or(ErrorKind::Internal);
    match serde_json::from_slice::<ErrorBody>(body) {
        Ok(body) => Error::new(kind, body.error).with_logs(body.logs),
        // To a HEAD there is no body.
        Err(_) => Error::new(kind, format!("the server answered with {kind}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_comes_back_as_it_was() {
        let error = reported("TimedOut", br#"{"error": "too long", "kind": "TimedOut", "logs": ["a"]}"#);
        assert_eq!((error.kind(), error.message(), error.logs().len()), (ErrorKind::TimedOut, "too long", 1));
        assert_eq!(reported("NotFound", b"").kind(), ErrorKind::NotFound);
        assert_eq!(reported("Newer", b"").kind(), ErrorKind::Internal);
    }

    #[test]
    fn only_plain_http_is_spoken() {
        assert!(Client::new("http://localhost:1/").is_ok());
        for url in ["https://localhost", "localhost:8080", ""] {
            assert!(Client::new(url).is_err(), "{url}");
        }
    }
}
