//! A warm hit allocates nothing in the pool (`DESIGN.md`, "The pool"). Counted for the thread that asks: the test
//! harness has others.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

use kiln::pool::{Action, Fate, FunctionId, FunctionSpec, JobId, Policy, Pool, PoolConfig, SandboxId, Time};
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::hint::black_box;
use std::time::Duration;

/// The system's allocator, counting.
struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
}

fn count() {
    ALLOCATIONS.with(|all| all.set(all.get() + 1));
}

/// What this thread has allocated so far.
fn counted() -> usize {
    ALLOCATIONS.with(Cell::get)
}

#[allow(unsafe_code, reason = "the trait is unsafe; each call is handed on as it came")]
// SAFETY: the system's allocator keeps the contract, and nothing is changed on the way to it.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller's promise is the one that is asked for.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: as above; every block came from the system's allocator.
        unsafe { System.dealloc(block, layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count();
        // SAFETY: as above.
        unsafe { System.realloc(block, layout, size) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

const MEMORY: u64 = 1 << 20;

/// A pool with a few functions, each with as many idle sandboxes as it takes jobs at once in [`World::burst`].
struct World {
    pool: Pool,
    now: Time,
    functions: Vec<FunctionId>,
    running: Vec<(SandboxId, JobId)>,
}

impl World {
    fn new(policy: Policy, concurrency: u32) -> Self {
        let pool = Pool::new(PoolConfig { budget: 1_000 * MEMORY, policy, ..PoolConfig::default() });
        let mut world = Self { pool, now: Time(0), functions: Vec::new(), running: Vec::with_capacity(64) };
        for _ in 0..100 {
            world.functions.push(world.pool.add_function(FunctionSpec {
                memory: MEMORY,
                concurrency,
                max_sandboxes: 3,
                max_uses: None,
                idle_timeout: Duration::from_secs(600),
                pause_after: Some(Duration::from_secs(60)),
                kind: None,
            }));
        }
        world
    }

    /// Three jobs at once, and then their ends. True if none of them needed a start.
    fn burst(&mut self, at: usize) -> bool {
        let mut warm = true;
        for _ in 0..3 {
            self.now = self.now + Duration::from_nanos(700);
            self.pool.submit(self.now, self.functions[at % self.functions.len()]);
            warm &= self.carry_out();
        }
        while let Some((sandbox, job)) = self.running.pop() {
            self.now = self.now + Duration::from_nanos(300);
            self.pool.released(self.now, sandbox, job, MEMORY / 2, Fate::Keep);
            warm &= self.carry_out();
        }
        warm
    }

    fn carry_out(&mut self) -> bool {
        let mut warm = true;
        while let Some(action) = self.pool.pop_action() {
            match action {
                Action::Assign { job, sandbox, .. } => self.running.push((sandbox, job)),
                Action::Start { sandbox, .. } => {
                    warm = false;
                    self.now = self.now + Duration::from_micros(20);
                    self.pool.ready(self.now, sandbox, MEMORY / 2);
                }
                Action::Credit(_) => {}
                other => panic!("nothing else is to be done: {other:?}"),
            }
        }
        warm
    }
}

#[test]
fn a_warm_hit_allocates_nothing() {
    let before = counted();
    drop(black_box(Box::new(before)));
    assert!(counted() > before, "allocations are counted");

    for (policy, concurrency) in [(Policy::Cost, 1), (Policy::Lru, 1), (Policy::Cost, 2)] {
        let mut world = World::new(policy, concurrency);
        for at in 0..1_000 {
            world.burst(at);
        }
        let before = counted();
        let mut warm = true;
        for at in 0..20_000 {
            warm &= world.burst(at * 7);
        }
        let allocated = counted() - before;
        assert!(warm, "{policy:?}, {concurrency} at once: every job is a warm hit");
        assert_eq!(allocated, 0, "{policy:?}, {concurrency} at once: allocations in 60,000 warm hits");
    }
}
