//! The ring of activations: each that is recorded lets the oldest go, as far as they are over a limit.
//!
//! Records are in order of their numbers, so the oldest is the first of the table, and what all of them take is one figure
//! that is kept with them: nothing is searched.

use super::StoreConfig;
use super::activations::Activation;
use super::tables::Tables;
use super::write::STEP;
use redb::{ReadableTable, ReadableTableMetadata, StorageError};

/// Records taken away for each one added, at most: a smaller limit than the file was made with is reached step by step.
const AT_ONCE: usize = 64;

pub(super) struct Ring<'a, 'b> {
    pub(super) tables: &'a mut Tables<'b>,
    /// What all records take.
    pub(super) bytes: &'a mut u64,
    pub(super) config: &'a StoreConfig,
}

impl Ring<'_, '_> {
    pub(super) fn add(&mut self, number: u64, now: u64, activation: &Activation) -> Result<(), StorageError> {
        let Activation { id, namespace, name, start, record, logs } = activation;
        let tables = &mut *self.tables;
        if tables.ids.get(id.as_u128())?.is_some() {
            return Ok(());
        }
        tables.ids.insert(id.as_u128(), number)?;
        let row = (id.as_u128(), namespace.as_str(), name.as_str(), *start, now, record.as_ref());
        tables.records.insert(number, row)?;
        if !logs.is_empty() {
            tables.logs.insert(number, logs.as_ref())?;
        }
        tables.by_time.insert((namespace.as_str(), *start, number), ())?;
        tables.by_name.insert((namespace.as_str(), name.as_str(), *start, number), ())?;
        *self.bytes += size(namespace, name, record, logs);
        self.prune(now)
    }

    /// Takes away the oldest that are over a limit. The newest one stays, however large.
    pub(super) fn prune(&mut self, now: u64) -> Result<(), StorageError> {
        let age = u64::try_from(self.config.max_age.as_millis()).unwrap_or(u64::MAX);
        for _ in 0..AT_ONCE {
            if self.tables.records.len()? <= 1 || !self.take_oldest(now.saturating_sub(age))? {
                break;
            }
        }
        Ok(())
    }

    /// Takes the oldest away if it is over a limit.
    fn take_oldest(&mut self, since: u64) -> Result<bool, StorageError> {
        let tables = &mut *self.tables;
        let (number, id, namespace, name, start, mut took) = {
            let Some((number, row)) = tables.records.first()? else { return Ok(false) };
            let (id, namespace, name, start, at, record) = row.value();
            if *self.bytes <= self.config.max_bytes && at >= since {
                return Ok(false);
            }
            let took = size(namespace, name, record, &[]);
            (number.value(), id, namespace.to_owned(), name.to_owned(), start, took)
        };
        tables.records.remove(number)?;
        if let Some(logs) = tables.logs.remove(number)? {
            took += logs.value().len() as u64;
        }
        tables.ids.remove(id)?;
        tables.by_time.remove((namespace.as_str(), start, number))?;
        tables.by_name.remove((namespace.as_str(), name.as_str(), start, number))?;
        *self.bytes = self.bytes.saturating_sub(took);
        Ok(true)
    }
}

/// What an activation is counted as.
pub(super) fn size(namespace: &str, name: &str, record: &[u8], logs: &[u8]) -> u64 {
    (3 * (namespace.len() + name.len()) + record.len() + logs.len()) as u64 + STEP
}
