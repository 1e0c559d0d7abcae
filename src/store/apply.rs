//! Carries a batch of writes out in one transaction of redb.

use super::StoreConfig;
use super::code::Digest;
use super::ring::Ring;
use super::tables::{META, META_NEXT, META_RING, Tables};
use super::write::{Commit, Expect, Step, Write};
use crate::error::{Error, Result};
use bytes::Bytes;
use redb::{ReadableTable, StorageError, TableError, WriteTransaction};
use std::collections::HashMap;
use std::time::SystemTime;

/// A transaction under way, for one batch.
pub(super) struct Batch<'a> {
    tables: Tables<'a>,
    next: u64,
    ring: u64,
    now: u64,
    config: &'a StoreConfig,
}

impl<'a> Batch<'a> {
    pub(super) fn begin(
        transaction: &'a WriteTransaction,
        config: &'a StoreConfig,
    ) -> Result<Self, TableError> {
        let meta = transaction.open_table(META)?;
        let read = |name: &str| meta.get(name).map(|value| value.map_or(0, |value| value.value()));
        Ok(Self {
            next: read(META_NEXT)?.max(1),
            ring: read(META_RING)?,
            tables: Tables::open(transaction)?,
            now: millis(SystemTime::now()),
            config,
        })
    }

    /// Carries one write out, or nothing of it. The outer error is the storage's: the whole batch is lost with it.
    pub(super) fn apply(&mut self, write: Write) -> Result<Result<Commit>, StorageError> {
        for (key, expect) in &write.expects {
            let version = self.tables.documents.get(key.row())?.map(|row| row.value().0);
            let is_so = match expect {
                Expect::Absent => version.is_none(),
                Expect::Present => version.is_some(),
                Expect::Version(expected) => version == Some(*expected),
            };
            if !is_so {
                return Ok(Ok(Commit::Conflict(key.clone())));
            }
        }
        for step in &write.steps {
            if let Step::Put { key, code: Some(digest), .. } = step
                && !write.code.contains_key(digest)
                && self.tables.code_refs.get(digest.as_bytes())?.is_none()
            {
                let error = format!(
                    "{key:?} refers to the code {digest}, which isn't there: put it in the same write"
                );
                return Ok(Err(Error::new(crate::ErrorKind::NotFound, error)));
            }
        }
        let version = self.next;
        let mut references = HashMap::new();
        for (number, step) in (version..).zip(write.steps) {
            self.next = number + 1;
            self.step(version, number, step, &mut references)?;
        }
        self.count(references, &write.code)?;
        Ok(Ok(Commit::Done(version)))
    }

    fn step(
        &mut self,
        version: u64,
        number: u64,
        step: Step,
        references: &mut HashMap<Digest, i64>,
    ) -> Result<(), StorageError> {
        let tables = &mut self.tables;
        match step {
            Step::Put { key, bytes, code } => {
                if let Some(digest) = code {
                    *references.entry(digest).or_default() += 1;
                }
                let digest = code.as_ref().map_or(&[][..], Digest::as_bytes);
                let old = tables.documents.insert(key.row(), (version, digest, bytes.as_ref()))?;
                if let Some(digest) = old.and_then(|old| Digest::from_stored(old.value().1)) {
                    *references.entry(digest).or_default() -= 1;
                }
            }
            Step::Delete { key } => {
                let old = tables.documents.remove(key.row())?;
                if let Some(digest) = old.and_then(|old| Digest::from_stored(old.value().1)) {
                    *references.entry(digest).or_default() -= 1;
                }
            }
            Step::Record(activation) => {
                let (now, config) = (self.now, self.config);
                Ring { tables, bytes: &mut self.ring, config }.add(number, now, &activation)?;
            }
            Step::Accept(accepted) => {
                tables.accepted.insert(number, (accepted.id, accepted.head.as_ref()))?;
                if !accepted.body.is_empty() {
                    tables.bodies.insert(number, accepted.body.as_ref())?;
                }
            }
            Step::Mark { number, mark } => {
                if tables.accepted.get(number)?.is_some() {
                    tables.marks.insert(number, (mark.attempts, mark.not_before))?;
                }
            }
            Step::Finish { number } => {
                tables.accepted.remove(number)?;
                tables.bodies.remove(number)?;
                tables.marks.remove(number)?;
            }
        }
        Ok(())
    }

    /// Counts documents that came to refer to code or ceased to; what nobody refers to any more goes.
    fn count(
        &mut self,
        references: HashMap<Digest, i64>,
        code: &HashMap<Digest, Bytes>,
    ) -> Result<(), StorageError> {
        let tables = &mut self.tables;
        for (digest, more) in references {
            let row = digest.as_bytes();
            let before = tables.code_refs.get(row)?.map_or(0, |count| count.value());
            let after = before.saturating_add_signed(more);
            if after == 0 {
                tables.code_refs.remove(row)?;
                tables.code.remove(row)?;
                continue;
            }
            if before == 0
                && let Some(bytes) = code.get(&digest)
            {
                tables.code.insert(row, bytes.as_ref())?;
            }
            if before != after {
                tables.code_refs.insert(row, after)?;
            }
        }
        Ok(())
    }

    /// Takes records away that are over a limit.
    pub(super) fn prune(&mut self) -> Result<(), StorageError> {
        Ring { tables: &mut self.tables, bytes: &mut self.ring, config: self.config }.prune(self.now)
    }

    /// Writes down what it counted. The transaction is still to be committed.
    pub(super) fn end(self, transaction: &WriteTransaction) -> Result<(), TableError> {
        let mut meta = transaction.open_table(META)?;
        meta.insert(META_NEXT, self.next)?;
        meta.insert(META_RING, self.ring)?;
        Ok(())
    }
}

/// A moment in milliseconds since 1970.
pub(crate) fn millis(moment: SystemTime) -> u64 {
    let since = moment.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
