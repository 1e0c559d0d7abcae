//! One sandbox's memory limit: its linear memory and its table together.

use super::core::TABLE_ELEMENTS;
use super::shared::Shared;
use std::sync::Arc;
use wasmtime::ResourceLimiter;

/// Bytes that one element of a table takes.
const ELEMENT: u64 = 8;

/// The bytes that a table of so many elements takes.
pub(super) const fn table_bytes(elements: u64) -> u64 {
    elements.saturating_mul(ELEMENT)
}

/// Says no where a memory or a table would go beyond the limit, and remembers that it did: the guest sees a failed
/// grow, and if it dies of it, its caller is told that it ran out of memory and not of some `unreachable`.
pub(super) struct Limiter {
    shared: Arc<Shared>,
    limit: u64,
    memory: u64,
    table: u64,
}

impl Limiter {
    pub(super) fn new(shared: Arc<Shared>, limit: u64) -> Self {
        Self { shared, limit, memory: 0, table: 0 }
    }

    fn take(&mut self, memory: u64, table: u64) -> bool {
        let total = memory.saturating_add(table);
        if total > self.limit {
            self.shared.refuse();
            return false;
        }
        (self.memory, self.table) = (memory, table);
        self.shared.holds(total);
        true
    }
}

impl ResourceLimiter for Limiter {
    fn memory_growing(&mut self, _: usize, desired: usize, maximum: Option<usize>) -> wasmtime::Result<bool> {
        if maximum.is_some_and(|maximum| desired > maximum) {
            // Beyond what the module or the slot allows: it will fail without us.
            self.shared.refuse();
            return Ok(false);
        }
        Ok(self.take(desired as u64, self.table))
    }

    fn memory_grow_failed(&mut self, error: wasmtime::Error) -> wasmtime::Result<()> {
        tracing::debug!("a wasm memory can't grow: {error:#}");
        self.shared.refuse();
        Ok(())
    }

    fn table_growing(&mut self, _: usize, desired: usize, maximum: Option<usize>) -> wasmtime::Result<bool> {
        if desired > maximum.unwrap_or(usize::MAX).min(TABLE_ELEMENTS) {
            self.shared.refuse();
            return Ok(false);
        }
        Ok(self.take(self.memory, table_bytes(desired as u64)))
    }

    fn memories(&self) -> usize {
        1
    }

    fn tables(&self) -> usize {
        1
    }

    fn instances(&self) -> usize {
        1
    }
}
