//! What one decision of the pool costs, at 100, 10,000 and 1,000,000 sandboxes: a warm hit of one function, of functions
//! as they are asked for (Zipf) and of any of them alike, a miss that evicts, an idle timeout. Each hit is the whole of
//! it: `submit`, `Assign`, `released`, `Credit`. `KILN_BENCH_SHORT=1` is a quick look that stops at 100,000.
//!
//! Each function has one sandbox, and one function has none, so that a miss evicts another function's, which is then
//! the next to miss. The sizes take turns in each round, so that noise on the machine hits all of them alike.

use kiln::pool::{Action, Fate, FunctionId, FunctionSpec, JobId, Pool, PoolConfig, SandboxId, Time, Why};
use std::hint::black_box;
use std::time::{Duration, Instant};

const MEMORY: u64 = 1 << 20;
/// What a cold start takes, in the pool's own time.
const START: Duration = Duration::from_micros(50);

/// A pool full of idle sandboxes, and a host that does at once what it says.
struct World {
    pool: Pool,
    now: Time,
    functions: Vec<FunctionId>,
    /// The function of each sandbox, by the sandbox's index.
    of: Vec<Option<FunctionId>>,
    homeless: Option<FunctionId>,
    random: u64,
}

impl World {
    fn new(sandboxes: usize) -> Self {
        let budget = MEMORY * sandboxes as u64;
        let mut world = Self {
            pool: Pool::new(PoolConfig { budget, ..PoolConfig::default() }),
            now: Time(0),
            functions: Vec::new(),
            of: Vec::new(),
            homeless: None,
            random: 0x9e37_79b9_7f4a_7c15,
        };
        for _ in 0..sandboxes {
            let function = world.deploy();
            world.functions.push(function);
            world.call(function);
        }
        world.homeless = Some(world.deploy());
        world
    }

    fn deploy(&mut self) -> FunctionId {
        self.pool.add_function(FunctionSpec {
            memory: MEMORY,
            concurrency: 1,
            max_sandboxes: 4,
            max_uses: None,
            idle_timeout: Duration::from_secs(600),
            pause_after: None,
            kind: None,
        })
    }

    fn pass(&mut self, time: Duration) {
        self.now = self.now + time;
    }

    /// One job from its arrival to its end, whatever has to be started or removed for it. True for a warm hit.
    fn call(&mut self, function: FunctionId) -> bool {
        self.pass(Duration::from_nanos(500));
        self.pool.submit(self.now, function);
        let mut warm = true;
        while let Some(action) = self.pool.pop_action() {
            match action {
                Action::Assign { job, sandbox, .. } => self.end(job, sandbox),
                Action::Start { sandbox, .. } => {
                    warm = false;
                    self.start(sandbox, function);
                }
                Action::Remove { sandbox, why } => self.remove(sandbox, why),
                _ => {}
            }
        }
        warm
    }

    fn end(&mut self, job: JobId, sandbox: SandboxId) {
        self.pool.released(self.now, sandbox, job, MEMORY, Fate::Keep);
    }

    fn start(&mut self, sandbox: SandboxId, function: FunctionId) {
        if self.of.len() <= sandbox.index() {
            self.of.resize(sandbox.index() + 1, None);
        }
        if let Some(of) = self.of.get_mut(sandbox.index()) {
            *of = Some(function);
        }
        self.pass(START);
        self.pool.ready(self.now, sandbox, MEMORY);
    }

    fn remove(&mut self, sandbox: SandboxId, why: Why) {
        if why == Why::Evicted {
            self.homeless = self.of.get(sandbox.index()).copied().flatten();
        }
        self.pool.removed(self.now, sandbox);
    }

    /// A number from 0 to below 1.
    fn draw(&mut self) -> f64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        (self.random >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// The function at a place, unless it has no sandbox.
    fn warm(&self, at: usize) -> Option<FunctionId> {
        self.functions.get(at).copied().filter(|function| Some(*function) != self.homeless)
    }

    /// Any function, each as likely as the others.
    fn any(&mut self) -> Option<FunctionId> {
        let at = self.draw() * self.functions.len() as f64;
        self.warm(at as usize)
    }

    /// A function by Zipf's law with exponent 1: the k-th as likely as 1 in k. They are strewn over the tables.
    fn popular(&mut self) -> Option<FunctionId> {
        let count = self.functions.len();
        let rank = ((count as f64 + 1.0).ln() * self.draw()).exp() as usize;
        self.warm(rank * 7_919 % count)
    }

    /// Warm hits of one function among all.
    fn hot(&mut self, calls: usize) -> f64 {
        let Some(function) = self.any().or_else(|| self.any()) else { return f64::NAN };
        self.call(function);
        timed(calls, || black_box(self.call(function)))
    }

    /// Warm hits of functions as they are asked for: a few often, most seldom.
    fn zipf(&mut self, calls: usize) -> f64 {
        self.drawn(calls, Self::popular)
    }

    /// Warm hits of functions drawn at random: every one finds the caches cold where the pool is large.
    fn scattered(&mut self, calls: usize) -> f64 {
        self.drawn(calls, Self::any)
    }

    fn drawn(&mut self, calls: usize, draw: impl Fn(&mut Self) -> Option<FunctionId>) -> f64 {
        let drawn: Vec<_> = std::iter::repeat_with(|| draw(self)).flatten().take(calls).collect();
        let mut next = drawn.into_iter();
        timed(calls, || next.next().is_some_and(|function| black_box(self.call(function))))
    }

    /// Misses that evict.
    fn misses(&mut self, calls: usize) -> f64 {
        timed(calls, || match self.homeless {
            Some(function) => !black_box(self.call(function)),
            None => false,
        })
    }

    /// Idle timeouts, one sandbox each; then as many are started again, off the clock.
    fn timeouts(&mut self, ticks: usize) -> f64 {
        let mut gone = Vec::with_capacity(ticks);
        let begin = Instant::now();
        while gone.len() < ticks
            && let Some(due) = self.pool.next_tick()
        {
            self.now = self.now.max(due);
            self.pool.tick(self.now);
            while let Some(action) = self.pool.pop_action() {
                if let Action::Remove { sandbox, .. } = action {
                    self.pool.removed(self.now, sandbox);
                    gone.push(sandbox);
                }
            }
        }
        let each = begin.elapsed().as_nanos() as f64 / gone.len().max(1) as f64;
        let functions: Vec<_> =
            gone.iter().filter_map(|sandbox| self.of.get(sandbox.index()).copied().flatten()).collect();
        for function in functions {
            self.call(function);
        }
        each
    }
}

/// Nanoseconds of one call; not a number if one of them didn't do what is measured.
fn timed(calls: usize, mut call: impl FnMut() -> bool) -> f64 {
    let begin = Instant::now();
    let mut all = true;
    for _ in 0..calls {
        all &= call();
    }
    let nanos = begin.elapsed().as_nanos() as f64;
    if all { nanos / calls as f64 } else { f64::NAN }
}

/// A quarter, a half and three quarters of the rounds took no longer; and the least.
fn summary(rounds: &mut [f64]) -> [f64; 4] {
    rounds.sort_by(f64::total_cmp);
    [rounds.len() / 4, rounds.len() / 2, rounds.len() * 3 / 4, 0]
        .map(|index| rounds.get(index).copied().unwrap_or(f64::NAN))
}

/// What is measured: its name, how, and how many calls of it make a round.
type Case = (&'static str, fn(&mut World, usize) -> f64, usize);

fn main() {
    let short = std::env::var_os("KILN_BENCH_SHORT").is_some_and(|value| value == "1");
    let sizes: [usize; 3] = if short { [100, 10_000, 100_000] } else { [100, 10_000, 1_000_000] };
    let rounds = if short { 5 } else { 31 };
    let cases: [Case; 5] = [
        ("warm hit, one function", World::hot, 20_000),
        ("warm hit, Zipf(1.0)", World::zipf, 20_000),
        ("warm hit, any function", World::scattered, 20_000),
        ("miss with eviction", World::misses, 5_000),
        ("idle timeout", World::timeouts, 50),
    ];
    let mut worlds: Vec<_> = sizes.iter().map(|&size| World::new(size)).collect();
    let mut measured = vec![vec![Vec::with_capacity(rounds); sizes.len()]; cases.len()];
    // Timeouts first: each warm hit leaves an early entry in the timers, which is looked at and set anew by a later tick.
    let (hits, timeouts) = cases.split_at(4);
    let (hit_times, timeout_times) = measured.split_at_mut(4);
    for (cases, measured) in [(timeouts, timeout_times), (hits, hit_times)] {
        for _ in 0..rounds {
            for ((_, run, calls), by_size) in cases.iter().zip(&mut *measured) {
                for (world, times) in worlds.iter_mut().zip(by_size) {
                    times.push(run(world, *calls));
                }
            }
        }
    }
    println!("{rounds} rounds, the sizes in turn; `ratio` is of the medians, against the fewest sandboxes\n");
    println!(
        "{:<24} {:>10} {:>8} {:>18} {:>8} {:>12} {:>7}",
        "", "sandboxes", "ns", "p25 to p75", "least", "a second", "ratio"
    );
    for ((name, ..), by_size) in cases.iter().zip(&mut measured) {
        let mut first = None;
        for (size, times) in sizes.iter().zip(by_size) {
            let [quarter, median, three_quarters, least] = summary(times);
            let base = *first.get_or_insert(median);
            let spread = format!("{quarter:.0} to {three_quarters:.0}");
            println!(
                "{name:<24} {size:>10} {median:>8.0} {spread:>18} {least:>8.0} {:>12.0} {:>7.2}",
                1e9 / median,
                median / base
            );
        }
    }
}
