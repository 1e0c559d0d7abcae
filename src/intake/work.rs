//! Work: an invocation that somebody was promised.

use crate::error::{Error, Result};
use crate::invocation::{Invocation, InvocationId};
use crate::store::millis;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use std::time::{Duration, SystemTime};

/// An invocation to be run some time, once it is accepted.
#[derive(Clone, Debug)]
pub struct Work {
    /// Whose function.
    pub namespace: String,
    /// Which function: the one that is deployed under this name when the work is run.
    pub function: String,
    /// What it is asked. Its id is the record's.
    pub invocation: Invocation,
    /// When it came, in milliseconds since 1970.
    pub accepted: u64,
    /// How long after that it may begin. `None`: the intake's own limit.
    pub max_age: Option<Duration>,
    /// Whatever the record's writer wants to know of it again.
    pub context: String,
}

impl Work {
    /// Work that came now.
    pub fn new(namespace: impl Into<String>, function: impl Into<String>, invocation: Invocation) -> Self {
        Self {
            namespace: namespace.into(),
            function: function.into(),
            invocation,
            accepted: millis(SystemTime::now()),
            max_age: None,
            context: String::new(),
        }
    }

    /// Whether it may no longer begin at this moment.
    pub(super) fn is_too_old(&self, now: u64) -> bool {
        let age = Duration::from_millis(now.saturating_sub(self.accepted));
        self.max_age.is_some_and(|limit| age > limit)
    }

    /// All of it but the body, as it is kept.
    pub(super) fn head(&self) -> Result<Bytes> {
        let head = Head {
            namespace: self.namespace.clone(),
            function: self.function.clone(),
            method: self.invocation.method.clone(),
            path: self.invocation.path.clone(),
            url: self.invocation.url.clone(),
            headers: self.invocation.headers.clone(),
            patience_ms: self.invocation.patience.map(whole_millis),
            accepted: self.accepted,
            max_age_ms: self.max_age.map(whole_millis),
            context: self.context.clone(),
            body: self.invocation.body.len() as u64,
        };
        serde_json::to_vec(&head).map(Bytes::from).map_err(|error| Error::internal(error.to_string()))
    }

    /// The work that was kept so.
    pub(super) fn read(id: u128, head: &[u8], body: Bytes) -> Result<Self> {
        let head = Head::read(head)?;
        Ok(Self {
            namespace: head.namespace,
            function: head.function,
            invocation: Invocation {
                id: InvocationId::from_u128(id),
                method: head.method,
                path: head.path,
                url: head.url,
                headers: head.headers,
                body,
                patience: head.patience_ms.map(Duration::from_millis),
            },
            accepted: head.accepted,
            max_age: head.max_age_ms.map(Duration::from_millis),
            context: head.context,
        })
    }
}

fn whole_millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// All of a work but its body.
#[derive(Serialize, Deserialize)]
pub(super) struct Head {
    pub(super) namespace: String,
    pub(super) function: String,
    method: String,
    path: String,
    url: String,
    headers: Vec<(String, String)>,
    patience_ms: Option<u64>,
    accepted: u64,
    max_age_ms: Option<u64>,
    context: String,
    /// The body's length, so that what waits can be counted without it.
    pub(super) body: u64,
}

impl Head {
    pub(super) fn read(head: &[u8]) -> Result<Self> {
        serde_json::from_slice(head)
            .map_err(|error| Error::internal(format!("accepted work can't be read again: {error}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_is_read_as_it_was_kept() {
        let mut work = Work::new("guest", "hello", Invocation::new("body"));
        work.invocation.headers = vec![("Content-Type".into(), "text/plain".into())];
        work.invocation.patience = Some(Duration::from_millis(1500));
        work.context = "{\"version\":\"0.0.1\"}".into();
        work.max_age = Some(Duration::from_secs(5));
        let id = work.invocation.id.as_u128();
        let read = Work::read(id, &work.head().unwrap(), "body".into()).unwrap();
        assert_eq!(format!("{read:?}"), format!("{work:?}"));
        assert!(Work::read(id, b"{}", Bytes::new()).is_err());
    }

    #[test]
    fn work_is_too_old_after_its_age() {
        let mut work = Work::new("guest", "hello", Invocation::new(""));
        assert!(!work.is_too_old(u64::MAX));
        work.max_age = Some(Duration::from_millis(10));
        assert!(!work.is_too_old(work.accepted + 10));
        assert!(work.is_too_old(work.accepted + 11));
        assert!(!work.is_too_old(0), "a clock that was set back makes nothing old");
    }
}
