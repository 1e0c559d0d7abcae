//! The tables of the file, and its schema's version.

use redb::{Table, TableDefinition, TableError, WriteTransaction};

/// What this Kiln reads and writes. Raised when a table's meaning changes.
pub(super) const SCHEMA: u64 = 1;

pub(super) const META: TableDefinition<&str, u64> = TableDefinition::new("kiln");
/// In [`META`]: the schema's version.
pub(super) const META_SCHEMA: &str = "schema";
/// In [`META`]: the number that the next step gets. Versions, and the order of records and of work, are such numbers.
pub(super) const META_NEXT: &str = "next";
/// In [`META`]: what all records of the ring take, in bytes.
pub(super) const META_RING: &str = "ring";

/// Collection, namespace, name.
pub(super) type DocumentKey = (&'static str, &'static str, &'static str);
/// Version, the code's digest or nothing, bytes.
pub(super) type DocumentRow<'a> = (u64, &'a [u8], &'a [u8]);
pub(super) const DOCUMENTS: TableDefinition<DocumentKey, DocumentRow<'static>> =
    TableDefinition::new("documents");
/// Digest: code.
pub(super) const CODE: TableDefinition<&[u8], &[u8]> = TableDefinition::new("code");
/// Digest: documents that refer to it.
pub(super) const CODE_REFS: TableDefinition<&[u8], u64> = TableDefinition::new("code_refs");

/// Number: id, namespace, name, when it began, when it was recorded, record.
pub(super) type RecordRow<'a> = (u128, &'a str, &'a str, u64, u64, &'a [u8]);
/// By number: the oldest are together at one end, where they are taken away.
pub(super) const RECORDS: TableDefinition<u64, RecordRow<'static>> = TableDefinition::new("records");
/// Number: logs. No row where there are none.
pub(super) const LOGS: TableDefinition<u64, &[u8]> = TableDefinition::new("logs");
/// Id: number.
pub(super) const IDS: TableDefinition<u128, u64> = TableDefinition::new("ids");
/// Namespace, when it began, number.
pub(super) const BY_TIME: TableDefinition<(&str, u64, u64), ()> = TableDefinition::new("by_time");
/// Namespace, name, when it began, number.
pub(super) const BY_NAME: TableDefinition<(&str, &str, u64, u64), ()> = TableDefinition::new("by_name");

/// Number: id, head.
pub(super) const ACCEPTED: TableDefinition<u64, (u128, &[u8])> = TableDefinition::new("accepted");
/// Number: body. Beside the heads, so that these can be read without it. No row where it is empty.
pub(super) const BODIES: TableDefinition<u64, &[u8]> = TableDefinition::new("bodies");
/// Number: attempts begun, not to be begun again before (milliseconds since 1970). No row before the first.
pub(super) const MARKS: TableDefinition<u64, (u32, u64)> = TableDefinition::new("marks");

/// All tables but [`META`], opened once for a batch.
pub(super) struct Tables<'a> {
    pub(super) documents: Table<'a, DocumentKey, DocumentRow<'static>>,
    pub(super) code: Table<'a, &'static [u8], &'static [u8]>,
    pub(super) code_refs: Table<'a, &'static [u8], u64>,
    pub(super) records: Table<'a, u64, RecordRow<'static>>,
    pub(super) logs: Table<'a, u64, &'static [u8]>,
    pub(super) ids: Table<'a, u128, u64>,
    pub(super) by_time: Table<'a, (&'static str, u64, u64), ()>,
    pub(super) by_name: Table<'a, (&'static str, &'static str, u64, u64), ()>,
    pub(super) accepted: Table<'a, u64, (u128, &'static [u8])>,
    pub(super) bodies: Table<'a, u64, &'static [u8]>,
    pub(super) marks: Table<'a, u64, (u32, u64)>,
}

impl<'a> Tables<'a> {
    /// Opens them, and makes those that aren't there.
    pub(super) fn open(transaction: &'a WriteTransaction) -> Result<Self, TableError> {
        Ok(Self {
            documents: transaction.open_table(DOCUMENTS)?,
            code: transaction.open_table(CODE)?,
            code_refs: transaction.open_table(CODE_REFS)?,
            records: transaction.open_table(RECORDS)?,
            logs: transaction.open_table(LOGS)?,
            ids: transaction.open_table(IDS)?,
            by_time: transaction.open_table(BY_TIME)?,
            by_name: transaction.open_table(BY_NAME)?,
            accepted: transaction.open_table(ACCEPTED)?,
            bodies: transaction.open_table(BODIES)?,
            marks: transaction.open_table(MARKS)?,
        })
    }
}
