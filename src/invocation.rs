//! One request, its outcome, and how long each part of it took.

mod lent;
mod lines;

pub use lent::{Address, Caller, Headers, Request};
pub use lines::{Line, Lines, Stream};

use crate::error::Error;
use crate::function::BackendKind;
use bytes::Bytes;
use std::fmt;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::str::FromStr;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// An invocation's id: unique across hosts and restarts, written as 32 lower-case hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct InvocationId(u128);

impl InvocationId {
    /// A new one: 64 random bits of this process, then a counter.
    #[allow(clippy::new_without_default, reason = "a default that differs each time would surprise")]
    pub fn new() -> Self {
        static PROCESS: OnceLock<u64> = OnceLock::new();
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let process = *PROCESS.get_or_init(|| RandomState::new().build_hasher().finish());
        Self(u128::from(process) << 64 | u128::from(NEXT.fetch_add(1, Ordering::Relaxed)))
    }

    /// The id as a number.
    pub const fn as_u128(self) -> u128 {
        self.0
    }

    /// The id that [`InvocationId::as_u128`] gave.
    pub const fn from_u128(id: u128) -> Self {
        Self(id)
    }

    /// Its low 64 bits, which tell apart the invocations of one process: the `frame` format's call id.
    pub const fn low(self) -> u64 {
        self.0 as u64
    }
}

impl fmt::Display for InvocationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl FromStr for InvocationId {
    type Err = Error;

    /// Reads what it is written as. `InvalidInput` for anything else.
    fn from_str(text: &str) -> Result<Self, Error> {
        let is_digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        let id = if text.len() == 32 && text.bytes().all(is_digit) {
            u128::from_str_radix(text, 16).ok()
        } else {
            None
        };
        id.map(Self).ok_or_else(|| {
            Error::invalid(format!("{text:?} is no invocation's id: give 32 lower-case hexadecimal digits"))
        })
    }
}

impl fmt::Debug for InvocationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// One request to a function.
#[derive(Clone, Debug)]
pub struct Invocation {
    /// Its id.
    pub id: InvocationId,
    /// The HTTP method, or `POST` where there was none.
    pub method: String,
    /// The path after the function's own, led by `/`, with the query. `/` where there was none.
    pub path: String,
    /// The whole URL that was asked for.
    pub url: String,
    /// The caller's headers, in order, without hop-by-hop ones.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Bytes,
    /// Give up after this long in all, waiting and starting included. `None`: the host's longest wait, then the function's time limit.
    pub patience: Option<Duration>,
}

impl Invocation {
    /// A `POST /` of a body.
    pub fn new(body: impl Into<Bytes>) -> Self {
        Self {
            id: InvocationId::new(),
            method: "POST".into(),
            path: "/".into(),
            url: String::new(),
            headers: Vec::new(),
            body: body.into(),
            patience: None,
        }
    }

    /// The caller's content type.
    pub fn content_type(&self) -> Option<&str> {
        header(&self.headers, "content-type")
    }
}

/// The first header of a name, whatever its case.
pub(crate) fn header<'a>(headers: &'a [(String, String)], name: &str) -> Option<&'a str> {
    headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
}

/// Headers of one connection and not of the message (RFC 9110, 7.6.1); and `expect`, since a body is passed on whole.
pub(crate) const HOP_BY_HOP: [&str; 10] = [
    "connection",
    "expect",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// What the function answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// Its HTTP status; 200 where the format has none.
    pub status: u16,
    /// Its headers, content type included (`SEEDS.md E11`).
    pub headers: Vec<(String, String)>,
    /// Its body.
    pub body: Bytes,
}

impl Reply {
    /// A reply of status 200 without headers.
    pub fn ok(body: impl Into<Bytes>) -> Self {
        Self { status: 200, headers: Vec::new(), body: body.into() }
    }

    /// The function's content type.
    pub fn content_type(&self) -> Option<&str> {
        header(&self.headers, "content-type")
    }
}

/// How an invocation got its sandbox (`SEEDS.md W9`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Start {
    /// One that had served before.
    Warm,
    /// One that was being started for somebody else.
    Warming,
    /// One that had been started ahead.
    Prewarmed,
    /// One made for this invocation.
    Cold,
    /// One made for this invocation after another was evicted for it.
    Recreated,
    /// One started ahead that could be taken only after another was evicted.
    RecreatedPrewarm,
}

impl Start {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Warm, Self::Warming, Self::Prewarmed, Self::Cold, Self::Recreated, Self::RecreatedPrewarm];

    /// Its name in headers, logs and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Warm => "warm",
            Self::Warming => "warming",
            Self::Prewarmed => "prewarmed",
            Self::Cold => "cold",
            Self::Recreated => "recreated",
            Self::RecreatedPrewarm => "recreated-prewarm",
        }
    }
}

impl fmt::Display for Start {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Where an invocation's time went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Timings {
    /// From arrival until a sandbox was its own or began to be made for it.
    pub wait: Duration,
    /// Making, resuming or launching the sandbox; 0 for one that was ready.
    pub start: Duration,
    /// From the first byte of the request to the last of the reply.
    pub run: Duration,
}

impl Timings {
    /// All of it.
    pub fn total(&self) -> Duration {
        self.wait + self.start + self.run
    }
}

/// How long each phase of a start took; 0 for a phase that a backend doesn't have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Phases {
    /// Making it: an instance with its memory, a container.
    pub create: Duration,
    /// Starting it: the container's start; nothing for wasm.
    pub start: Duration,
    /// Its own initialisation, as far as the backend can see it.
    pub init: Duration,
}

impl Phases {
    /// All of them.
    pub fn total(&self) -> Duration {
        self.create + self.start + self.init
    }
}

/// How an invocation ended.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The invocation's id.
    pub id: InvocationId,
    /// How it got its sandbox; `None` if it never had one.
    pub start: Option<Start>,
    /// What ran it; `None` if there is no such function.
    pub backend: Option<BackendKind>,
    /// Where the time went.
    pub timings: Timings,
    /// What its sandbox's start was made of, whoever it was started for.
    pub phases: Phases,
    /// The reply, or why there is none.
    pub result: Result<Reply, Error>,
}
