//! The test's hand on a fake backend: what shall go wrong, what shall wait, and what has happened.

use super::process::Process;
use crate::backend::Exit;
use crate::error::Error;
use parking_lot::Mutex;
use std::sync::{Arc, Weak};
use std::time::Duration;
use tokio::sync::watch;

/// Steers a [`Fake`](super::Fake) and counts what it did. Cheap to clone: all clones steer the same backend.
#[derive(Clone)]
pub struct Handle {
    pub(super) shared: Arc<Shared>,
}

/// What a fake backend has done, and what is alive of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Functions made ready.
    pub prepared: u64,
    /// Snapshots taken.
    pub snapshots: u64,
    /// Starts asked for, whatever became of them.
    pub starts: u64,
    /// Starts under way.
    pub starting: usize,
    /// Starts that failed.
    pub failed: u64,
    /// Sandboxes that have started and of which something is left, ones being removed included.
    pub living: usize,
    /// Sandboxes being removed.
    pub removing: usize,
    /// Sandboxes removed through [`Sandbox::remove`](crate::backend::Sandbox::remove).
    pub removed: u64,
    /// Sandboxes dropped without it: whoever drove them forgot to remove them.
    pub dropped: u64,
    /// One-shot processes launched.
    pub launches: u64,
    /// Pauses that succeeded.
    pub pauses: u64,
    /// Resumes that succeeded.
    pub resumes: u64,
    /// Bytes that starting and living sandboxes may take together: the sum of their limits.
    pub memory: u64,
    /// The most that `memory` has ever been.
    pub peak_memory: u64,
    /// The most that `starting` and `living` together have ever been.
    pub peak_sandboxes: usize,
}

/// What the backend and its handle share.
pub(super) struct Shared {
    pub(super) counts: watch::Sender<Counts>,
    pub(super) starts: Gate,
    pub(super) removals: Gate,
    pub(super) snapshots: Gate,
    pub(super) steering: Mutex<Steering>,
    processes: Mutex<Vec<Weak<Process>>>,
}

/// What shall happen from now on.
#[derive(Default)]
pub(super) struct Steering {
    pub(super) latency: Duration,
    pub(super) removal_latency: Duration,
    pub(super) start_errors: Errors,
    pub(super) pause_errors: Errors,
    pub(super) resume_errors: Errors,
    pub(super) down: Option<Error>,
    pub(super) resting: Option<u64>,
    pub(super) prewarms_oneshot: Option<bool>,
}

/// An error for so many attempts.
#[derive(Default)]
pub(super) struct Errors(Option<(usize, Error)>);

impl Errors {
    fn set(&mut self, times: usize, error: Error) {
        self.0 = Some((times, error));
    }

    /// The error of this attempt, if it shall fail.
    pub(super) fn next(&mut self) -> Option<Error> {
        let (times, error) = self.0.as_mut().filter(|(times, _)| *times > 0)?;
        *times -= 1;
        Some(error.clone())
    }
}

/// Lets everything pass, or nothing until it is let go. `None` is open; `Some(n)` lets `n` more pass.
pub(super) struct Gate(watch::Sender<Option<usize>>);

impl Gate {
    fn open() -> Self {
        Self(watch::Sender::new(None))
    }

    fn try_pass(&self) -> bool {
        let mut passed = true;
        self.0.send_if_modified(|gate| match gate {
            None => false,
            Some(0) => {
                passed = false;
                false
            }
            Some(left) => {
                *left -= 1;
                true
            }
        });
        passed
    }

    /// Completes when the gate lets one through.
    pub(super) async fn pass(&self) {
        let mut changes = self.0.subscribe();
        while !self.try_pass() {
            if changes.changed().await.is_err() {
                return;
            }
        }
    }

    fn hold(&self) {
        self.0.send_modify(|gate| *gate = Some(gate.unwrap_or(0)));
    }

    fn let_through(&self, more: usize) {
        self.0.send_modify(|gate| *gate = gate.map(|left| left.saturating_add(more)));
    }

    fn let_go(&self) {
        self.0.send_replace(None);
    }
}

impl Shared {
    pub(super) fn new() -> Self {
        Self {
            counts: watch::Sender::new(Counts::default()),
            starts: Gate::open(),
            removals: Gate::open(),
            snapshots: Gate::open(),
            steering: Mutex::default(),
            processes: Mutex::default(),
        }
    }

    /// Counts something that has happened.
    pub(super) fn count(&self, change: impl FnOnce(&mut Counts)) {
        self.counts.send_modify(|counts| {
            change(counts);
            counts.peak_memory = counts.peak_memory.max(counts.memory);
            counts.peak_sandboxes = counts.peak_sandboxes.max(counts.starting + counts.living);
        });
    }

    /// Puts a new process within the handle's reach.
    pub(super) fn register(&self, process: &Arc<Process>) {
        let mut processes = self.processes.lock();
        processes.retain(|known| known.strong_count() > 0);
        processes.push(Arc::downgrade(process));
    }

    fn end(&self, which: impl Fn(&Process) -> bool, exit: &Exit, silent: bool) -> usize {
        let processes: Vec<_> = self.processes.lock().iter().filter_map(Weak::upgrade).collect();
        let chosen = processes.iter().filter(|process| process.exit().is_none() && which(process));
        chosen.map(|process| process.end(exit.clone(), silent)).count()
    }
}

impl Handle {
    /// What has happened so far.
    pub fn counts(&self) -> Counts {
        *self.shared.counts.borrow()
    }

    /// Waits until the counts are as a test needs them, and returns them.
    pub async fn until(&self, reached: impl FnMut(&Counts) -> bool) -> Counts {
        let mut counts = self.shared.counts.subscribe();
        let mut reached = reached;
        // The sender lives as long as this handle.
        match counts.wait_for(|counts| reached(counts)).await {
            Ok(counts) => *counts,
            Err(_) => self.counts(),
        }
    }

    /// From now on each start takes this long, beyond the guest's own initialisation.
    pub fn start_latency(&self, latency: Duration) {
        self.shared.steering.lock().latency = latency;
    }

    /// From now on each removal takes this long.
    pub fn removal_latency(&self, latency: Duration) {
        self.shared.steering.lock().removal_latency = latency;
    }

    /// From now on starts hang, until [`let_starts_go`](Self::let_starts_go).
    pub fn hold_starts(&self) {
        self.shared.starts.hold();
    }

    /// Lets this many of the starts that hang, or will, go on.
    pub fn let_starts_through(&self, starts: usize) {
        self.shared.starts.let_through(starts);
    }

    /// Lets all starts go on.
    pub fn let_starts_go(&self) {
        self.shared.starts.let_go();
    }

    /// The next starts fail with this error, after any latency and hold. `usize::MAX` times is for ever; 0 ends it.
    pub fn fail_starts(&self, times: usize, error: Error) {
        self.shared.steering.lock().start_errors.set(times, error);
    }

    /// The next pauses fail with this error.
    pub fn fail_pauses(&self, times: usize, error: Error) {
        self.shared.steering.lock().pause_errors.set(times, error);
    }

    /// The next resumes fail with this error.
    pub fn fail_resumes(&self, times: usize, error: Error) {
        self.shared.steering.lock().resume_errors.set(times, error);
    }

    /// From now on removals hang, until [`let_removals_go`](Self::let_removals_go). What is being removed is dead,
    /// but its memory is still taken.
    pub fn hold_removals(&self) {
        self.shared.removals.hold();
    }

    /// Lets this many of the removals that hang, or will, go on.
    pub fn let_removals_through(&self, removals: usize) {
        self.shared.removals.let_through(removals);
    }

    /// Lets all removals go on.
    pub fn let_removals_go(&self) {
        self.shared.removals.let_go();
    }

    /// From now on snapshots hang, until [`let_snapshots_go`](Self::let_snapshots_go).
    pub fn hold_snapshots(&self) {
        self.shared.snapshots.hold();
    }

    /// Lets all snapshots go on.
    pub fn let_snapshots_go(&self) {
        self.shared.snapshots.let_go();
    }

    /// The backend goes away, as a daemon does: checks and starts fail with this error until [`up`](Self::up).
    pub fn down(&self, error: Error) {
        self.shared.steering.lock().down = Some(error);
    }

    /// The backend is back.
    pub fn up(&self) {
        self.shared.steering.lock().down = None;
    }

    /// Every sandbox at rest holds this many bytes, if its limit is not less. `None`: what its guest took, plus
    /// [`OVERHEAD`](super::OVERHEAD), of a module; the limit, of an image.
    pub fn resting_memory(&self, bytes: Option<u64>) {
        self.shared.steering.lock().resting = bytes;
    }

    /// Whether one-shot functions can be prewarmed, for those prepared from now on. Modules can, images can't, unless said.
    pub fn prewarms_oneshot(&self, can: bool) {
        self.shared.steering.lock().prewarms_oneshot = Some(can);
    }

    /// Every sandbox at rest ends now, by itself. Returns how many that were.
    pub fn kill_idle(&self, exit: Exit) -> usize {
        self.shared.end(Process::rests, &exit, false)
    }

    /// As [`kill_idle`](Self::kill_idle), but nobody is told: only who looks at a sandbox before using it finds out.
    pub fn kill_idle_silently(&self, exit: Exit) -> usize {
        self.shared.end(Process::rests, &exit, true)
    }

    /// Every sandbox ends now, whatever it does. Returns how many that were.
    pub fn kill_all(&self, exit: Exit) -> usize {
        self.shared.end(|_| true, &exit, false)
    }
}

impl std::fmt::Debug for Handle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Handle").field("counts", &self.counts()).finish_non_exhaustive()
    }
}
