//! A component's life: one request after the other, until its stdin ends.

use super::reply::{Reply, Slot};
use super::request::{self, Incoming};
use crate::backend::wasm::state::State;
use http::HeaderValue;
use http::header::HOST;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use tokio::task::unconstrained;
use wasmtime::Store;
use wasmtime_wasi_http::WasiHttpView;
use wasmtime_wasi_http::p2::bindings::Proxy;
use wasmtime_wasi_http::p2::bindings::http::types::Scheme;

/// Serves requests from the sandbox's stdin. It rests where a module does: parked, waiting for the next one.
pub(in crate::backend::wasm) async fn serve(proxy: Proxy, mut store: Store<State>) -> wasmtime::Result<()> {
    let shared = Arc::clone(&store.data().shared);
    while let Some(Incoming { scheme, authority, mut request, body }) = request::next(&shared).await? {
        let scheme = match &scheme[..] {
            b"http" => Scheme::Http,
            b"https" => Scheme::Https,
            other => Scheme::Other(String::from_utf8_lossy(other).into_owned()),
        };
        // Where the authority is looked for; the guest doesn't see it among its headers.
        request.headers_mut().insert(HOST, HeaderValue::from_maybe_shared(authority)?);
        let slot = Slot::default();
        let set = Arc::clone(&slot);
        let mut http = store.data_mut().http();
        let incoming = http.new_incoming_request(scheme, request)?;
        let out = http.new_response_outparam_from_callback(move |reply| *set.lock() = Some(reply))?;
        let mut reply = Reply::Awaited(slot);
        {
            let handler = proxy.wasi_http_incoming_handler();
            let mut handled = pin!(handler.call_handle(&mut store, incoming, out));
            let mut returned = false;
            let answered = poll_fn(|cx| {
                loop {
                    if !returned && let Poll::Ready(result) = handled.as_mut().poll(cx) {
                        if let Err(error) = result {
                            reply.salvage(&shared, cx);
                            return Poll::Ready(Err(error));
                        }
                        returned = true;
                    }
                    let moved = reply.pump(&shared, cx)?;
                    if returned {
                        reply.close(&shared);
                        return if reply.is_whole() { Poll::Ready(Ok(())) } else { Poll::Pending };
                    }
                    if !moved {
                        return Poll::Pending;
                    }
                }
            });
            // The body comes over a channel of tokio's, which says that there is nothing once the caller's task has had its
            // share of turns: what is there then would be taken for never written.
            unconstrained(answered).await?;
        }
        poll_fn(|cx| body.skip(cx)).await;
    }
    Ok(())
}
