//! `server`: HTTP/1.1 to a server in the sandbox, as a reverse proxy speaks it.
//!
//! The caller's method, path, headers and body go there, and what comes back is the reply: any status is one. What belongs
//! to a connection stays with it: hop-by-hop headers both ways, and so upgrades (WebSocket), which aren't carried.
//! The server learns of its caller from `X-Forwarded-For`, `-Host`, `-Proto` and `-Prefix`, of its invocation from
//! `Kiln-Invocation-Id` and `Kiln-Deadline`.
//!
//! A sandbox has as many connections as are wanted, so none of them is worth more than itself: what goes wrong on one fails
//! its request and closes it, and the next request has another. The sandbox stays for as long as its program lives.

use super::response::{Awaited, Reader};
use super::sending::Sending;
use super::text::{Ascii, put, rfc3339};
use super::{Broken, Call, Encoded, Lasts, Progress, Wire, headers};
use crate::error::{Error, Result};
use crate::invocation::{Address, Reply};
use bytes::{Bytes, BytesMut};

/// The host's side of one connection.
#[derive(Debug)]
pub(super) struct Server {
    reader: Reader,
    sending: Sending,
}

impl Default for Server {
    fn default() -> Self {
        Self { reader: Reader::of_server(), sending: Sending::default() }
    }
}

impl Wire for Server {
    fn write(&mut self, call: &Call<'_>, scratch: &mut BytesMut) -> Result<Encoded> {
        if call.method == "CONNECT" {
            return Err(Error::invalid(
                "the method CONNECT asks for a tunnel, and functions get requests only",
            ));
        }
        scratch.reserve(512);
        let path = if call.path.is_empty() { "/" } else { call.path };
        let host = host(call);
        put(scratch, format_args!("{} {} HTTP/1.1\r\nHost: {}\r\n", call.method, Ascii(path), Ascii(host)));
        self.sending = Sending::begin(call, scratch);
        forwarded(call, host, scratch);
        put(
            scratch,
            format_args!("Kiln-Invocation-Id: {}\r\nKiln-Deadline: {}\r\n", call.id, rfc3339(call.deadline)),
        );
        for (name, value) in headers::proxied(call.headers) {
            put(scratch, format_args!("{name}: {value}\r\n"));
        }
        self.reader.awaits(Awaited::by(call));
        Ok(self.sending.first(scratch, call.body))
    }

    fn part(&mut self, bytes: Bytes) -> Encoded {
        self.sending.part(bytes)
    }

    fn last(&mut self) -> Encoded {
        self.sending.last()
    }

    /// Servers say 408 or the like on a connection that they give up: it is of no use from then on, and nothing else is wrong.
    fn idle(&mut self, bytes: Bytes) -> Result<(), Broken> {
        self.reader.idle(&bytes)
    }

    fn read(&mut self, piece: Bytes) -> Result<Progress, Broken> {
        self.reader.read(piece)
    }

    fn end(&mut self) -> Result<Reply, Broken> {
        self.reader.end()
    }

    fn lasts(&self) -> Option<Lasts> {
        Some(Lasts { stream: !self.reader.closes(), sandbox: true })
    }
}

/// Who was asked for, as the caller said it.
fn host<'a>(call: &Call<'a>) -> &'a str {
    let authority = match call.url {
        Address::Parts { authority, .. } => authority,
        Address::Whole(url) => {
            let (_, rest) = url.split_once("://").unwrap_or(("", ""));
            rest.split(['/', '?', '#']).next().unwrap_or_default()
        }
    };
    match authority.rsplit('@').next() {
        None | Some("") => "localhost",
        Some(host) => host,
    }
}

/// Who asked, for what, and over what. A proxy in front of this host has said so already: its list grows, its word counts.
fn forwarded(call: &Call<'_>, host: &str, to: &mut BytesMut) {
    let given = |name: &'static str| {
        call.headers.iter().filter(move |(given, _)| given.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    };
    let mut callers = given("x-forwarded-for").map(str::to_owned).collect::<Vec<_>>();
    callers.extend(call.peer.map(|peer| peer.to_canonical().to_string()));
    if !callers.is_empty() {
        put(to, format_args!("X-Forwarded-For: {}\r\n", callers.join(", ")));
    }
    put(
        to,
        format_args!(
            "X-Forwarded-Host: {}\r\nX-Forwarded-Proto: {}\r\n",
            given("x-forwarded-host").next().unwrap_or(host),
            given("x-forwarded-proto").next().unwrap_or("http"),
        ),
    );
    if !call.url.is_empty() {
        let before = given("x-forwarded-prefix").next().unwrap_or_default();
        put(to, format_args!("X-Forwarded-Prefix: {before}/r/{}\r\n", Ascii(call.function)));
    }
}
