//! Runs whose records aren't there yet.

use crate::invocation::InvocationId;
use parking_lot::Mutex;
use std::collections::HashSet;
use std::sync::Arc;
use tokio::sync::Notify;

/// Runs that are under way. Cheap to clone.
#[derive(Clone, Default)]
pub(super) struct Pending {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    /// All of them, and those that are answered and only lack their record.
    runs: Mutex<(usize, HashSet<InvocationId>)>,
    changed: Notify,
}

/// One of them; it ends when this is dropped.
pub(super) struct Guard {
    shared: Arc<Shared>,
    id: InvocationId,
}

impl Pending {
    pub(super) fn begin(&self, id: InvocationId) -> Guard {
        self.shared.runs.lock().0 += 1;
        Guard { shared: self.shared.clone(), id }
    }

    /// Waits until there are none.
    pub(super) async fn none(&self) {
        self.until(|(runs, _)| *runs == 0).await;
    }

    /// Waits until a run that is answered has its record.
    pub(super) async fn recorded(&self, id: InvocationId) {
        self.until(|(_, answered)| !answered.contains(&id)).await;
    }

    /// Waits until the runs that are answered now have their records.
    pub(super) async fn settled(&self) {
        let now = self.shared.runs.lock().1.clone();
        self.until(|(_, answered)| answered.is_disjoint(&now)).await;
    }

    async fn until(&self, is: impl Fn(&(usize, HashSet<InvocationId>)) -> bool) {
        loop {
            let changed = self.shared.changed.notified();
            let mut changed = std::pin::pin!(changed);
            changed.as_mut().enable();
            if is(&self.shared.runs.lock()) {
                return;
            }
            changed.await;
        }
    }
}

impl Guard {
    /// Its caller has been answered: who asks for its record now waits for it.
    pub(super) fn answered(&self) {
        self.shared.runs.lock().1.insert(self.id);
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        let mut runs = self.shared.runs.lock();
        runs.0 = runs.0.saturating_sub(1);
        runs.1.remove(&self.id);
        drop(runs);
        self.shared.changed.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[tokio::test(start_paused = true)]
    async fn who_asks_for_a_record_waits_for_it_and_for_no_other() {
        let pending = Pending::default();
        let id = InvocationId::new();
        let guard = pending.begin(id);
        let other = pending.begin(InvocationId::new());
        let soon = Duration::from_millis(1);
        assert!(tokio::time::timeout(soon, pending.recorded(id)).await.is_ok(), "it isn't answered yet");
        guard.answered();
        assert!(tokio::time::timeout(soon, pending.recorded(id)).await.is_err());
        assert!(tokio::time::timeout(soon, pending.settled()).await.is_err());
        drop(guard);
        assert!(tokio::time::timeout(soon, pending.settled()).await.is_ok());
        assert!(tokio::time::timeout(soon, pending.none()).await.is_err());
        drop(other);
        pending.none().await;
    }
}
