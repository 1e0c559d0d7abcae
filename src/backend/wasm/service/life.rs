//! An instance's life: a loop for each lane, all of them in one event loop of wasmtime's.

use super::crew::Crew;
use super::turn::Turns;
use crate::backend::Exit;
use crate::backend::wasm::core::{Core, Slot};
use crate::backend::wasm::http::reply::Reply;
use crate::backend::wasm::http::request::{self, Incoming, IncomingBody};
use crate::backend::wasm::shared::Shared;
use crate::backend::wasm::state::State;
use crate::backend::wasm::trap;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use http::Uri;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::task::unconstrained;
use wasmtime::Store;
use wasmtime::component::Accessor;
use wasmtime_wasi_http::WasiHttpView;
use wasmtime_wasi_http::p3::Request;
use wasmtime_wasi_http::p3::bindings::Service;

/// An instance and what it is reached by.
pub(super) struct Life {
    pub(super) service: Service,
    pub(super) store: Store<State>,
    pub(super) arriving: UnboundedReceiver<Arc<Shared>>,
    pub(super) crew: Arc<Crew>,
    pub(super) core: Arc<Core>,
    pub(super) slot: Slot,
}

/// Tells of the end however that comes: a panic or an abort leaves nobody waiting.
struct Tell(Arc<Crew>);

impl Drop for Tell {
    fn drop(&mut self) {
        self.0.end(Exit::Killed);
    }
}

impl Life {
    /// Runs it to its end.
    pub(super) async fn run(self) {
        // Dropped in the reverse order: whoever hears of its end finds its slot free.
        let tell = Tell(Arc::clone(&self.crew));
        let slot = self.slot;
        let Self { service, mut store, mut arriving, crew, core, .. } = self;
        let result = {
            let mut serving = pin!(store.run_concurrent(async |accessor| {
                let mut lanes = FuturesUnordered::new();
                poll_fn(|cx| {
                    while let Poll::Ready(Some(lane)) = arriving.poll_recv(cx) {
                        lanes.push(serve(accessor, &service, lane, &crew));
                    }
                    while let Poll::Ready(Some(left)) = lanes.poll_next_unpin(cx) {
                        if let Err(error) = left {
                            return Poll::Ready(Err(error));
                        }
                    }
                    crew.set_quiet(accessor.poll_no_interesting_tasks(cx).is_ready());
                    Poll::Pending
                })
                .await
            }));
            let turns = Turns::new();
            // Channels of tokio's on the way of a body would say that there is nothing once the task has had its share of turns.
            unconstrained(poll_fn(|cx: &mut Context<'_>| {
                std::task::ready!(crew.poll_running(cx));
                core.ticker.touch();
                let polled = turns.poll(serving.as_mut(), cx);
                crew.flush();
                polled
            }))
            .await
        };
        let exit = trap::exit(result.flatten(), crew.store.refused());
        drop((service, store));
        drop(slot);
        crew.end(exit);
        drop(tell);
    }
}

/// One lane's requests, one after the other. An error is the instance's end.
async fn serve(
    accessor: &Accessor<State>,
    service: &Service,
    lane: Arc<Shared>,
    crew: &Crew,
) -> wasmtime::Result<()> {
    loop {
        let incoming = match request::next(&lane).await {
            Ok(Some(incoming)) => incoming,
            Ok(None) => return Ok(()),
            // Others may be in the instance: only this way into it is broken.
            Err(error) => return broken(&lane, &error),
        };
        crew.use_up();
        crew.store.io().resume();
        crew.store.forget_refusal();
        let body = incoming.body.clone();
        let mut reply = match told(incoming) {
            Ok(request) => answer(accessor, service, request, &lane).await?,
            Err(error) => Reply::failed(&format!("the request can't be told: {error}"), &mut lane.io()),
        };
        let written = poll_fn(|cx| {
            loop {
                match reply.pump(&lane, cx) {
                    Err(error) => return Poll::Ready(Err(error)),
                    Ok(_) if reply.is_whole() => return Poll::Ready(Ok(())),
                    Ok(true) => {}
                    Ok(false) => {
                        crew.later(&lane);
                        return Poll::Pending;
                    }
                }
            }
        });
        if let Err(error) = written.await {
            return broken(&lane, &error);
        }
        lane.io().bells.more_output();
        poll_fn(|cx| body.skip(cx)).await;
    }
}

fn broken(lane: &Shared, error: &wasmtime::Error) -> wasmtime::Result<()> {
    lane.io().break_off(format!("{error:#}"));
    Ok(())
}

/// A request as the guest is told it.
fn told(incoming: Incoming) -> Result<http::Request<IncomingBody>, http::Error> {
    let Incoming { scheme, authority, mut request, .. } = incoming;
    let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
    let uri = Uri::builder().scheme(&scheme[..]).authority(&authority[..]).path_and_query(path);
    *request.uri_mut() = uri.build()?;
    Ok(request)
}

/// Calls the handler. An error is a trap.
async fn answer(
    accessor: &Accessor<State>,
    service: &Service,
    request: http::Request<IncomingBody>,
    lane: &Shared,
) -> wasmtime::Result<Reply> {
    let (request, sent) = accessor.with(|mut store| {
        let http = store.get().http();
        let (request, sent) = Request::from_http(http.hooks, request);
        // Boxed it is seen to borrow nothing.
        let sent: Pin<Box<dyn Future<Output = _> + Send>> = Box::pin(sent);
        Ok::<_, wasmtime::Error>((http.table.push(request)?, sent))
    })?;
    // A caller that goes away doesn't end the call: wasmtime can't cancel one. Nobody hears its answer.
    let answer = service.wasi_http_handler().call_handle(accessor, request).await?;
    accessor.with(|mut store| {
        let response = match answer {
            Ok(response) => store.get().http().table.delete(response)?,
            Err(error) => return Ok(Reply::refused(&error, &mut lane.io())),
        };
        let response = response.into_http(&mut store, sent);
        let mut io = lane.io();
        Ok(match response {
            Ok(response) => Reply::begin(response, &mut io),
            Err(error) => Reply::failed(&format!("the component's reply can't be told: {error:#}"), &mut io),
        })
    })
}
