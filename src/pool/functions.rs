//! What the pool keeps of each function, in two tables: what a warm hit reads and writes fits one cache line, and the lines
//! lie side by side, since with a million functions the pages that they are spread over cost as much as the lines.

use super::list::List;
use super::slab::Slab;
use super::types::{FunctionSpec, Time};
use std::ops::{Deref, DerefMut};
use std::time::Duration;

/// What a warm hit needs of a function.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub(super) struct Hot {
    /// Nothing but idle sandboxes: no job waits, none of its sandboxes is open to more jobs, and it isn't retired. May be
    /// false where it could be true; then a hit takes the long way ([`super::warm`]).
    pub(super) calm: bool,
    /// Whether its timer is due before any sandbox of it that falls idle from now on. May be false where it could be true.
    pub(super) armed: bool,
    /// Whether its sandboxes run one job at once, and any number after each other.
    pub(super) plain: bool,
    pub(super) retired: bool,
    /// Sandboxes that count against its maximum.
    pub(super) live: u32,
    /// Running sandboxes without jobs, last used first.
    pub(super) idle: List,
    /// Times used since it last had no sandbox.
    pub(super) frequency: u32,
    /// The same as in its `spec`.
    pub(super) memory: u64,
    /// What a cold start takes, as measured, in nanoseconds.
    pub(super) cold: u64,
    /// What a job takes in its sandbox, as measured, in nanoseconds.
    pub(super) run: u64,
    /// The priority in `evict`; all ones without.
    pub(super) offered: u64,
}

/// The rest of it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cold {
    pub(super) spec: FunctionSpec,
    /// Jobs that wait for sandboxes on their way, oldest first.
    pub(super) covered: List,
    /// Jobs that wait for room or for a free sandbox, oldest first.
    pub(super) line: List,
    /// Paused sandboxes, last paused first.
    pub(super) paused: List,
    /// Sandboxes with jobs that can take more.
    pub(super) open: List,
    /// Sandboxes on their way: starting or being paused.
    pub(super) coming: u32,
    /// Of those, the ones being paused.
    pub(super) pausing: u32,
    /// Sandboxes known at all, those being removed included.
    pub(super) sandboxes: u32,
    /// The prewarm entry that serves it alone.
    pub(super) own_entry: Option<u32>,
    /// Its place in the host's line: order of arrival, and bytes needed.
    pub(super) waits: Option<(u64, u64)>,
    /// Its current entry in the eviction heap.
    pub(super) evict: Option<(u64, Time)>,
    /// When its entry in the timers is due.
    pub(super) timer: Option<Time>,
}

/// All functions.
#[derive(Debug, Default)]
pub(super) struct Functions {
    hot: Slab<Hot>,
    cold: Vec<Cold>,
}

/// One function.
#[derive(Clone, Copy, Debug)]
pub(super) struct Function<'a> {
    pub(super) hot: &'a Hot,
    pub(super) cold: &'a Cold,
}

/// One function, to be changed.
pub(super) struct FunctionMut<'a> {
    pub(super) hot: &'a mut Hot,
    pub(super) cold: &'a mut Cold,
}

impl Deref for Function<'_> {
    type Target = Cold;

    fn deref(&self) -> &Cold {
        self.cold
    }
}

impl Deref for FunctionMut<'_> {
    type Target = Cold;

    fn deref(&self) -> &Cold {
        self.cold
    }
}

impl DerefMut for FunctionMut<'_> {
    fn deref_mut(&mut self) -> &mut Cold {
        self.cold
    }
}

impl Functions {
    /// Makes one known, and says at which index and generation.
    pub(super) fn insert(&mut self, spec: FunctionSpec) -> (u32, u32) {
        let (index, generation) = self.hot.insert(Hot::new(&spec));
        match self.cold.get_mut(index as usize) {
            Some(cold) => *cold = Cold::new(spec),
            None => self.cold.push(Cold::new(spec)),
        }
        (index, generation)
    }

    /// Forgets one; its id is stale from now on.
    pub(super) fn remove(&mut self, index: u32) {
        self.hot.discard(index);
    }

    pub(super) fn get(&self, index: u32) -> Option<Function<'_>> {
        Some(Function { hot: self.hot.get(index)?, cold: self.cold.get(index as usize)? })
    }

    pub(super) fn get_mut(&mut self, index: u32) -> Option<FunctionMut<'_>> {
        Some(FunctionMut { hot: self.hot.get_mut(index)?, cold: self.cold.get_mut(index as usize)? })
    }

    /// What a warm hit needs of the one at an index.
    pub(super) fn hot(&mut self, index: u32) -> Option<&mut Hot> {
        self.hot.get_mut(index)
    }

    /// What a warm hit needs of the one that an index and a generation name.
    pub(super) fn find(&mut self, index: u32, generation: u32) -> Option<&mut Hot> {
        self.hot.find_mut(index, generation)
    }

    pub(super) fn generation(&self, index: u32) -> u32 {
        self.hot.generation(index)
    }

    pub(super) fn has(&self, index: u32, generation: u32) -> bool {
        self.hot.has(index, generation)
    }

    pub(super) fn len(&self) -> usize {
        self.hot.len()
    }

    /// The indices of all. A walk: for rare events only.
    pub(super) fn indices(&self) -> impl Iterator<Item = u32> {
        self.hot.iter().map(|(index, _)| index)
    }
}

impl Hot {
    fn new(spec: &FunctionSpec) -> Self {
        Self {
            calm: true,
            armed: false,
            plain: spec.concurrency == 1 && spec.max_uses.is_none(),
            retired: false,
            live: 0,
            idle: List::default(),
            frequency: 0,
            memory: spec.memory,
            cold: 0,
            run: 0,
            offered: u64::MAX,
        }
    }
}

impl Cold {
    fn new(spec: FunctionSpec) -> Self {
        Self {
            spec,
            covered: List::default(),
            line: List::default(),
            paused: List::default(),
            open: List::default(),
            coming: 0,
            pausing: 0,
            sandboxes: 0,
            own_entry: None,
            waits: None,
            evict: None,
            timer: None,
        }
    }

    /// Whether nothing of it keeps it from being calm.
    pub(super) fn is_quiet(&self) -> bool {
        self.covered.is_empty() && self.line.is_empty() && self.waits.is_none() && self.open.is_empty()
    }

    /// Jobs that its sandboxes on their way can take beyond those that wait for them already.
    pub(super) fn spare(&self) -> bool {
        self.capacity() > u64::from(self.covered.len())
    }

    /// Jobs that its sandboxes on their way can take.
    pub(super) fn capacity(&self) -> u64 {
        let each = self.spec.max_uses.map_or(self.spec.concurrency, |uses| uses.min(self.spec.concurrency));
        u64::from(self.coming) * u64::from(each)
    }

    /// How long an idle sandbox of it runs before it is paused or removed.
    pub(super) fn running(&self) -> Duration {
        let FunctionSpec { idle_timeout, pause_after, .. } = self.spec;
        pause_after.map_or(idle_timeout, |pause| pause.min(idle_timeout))
    }
}

impl Function<'_> {
    pub(super) fn has_room(&self) -> bool {
        self.hot.live < self.spec.max_sandboxes
    }

    /// Whether an idle sandbox of it is at hand.
    pub(super) fn first_idle(&self) -> Option<u32> {
        self.hot.idle.front().or(self.paused.front())
    }
}

#[cfg(test)]
mod tests {
    use super::Hot;

    #[test]
    fn a_function_is_one_line_to_a_warm_hit() {
        assert_eq!(size_of::<Hot>(), 56, "with its generation it fills a line of 64");
    }
}
