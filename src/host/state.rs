//! What lies under the host's one short lock: the pool, and beside it the sandboxes at rest and the callers that wait.

use super::registry::{Load, Revised};
use super::sandbox::{Life, Sharing};
use crate::error::{Error, ErrorKind};
use crate::invocation::Start;
use crate::pool::{Action, Fate, FunctionId, JobId, Kind, Pool, Refusal, SandboxId, Target, Time, Why};
use std::collections::HashMap;
use std::sync::Arc;
use tokio::sync::oneshot;
use tokio::task::AbortHandle;

/// What a job waits for.
pub(super) enum Grant {
    /// A sandbox to run in.
    Run(Run),
    /// The job has ended without one.
    Refused(Refused),
}

/// A job's sandbox.
pub(super) struct Run {
    pub(super) life: Box<Life>,
    pub(super) start: Start,
}

/// Why a job got none.
pub(super) enum Refused {
    /// Its revision was replaced or taken away, or the host is closing.
    Closed,
    /// Anything else.
    Because(Error),
}

/// What is to be done outside the lock.
pub(super) enum Work {
    Start {
        sandbox: SandboxId,
        revised: Arc<Revised>,
    },
    Pause {
        life: Box<Life>,
    },
    Remove {
        life: Box<Life>,
        why: Why,
    },
    /// A revision that nothing runs any more: unmapping its module takes longer than the lock should be held.
    Forget(Arc<Revised>),
}

/// Sandboxes started ahead, by kind and memory, and how many.
type Stock = ((Kind, u64), u32);

pub(super) struct State {
    pub(super) pool: Pool,
    functions: Vec<Option<Arc<Revised>>>,
    /// What is started ahead, by kind and memory.
    kinds: HashMap<(Kind, u64), Arc<Revised>>,
    /// Stem cells that are kept ready: what runtimes and the functions on them ask for together.
    stems: HashMap<(Kind, u64), u32>,
    pub(super) next_kind: u32,
    /// Snapshots that are being taken.
    pub(super) snapshots: HashMap<FunctionId, AbortHandle>,
    sandboxes: Vec<Option<Box<Life>>>,
    jobs: Vec<Option<oneshot::Sender<Grant>>>,
    /// Why starts failed whose jobs have yet to hear of it; emptied with each event.
    pub(super) failure: Option<(SandboxId, Error)>,
    pub(super) closed: bool,
    pub(super) credits: u64,
}

impl State {
    pub(super) fn new(pool: Pool, next_kind: u32) -> Self {
        Self {
            pool,
            functions: Vec::new(),
            kinds: HashMap::new(),
            stems: HashMap::new(),
            next_kind,
            snapshots: HashMap::new(),
            sandboxes: Vec::new(),
            jobs: Vec::new(),
            failure: None,
            closed: false,
            credits: 0,
        }
    }

    /// Makes a revision known by the pool's names for it.
    pub(super) fn know(&mut self, revised: Arc<Revised>) {
        if !revised.is_of_runtime() {
            self.kinds.insert(revised.stock(), revised.clone());
        }
        let index = revised.id.index();
        if let Some(slot) = slot(&mut self.functions, index) {
            *slot = Some(revised);
        }
    }

    /// Makes known what a runtime's stem cells are started from.
    pub(super) fn know_base(&mut self, base: Arc<Revised>) {
        self.kinds.entry(base.stock()).or_insert(base);
    }

    /// A revision takes the place of another: that one gets no new jobs, and nothing is started ahead for it any more.
    /// The new one with how many sandboxes are to be kept ready for it.
    pub(super) fn replace(&mut self, now: Time, new: Option<(&Revised, u32)>, old: Option<&Revised>) {
        let stem = |of: &Revised| of.is_of_runtime();
        if let Some((new, count)) = new.filter(|(new, count)| !stem(new) && *count > 0) {
            self.pool.set_prewarm(now, new.kind, new.memory, count, Some(new.id));
        }
        let wanted = new.filter(|(new, _)| stem(new)).map(|(new, count)| (new.stock(), count));
        let given_up = old.filter(|old| stem(old)).map(|old| (old.stock(), old.function.prewarm));
        self.rewarm(now, wanted, given_up);
        if let Some(old) = old {
            if !stem(old) {
                self.pool.set_prewarm(now, old.kind, old.memory, 0, Some(old.id));
            }
            if let Some(snapshot) = self.snapshots.remove(&old.id) {
                snapshot.abort();
            }
            self.pool.retire_function(now, old.id);
        }
    }

    /// No snapshot that is being taken is wanted any more.
    pub(super) fn stop_snapshots(&mut self) {
        self.snapshots.drain().for_each(|(_, snapshot)| snapshot.abort());
    }

    /// Stem cells are asked for beside those that are kept ready already, and others aren't any more.
    pub(super) fn rewarm(&mut self, now: Time, more: Option<Stock>, less: Option<Stock>) {
        // Both are counted before the pool hears of either: where they are of one kind, none is started or removed in vain.
        if let Some((stock, count)) = more {
            let kept = self.stems.entry(stock).or_default();
            *kept = kept.saturating_add(count);
        }
        if let Some((stock, count)) = less {
            let kept = self.stems.entry(stock).or_default();
            *kept = kept.saturating_sub(count);
        }
        for ((kind, memory), _) in more.into_iter().chain(less) {
            let count = self.stems.get(&(kind, memory)).copied().unwrap_or_default();
            self.pool.set_prewarm(now, kind, memory, count, None);
        }
    }

    /// Lays a sandbox at rest in its slot, and a way into one beside it.
    pub(super) fn put(&mut self, mut life: Box<Life>) {
        let index = life.id.index();
        if let Sharing::Lane { .. } = life.sharing {
            life.leave();
            if let Some(Some(base)) = self.sandboxes.get_mut(index)
                && base.id == life.id
            {
                base.rejoin(life);
            }
            return;
        }
        if let Some(slot) = slot(&mut self.sandboxes, index) {
            *slot = Some(life);
        }
    }

    /// Takes a sandbox from its slot, if it is the one meant and at rest.
    fn take(&mut self, sandbox: SandboxId) -> Option<Box<Life>> {
        let slot = self.sandboxes.get_mut(sandbox.index())?;
        if slot.as_ref()?.id != sandbox {
            return None;
        }
        let mut life = slot.take()?;
        life.alone_again();
        Some(life)
    }

    /// Takes what a job is to run in: the sandbox, or a way into one that is shared.
    fn take_for_job(&mut self, sandbox: SandboxId) -> Option<Box<Life>> {
        let slot = self.sandboxes.get_mut(sandbox.index())?;
        let life = slot.as_mut().filter(|life| life.id == sandbox)?;
        if let Load::Stem = life.revised.load
            && let Some(function) = self.pool.serves(sandbox)
            && let Some(Some(revised)) = self.functions.get(function.index())
        {
            life.adopt(revised);
        }
        if life.revised.function.limits.concurrency == 1 {
            return slot.take();
        }
        let lane = life.lane();
        if lane.is_none() {
            // Dropped, it ends.
            *slot = None;
        }
        lane
    }

    /// From now on `job` hears by the receiver what becomes of it.
    pub(super) fn wait(&mut self, job: JobId) -> oneshot::Receiver<Grant> {
        let (sender, receiver) = oneshot::channel();
        if let Some(slot) = slot(&mut self.jobs, job.index()) {
            *slot = Some(sender);
        }
        receiver
    }

    /// Nobody waits for `job` any more.
    pub(super) fn forget_job(&mut self, job: JobId) {
        if let Some(slot) = self.jobs.get_mut(job.index()) {
            *slot = None;
        }
    }

    /// Carries out what the pool has decided, as far as that needs no waiting, and returns the rest. What `own` is
    /// granted is returned beside it, all other jobs hear of theirs by their channel.
    pub(super) fn carry_out(&mut self, now: Time, own: Option<JobId>) -> (Option<Grant>, Vec<Work>) {
        let mut granted = None;
        let mut work = Vec::new();
        while let Some(action) = self.pool.pop_action() {
            match action {
                Action::Assign { job, sandbox, start, .. } => {
                    let Some(life) = self.take_for_job(sandbox) else {
                        // The pool hands out only what is at rest; were it ever wrong, the job is not lost.
                        tracing::error!(?sandbox, "a sandbox was assigned that isn't here");
                        self.pool.reschedule(now, sandbox, job);
                        self.pool.removed(now, sandbox);
                        continue;
                    };
                    let grant = Grant::Run(Run { life, start });
                    if own == Some(job) {
                        granted = Some(grant);
                    } else if let Some(Grant::Run(run)) = self.tell(job, grant) {
                        // The caller went away at this very moment; the sandbox never saw its request.
                        let held = run.life.held();
                        self.put(run.life);
                        self.pool.released(now, sandbox, job, held, Fate::Keep);
                    }
                }
                Action::Refuse { job, why } => {
                    let grant = Grant::Refused(self.refused(why));
                    if own == Some(job) {
                        granted = Some(grant);
                    } else {
                        self.tell(job, grant);
                    }
                }
                Action::Start { sandbox, target } => {
                    let revised = match target {
                        Target::Function(function) => self.functions.get(function.index()).cloned().flatten(),
                        Target::Prewarm(kind, memory) => self.kinds.get(&(kind, memory)).cloned(),
                    };
                    match revised {
                        Some(revised) => work.push(Work::Start { sandbox, revised }),
                        None => self.pool.start_failed(now, sandbox),
                    }
                }
                Action::Pause { sandbox } => match self.take(sandbox) {
                    Some(life) => work.push(Work::Pause { life }),
                    None => self.pool.removed(now, sandbox),
                },
                Action::Remove { sandbox, why } => match self.take(sandbox) {
                    Some(life) => work.push(Work::Remove { life, why }),
                    None => self.pool.removed(now, sandbox),
                },
                Action::Credit(jobs) => self.credits += u64::from(jobs),
                Action::Forget { function } => {
                    if let Some(slot) = self.functions.get_mut(function.index())
                        && let Some(revised) = slot.take()
                    {
                        if !revised.is_of_runtime() {
                            self.kinds.remove(&revised.stock());
                        }
                        work.push(Work::Forget(revised));
                    }
                }
                Action::Closed => self.closed = true,
            }
        }
        self.failure = None;
        (granted, work)
    }

    /// Tells a waiting caller. Gives the grant back where nobody listens any more.
    fn tell(&mut self, job: JobId, grant: Grant) -> Option<Grant> {
        match self.jobs.get_mut(job.index()).and_then(Option::take) {
            Some(caller) => caller.send(grant).err(),
            None => Some(grant),
        }
    }

    fn refused(&self, why: Refusal) -> Refused {
        let error = match why {
            Refusal::Closed => return Refused::Closed,
            Refusal::Impossible { needs, budget } => Error::new(
                ErrorKind::Impossible,
                format!(
                    "a sandbox of this function needs {needs} bytes, but the whole budget is {budget} bytes: \
                     lower the function's `memory` or raise the host's"
                ),
            ),
            Refusal::QueueFull => Error::new(
                ErrorKind::Overloaded,
                "as many requests wait for a sandbox as may (`max_waiting`): try again later",
            ),
            Refusal::StartFailed(sandbox) => match &self.failure {
                Some((failed, error)) if *failed == sandbox => error.clone(),
                _ => Error::internal("the sandbox could not be started"),
            },
            Refusal::Lost => Error::unavailable("the sandbox was removed while the request ran"),
        };
        Refused::Because(error)
    }
}

/// The entry at `index` of a table that grows with the pool's dense ids.
fn slot<T>(table: &mut Vec<Option<T>>, index: usize) -> Option<&mut Option<T>> {
    if table.len() <= index {
        table.resize_with(index + 1, || None);
    }
    table.get_mut(index)
}
