//! Whom a load asks: a host in this process, or a server over HTTP.

use crate::cli::client;
use crate::error::{Error, ErrorKind};
use crate::host::Host;
use crate::invocation::Invocation;
use crate::server::FunctionView;
use bytes::Bytes;
use http::{Request, Uri};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;

/// Whom a load asks.
pub(super) enum Target {
    /// A host in this process.
    Host(Host, String),
    /// A server.
    Http(Box<Client<HttpConnector, Full<Bytes>>>, Uri),
}

/// How one request ended: how it got its sandbox, or the kind of error.
pub(super) type Ended = Result<String, String>;

impl Target {
    /// A server that has the function. `NotFound` where it doesn't, `Unavailable` where there is none.
    pub(super) async fn server(url: &str, function: &str) -> anyhow::Result<Self> {
        let views: Vec<FunctionView> = client::Client::new(url)?.get("/_kiln/functions").await?;
        if !views.iter().any(|view| view.name == function) {
            let names: Vec<_> = views.iter().map(|view| format!("`{}`", view.name)).collect();
            let message =
                format!("the server at {url} has no function `{function}`: it has {}", names.join(", "));
            return Err(Error::new(ErrorKind::NotFound, message).into());
        }
        let uri = format!("{}/r/{function}", url.trim_end_matches('/'));
        let uri = uri.parse().map_err(|error| Error::invalid(format!("{uri:?} is no URL: {error}")))?;
        let mut connector = HttpConnector::new();
        // A small request must not wait for the reply to the one before.
        connector.set_nodelay(true);
        let client =
            Client::builder(TokioExecutor::new()).pool_max_idle_per_host(usize::MAX).build(connector);
        Ok(Self::Http(Box::new(client), uri))
    }

    pub(super) async fn ask(&self, body: Bytes) -> Ended {
        match self {
            Self::Host(host, function) => {
                let outcome = host.invoke(function, Invocation::new(body)).await;
                let start = outcome.start.map_or("none", |start| start.as_str());
                match outcome.result {
                    Ok(reply) if reply.status < 400 => Ok(start.to_owned()),
                    Ok(reply) => Err(format!("status {}", reply.status)),
                    Err(error) => Err(error.kind().as_str().to_owned()),
                }
            }
            Self::Http(client, uri) => ask(client, uri, body).await,
        }
    }
}

async fn ask(client: &Client<HttpConnector, Full<Bytes>>, uri: &Uri, body: Bytes) -> Ended {
    let request = Request::builder().method("POST").uri(uri).body(Full::new(body));
    let request = request.map_err(|_| "request".to_owned())?;
    let answer = client.request(request).await.map_err(|_| "connection".to_owned())?;
    let (head, body) = answer.into_parts();
    body.collect().await.map_err(|_| "connection".to_owned())?;
    let header = |name| head.headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    if let Some(kind) = header("kiln-error") {
        return Err(kind);
    }
    if head.status.as_u16() >= 400 {
        return Err(format!("status {}", head.status.as_u16()));
    }
    Ok(header("kiln-start").unwrap_or_else(|| "none".into()))
}
