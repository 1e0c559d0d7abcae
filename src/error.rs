//! The one error type, and the small kind that decides what a caller sees of it.
//!
//! Every failure in Kiln is an [`Error`]: a [`ErrorKind`] that programs match on, a message for people, and
//! where the function itself failed, the last lines of its stderr. The kind alone decides the HTTP status
//! ([`ErrorKind::http_status`]) and the exit code ([`ErrorKind::exit_code`]).

use std::borrow::Cow;
use std::fmt;

/// What went wrong, as a program needs to know it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The caller's fault: a manifest, a name, a size.
    InvalidInput,
    /// The caller's body is larger than the host takes.
    TooLarge,
    /// There is no such function.
    NotFound,
    /// The function ran and failed: exit code, trap, its own error, broken protocol.
    FunctionFailed,
    /// Its deadline passed; the sandbox is gone.
    TimedOut,
    /// It hit its memory limit.
    OutOfMemory,
    /// The queue is full, or the deadline passed while waiting for a sandbox.
    Overloaded,
    /// It needs more than the whole budget (`SEEDS.md D5`).
    Impossible,
    /// The backend is down (no daemon), or the host is shutting down.
    Unavailable,
    /// The caller went away before it had the whole reply (`SEEDS.md E10`). Nobody is answered so: it is what
    /// observers, and with them the metrics, are told.
    Cancelled,
    /// A fault of ours.
    Internal,
}

impl ErrorKind {
    /// Every kind, for tables and metrics.
    pub const ALL: [Self; 11] = [
        Self::InvalidInput,
        Self::TooLarge,
        Self::NotFound,
        Self::FunctionFailed,
        Self::TimedOut,
        Self::OutOfMemory,
        Self::Overloaded,
        Self::Impossible,
        Self::Unavailable,
        Self::Cancelled,
        Self::Internal,
    ];

    /// The kind's name in error bodies, logs and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::InvalidInput => "InvalidInput",
            Self::TooLarge => "TooLarge",
            Self::NotFound => "NotFound",
            Self::FunctionFailed => "FunctionFailed",
            Self::TimedOut => "TimedOut",
            Self::OutOfMemory => "OutOfMemory",
            Self::Overloaded => "Overloaded",
            Self::Impossible => "Impossible",
            Self::Unavailable => "Unavailable",
            Self::Cancelled => "Cancelled",
            Self::Internal => "Internal",
        }
    }

    /// The HTTP status that the server answers with.
    pub const fn http_status(self) -> u16 {
        match self {
            Self::InvalidInput | Self::Impossible => 400,
            Self::TooLarge => 413,
            Self::NotFound => 404,
            Self::FunctionFailed | Self::OutOfMemory => 502,
            Self::TimedOut => 504,
            Self::Overloaded => 429,
            Self::Unavailable => 503,
            Self::Cancelled => 499,
            Self::Internal => 500,
        }
    }

    /// The exit code that the command line ends with.
    pub const fn exit_code(self) -> u8 {
        match self {
            Self::FunctionFailed | Self::OutOfMemory => 1,
            Self::InvalidInput | Self::TooLarge | Self::Impossible => 2,
            Self::NotFound => 3,
            Self::TimedOut => 4,
            Self::Overloaded | Self::Unavailable => 5,
            Self::Internal => 70,
            Self::Cancelled => 130,
        }
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A failure: its kind, what happened, and the function's last words.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{message}")]
pub struct Error {
    kind: ErrorKind,
    message: Cow<'static, str>,
    logs: Vec<String>,
}

/// A result with Kiln's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// An error of a kind. The message is lower case and has no full stop.
    pub fn new(kind: ErrorKind, message: impl Into<Cow<'static, str>>) -> Self {
        Self { kind, message: message.into(), logs: Vec::new() }
    }

    /// The caller's fault.
    pub fn invalid(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrorKind::InvalidInput, message)
    }

    /// The function's fault.
    pub fn failed(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrorKind::FunctionFailed, message)
    }

    /// The backend or the host can't take work now.
    pub fn unavailable(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrorKind::Unavailable, message)
    }

    /// Our own fault.
    pub fn internal(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrorKind::Internal, message)
    }

    /// The same error with the last lines of the function's stderr.
    #[must_use]
    pub fn with_logs(mut self, logs: Vec<String>) -> Self {
        self.logs = logs;
        self
    }

    /// The same error, its message led by where it happened.
    #[must_use]
    pub fn context(mut self, place: impl fmt::Display) -> Self {
        self.message = format!("{place}: {}", self.message).into();
        self
    }

    /// What a program matches on.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// The message, without the logs.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The last lines that the function wrote to stderr before it failed; empty where it didn't run.
    pub fn logs(&self) -> &[String] {
        &self.logs
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_of_the_design_holds() {
        let table = [
            (ErrorKind::InvalidInput, 400, 2),
            (ErrorKind::TooLarge, 413, 2),
            (ErrorKind::NotFound, 404, 3),
            (ErrorKind::FunctionFailed, 502, 1),
            (ErrorKind::TimedOut, 504, 4),
            (ErrorKind::OutOfMemory, 502, 1),
            (ErrorKind::Overloaded, 429, 5),
            (ErrorKind::Impossible, 400, 2),
            (ErrorKind::Unavailable, 503, 5),
            (ErrorKind::Cancelled, 499, 130),
            (ErrorKind::Internal, 500, 70),
        ];
        assert_eq!(table.map(|(kind, ..)| kind), ErrorKind::ALL);
        for (kind, status, code) in table {
            assert_eq!((kind.http_status(), kind.exit_code()), (status, code), "{kind}");
        }
    }
}
