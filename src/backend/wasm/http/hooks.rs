//! Where `wasi:http` asks its host: which headers a guest may touch, and whom it may send requests to.

use crate::backend::Logs;
use crate::function::{Function, Outbound};
use http::{HeaderName, Uri};
use std::sync::Arc;
use wasmtime_wasi_http::{DEFAULT_FORBIDDEN_HEADERS, Error, RequestOptions, WasiBody, WasiHttpHooks};

/// What sending a request comes to: its reply, and what has to go on for the reply's body to come.
type Sent = Box<
    dyn Future<
            Output = Result<
                (http::Response<WasiBody>, Box<dyn Future<Output = Result<(), Error>> + Send>),
                Error,
            >,
        > + Send,
>;

/// A function's answers.
pub(in crate::backend::wasm) struct Hooks {
    outbound: Arc<[Outbound]>,
    logs: Arc<Logs>,
}

impl Hooks {
    pub(in crate::backend::wasm) fn new(function: &Function, logs: Arc<Logs>) -> Self {
        Self { outbound: function.outbound.as_slice().into(), logs }
    }

    /// Says why a request may not be sent, in the function's log.
    fn refuse(&self, uri: &Uri, why: &str) -> Sent {
        let line = format!("kiln: the request to {uri} is denied: {why}\n");
        self.logs.write(line.as_bytes());
        Box::new(std::future::ready(Err(Error::HttpRequestDenied)))
    }
}

/// A URI's host and port, the scheme's own where it names none.
fn target(uri: &Uri) -> Option<(&str, u16)> {
    let port =
        uri.port_u16().unwrap_or(if uri.scheme() == Some(&http::uri::Scheme::HTTP) { 80 } else { 443 });
    Some((uri.host()?, port))
}

impl WasiHttpHooks for Hooks {
    fn is_forbidden_header(&mut self, name: &HeaderName) -> bool {
        // Asked for each header: the default makes a closure each time.
        DEFAULT_FORBIDDEN_HEADERS.contains(name)
    }

    fn send_request(
        &mut self,
        request: http::Request<WasiBody>,
        options: Option<RequestOptions>,
        _: Box<dyn Future<Output = Result<(), Error>> + Send>,
    ) -> Sent {
        let uri = request.uri();
        let Some((host, port)) = target(uri) else {
            return self.refuse(uri, "it names no host");
        };
        if !self.outbound.iter().any(|outbound| outbound.allows(host, port)) {
            let why = format!("add \"{host}:{port}\" to the function's `outbound` to allow it");
            return self.refuse(uri, &why);
        }
        send(self, request, options)
    }
}

#[cfg(feature = "outbound")]
fn send(_: &Hooks, request: http::Request<WasiBody>, options: Option<RequestOptions>) -> Sent {
    use http_body_util::BodyExt;
    Box::new(async move {
        let (reply, io) = wasmtime_wasi_http::default_send_request(request, options).await?;
        let io: Box<dyn Future<Output = Result<(), Error>> + Send> = Box::new(io);
        Ok((reply.map(BodyExt::boxed_unsync), io))
    })
}

#[cfg(not(feature = "outbound"))]
fn send(hooks: &Hooks, request: http::Request<WasiBody>, _: Option<RequestOptions>) -> Sent {
    hooks.refuse(request.uri(), "this build of kiln sends none: build it with the feature `outbound`")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_that_is_not_named_is_the_schemes() {
        for (uri, expected) in [
            ("http://a.example/x", ("a.example", 80)),
            ("https://a.example", ("a.example", 443)),
            ("http://a.example:8080/", ("a.example", 8080)),
            ("http://[::1]:81/", ("[::1]", 81)),
        ] {
            assert_eq!(target(&uri.parse().unwrap()), Some(expected), "{uri}");
        }
    }
}
