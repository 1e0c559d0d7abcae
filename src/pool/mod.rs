//! Decides which sandbox serves which job, what is started, paused, evicted and removed. Pure: no I/O, no clock.

#[cfg(test)]
mod tests;
mod types;

pub use types::*;

/// The pool: events in, actions out.
#[derive(Debug)]
pub struct Pool {}

/// One function in figures.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FunctionFigures {
    /// Sandboxes that run a job.
    pub active: u32,
    /// Warm sandboxes that run none, paused ones included.
    pub idle: u32,
    /// Of those, the paused ones.
    pub paused: u32,
    /// Sandboxes being started for its jobs.
    pub starting: u32,
    /// Jobs that wait.
    pub waiting: u32,
}

impl Pool {
    /// An empty pool.
    pub fn new(config: PoolConfig) -> Self {
        let _ = config;
        todo!()
    }
    /// Makes a function known.
    pub fn add_function(&mut self, spec: FunctionSpec) -> FunctionId {
        let _ = spec;
        todo!()
    }
    /// No new jobs for a function; those that wait or run are served, its idle sandboxes removed, then `Forget`.
    pub fn retire_function(&mut self, now: Time, function: FunctionId) {
        let _ = (now, function);
        todo!()
    }
    /// Keep `count` sandboxes of a kind and memory ready (`SEEDS.md W3`). `owner`: the one function that the kind serves, whose
    /// `max_sandboxes` bounds taken and ready ones together.
    pub fn set_prewarm(&mut self, now: Time, kind: Kind, memory: u64, count: u32, owner: Option<FunctionId>) {
        let _ = (now, kind, memory, count, owner);
        todo!()
    }
    /// Changes the budget. A smaller one evicts idle sandboxes; nothing that runs is stopped.
    pub fn set_budget(&mut self, now: Time, bytes: u64) {
        let _ = (now, bytes);
        todo!()
    }
    /// A job arrives. It ends with `Assign` and then `released`, with `Refuse`, or with `cancel`.
    pub fn submit(&mut self, now: Time, function: FunctionId) -> JobId {
        let _ = (now, function);
        todo!()
    }
    /// A waiting job's caller is gone. False where the job doesn't wait (any more).
    pub fn cancel(&mut self, now: Time, job: JobId) -> bool {
        let _ = (now, job);
        todo!()
    }
    /// A sandbox has started; at rest it holds `charge` bytes.
    pub fn ready(&mut self, now: Time, sandbox: SandboxId, charge: u64) {
        let _ = (now, sandbox, charge);
        todo!()
    }
    /// A sandbox could not be started, and nothing of it is left.
    pub fn start_failed(&mut self, now: Time, sandbox: SandboxId) {
        let _ = (now, sandbox);
        todo!()
    }
    /// A job has ended in its sandbox, which at rest holds `charge` bytes.
    pub fn released(&mut self, now: Time, sandbox: SandboxId, job: JobId, charge: u64, fate: Fate) {
        let _ = (now, sandbox, job, charge, fate);
        todo!()
    }
    /// A job's sandbox was dead before the job began (`SEEDS.md W17`): the job goes back to the head, the sandbox is removed.
    pub fn reschedule(&mut self, now: Time, sandbox: SandboxId, job: JobId) {
        let _ = (now, sandbox, job);
        todo!()
    }
    /// A sandbox has been paused.
    pub fn paused(&mut self, now: Time, sandbox: SandboxId) {
        let _ = (now, sandbox);
        todo!()
    }
    /// A sandbox was found dead or can't be trusted: it is removed as soon as no job runs in it.
    pub fn lost(&mut self, now: Time, sandbox: SandboxId) {
        let _ = (now, sandbox);
        todo!()
    }
    /// Nothing is left of a sandbox, asked for or not (`SEEDS.md D7`).
    pub fn removed(&mut self, now: Time, sandbox: SandboxId) {
        let _ = (now, sandbox);
        todo!()
    }
    /// Time has passed.
    pub fn tick(&mut self, now: Time) {
        let _ = now;
        todo!()
    }
    /// When `tick` is due next; `None`: not before another event.
    pub fn next_tick(&self) -> Option<Time> {
        todo!()
    }
    /// No new jobs. Those that wait or run are served, then every sandbox is removed, then `Closed`.
    pub fn close(&mut self, now: Time) {
        let _ = now;
        todo!()
    }
    /// The next thing to do.
    pub fn pop_action(&mut self) -> Option<Action> {
        todo!()
    }
    /// The pool in figures.
    pub fn figures(&self) -> Figures {
        todo!()
    }
    /// One function in figures.
    pub fn function_figures(&self, function: FunctionId) -> Option<FunctionFigures> {
        let _ = function;
        todo!()
    }
}
