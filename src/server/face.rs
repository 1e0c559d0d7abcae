//! One request: where its path leads.

use super::invoke::{Asked, Callee};
use super::reply::{self, Answer};
use super::route::Route;
use super::views::{FunctionView, PoolView};
use super::{health, invoke, metrics};
use crate::error::{Error, ErrorKind};
use crate::function::DEFAULT_NAMESPACE;
use crate::host::Host;
#[cfg(feature = "openwhisk")]
use crate::openwhisk::OpenWhisk;
use bytes::Bytes;
use http::request::Parts;
use http::{Method, Request, StatusCode};
use hyper::body::Body;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};

/// What every connection shares.
pub(super) struct Face {
    host: Host,
    metrics: metrics::Metrics,
    draining: AtomicBool,
    #[cfg(feature = "openwhisk")]
    openwhisk: Option<OpenWhisk>,
}

impl Face {
    pub(super) fn new(host: Host) -> Self {
        Self {
            metrics: metrics::Metrics::new(&host),
            host,
            draining: AtomicBool::new(false),
            #[cfg(feature = "openwhisk")]
            openwhisk: None,
        }
    }

    /// From now on it answers OpenWhisk's API, too.
    #[cfg(feature = "openwhisk")]
    pub(super) fn serve_openwhisk(&mut self, api: OpenWhisk) {
        self.openwhisk = Some(api);
    }

    /// From now on it isn't ready.
    pub(super) fn drain(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }

    /// Waits until nothing goes on behind a caller's back, as runs of OpenWhisk's that nobody waits for.
    pub(super) async fn finish(&self) {
        #[cfg(feature = "openwhisk")]
        if let Some(api) = &self.openwhisk
            && let Err(error) = api.drain().await
        {
            tracing::error!("what was accepted may not be on disk: {error}");
        }
    }

    pub(super) async fn answer<B>(&self, request: Request<B>, peer: Option<IpAddr>) -> Answer
    where
        B: Body<Data = Bytes> + Unpin + Send + 'static,
        B::Error: std::fmt::Display,
    {
        #[cfg(feature = "openwhisk")]
        if let Some(api) = &self.openwhisk
            && crate::openwhisk::is_ours(request.uri().path())
        {
            return super::openwhisk::answer(api, request).await;
        }
        let (Parts { method, uri, version, headers, .. }, body) = request.into_parts();
        let route = Route::of(uri.path());
        let reads = matches!(method, Method::GET | Method::HEAD);
        let answer = match route {
            Route::Function { name, .. } => {
                // What a manifest declares is anybody's. What isn't there may be an action of whoever brings its key.
                #[cfg(feature = "openwhisk")]
                let keyed = match &self.openwhisk {
                    Some(api) if headers.contains_key(http::header::AUTHORIZATION) => {
                        let declared = self.host.has(DEFAULT_NAMESPACE, name);
                        if declared { None } else { api.keyed(name, &headers) }
                    }
                    _ => None,
                };
                #[cfg(not(feature = "openwhisk"))]
                let keyed: Option<(String, String)> = None;
                let (namespace, function) = match &keyed {
                    Some((namespace, function)) => (namespace.as_str(), function.as_str()),
                    None => (DEFAULT_NAMESPACE, name),
                };
                let callee = Callee { namespace, function, name };
                let asked = Asked { method: &method, uri: &uri, version, headers, peer };
                invoke::answer(&self.host, callee, asked, body).await
            }
            Route::Nothing => reply::error(&nothing(uri.path()), None),
            _ if !reads => reply::only_get(),
            Route::Health => reply::text(StatusCode::OK, "ok\n"),
            Route::Ready => health::ready(&self.host, self.draining.load(Ordering::Relaxed)).await,
            Route::Metrics => self.metrics.answer(),
            Route::Functions => {
                let functions: Vec<_> = self.host.list().iter().map(FunctionView::from).collect();
                reply::json(StatusCode::OK, &functions)
            }
            Route::Pool => reply::json(StatusCode::OK, &PoolView::from(self.host.figures())),
        };
        reply::without_body(&method, answer)
    }
}

fn nothing(path: &str) -> Error {
    Error::new(
        ErrorKind::NotFound,
        format!(
            "there is nothing at {path}: functions are at /r/<function>, and beside them /healthz, /readyz, /metrics, \
             /_kiln/functions and /_kiln/pool"
        ),
    )
}
