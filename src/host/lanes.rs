//! Several invocations in one sandbox: each has a way into it of its own, and what has to be done once is done by the first.
//!
//! The sandbox itself stays in its slot while its lanes are out. It is thawed and given its code by whoever comes first,
//! and the others wait at the gate meanwhile; where that fails they hear it too (`SEEDS.md W22`), and where whoever did it
//! went away in the middle, they go elsewhere.

use super::sandbox::{Life, Sharing};
use crate::error::Error;
use crate::format::Session;
use parking_lot::Mutex;
use std::sync::Arc;
use tokio::sync::Notify;

/// What a shared sandbox has beside itself.
pub(super) struct Lanes {
    gate: Arc<Gate>,
    /// Ways that nobody goes now, the last used one last.
    #[allow(clippy::vec_box, reason = "they are handed out as they lie")]
    idle: Vec<Box<Life>>,
}

/// Where those wait who come while the sandbox is made ready.
pub(super) struct Gate {
    standing: Mutex<Standing>,
    moved: Notify,
}

enum Standing {
    Open,
    /// Whoever comes first has to see to this.
    Shut(Undone),
    Opening,
    /// It will never open; the function's own error, if it was that.
    Broken(Option<Error>),
}

/// What has to be done before requests can be served.
#[derive(Clone, Copy, Default)]
pub(super) struct Undone {
    pub(super) paused: bool,
    pub(super) blank: bool,
}

/// What somebody finds who comes to the gate.
pub(super) enum Entry {
    Open,
    First(Key, Undone),
    Broken(Option<Error>),
}

/// Held by whoever makes the sandbox ready. Dropped before it has opened the gate, nobody knows how far that went.
pub(super) struct Key(Option<Arc<Gate>>);

impl Gate {
    fn new(undone: Undone) -> Arc<Self> {
        Arc::new(Self { standing: Mutex::new(Standing::after(undone)), moved: Notify::new() })
    }

    /// Waits until it is open, or is to be opened by the caller.
    pub(super) async fn enter(self: &Arc<Self>) -> Entry {
        loop {
            let moved = self.moved.notified();
            let mut moved = std::pin::pin!(moved);
            moved.as_mut().enable();
            {
                let mut standing = self.standing.lock();
                match &*standing {
                    Standing::Open => return Entry::Open,
                    Standing::Broken(why) => return Entry::Broken(why.clone()),
                    Standing::Shut(undone) => {
                        let undone = *undone;
                        *standing = Standing::Opening;
                        return Entry::First(Key(Some(self.clone())), undone);
                    }
                    Standing::Opening => {}
                }
            }
            moved.await;
        }
    }

    /// What is still to be done, where nobody is in the middle of it.
    fn undone(&self) -> Undone {
        match &*self.standing.lock() {
            Standing::Shut(undone) => *undone,
            Standing::Open | Standing::Opening | Standing::Broken(_) => Undone::default(),
        }
    }

    fn becomes(&self, standing: Standing) {
        *self.standing.lock() = standing;
        self.moved.notify_waiters();
    }
}

impl Standing {
    fn after(undone: Undone) -> Self {
        if undone.paused || undone.blank { Self::Shut(undone) } else { Self::Open }
    }
}

impl Key {
    /// The sandbox is ready for everybody.
    pub(super) fn open(mut self) {
        if let Some(gate) = self.0.take() {
            gate.becomes(Standing::Open);
        }
    }

    /// The function's code can't be loaded.
    pub(super) fn fail(mut self, why: Error) {
        if let Some(gate) = self.0.take() {
            gate.becomes(Standing::Broken(Some(why)));
        }
    }
}

impl Drop for Key {
    fn drop(&mut self) {
        if let Some(gate) = self.0.take() {
            gate.becomes(Standing::Broken(None));
        }
    }
}

impl Life {
    /// A way into it for one more invocation. `None` where its backend makes none.
    pub(super) fn lane(&mut self) -> Option<Box<Self>> {
        if let Sharing::Alone = self.sharing {
            let undone = Undone { paused: self.paused, blank: self.blank };
            self.sharing = Sharing::Base(Lanes { gate: Gate::new(undone), idle: Vec::new() });
        }
        let Sharing::Base(lanes) = &mut self.sharing else { return None };
        if std::mem::take(&mut self.paused) {
            let blank = lanes.gate.undone().blank;
            lanes.gate.becomes(Standing::Shut(Undone { paused: true, blank }));
        }
        if let Some(lane) = lanes.idle.pop() {
            return Some(lane);
        }
        let gate = lanes.gate.clone();
        let lane = Box::new(Self {
            id: self.id,
            revised: self.revised.clone(),
            sandbox: self.sandbox.lane()?,
            session: Session::new(self.revised.function.format),
            logs: self.logs.clone(),
            phases: self.phases,
            began: self.began,
            used: self.used,
            blank: false,
            paused: false,
            sharing: Sharing::Lane { gate, serving: None, spoiled: false },
        });
        self.used = true;
        Some(lane)
    }

    /// Nobody is in it any more: what is still to be done is its own matter again.
    pub(super) fn alone_again(&mut self) {
        if let Sharing::Base(lanes) = &self.sharing {
            let undone = lanes.gate.undone();
            self.paused |= undone.paused;
            self.blank = undone.blank;
        }
    }

    /// A way into it is free again.
    pub(super) fn rejoin(&mut self, lane: Box<Self>) {
        let Sharing::Base(lanes) = &mut self.sharing else { return };
        let Sharing::Lane { spoiled, .. } = lane.sharing else { return };
        // What its start was made of is known once its code is loaded.
        self.phases = lane.phases;
        if !spoiled {
            lanes.idle.push(lane);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    fn poll(entry: std::pin::Pin<&mut impl Future<Output = Entry>>) -> Poll<Entry> {
        entry.poll(&mut Context::from_waker(Waker::noop()))
    }

    fn first(gate: &Arc<Gate>) -> Key {
        match poll(pin!(gate.enter())) {
            Poll::Ready(Entry::First(key, undone)) if undone.blank && !undone.paused => key,
            _ => panic!("the first one makes it ready"),
        }
    }

    #[test]
    fn who_comes_while_it_is_made_ready_waits_for_that() {
        let gate = Gate::new(Undone { blank: true, paused: false });
        let key = first(&gate);
        let mut second = pin!(gate.enter());
        assert!(poll(second.as_mut()).is_pending());
        key.open();
        assert!(matches!(poll(second), Poll::Ready(Entry::Open)));
        assert!(matches!(poll(pin!(gate.enter())), Poll::Ready(Entry::Open)), "and it stays open");
    }

    #[test]
    fn w22_a_failure_to_load_is_everybodys() {
        let gate = Gate::new(Undone { blank: true, paused: false });
        let key = first(&gate);
        let mut second = pin!(gate.enter());
        assert!(poll(second.as_mut()).is_pending());
        key.fail(Error::failed("no main"));
        for entry in [poll(second), poll(pin!(gate.enter()))] {
            assert!(
                matches!(entry, Poll::Ready(Entry::Broken(Some(why))) if why.to_string().contains("no main"))
            );
        }
    }

    #[test]
    fn e10_who_goes_away_in_the_middle_leaves_it_to_nobody() {
        let gate = Gate::new(Undone { blank: true, paused: false });
        let key = first(&gate);
        let mut second = pin!(gate.enter());
        assert!(poll(second.as_mut()).is_pending());
        drop(key);
        assert!(matches!(poll(second), Poll::Ready(Entry::Broken(None))));
    }
}
