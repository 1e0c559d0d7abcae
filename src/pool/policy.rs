//! Eviction: which idle sandbox goes first, and how many go.
//!
//! Each function offers its longest idle sandbox, in a heap by priority that is mended late: an entry is looked at
//! only when it comes to the top, so that a warm hit doesn't touch the heap. An offer that falls below its entry gets a
//! new one at once, so the lowest is never missed.

use super::Pool;
use super::entities::{Phase, Shelf};
use super::functions::Hot;
use super::types::{Policy, Time, Why};
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// One function's offer: priority, since when it has been idle, function. Of those that fell idle in the same nanosecond
/// the one of the lower function goes first.
pub(super) type Offers = BinaryHeap<Reverse<(u64, Time, u32)>>;

/// What it saves to keep a sandbox that holds so many bytes. A warm start costs next to nothing beside any cold one. Fixed
/// point: 20 bits below a nanosecond for a byte.
#[inline]
pub(super) fn worth(function: &Hot, rest: u64) -> u64 {
    let (frequency, rest, live) =
        (u64::from(function.frequency), rest.max(1), u64::from(function.live.max(1)));
    let saved = function.cold.checked_mul(frequency).and_then(|saved| saved.checked_mul(1 << 20));
    if let (Some(saved), Some(share)) = (saved, rest.checked_mul(live)) {
        return saved / share;
    }
    let saved = (u128::from(frequency) * u128::from(function.cold)) << 20;
    u64::try_from(saved / (u128::from(rest) * u128::from(live))).unwrap_or(u64::MAX)
}

impl Pool {
    /// The priority of a sandbox that falls idle now: the lowest goes first.
    ///
    /// Greedy-Dual with a concurrency term (FaasCache, CIDRE): what it saves to keep it, for each byte that it holds,
    /// shared among the sandboxes of its function, above a clock that rises with each eviction, so that what is not
    /// used any more gets its turn.
    pub(super) fn priority(&self, now: Time, index: u32) -> u64 {
        if self.config.policy == Policy::Lru {
            return now.0;
        }
        let Some(sandbox) = self.sandboxes.get(index) else { return 0 };
        let Some(function) = sandbox.function().and_then(|function| self.functions.get(function)) else {
            return 0;
        };
        let rest = self.origins.get(index as usize).map_or(0, |origin| origin.rest);
        self.clock.saturating_add(worth(function.hot, rest))
    }

    /// Enters a function's longest idle sandbox in the heap, if it isn't there or has fallen.
    pub(super) fn offer(&mut self, index: u32) {
        let Some((offer, _)) = self.candidate(index, None) else { return };
        let Some(mut function) = self.functions.get_mut(index) else { return };
        if function.evict.is_none_or(|entered| offer < entered) {
            function.evict = Some(offer);
            function.hot.offered = offer.0;
            self.offers.push(Reverse((offer.0, offer.1, index)));
            self.tidy_offers();
        }
    }

    /// A function's idle sandbox of lowest priority, apart from one.
    fn candidate(&self, function: u32, apart: Option<u32>) -> Option<((u64, Time), u32)> {
        let function = self.functions.get(function)?;
        [function.hot.idle.back(), function.paused.back()]
            .into_iter()
            .flatten()
            .filter(|&sandbox| Some(sandbox) != apart)
            .filter_map(|index| {
                self.sandboxes.get(index).map(|sandbox| ((sandbox.priority, sandbox.idle_since), index))
            })
            .min()
    }

    /// Sees that `need` bytes will be free, by removing idle sandboxes other than `apart`: only the deficit
    /// (`SEEDS.md D3`), and none if all together are not enough (`W10`). True if anything was evicted.
    pub(super) fn make_room(&mut self, need: u64, apart: Option<u32>) -> bool {
        let ledger = &self.ledger;
        let wanted = need.saturating_add(ledger.charged);
        let coming = ledger.budget.saturating_add(ledger.removing.bytes);
        let deficit = wanted.saturating_sub(coming);
        if deficit == 0 {
            return false;
        }
        let spared = apart.and_then(|index| self.sandboxes.get(index)).map_or(0, |sandbox| sandbox.charge);
        let enough = deficit <= self.evictable().saturating_sub(spared);
        if enough {
            self.free(deficit, apart);
        }
        enough
    }

    /// What all idle and all prewarmed sandboxes together are charged.
    fn evictable(&self) -> u64 {
        self.ledger.idle.bytes + self.ledger.prewarmed.bytes
    }

    /// Evicts idle sandboxes other than `apart` until `deficit` bytes are freed, and no more than it takes.
    fn free(&mut self, deficit: u64, apart: Option<u32>) {
        let mut victims = Vec::new();
        let mut freed = 0;
        let mut skipped = Vec::new();
        while freed < deficit
            && let Some(victim) = self.next_victim(apart, &mut skipped)
        {
            let charge = self.sandboxes.get(victim).map_or(0, |sandbox| sandbox.charge);
            freed += charge;
            victims.push((victim, charge));
        }
        for function in skipped {
            self.offer(function);
        }
        // The last one taken may make earlier ones needless: those worth most are spared first.
        let mut evicted = Vec::new();
        for (victim, charge) in victims.into_iter().rev() {
            if freed - charge >= deficit {
                freed -= charge;
                self.put_back(victim);
            } else {
                evicted.push(victim);
            }
        }
        for victim in evicted.into_iter().rev() {
            self.clock = self.clock.max(self.sandboxes.get(victim).map_or(0, |sandbox| sandbox.priority));
            self.evict(victim);
        }
        // Prewarmed ones only when the idle ones don't suffice (`SEEDS.md W11`).
        while freed < deficit
            && let Some(victim) = self.prewarmed_victim(apart)
        {
            freed += self.sandboxes.get(victim).map_or(0, |sandbox| sandbox.charge);
            self.evict(victim);
        }
    }

    fn evict(&mut self, victim: u32) {
        let of = self.sandboxes.get(victim).and_then(|sandbox| sandbox.function());
        self.evicted += 1;
        self.remove(victim, Why::Evicted);
        if let Some(of) = of {
            self.reindex(of);
        }
    }

    /// Takes the idle sandbox of lowest priority from its shelf.
    fn next_victim(&mut self, apart: Option<u32>, skipped: &mut Vec<u32>) -> Option<u32> {
        loop {
            let Reverse((priority, since, index)) = self.offers.pop()?;
            let Some(mut function) = self.functions.get_mut(index) else { continue };
            if function.evict != Some((priority, since)) {
                continue;
            }
            function.evict = None;
            function.hot.offered = u64::MAX;
            let Some((offer, victim)) = self.candidate(index, apart) else {
                skipped.push(index);
                continue;
            };
            if offer > (priority, since) {
                self.offer(index);
                continue;
            }
            self.unshelve(victim);
            self.offer(index);
            return Some(victim);
        }
    }

    /// Lays a spared victim back to where it was: it is the longest idle of its function.
    fn put_back(&mut self, index: u32) {
        let Some(sandbox) = self.sandboxes.get_mut(index) else { return };
        let paused = sandbox.phase == Phase::Paused;
        sandbox.shelf = if paused { Shelf::Paused } else { Shelf::Idle };
        let Some(of) = sandbox.function() else { return };
        if let Some(mut function) = self.functions.get_mut(of) {
            let list = if paused { &mut function.paused } else { &mut function.hot.idle };
            list.push_back(&mut self.sandboxes, index);
        }
        self.offer(of);
    }

    /// Gives back what a smaller budget has taken away, as far as idle sandboxes go.
    pub(super) fn shrink_to_budget(&mut self) {
        let kept = self.ledger.charged.saturating_sub(self.ledger.removing.bytes);
        let over = kept.saturating_sub(self.ledger.budget).min(self.evictable());
        if over > 0 {
            self.free(over, None);
        }
    }

    /// Drops the heap's stale entries once they are the most of it.
    fn tidy_offers(&mut self) {
        if self.offers.len() > 64 + 2 * self.functions.len() {
            let functions = &self.functions;
            self.offers.retain(|Reverse((priority, since, function))| {
                functions.get(*function).is_some_and(|function| function.evict == Some((*priority, *since)))
            });
        }
    }
}
