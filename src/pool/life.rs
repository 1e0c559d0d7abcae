//! What happens to sandboxes: they start or fail to, are paused, are lost, and are gone.

use super::Pool;
use super::entities::{Phase, Sandbox};
use super::types::{Refusal, SandboxId, Time, Why};

impl Pool {
    /// A sandbox has started; at rest it holds `charge` bytes.
    pub fn ready(&mut self, now: Time, sandbox: SandboxId, charge: u64) {
        let now = self.at(now);
        let Some((index, known)) = self.known(sandbox, |phase| phase == Phase::Starting) else { return };
        let (of, poisoned) = (known.function(), known.poisoned);
        let Some(origin) = self.origins.get_mut(index as usize) else { return };
        let (rest, took) = (charge.min(origin.memory), now.since(origin.started));
        origin.rest = rest;
        let Some(of) = of else {
            self.prewarmed(now, index, rest);
            self.schedule(now);
            self.finish(None);
            return;
        };
        self.change(index, |sandbox| {
            sandbox.phase = Phase::Running;
        });
        if let Some(mut function) = self.functions.get_mut(of) {
            function.coming -= 1;
            function.hot.has_started(took);
        }
        if poisoned {
            self.remove(index, Why::Poisoned);
            self.balance(now, of);
        } else {
            self.serve(now, index, true);
        }
        self.schedule(now);
    }

    /// A sandbox could not be started, and nothing of it is left. The jobs that waited for it get its error
    /// (`SEEDS.md W22`).
    pub fn start_failed(&mut self, now: Time, sandbox: SandboxId) {
        let now = self.at(now);
        let Some((index, known)) = self.known(sandbox, |phase| phase == Phase::Starting) else { return };
        let (of, entry) = (known.function(), self.entry_of(index));
        self.forget_sandbox(index);
        if let Some(entry) = entry {
            self.prewarm_failed(now, entry);
        }
        if let Some(of) = of {
            let served = self.functions.get(of).map_or(0, |function| function.spec.concurrency);
            for _ in 0..served {
                let Some(job) = self.functions.get(of).and_then(|function| function.covered.front()) else {
                    break;
                };
                self.refuse(job, Refusal::StartFailed(sandbox));
            }
            self.balance(now, of);
        }
        self.schedule(now);
        self.finish(of);
    }

    /// A sandbox has been paused.
    pub fn paused(&mut self, now: Time, sandbox: SandboxId) {
        let now = self.at(now);
        let Some((index, known)) = self.known(sandbox, |phase| phase == Phase::Pausing) else { return };
        let (Some(of), poisoned) = (known.function(), known.poisoned) else { return };
        if poisoned {
            self.remove(index, Why::Poisoned);
            self.balance(now, of);
            self.schedule(now);
            return;
        }
        self.change(index, |sandbox| sandbox.phase = Phase::Paused);
        if let Some(mut function) = self.functions.get_mut(of) {
            function.coming -= 1;
            function.pausing -= 1;
        }
        self.shelve_paused(index);
        self.wake_covered(now, index, of);
        self.balance(now, of);
        self.schedule(now);
    }

    /// A sandbox was found dead or can't be trusted: it is removed as soon as no job runs in it, and a starting or
    /// pausing one as soon as it has started or is paused.
    pub fn lost(&mut self, now: Time, sandbox: SandboxId) {
        let now = self.at(now);
        let Some((index, known)) = self.known(sandbox, |phase| phase != Phase::Removing) else { return };
        let (of, busy) = (known.function(), known.active() > 0);
        let later = busy || matches!(known.phase, Phase::Starting | Phase::Pausing);
        if let Some(sandbox) = self.sandboxes.get_mut(index) {
            sandbox.poisoned = true;
        }
        if !later {
            self.remove(index, Why::Poisoned);
        } else if busy {
            self.unshelve(index);
        }
        if let Some(of) = of {
            self.balance(now, of);
        }
        self.schedule(now);
    }

    /// Nothing is left of a sandbox, asked for or not (`SEEDS.md D7`, `W16`). Jobs that ran in it are refused as `Lost`.
    pub fn removed(&mut self, now: Time, sandbox: SandboxId) {
        let now = self.at(now);
        let Some((index, known)) = self.known(sandbox, |_| true) else { return };
        if known.phase == Phase::Starting {
            return self.start_failed(now, sandbox);
        }
        let of = known.function();
        while let Some(job) = self.sandboxes.get(index).and_then(|sandbox| sandbox.jobs.front()) {
            self.part(index, job);
            self.refuse(job, Refusal::Lost);
        }
        self.forget_sandbox(index);
        if let Some(of) = of {
            self.balance(now, of);
        }
        self.schedule(now);
        self.finish(of);
    }

    /// A sandbox that is here and in a phase in which the event makes sense. Anything else is a message from the past or
    /// from nowhere, and changes nothing (`SEEDS.md D6`).
    fn known(&self, sandbox: SandboxId, fits: impl Fn(Phase) -> bool) -> Option<(u32, &Sandbox)> {
        let known = self.sandboxes.get(sandbox.index)?;
        (self.sandboxes.has(sandbox.index, sandbox.generation) && fits(known.phase))
            .then_some((sandbox.index, known))
    }
}
