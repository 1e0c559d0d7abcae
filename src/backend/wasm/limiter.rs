//! One sandbox's memory limit: its linear memories and its tables together.

use super::code::Needs;
use super::engine::TABLE_ELEMENTS;
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
    needs: Needs,
    /// What all of them have now.
    held: u64,
    /// What the memory that may grow next was last given, and takes back if it can't.
    given: u64,
}

impl Limiter {
    pub(super) fn new(shared: Arc<Shared>, limit: u64, needs: Needs) -> Self {
        Self { shared, limit, needs, held: 0, given: 0 }
    }

    fn take(&mut self, more: u64) -> bool {
        let total = self.held.saturating_add(more);
        if total > self.limit {
            self.shared.refuse();
            return false;
        }
        (self.held, self.given) = (total, more);
        self.shared.holds(total);
        true
    }
}

impl ResourceLimiter for Limiter {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        if maximum.is_some_and(|maximum| desired > maximum) {
            // Beyond what the module or the slot allows: it will fail without us.
            self.shared.refuse();
            return Ok(false);
        }
        Ok(self.take(desired.saturating_sub(current) as u64))
    }

    fn memory_grow_failed(&mut self, error: wasmtime::Error) -> wasmtime::Result<()> {
        tracing::debug!("a wasm memory can't grow: {error:#}");
        self.held = self.held.saturating_sub(std::mem::take(&mut self.given));
        self.shared.holds(self.held);
        self.shared.refuse();
        Ok(())
    }

    fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        if desired > maximum.unwrap_or(usize::MAX).min(TABLE_ELEMENTS) {
            self.shared.refuse();
            return Ok(false);
        }
        Ok(self.take(table_bytes(desired.saturating_sub(current) as u64)))
    }

    fn memories(&self) -> usize {
        self.needs.memories as usize
    }

    fn tables(&self) -> usize {
        self.needs.tables as usize
    }

    fn instances(&self) -> usize {
        self.needs.instances as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memories_and_tables_share_one_limit_and_a_failed_grow_is_given_back() {
        let shared = Arc::new(Shared::default());
        let needs = Needs { least: 0, enough: 0, memories: 2, tables: 1, instances: 2 };
        let mut limiter = Limiter::new(Arc::clone(&shared), 1000, needs);
        assert!(limiter.memory_growing(0, 400, None).unwrap());
        assert!(limiter.memory_growing(0, 400, None).unwrap());
        assert!(limiter.table_growing(0, 10, None).unwrap());
        assert_eq!((shared.held(), shared.refused()), (880, false));
        assert!(!limiter.memory_growing(400, 600, None).unwrap());
        assert_eq!((shared.held(), shared.refused()), (880, true));
        assert!(limiter.memory_growing(400, 500, None).unwrap());
        limiter.memory_grow_failed(wasmtime::Error::msg("the kernel has none")).unwrap();
        assert_eq!(shared.held(), 880);
        assert!(limiter.memory_growing(400, 500, None).unwrap());
        assert_eq!(shared.held(), 980);
    }
}
