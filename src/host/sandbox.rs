//! One sandbox's life on the host: the backend's sandbox with its format's session, and when it was started.

use super::lanes::{Gate, Lanes};
use super::registry::Revised;
use crate::backend::{Logs, Phases, Sandbox};
use crate::format::Session;
use crate::invocation::{InvocationId, Lines, Start};
use crate::pool::{SandboxId, Time};
use std::sync::Arc;
use std::time::Duration;

/// A started sandbox. Whoever holds it has it alone; at rest it lies in its slot.
pub(super) struct Life {
    pub(super) id: SandboxId,
    pub(super) revised: Arc<Revised>,
    pub(super) sandbox: Box<dyn Sandbox>,
    pub(super) session: Session,
    pub(super) logs: Arc<Logs>,
    pub(super) phases: Phases,
    /// When its start began.
    pub(super) began: Time,
    /// Whether it has been handed to a job before.
    pub(super) used: bool,
    /// Whether it is a runtime that has yet to load its function's code.
    pub(super) blank: bool,
    /// Whether it is frozen. Kept here and not taken from the pool: whoever was granted it may go away before thawing it.
    pub(super) paused: bool,
    pub(super) sharing: Sharing,
}

/// Who else is in a sandbox.
pub(super) enum Sharing {
    /// Nobody: whoever holds it has it alone.
    Alone,
    /// Those who hold its lanes. It stays in its slot meanwhile.
    Base(Lanes),
    /// This is such a lane, with whom it serves and whether it can be used again.
    Lane { gate: Arc<Gate>, serving: Option<InvocationId>, spoiled: bool },
}

impl Life {
    /// What it is charged at rest, in bytes.
    pub(super) fn held(&self) -> u64 {
        self.sandbox.held().min(self.revised.memory)
    }

    /// What it writes from now on is this invocation's.
    pub(super) fn serve(&mut self, id: InvocationId, lines: Option<&Arc<Lines>>) {
        match &mut self.sharing {
            Sharing::Lane { serving, .. } => {
                *serving = Some(id);
                self.logs.join(id, lines);
            }
            Sharing::Alone | Sharing::Base(_) => self.logs.serve(id, lines),
        }
    }

    /// The invocation that it served has ended.
    pub(super) fn leave(&mut self) {
        if let Sharing::Lane { serving, .. } = &mut self.sharing
            && let Some(id) = serving.take()
        {
            self.logs.leave(id);
        }
    }

    /// It can't be used again. Of a sandbox that is shared that is only this way into it.
    pub(super) fn spoil(&mut self) {
        if let Sharing::Lane { spoiled, .. } = &mut self.sharing {
            *spoiled = true;
        }
    }

    /// Where others may have to be waited for before it serves.
    pub(super) fn gate(&self) -> Option<&Arc<Gate>> {
        if let Sharing::Lane { gate, .. } = &self.sharing { Some(gate) } else { None }
    }

    /// How much of the time between `arrival` and `now` went into starting it, for the job that it is handed to.
    pub(super) fn start_seen_since(&self, arrival: Time, now: Time) -> Duration {
        if self.used { Duration::ZERO } else { now.since(self.began.max(arrival)) }
    }

    /// Whether it serves its first job right from its start. One that has lain idle since may have died of anything.
    pub(super) fn is_fresh(&self, start: Start) -> bool {
        !self.used && matches!(start, Start::Cold | Start::Recreated | Start::Warming)
    }
}
