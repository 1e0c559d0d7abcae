//! Why a request is refused: an HTTP status, and what OpenWhisk's controller says with it.

use super::words;
use std::borrow::Cow;

/// A refusal, or anything else that is answered with a status and a sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    /// The HTTP status.
    pub(super) status: u16,
    /// What `error` of the answer says.
    pub(super) text: Cow<'static, str>,
}

/// A result that may be a refusal.
pub(super) type Result<T, E = Refusal> = std::result::Result<T, E>;

impl Refusal {
    pub(super) fn new(status: u16, text: impl Into<Cow<'static, str>>) -> Self {
        Self { status, text: text.into() }
    }

    /// The request can't be.
    pub(super) fn bad(text: impl Into<Cow<'static, str>>) -> Self {
        Self::new(400, text)
    }

    /// Its body can't be read.
    pub(super) fn malformed(why: impl std::fmt::Display) -> Self {
        Self::bad(format!("The request content was malformed:\n{why}"))
    }

    /// One of its query parameters can't be read.
    pub(super) fn query(name: &str, why: impl std::fmt::Display) -> Self {
        Self::bad(format!("The query parameter '{name}' was malformed:\n{why}"))
    }

    /// There is no such entity.
    pub(super) fn missing() -> Self {
        Self::new(404, words::MISSING)
    }

    /// The caller's key isn't good for that.
    pub(super) fn forbidden(what: &str) -> Self {
        Self::new(403, format!("The supplied authentication is not authorized to access '{what}'."))
    }

    /// What it asks for collides with what is there.
    pub(super) fn conflict(text: impl Into<Cow<'static, str>>) -> Self {
        Self::new(409, text)
    }

    /// It is larger than what is taken.
    pub(super) fn too_large(field: &str, is: u64, allowed: u64) -> Self {
        Self::new(413, format!("{field} larger than allowed: {is} > {allowed} bytes."))
    }

    /// A fault of ours; the reason goes to the log.
    pub(super) fn internal(why: impl std::fmt::Display) -> Self {
        tracing::error!("an OpenWhisk request failed: {why}");
        Self::new(500, words::INTERNAL)
    }
}
