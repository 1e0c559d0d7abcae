//! Wakes the pool when it asked to be, and only then.

use super::Shared;
use super::state::State;
use crate::pool::Time;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::time::Duration;

/// No alarm is set.
const NEVER: u64 = u64::MAX;

impl Shared {
    /// Sets the alarm earlier if the pool asks for it. Called with the lock held, so that alarms are set in order.
    pub(super) fn arm(&self, state: &State) {
        if let Some(Time(due)) = state.pool.next_tick()
            && due < self.alarm.load(Ordering::Relaxed)
        {
            self.alarm.store(due, Ordering::Relaxed);
            self.alarm_moved.notify_one();
        }
    }
}

/// Ticks for as long as the host lives.
pub(super) async fn run(host: Weak<Shared>) {
    loop {
        let Some(shared) = host.upgrade() else { return };
        let due = {
            let state = shared.state.lock();
            let due = state.pool.next_tick().map_or(NEVER, |Time(due)| due);
            shared.alarm.store(due, Ordering::Relaxed);
            due
        };
        let now = shared.now();
        if due <= now.0 {
            shared.event(|state, now| state.pool.tick(now));
            // A tick that is due again at once must not keep its worker to itself.
            tokio::task::yield_now().await;
            continue;
        }
        let moved = shared.alarm_moved.clone();
        drop(shared);
        let wait = if due == NEVER { Duration::from_secs(3600) } else { Time(due).since(now) };
        let _ = tokio::time::timeout(wait, moved.notified()).await;
    }
}

/// Keeps the timer's task no longer than the host.
pub(super) fn spawn(shared: &Arc<Shared>) {
    let host = Arc::downgrade(shared);
    shared.runtime.spawn(run(host));
}
