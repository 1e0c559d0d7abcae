//! Accepted work: what was promised and hasn't ended, in order of arrival.

use super::Store;
use super::tables::{ACCEPTED, BODIES, MARKS};
use crate::error::Result;
use bytes::Bytes;
use redb::ReadableTable;

/// Work as it is kept. Its head is whatever describes it beside the body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Accepted {
    pub(crate) id: u128,
    pub(crate) head: Bytes,
    pub(crate) body: Bytes,
}

/// How far work has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Mark {
    /// Attempts begun.
    pub(crate) attempts: u32,
    /// Not to be begun again before, in milliseconds since 1970.
    pub(crate) not_before: u64,
}

/// Work without its body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    /// Its place in the order of arrival.
    pub(crate) number: u64,
    pub(crate) head: Bytes,
    pub(crate) mark: Mark,
}

impl Store {
    /// All that is kept, in order of arrival, without the bodies.
    pub(crate) async fn accepted(&self) -> Result<Vec<Head>> {
        self.read(move |snapshot| {
            let (accepted, marks) = (snapshot.open_table(ACCEPTED)?, snapshot.open_table(MARKS)?);
            let mut found = Vec::new();
            for row in ReadableTable::iter(&accepted)? {
                let (number, row) = row?;
                let mark = ReadableTable::get(&marks, number.value())?.map_or_else(Mark::default, |row| {
                    let (attempts, not_before) = row.value();
                    Mark { attempts, not_before }
                });
                let head = Bytes::copy_from_slice(row.value().1);
                found.push(Head { number: number.value(), head, mark });
            }
            Ok(found)
        })
        .await
    }

    /// Work by its numbers; what has ended is left out.
    pub(crate) async fn accepted_at(&self, numbers: Vec<u64>) -> Result<Vec<(u64, Accepted)>> {
        self.read(move |snapshot| {
            let (accepted, bodies) = (snapshot.open_table(ACCEPTED)?, snapshot.open_table(BODIES)?);
            let mut found = Vec::with_capacity(numbers.len());
            for number in numbers {
                let Some(row) = ReadableTable::get(&accepted, number)? else { continue };
                let (id, head) = row.value();
                let body = ReadableTable::get(&bodies, number)?
                    .map_or_else(Bytes::new, |body| Bytes::copy_from_slice(body.value()));
                found.push((number, Accepted { id, head: Bytes::copy_from_slice(head), body }));
            }
            Ok(found)
        })
        .await
    }
}
