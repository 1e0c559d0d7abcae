//! `http-stream`: Fn's contract with its FDKs. `POST /call` for each request, over a Unix socket in the sandbox.
//!
//! A request that came over HTTP is one of Fn's HTTP triggers: its headers go as `Fn-Http-H-*`, and the reply's status and
//! headers are what the FDK says by `Fn-Http-Status` and `Fn-Http-H-*`. Any other is a direct invocation: headers go and
//! come as they are, and the status is 200.
//!
//! The status of the FDK's own answer says how it went: 200 well; 502 the function failed, and its sandbox is as good as
//! before; 504 its time was up, likewise. Anything else is no answer of an FDK's, and costs the sandbox.

use super::response::{Awaited, Reader};
use super::sending::Sending;
use super::text::{Name, Url, put, rfc3339};
use super::{Broken, Call, Encoded, Lasts, Progress, Wire, headers};
use crate::error::{Error, ErrorKind, Result};
use crate::invocation::Reply;
use bytes::{Bytes, BytesMut};

/// As much of a failed function's body is told, in bytes.
const SHOWN: usize = 1 << 10;
/// What leads the headers of the caller and of its reply.
const THEIRS: &str = "Fn-Http-H-";

/// The host's side of one connection.
#[derive(Debug)]
pub(super) struct HttpStream {
    reader: Reader,
    sending: Sending,
    /// Whether the request came over HTTP.
    triggered: bool,
}

impl Default for HttpStream {
    fn default() -> Self {
        Self { reader: Reader::of_server(), sending: Sending::default(), triggered: false }
    }
}

impl Wire for HttpStream {
    fn write(&mut self, call: &Call<'_>, scratch: &mut BytesMut) -> Result<Encoded> {
        scratch.reserve(512);
        self.triggered = !call.url.is_empty();
        put(scratch, format_args!("POST /call HTTP/1.1\r\nHost: localhost\r\n"));
        self.sending = Sending::begin(&Call { method: "POST", ..*call }, scratch);
        put(scratch, format_args!("Fn-Call-Id: {}\r\nFn-Deadline: {}\r\n", call.id, rfc3339(call.deadline)));
        if self.triggered {
            put(
                scratch,
                format_args!(
                    "Fn-Intent: httprequest\r\nFn-Http-Method: {}\r\nFn-Http-Request-Url: {}\r\n",
                    call.method,
                    Url(call)
                ),
            );
        }
        for (name, value) in headers::called(call.headers) {
            let theirs = if self.triggered && !is(name, "content-type") { THEIRS } else { "" };
            put(scratch, format_args!("{theirs}{}: {value}\r\n", Name(name)));
        }
        // The answer to POST has a body, whatever the caller's own method is.
        self.reader.awaits(Awaited { to_head: false, ..Awaited::by(call) });
        Ok(self.sending.first(scratch, call.body))
    }

    fn part(&mut self, bytes: Bytes) -> Encoded {
        self.sending.part(bytes)
    }

    fn last(&mut self) -> Encoded {
        self.sending.last()
    }

    fn idle(&mut self, bytes: Bytes) -> Result<(), Broken> {
        self.reader.idle(&bytes)
    }

    fn read(&mut self, piece: Bytes) -> Result<Progress, Broken> {
        Ok(match self.reader.read(piece)? {
            Progress::Done { answer: Ok(reply), .. } => self.judged(reply),
            Progress::Begun { reply, length } if reply.status == 200 => match self.passed_on(reply) {
                Ok(reply) => Progress::Begun { reply, length },
                Err(error) => {
                    self.reader.leave();
                    Progress::Done { answer: Err(error), stray: false }
                }
            },
            // Nobody gets the rest of it.
            Progress::Begun { reply, .. } => {
                self.reader.leave();
                self.judged(reply)
            }
            progress => progress,
        })
    }

    fn end(&mut self) -> Result<Reply, Broken> {
        let reply = self.reader.end()?;
        match self.judged(reply) {
            Progress::Done { answer: Ok(reply), .. } => Ok(reply),
            Progress::Done { answer: Err(error), .. } => Err(Broken(error.message().to_owned())),
            _ => Err(Broken("its connection ended before its reply was whole".into())),
        }
    }

    /// An error of the connection costs the sandbox, as it does there.
    fn lasts(&self) -> Option<Lasts> {
        Some(Lasts { stream: !self.reader.closes(), sandbox: false })
    }
}

impl HttpStream {
    /// What an answer means.
    fn judged(&self, reply: Reply) -> Progress {
        let told = String::from_utf8_lossy(reply.body.get(..SHOWN).unwrap_or(&reply.body)).into_owned();
        let told = if told.is_empty() { told } else { format!(": {told}") };
        let (answer, stray) = match reply.status {
            200 => (self.passed_on(reply), false),
            502 => (Err(Error::failed(format!("function failed{told}"))), false),
            504 => (Err(Error::new(ErrorKind::TimedOut, format!("the function's time was up{told}"))), false),
            status => (
                Err(Error::failed(format!(
                    "invalid function response: its FDK answered with status {status}{told}"
                ))),
                true,
            ),
        };
        Progress::Done { answer, stray }
    }

    /// The reply as its caller gets it.
    fn passed_on(&self, mut reply: Reply) -> Result<Reply> {
        if !self.triggered {
            return Ok(reply);
        }
        let mut headers = Vec::with_capacity(reply.headers.len());
        for (name, value) in reply.headers {
            if let Some((lead, theirs)) = name.split_at_checked(THEIRS.len())
                && is(lead, THEIRS)
            {
                headers.push((theirs.to_owned(), value));
            } else if is(&name, "fn-http-status") {
                reply.status = status(&value)?;
            } else if is(&name, "content-type") || is(&name, "fn-call-id") {
                headers.push((name, value));
            }
        }
        headers.retain(|(name, value)| headers::check_header(name, value).is_ok());
        headers::strip(&mut headers);
        Ok(Reply { headers, ..reply })
    }
}

/// The status that a function gives its caller. What is no number, or 0, is 200, as Fn has it.
fn status(text: &str) -> Result<u16> {
    match text.trim().parse::<i64>() {
        Err(_) | Ok(..=0) => Ok(200),
        Ok(status) => {
            u16::try_from(status).ok().filter(|status| (200..=999).contains(status)).ok_or_else(|| {
                Error::failed(format!(
                    "the function answered with Fn-Http-Status {status}: give one from 200 to 999"
                ))
            })
        }
    }
}

fn is(name: &str, other: &str) -> bool {
    name.eq_ignore_ascii_case(other)
}
