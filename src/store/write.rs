//! What callers hand in: steps that happen together or not at all.

use super::accepted::{Accepted, Mark};
use super::activations::Activation;
use super::code::Digest;
use super::documents::Key;
use crate::error::{Error, Result};
use bytes::Bytes;
use std::collections::HashMap;

/// What a step takes beside its bytes: keys, rows of indices.
pub(super) const STEP: u64 = 256;

/// Steps that happen together or not at all, in the order in which they were added.
#[derive(Debug, Default)]
pub struct Write {
    pub(super) expects: Vec<(Key, Expect)>,
    pub(super) steps: Vec<Step>,
    pub(super) code: HashMap<Digest, Bytes>,
    bytes: u64,
}

#[derive(Debug)]
pub(super) enum Step {
    Put { key: Key, bytes: Bytes, code: Option<Digest> },
    Delete { key: Key },
    Record(Activation),
    Accept(Accepted),
    Mark { number: u64, mark: Mark },
    Finish { number: u64 },
}

/// What a document has to be for a [`Write`] to happen, looked at before its first step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expect {
    /// It isn't there.
    Absent,
    /// It is there, in whatever version.
    Present,
    /// It is there in this version.
    Version(u64),
}

/// What became of a [`Write`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub enum Commit {
    /// It is on disk. The documents that it put have this version.
    Done(u64),
    /// Nothing of it happened: this document isn't what was expected.
    Conflict(Key),
}

impl Commit {
    /// The version of what was put. A conflict is an `Internal` error: for writes that expect nothing.
    pub fn done(self) -> Result<u64> {
        match self {
            Self::Done(version) => Ok(version),
            Self::Conflict(key) => Err(Error::internal(format!("{key:?} isn't as expected"))),
        }
    }
}

impl Write {
    /// No steps yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// It happens only if this document is so before its first step.
    pub fn expect(&mut self, key: Key, expect: Expect) {
        self.expects.push((key, expect));
    }

    /// Puts a document, whatever was there. `code` is what it refers to from now on: a digest from [`Write::code`], or of
    /// code that a document refers to already.
    pub fn put(&mut self, key: Key, bytes: impl Into<Bytes>, code: Option<Digest>) {
        let bytes = bytes.into();
        self.took(bytes.len());
        self.steps.push(Step::Put { key, bytes, code });
    }

    /// Takes a document away, and its code if nobody else refers to it. Nothing happens where there is none.
    pub fn delete(&mut self, key: Key) {
        self.took(0);
        self.steps.push(Step::Delete { key });
    }

    /// Brings code for the documents of this write. It stays only if one of them refers to it.
    pub fn code(&mut self, bytes: impl Into<Bytes>) -> Digest {
        let bytes = bytes.into();
        let digest = Digest::of(&bytes);
        self.took(bytes.len());
        self.code.insert(digest, bytes);
        digest
    }

    /// Records an activation. If one with its id is there, that one stays.
    pub fn record(&mut self, activation: Activation) {
        self.took(activation.record.len() + activation.logs.len());
        self.steps.push(Step::Record(activation));
    }

    pub(crate) fn accept(&mut self, accepted: Accepted) {
        self.took(accepted.head.len() + accepted.body.len());
        self.steps.push(Step::Accept(accepted));
    }

    pub(crate) fn mark(&mut self, number: u64, mark: Mark) {
        self.took(0);
        self.steps.push(Step::Mark { number, mark });
    }

    pub(crate) fn finish(&mut self, number: u64) {
        self.took(0);
        self.steps.push(Step::Finish { number });
    }

    /// What it takes in the queue, in bytes.
    pub(super) fn size(&self) -> u64 {
        self.bytes + STEP
    }

    fn took(&mut self, bytes: usize) {
        self.bytes += bytes as u64 + STEP;
    }
}
