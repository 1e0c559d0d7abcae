//! A reply, from the guest to stdout: its head as soon as it is set, its body as far as there is room.

use crate::backend::wasm::shared::{Io, Shared};
use crate::exchange::{Kind, put_field, put_header, put_part};
use bytes::BufMut;
use http_body::Body;
use parking_lot::Mutex;
use std::fmt::Debug;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use wasmtime_wasi_http::p2::bindings::http::types::ErrorCode;
use wasmtime_wasi_http::p2::body::HyperOutgoingBody;

/// What a guest sets.
pub(super) type Set = Result<http::Response<HyperOutgoingBody>, ErrorCode>;

/// Where a guest lays it.
pub(super) type Slot = Arc<Mutex<Option<Set>>>;

/// How far a reply has come.
pub(in crate::backend::wasm) enum Reply {
    /// It may be set.
    Awaited(Slot),
    /// Its head is written. Both previews' bodies are of this type.
    Begun(HyperOutgoingBody),
    /// All of it is written.
    Whole,
}

impl Reply {
    pub(in crate::backend::wasm) fn is_whole(&self) -> bool {
        matches!(self, Self::Whole)
    }

    /// Writes what there is of it and what there is room for. True if that was anything: the guest may have been
    /// waiting for it. An error is the guest's: its reply can't be told in full.
    pub(in crate::backend::wasm) fn pump(
        &mut self,
        shared: &Shared,
        cx: &mut Context<'_>,
    ) -> wasmtime::Result<bool> {
        let mut moved = false;
        loop {
            match self {
                Self::Awaited(slot) => {
                    let Some(set) = slot.lock().take() else { return Ok(moved) };
                    let io = &mut shared.io();
                    *self = match set {
                        Ok(response) => Self::begin(response, io),
                        Err(error) => Self::refused(&error, io),
                    };
                }
                Self::Begun(body) => {
                    {
                        let mut io = shared.io();
                        if io.is_abandoned() {
                            *self = Self::Whole;
                            return Ok(true);
                        }
                        if io.room() == 0 {
                            io.bells.await_room(cx);
                            return Ok(moved);
                        }
                    }
                    let frame = match Pin::new(body).poll_frame(cx) {
                        Poll::Pending => return Ok(moved),
                        Poll::Ready(frame) => frame.transpose(),
                    };
                    let mut io = shared.io();
                    match frame {
                        Ok(Some(frame)) => {
                            // Trailers have no place in a reply here.
                            if let Ok(data) = frame.into_data()
                                && !data.is_empty()
                            {
                                put_header(&mut io.out, Kind::Piece, data.len());
                                io.out.put_slice(&data);
                            }
                        }
                        Ok(None) => {
                            put_header(&mut io.out, Kind::Last, 0);
                            *self = Self::Whole;
                        }
                        Err(error) => {
                            return Err(wasmtime::Error::msg(format!("its reply's body broke off: {error}")));
                        }
                    }
                }
                Self::Whole => return Ok(moved),
            }
            moved = true;
        }
    }

    /// The guest has trapped. A reply that it had finished by then is its caller's all the same; of any other nothing more is
    /// written, so that one which hasn't begun is told as the failure that it is.
    pub(super) fn salvage(&mut self, shared: &Shared, cx: &mut Context<'_>) {
        let before = shared.io().out.len();
        if self.pump(shared, cx).is_err() || !self.is_whole() {
            shared.io().out.truncate(before);
        }
    }

    /// The guest has returned, and all that it wrote has been moved for which there is room: says so where it set nothing,
    /// and ends a body that it never finished, as a host does that ends the instance now.
    pub(super) fn close(&mut self, shared: &Shared) {
        let mut io = shared.io();
        *self = match self {
            Self::Awaited(_) => Self::failed("the component returned without setting a reply", &mut io),
            Self::Begun(_) if io.room() > 0 => {
                put_header(&mut io.out, Kind::Last, 0);
                Self::Whole
            }
            Self::Begun(_) | Self::Whole => return,
        };
    }

    /// The guest has answered with an error.
    pub(in crate::backend::wasm) fn refused(error: &impl Debug, io: &mut Io) -> Self {
        Self::failed(&format!("the component answered with the error {error:?}"), io)
    }

    /// There is none, and why.
    pub(in crate::backend::wasm) fn failed(why: &str, io: &mut Io) -> Self {
        put_part(&mut io.out, Kind::Failed, |to| to.put_slice(why.as_bytes()));
        Self::Whole
    }

    /// The guest has answered: its head is written.
    pub(in crate::backend::wasm) fn begin(response: http::Response<HyperOutgoingBody>, io: &mut Io) -> Self {
        let (head, body) = response.into_parts();
        put_part(&mut io.out, Kind::Head, |to| {
            to.put_u16_le(head.status.as_u16());
            for (name, value) in &head.headers {
                put_field(to, name.as_str().as_bytes());
                put_field(to, value.as_bytes());
            }
        });
        Self::Begun(body)
    }
}
