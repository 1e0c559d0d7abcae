//! The pool in figures (`SEEDS.md W19`): read off the books, never counted.

use super::Pool;
use super::types::{Figures, FunctionFigures, FunctionId, SandboxId};

impl Pool {
    /// The pool in figures.
    pub fn figures(&self) -> Figures {
        let ledger = &self.ledger;
        Figures {
            budget: ledger.budget,
            charged: ledger.charged,
            waiting: self.waiting,
            waiting_memory: self.waiting_memory,
            active: ledger.active.count,
            active_memory: ledger.active.bytes,
            prewarmed: ledger.prewarmed.count + ledger.ahead.count,
            prewarmed_memory: ledger.prewarmed.bytes + ledger.ahead.bytes,
            prewarming: ledger.ahead.count,
            idle: ledger.idle.count + ledger.pausing.count,
            idle_memory: ledger.idle.bytes + ledger.pausing.bytes,
            starting: ledger.starting.count,
            starting_memory: ledger.starting.bytes,
            removing: ledger.removing.count,
            removing_memory: ledger.removing.bytes,
            waited: self.waited,
            ended: self.ended,
            evicted: self.evicted,
        }
    }

    /// The function that a sandbox serves. `None` for one started ahead that nobody has taken yet.
    pub fn serves(&self, sandbox: SandboxId) -> Option<FunctionId> {
        let known = self.sandboxes.get(sandbox.index)?;
        let index = known.function().filter(|_| self.sandboxes.has(sandbox.index, sandbox.generation))?;
        Some(FunctionId { index, generation: self.functions.generation(index) })
    }

    /// One function in figures.
    pub fn function_figures(&self, function: FunctionId) -> Option<FunctionFigures> {
        let known = self.functions.get(function.index)?;
        self.functions.has(function.index, function.generation).then(|| {
            let idle = known.hot.idle.len() + known.paused.len();
            FunctionFigures {
                active: known.hot.live - known.coming - idle,
                idle: idle + known.pausing,
                paused: known.paused.len(),
                starting: known.coming - known.pausing,
                waiting: known.line.len(),
            }
        })
    }
}
