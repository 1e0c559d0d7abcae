//! `http`: HTTP/1.1 both ways (`SEEDS.md`, "The formats on the wire").
//!
//! The reply's end must be certain, since the stream lives on: a length, or chunks, or a status without a body;
//! neither, or both, is a breach. Interim replies (1xx) are read over, but for 101. The reply to `HEAD` has no body.
//! White space before and after a reply is read over; trailers are dropped.
//! A request's Host is always `localhost`, as the seeds' is: the caller's own is in `Request_url`.

use super::response::{Awaited, Reader};
use super::text::{Ascii, Name, Target, Url, put, rfc3339};
use super::{Broken, Call, Encoded, Progress, Wire, headers};
use crate::error::Result;
use crate::invocation::Reply;
use bytes::{Bytes, BytesMut};

/// One function's side.
#[derive(Debug, Default)]
pub(super) struct Http(Reader);

impl Wire for Http {
    fn write(&mut self, call: &Call<'_>, scratch: &mut BytesMut) -> Result<Encoded> {
        scratch.reserve(512);
        put(
            scratch,
            format_args!(
                "{} {} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n",
                call.method,
                Target(call),
                call.length()
            ),
        );
        if let Some(value) = headers::content_type(call.headers) {
            put(scratch, format_args!("Content-Type: {value}\r\n"));
        }
        for (name, value) in headers::carried(call.headers) {
            if !["host", "content-type"].iter().any(|given| name.eq_ignore_ascii_case(given)) {
                put(scratch, format_args!("{}: {value}\r\n", Name(name)));
            }
        }
        put(
            scratch,
            format_args!(
                "Task-Id: {id}\r\nMethod: {method}\r\nRoute: /{route}\r\nRequest_url: {url}\r\n\
                 Fn_call_id: {id}\r\nFn_deadline: {deadline}\r\nFn_method: {method}\r\nFn_request_url: {url}\r\n\r\n",
                id = call.id,
                method = call.method,
                route = Ascii(call.function),
                url = Url(call),
                deadline = rfc3339(call.deadline),
            ),
        );
        self.0.awaits(Awaited::by(call));
        Ok(Encoded { head: scratch.split().freeze(), body: call.body.clone(), ..Encoded::default() })
    }

    fn idle(&mut self, bytes: Bytes) -> Result<(), Broken> {
        self.0.idle(&bytes)
    }

    fn read(&mut self, piece: Bytes) -> Result<Progress, Broken> {
        self.0.read(piece)
    }

    fn end(&mut self) -> Result<Reply, Broken> {
        self.0.end()
    }
}
