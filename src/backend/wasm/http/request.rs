//! A request, from stdin to the guest: its head is read at once, its body as the guest asks for it.

use crate::backend::wasm::shared::{Io, Shared};
use crate::exchange::{Fields, HEADER, Header, Kind};
use bytes::{Buf, Bytes};
use http::{HeaderName, HeaderValue, Method, Request, Uri};
use http_body::{Body, Frame};
use parking_lot::Mutex;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use wasmtime_wasi_http::Error;

/// A request whose head has been read.
pub(in crate::backend::wasm) struct Incoming {
    pub(in crate::backend::wasm) scheme: Bytes,
    pub(in crate::backend::wasm) authority: Bytes,
    /// With its path as its URI.
    pub(in crate::backend::wasm) request: Request<IncomingBody>,
    /// The same body, for whoever reads over what the guest leaves of it.
    pub(in crate::backend::wasm) body: IncomingBody,
}

/// Waits for the next request; `None` once stdin has ended.
pub(in crate::backend::wasm) async fn next(shared: &Arc<Shared>) -> wasmtime::Result<Option<Incoming>> {
    std::future::poll_fn(|cx| {
        shared.io().bells.await_input(cx);
        let polled = shared.poll_read();
        if polled.is_pending() {
            // Whoever waits for it to be at rest can see now that it is.
            shared.io().bells.more_output();
        }
        polled
    })
    .await;
    let mut io = shared.io();
    io.resume();
    if io.ended() {
        return Ok(None);
    }
    // A head is written in one piece.
    let mut head = io.take_piece(HEADER);
    let part = header(&mut head).filter(|part| part.kind == Kind::Head);
    let part = part.ok_or_else(|| wasmtime::Error::msg("a request doesn't begin with its head"))?;
    let fields = io.take_piece(part.len);
    drop(io);
    let body = IncomingBody { shared: Arc::clone(shared), left: Arc::default() };
    read(fields, body).map(Some)
}

fn header(bytes: &mut Bytes) -> Option<Header> {
    let mut header = [0; HEADER];
    bytes.try_copy_to_slice(&mut header).ok()?;
    Header::read(header)
}

fn read(fields: Bytes, body: IncomingBody) -> wasmtime::Result<Incoming> {
    let mut fields = Fields(fields);
    let missing = || wasmtime::Error::msg("a request's head is incomplete");
    let mut field = || fields.next().ok_or_else(missing);
    let (method, scheme, authority, path) = (field()?, field()?, field()?, field()?);
    let mut request = Request::new(body.clone());
    *request.method_mut() = Method::from_bytes(&method)?;
    *request.uri_mut() = Uri::from_maybe_shared(path)?;
    let headers = request.headers_mut();
    headers.reserve(16);
    while let (Some(name), Some(value)) = (fields.next(), fields.next()) {
        headers.append(HeaderName::from_bytes(&name)?, HeaderValue::from_maybe_shared(value)?);
    }
    Ok(Incoming { scheme, authority, request, body })
}

/// A request's body as it comes. Clones are the same body.
#[derive(Clone)]
pub(in crate::backend::wasm) struct IncomingBody {
    shared: Arc<Shared>,
    left: Arc<Mutex<Left>>,
}

/// What of a body is still to be read.
#[derive(Default)]
struct Left {
    /// Bytes of the part that is being read.
    part: usize,
    /// Whether that is the last one.
    last: bool,
}

impl IncomingBody {
    /// The next of it; none at its end.
    fn poll_piece(&self, cx: &Context<'_>) -> Poll<Option<Result<Bytes, Error>>> {
        let mut left = self.left.lock();
        let mut io = self.shared.io();
        while left.part == 0 {
            if left.last {
                return Poll::Ready(None);
            }
            if io.queued() < HEADER {
                return pending(&mut io, cx);
            }
            let Some(part) = header(&mut io.take_piece(HEADER)) else {
                return Poll::Ready(Some(Err(cut())));
            };
            (left.part, left.last) = (part.len, part.kind == Kind::Last);
        }
        let piece = io.take_piece(left.part);
        if piece.is_empty() {
            return pending(&mut io, cx);
        }
        left.part -= piece.len().min(left.part);
        Poll::Ready(Some(Ok(piece)))
    }

    /// Reads over what is left of it. Nobody that still holds it reads on into the next request.
    pub(in crate::backend::wasm) fn skip(&self, cx: &Context<'_>) -> Poll<()> {
        loop {
            match self.poll_piece(cx) {
                Poll::Ready(Some(Ok(_))) => {}
                Poll::Ready(Some(Err(_)) | None) => {
                    *self.left.lock() = Left { part: 0, last: true };
                    return Poll::Ready(());
                }
                Poll::Pending => return Poll::Pending,
            }
        }
    }
}

fn cut() -> Error {
    Error::HttpRequestBodySize(None)
}

/// There will be more, unless stdin has ended in the middle.
fn pending(io: &mut Io, cx: &Context<'_>) -> Poll<Option<Result<Bytes, Error>>> {
    if io.ended() {
        return Poll::Ready(Some(Err(cut())));
    }
    io.bells.await_input(cx);
    Poll::Pending
}

impl Body for IncomingBody {
    type Data = Bytes;
    type Error = Error;

    /// Where the guest runs in its caller's poll this never wakes: more of it comes with the next one.
    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        self.poll_piece(cx).map(|piece| piece.map(|piece| piece.map(Frame::data)))
    }
}
