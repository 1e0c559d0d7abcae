//! How a request and a reply are written on a sandbox's stdin and stdout. Pure: bytes in, bytes out, no I/O.
//!
//! A [`Session`] lives as long as its sandbox: it writes each request and reads each reply, however it is cut in pieces.
//!
//! ```text
//!              Call ─► encode ─► head, body ─► stdin
//!   Reply, stray? ◄─── feed ◄──── pieces ◄──── stdout        idle: what comes between two exchanges
//! ```
//!
//! A runtime's sandbox is given its function's source first ([`Session::initialise`]); its answer is read as a reply is.
//!
//! Bodies that are too long to be held go through in parts: a request whose body hasn't all come is written as it comes
//! ([`Session::part`]), and a reply that grows beyond [`Call::parts_above`] is given as it is read ([`Progress::Begun`]).
//!
//! One file speaks one format; they share what may pass between caller and function (`headers`), how a URL and
//! a deadline are written (`text`), and how pieces become one body (`gather`).
//!
//! The bytes are those of `SEEDS.md`, "The formats on the wire". Beyond them:
//! - The caller's headers lose hop-by-hop ones and every name that the host itself gives, whatever its case and
//!   whether it is written with `-` or `_`; a name that isn't a token, or a value with a control character, is
//!   refused as `InvalidInput`. Names are written as the seeds write them: `Content-Type`, not `content-type`.
//! - Where an invocation has no URL, the one is written that it would have had: `http://localhost/r/<function><path>`.
//! - The function's headers lose hop-by-hop ones and Content-Length: whoever passes the reply on frames it anew.
//! - A breach is reported as its bytes come, not when time is up (`SEEDS.md E1`); what of an object only serde_json
//!   can tell is reported at the end of it, and of a head of more than 4 KiB at the end of its line.

mod chunked;
mod fields;
mod frame;
mod gather;
mod head;
mod headers;
mod http;
mod http_stream;
mod init;
mod json;
mod oneshot;
mod openwhisk;
mod response;
mod scan;
mod sending;
mod server;
#[cfg(test)]
mod tests;
mod text;
mod wasi_http;

pub use init::{First, Init};

use crate::error::{Error, Result};
use crate::function::Format;
use crate::invocation::{Address, Caller, Headers, InvocationId, Reply};
use bytes::{Bytes, BytesMut};
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::{Duration, SystemTime};

/// One request, as a format sees it.
#[derive(Clone, Copy, Debug)]
pub struct Call<'a> {
    /// The invocation's id.
    pub id: InvocationId,
    /// The function's namespace.
    pub namespace: &'a str,
    /// The function's name.
    pub function: &'a str,
    /// The function's environment, which may say by what names its author knows it.
    pub env: &'a BTreeMap<String, String>,
    /// The function's memory limit, in bytes.
    pub memory: u64,
    /// The longest reply that is taken, in bytes.
    pub max_reply: u64,
    /// When the request's time is up.
    pub deadline: SystemTime,
    /// The HTTP method.
    pub method: &'a str,
    /// The path after the function's own, with the query.
    pub path: &'a str,
    /// The whole URL; empty where there was none.
    pub url: Address<'a>,
    /// The caller's headers.
    pub headers: Headers<'a>,
    /// The address it came from, where it has one.
    pub peer: Option<IpAddr>,
    /// The body, or the start of it.
    pub body: &'a Bytes,
    /// How much of the body is to come after that.
    pub rest: Rest,
    /// Who asks, where that is known.
    pub caller: Option<Caller<'a>>,
    /// A reply's body of more bytes than this is given in parts; `usize::MAX` where it must be whole. `json` gives none
    /// in parts, and `wasi-http` whatever the guest has written when it waits.
    pub parts_above: usize,
}

impl Call<'_> {
    /// The body's length, as far as it is known.
    fn length(&self) -> u64 {
        let rest = if let Rest::Bytes(rest) = self.rest { rest } else { 0 };
        rest.saturating_add(self.body.len() as u64)
    }
}

/// What of a request's body is still to come when the request is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Rest {
    /// Nothing.
    #[default]
    Nothing,
    /// So many bytes.
    Bytes(u64),
    /// Nobody knows how much.
    Unknown,
}

/// Whether a format can begin to write a request before its body is there: `json` and `openwhisk` can't, and `http` and `frame` only
/// where the body's length is known. Both write it in front; functions in the wild read no chunks. Servers do.
pub const fn can_begin(format: Format, rest: Rest) -> bool {
    match (format, rest) {
        (_, Rest::Nothing) | (Format::Http | Format::Frame, Rest::Bytes(_)) => true,
        (Format::Default | Format::Server | Format::HttpStream | Format::WasiHttp, _) => true,
        (Format::Http | Format::Frame, Rest::Unknown) | (Format::Json | Format::Openwhisk, _) => false,
    }
}

/// A request, written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Encoded {
    /// What goes to stdin first; may be empty.
    pub head: Bytes,
    /// What goes after it; may be empty.
    pub body: Bytes,
    /// Whether stdin ends after that: one-shot functions, once their body is whole.
    pub close: bool,
    /// Environment of this one process: one-shot functions only (`SEEDS.md E3`).
    pub env: Vec<(String, String)>,
}

/// How far a reply has been read.
#[derive(Debug)]
pub enum Progress {
    /// More is needed; at least about this many bytes, where that is known.
    More(usize),
    /// The reply has begun, and its body comes in parts. `Done` is then the last of them: its reply has no more than
    /// what was left of the body.
    Begun {
        /// The reply, with as much of its body as has come.
        reply: Reply,
        /// How long the body is in all, where that is known.
        length: Option<u64>,
    },
    /// More of the body of a reply that has begun.
    Part(Bytes),
    /// The reply, or the function's own error. With `stray`, bytes came after it: the sandbox is poisoned (`SEEDS.md E2`).
    Done {
        /// The reply, or the function's own error.
        answer: Result<Reply, Error>,
        /// Whether bytes came after it that don't belong there.
        stray: bool,
    },
}

/// The stream is broken: what was wrong with it. The sandbox is poisoned and its caller told at once (`SEEDS.md E1`).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Broken(pub String);

/// What lasts beyond an exchange with a server, whose connection can be made anew.
#[derive(Clone, Copy, Debug)]
struct Lasts {
    /// Whether the connection can carry another.
    stream: bool,
    /// Whether the sandbox stays where the connection has broken.
    sandbox: bool,
}

/// What each format does; [`Session`] sees to the order of calls and to poison.
trait Wire: std::fmt::Debug + Send + Sync {
    /// Writes a request, with `scratch` (empty) to write in, and makes ready for its reply. Unchanged after an error.
    fn write(&mut self, call: &Call<'_>, scratch: &mut BytesMut) -> Result<Encoded>;
    /// Writes a function's source for a runtime, and makes ready for the answer. Unchanged after an error.
    fn initialise(&mut self, init: &Init, _first: Option<First<'_>>) -> Result<Encoded> {
        Err(Error::internal(format!(
            "function {:?} was to be loaded in a format without a word for it",
            init.name
        )))
    }
    /// Writes more of a body that `write` was told is still to come. Never called with nothing.
    fn part(&mut self, bytes: Bytes) -> Encoded {
        Encoded { body: bytes, ..Encoded::default() }
    }
    /// Ends such a body.
    fn last(&mut self) -> Encoded {
        Encoded::default()
    }
    /// Takes bytes that no request asked for.
    fn idle(&mut self, bytes: Bytes) -> Result<(), Broken>;
    /// The guest is a runtime that was given its function before it was started.
    fn is_loaded(&mut self) {}
    /// Whether the guest may still say that it has initialised.
    fn awaits_ready(&self) -> bool {
        false
    }
    /// Reads a piece of the reply.
    fn read(&mut self, piece: Bytes) -> Result<Progress, Broken>;
    /// Stdout has ended while a reply was awaited.
    fn end(&mut self) -> Result<Reply, Broken>;
    /// What lasts beyond an exchange. `None` where there is one stream only, and its end is the sandbox's.
    fn lasts(&self) -> Option<Lasts> {
        None
    }
}

/// The most of a written request's buffer that a session keeps for the next one, in bytes.
const KEPT: usize = 16 << 10;

/// Bytes that heads, trailers and metadata of one reply may take beside its body.
const HEAD_LIMIT: usize = 64 << 10;

/// One sandbox's side of a format.
#[derive(Debug)]
pub struct Session {
    format: Format,
    wire: Box<dyn Wire>,
    /// Whether a request was written whose reply hasn't been read whole.
    busy: bool,
    /// Whether more of that request's body is to come.
    writing: bool,
    /// Why nothing may be read or written any more.
    poison: Option<Broken>,
    /// Whether the stream is to be renewed before anything else.
    spent: bool,
    scratch: BytesMut,
}

impl Session {
    /// The session of a new sandbox.
    pub fn new(format: Format) -> Self {
        let wire: Box<dyn Wire> = match format {
            Format::Default => Box::<oneshot::OneShot>::default(),
            Format::Http => Box::<http::Http>::default(),
            Format::Json => Box::<json::Json>::default(),
            Format::Frame => Box::<frame::Frame>::default(),
            Format::Openwhisk => Box::<openwhisk::Openwhisk>::default(),
            Format::Server => Box::<server::Server>::default(),
            Format::HttpStream => Box::<http_stream::HttpStream>::default(),
            Format::WasiHttp => Box::<wasi_http::WasiHttp>::default(),
        };
        Self {
            format,
            wire,
            busy: false,
            writing: false,
            poison: None,
            spent: false,
            scratch: BytesMut::new(),
        }
    }

    /// The session of a new sandbox of a runtime that has loaded its function already.
    pub fn loaded(format: Format) -> Self {
        let mut session = Self::new(format);
        session.wire.is_loaded();
        session
    }

    /// How long a guest may go on after its reply before it is given up: an action's log may end later.
    pub fn grace(&self) -> Duration {
        match self.format {
            // A component of WASI 0.3 may have work to do when it has answered.
            Format::Openwhisk | Format::WasiHttp => Duration::from_secs(10),
            _ => Duration::from_millis(100),
        }
    }

    /// Whether the guest may still say that it has initialised: `frame`, until its `ready` frame or its first reply.
    pub fn awaits_ready(&self) -> bool {
        self.poison.is_none() && self.wire.awaits_ready()
    }

    /// Whether the stream is to be renewed before the next request ([`crate::backend::Stdio::renew`]). Told once.
    pub fn renews(&mut self) -> bool {
        std::mem::take(&mut self.spent)
    }

    /// Whether nothing has gone wrong that costs the sandbox.
    pub fn is_sound(&self) -> bool {
        self.poison.is_none()
    }

    /// Bytes that came while no request was under way: white space, a `ready` frame, or a breach.
    ///
    /// They are never taken for a reply, even if a request has been written since (`SEEDS.md E2`).
    pub fn idle(&mut self, bytes: Bytes) -> Result<(), Broken> {
        self.sound()?;
        if bytes.is_empty() {
            return Ok(());
        }
        let answer = self.wire.idle(bytes);
        if answer.is_err() && self.wire.lasts().is_some() {
            self.spent = true;
            return Ok(());
        }
        self.judged(answer)
    }

    /// Writes a function's source for the runtime at the other end, and makes ready for its answer: [`Progress::Done`] with
    /// an empty reply once the code is loaded, or with the function's own error. To be called once, before the first request.
    /// `first` is the request that it is loaded for. `InvalidInput` where the format can't carry it; the session is then unchanged.
    pub fn initialise(&mut self, init: &Init, first: Option<First<'_>>) -> Result<Encoded> {
        self.free()?;
        let written = self.wire.initialise(init, first);
        self.busy = written.is_ok();
        written
    }

    /// Writes a request and makes ready for its reply. `InvalidInput` where the format can't carry it; the session is then unchanged.
    pub fn encode(&mut self, call: &Call<'_>) -> Result<Encoded> {
        self.free()?;
        if !can_begin(self.format, call.rest) {
            return Err(Error::internal(format!(
                "format `{}` is given a request before its body",
                self.format
            )));
        }
        headers::check(call)?;
        self.scratch.clear();
        let written = self.wire.write(call, &mut self.scratch);
        if self.scratch.capacity() > KEPT || written.as_ref().is_ok_and(|written| written.head.len() > KEPT) {
            // What is left of a large buffer shares its allocation.
            self.scratch = BytesMut::new();
        }
        self.busy = written.is_ok();
        self.writing = self.busy && call.rest != Rest::Nothing;
        written
    }

    /// Writes more of a body that was still to come.
    pub fn part(&mut self, bytes: Bytes) -> Encoded {
        if self.writing && !bytes.is_empty() { self.wire.part(bytes) } else { Encoded::default() }
    }

    /// Ends a body that was still to come.
    pub fn last(&mut self) -> Encoded {
        if std::mem::take(&mut self.writing) { self.wire.last() } else { Encoded::default() }
    }

    /// Reads a piece of the reply. Where none is awaited, the piece is idle.
    pub fn feed(&mut self, piece: Bytes) -> Result<Progress, Broken> {
        self.sound()?;
        if !self.busy {
            return self.idle(piece).map(|()| Progress::More(1));
        }
        if piece.is_empty() {
            return Ok(Progress::More(1));
        }
        let mut answer = self.wire.read(piece);
        if let Ok(Progress::Done { stray, .. }) = &mut answer {
            self.busy = false;
            let (writing, lasts) = (std::mem::take(&mut self.writing), self.wire.lasts());
            if *stray {
                self.poison = Some(Broken("bytes came after the reply".into()));
            }
            if let Some(lasts) = lasts {
                // A server that has answered has had enough of the request, but another can't follow it.
                self.spent = writing || !lasts.stream;
            } else if writing {
                // Whatever is missing of the request, the guest would take the next one for it.
                *stray = true;
                self.poison = Some(Broken("the reply came before its request was written whole".into()));
            }
        }
        self.judged(answer)
    }

    /// Stdout has ended: the whole of a one-shot reply, or a breach.
    pub fn end(&mut self) -> Result<Reply, Broken> {
        self.sound()?;
        let answer = if self.busy {
            self.wire.end()
        } else {
            Err(Broken("stdout ended while no request was under way".into()))
        };
        (self.busy, self.writing) = (false, false);
        match self.wire.lasts() {
            Some(lasts) if lasts.sandbox || answer.is_ok() => self.spent = true,
            _ => self.poison = Some(Broken("stdout has ended".into())),
        }
        answer
    }

    /// Whether it may be given something to answer.
    fn free(&self) -> Result<()> {
        if let Err(Broken(why)) = self.sound() {
            return Err(Error::internal(format!("a poisoned sandbox was given a request: {why}")));
        }
        if self.busy {
            return Err(Error::internal("a sandbox was given a request before its last reply was read"));
        }
        Ok(())
    }

    fn sound(&self) -> Result<(), Broken> {
        match &self.poison {
            None => Ok(()),
            Some(Broken(why)) => Err(Broken(format!("the stream is poisoned: {why}"))),
        }
    }

    /// Passes an answer on, and remembers a breach.
    fn judged<T>(&mut self, answer: Result<T, Broken>) -> Result<T, Broken> {
        if let Err(broken) = &answer {
            (self.busy, self.writing) = (false, false);
            match self.wire.lasts() {
                Some(Lasts { sandbox: true, .. }) => self.spent = true,
                _ => self.poison = Some(broken.clone()),
            }
        }
        answer
    }
}
