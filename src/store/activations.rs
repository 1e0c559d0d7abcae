//! Activations: what became of invocations, kept in a ring.

use super::Store;
use super::tables::{BY_NAME, BY_TIME, IDS, LOGS, RECORDS, RecordRow};
use crate::error::Result;
use crate::invocation::InvocationId;
use bytes::Bytes;
use redb::{ReadTransaction, ReadableTable};
use std::ops::RangeInclusive;

/// What became of an invocation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Activation {
    /// The invocation's id. The first record of an id stays, later ones are dropped.
    pub id: InvocationId,
    /// Whose it is.
    pub namespace: String,
    /// The function's name, to be listed by.
    pub name: String,
    /// When it began, in milliseconds since 1970: what lists are ordered by.
    pub start: u64,
    /// The record, in whatever format its owner has.
    pub record: Bytes,
    /// What the function logged. Lists leave it out.
    pub logs: Bytes,
}

/// Which activations to list: the newest first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Query {
    /// Whose.
    pub namespace: String,
    /// Of this function only.
    pub name: Option<String>,
    /// That began at this moment or later, in milliseconds since 1970.
    pub since: u64,
    /// That began at this moment or earlier.
    pub upto: u64,
    /// Leave out so many of the newest. Each is walked over.
    pub skip: usize,
    /// At most so many.
    pub limit: usize,
}

impl Query {
    /// All of a namespace.
    pub fn of(namespace: impl Into<String>) -> Self {
        Self { namespace: namespace.into(), name: None, since: 0, upto: u64::MAX, skip: 0, limit: usize::MAX }
    }

    /// The numbers of those that it means, the newest first.
    fn numbers(&self, snapshot: &ReadTransaction) -> Result<Vec<u64>, redb::Error> {
        let mut found = Vec::new();
        self.walk(snapshot, |number| {
            found.push(number);
            found.len() < self.limit
        })?;
        Ok(found)
    }

    /// Gives each number behind the skipped ones, until told to stop.
    fn walk(&self, snapshot: &ReadTransaction, mut each: impl FnMut(u64) -> bool) -> Result<(), redb::Error> {
        if self.limit == 0 || self.since > self.upto {
            return Ok(());
        }
        let namespace = self.namespace.as_str();
        if let Some(name) = &self.name {
            let range =
                (namespace, name.as_str(), self.since, 0)..=(namespace, name.as_str(), self.upto, u64::MAX);
            for row in snapshot.open_table(BY_NAME)?.range(range)?.rev().skip(self.skip) {
                if !each(row?.0.value().3) {
                    break;
                }
            }
        } else {
            let range: RangeInclusive<_> = (namespace, self.since, 0)..=(namespace, self.upto, u64::MAX);
            for row in snapshot.open_table(BY_TIME)?.range(range)?.rev().skip(self.skip) {
                if !each(row?.0.value().2) {
                    break;
                }
            }
        }
        Ok(())
    }
}

impl Store {
    /// The activation with an id, with its logs; `None` if there is none, or none any more.
    pub async fn activation(&self, id: InvocationId) -> Result<Option<Activation>> {
        self.inner.writer.seen().await?;
        self.read(move |snapshot| {
            let Some(number) = snapshot.open_table(IDS)?.get_owned(id.as_u128())? else { return Ok(None) };
            let number = number.value();
            let Some(row) = snapshot.open_table(RECORDS)?.get_owned(number)? else { return Ok(None) };
            let mut activation = read(row.value());
            if let Some(logs) = snapshot.open_table(LOGS)?.get_owned(number)? {
                activation.logs = Bytes::copy_from_slice(logs.value());
            }
            Ok(Some(activation))
        })
        .await
    }

    /// The activations that a query means, the newest first, without their logs.
    pub async fn activations(&self, query: Query) -> Result<Vec<Activation>> {
        self.inner.writer.seen().await?;
        self.read(move |snapshot| {
            let records = snapshot.open_table(RECORDS)?;
            let mut found = Vec::new();
            for number in query.numbers(snapshot)? {
                if let Some(row) = ReadableTable::get(&records, number)? {
                    found.push(read(row.value()));
                }
            }
            Ok(found)
        })
        .await
    }

    /// How many activations a query means, `skip` and `limit` left aside. Each is walked over, in an index.
    pub async fn count_activations(&self, query: Query) -> Result<usize> {
        self.inner.writer.seen().await?;
        self.read(move |snapshot| {
            let all = Query { skip: 0, limit: usize::MAX, ..query };
            let mut count = 0;
            all.walk(snapshot, |_| {
                count += 1;
                true
            })?;
            Ok(count)
        })
        .await
    }
}

fn read((id, namespace, name, start, _, record): RecordRow<'_>) -> Activation {
    Activation {
        id: InvocationId::from_u128(id),
        namespace: namespace.to_owned(),
        name: name.to_owned(),
        start,
        record: Bytes::copy_from_slice(record),
        logs: Bytes::new(),
    }
}
