//! One event of the pool at 1,000,000 sandboxes against one at 100: a warm hit, of one function and of any.
//!
//! What any function costs is mostly memory: its state is in no cache. So there is a floor for that, too: one line of each
//! of two tables with an entry of one cache line for each sandbox, at an index drawn at random, as a pool needs it that
//! keeps a function's state in one line and its sandbox's in another.

use crate::Result;
use crate::plan::Plan;
use crate::stats::{Rounds, Unit};
use crate::table::{Promise, Table};
use kiln::pool::{Action, Fate, FunctionId, FunctionSpec, Pool, PoolConfig, Time};
use std::time::{Duration, Instant};

const MEMORY: u64 = 1 << 20;
const HITS: usize = 20_000;

pub(crate) fn rows(plan: &Plan, table: &mut Table) -> Result<()> {
    let (many, count) = plan.pick((100_000, "100,000"), (1_000_000, "1,000,000"));
    let one = format!("pool hit of one function, {count} against 100");
    let any = format!("pool hit of any function, {count} against 100");
    let lines = format!("pool hit of any, against 2 of {count} lines");
    let memory = format!("2 of {count} lines, against 2 of 100");
    let rate = "pool hits on one core against 2,000,000/s";
    if ![&one, &any, &lines, &memory, rate].into_iter().any(|case| plan.wants(case)) {
        return Ok(());
    }
    let (mut few_lines, mut many_lines) = (Lines::new(100), Lines::new(many));
    let (mut few, mut many) = (World::new(100)?, World::new(many)?);
    let count = plan.rounds(5, 51);
    let hot = Rounds::run(count, || few.hot(), || many.hot())?;
    let scattered = Rounds::run(count, || few.scattered(), || many.scattered())?;
    if plan.wants(&one) {
        table.row(&one, Unit::Time, &hot, Promise::AtMost(2.0));
    }
    if plan.wants(&any) {
        table.row(&any, Unit::Time, &scattered, Promise::AtMost(2.0));
    }
    if plan.wants(&lines) {
        let rounds = Rounds::run(count, || Ok(many_lines.touches()), || many.scattered())?;
        table.row(&lines, Unit::Time, &rounds, Promise::None);
    }
    if plan.wants(&memory) {
        let rounds = Rounds::run(count, || Ok(few_lines.touches()), || Ok(many_lines.touches()))?;
        table.row(&memory, Unit::Time, &rounds, Promise::None);
    }
    if plan.wants(rate) {
        let rounds = scattered.map(|_, each| (2e6, 1e9 / each));
        table.row(rate, Unit::Rate, &rounds, Promise::AtLeast(1.0));
    }
    Ok(())
}

/// Two tables, a cache line for each entry.
struct Lines {
    tables: [Vec<Line>; 2],
    random: Random,
}

#[derive(Clone, Default)]
#[repr(align(64))]
struct Line {
    next: u64,
}

impl Lines {
    fn new(entries: usize) -> Self {
        Self { tables: [0, 0].map(|next| vec![Line { next }; entries]), random: Random::default() }
    }

    /// Nanoseconds of touching a line of each. Where the next pair lies is known only when this one has come, as a call's
    /// end comes before the next call's begin; the two of a pair come at once.
    fn touches(&mut self) -> f64 {
        let [first, second] = &mut self.tables;
        let drawn: Vec<_> = std::iter::repeat_with(|| self.random.below(first.len())).take(HITS).collect();
        let began = Instant::now();
        // It stays 0, which the compiler doesn't know.
        let mut carry = 0;
        for at in drawn {
            let at = at + carry as usize;
            if let (Some(first), Some(second)) = (first.get_mut(at), second.get_mut(at)) {
                carry = first.next + second.next;
                (first.next, second.next) = (carry, carry);
            }
        }
        let each = began.elapsed().as_nanos() as f64 / HITS as f64;
        std::hint::black_box(carry);
        each
    }
}

/// Numbers that look drawn.
struct Random(u64);

impl Default for Random {
    fn default() -> Self {
        Self(0x9e37_79b9_7f4a_7c15)
    }
}

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        ((u128::from(self.0) * end as u128) >> 64) as usize
    }
}

/// A pool with an idle sandbox for each function, and a host that does at once what it says.
struct World {
    pool: Pool,
    now: Time,
    functions: Vec<FunctionId>,
    random: Random,
}

impl World {
    fn new(sandboxes: usize) -> Result<Self> {
        let budget = MEMORY * sandboxes as u64;
        let pool = Pool::new(PoolConfig { budget, ..PoolConfig::default() });
        let mut world = Self { pool, now: Time(0), functions: Vec::new(), random: Random::default() };
        for _ in 0..sandboxes {
            let function = world.pool.add_function(FunctionSpec {
                memory: MEMORY,
                concurrency: 1,
                max_sandboxes: 4,
                max_uses: None,
                idle_timeout: Duration::from_secs(600),
                pause_after: None,
                kind: None,
            });
            world.functions.push(function);
            if world.call(function) {
                return Err("a function without a sandbox had a warm hit".into());
            }
        }
        Ok(world)
    }

    /// One job from its arrival to its end. True for a warm hit.
    fn call(&mut self, function: FunctionId) -> bool {
        self.now = self.now + Duration::from_nanos(500);
        self.pool.submit(self.now, function);
        let mut warm = true;
        while let Some(action) = self.pool.pop_action() {
            match action {
                Action::Assign { job, sandbox, .. } => {
                    self.pool.released(self.now, sandbox, job, MEMORY, Fate::Keep);
                }
                Action::Start { sandbox, .. } => {
                    warm = false;
                    self.now = self.now + Duration::from_micros(50);
                    self.pool.ready(self.now, sandbox, MEMORY);
                }
                Action::Remove { sandbox, .. } => self.pool.removed(self.now, sandbox),
                _ => {}
            }
        }
        warm
    }

    fn any(&mut self) -> Option<FunctionId> {
        let at = self.random.below(self.functions.len());
        self.functions.get(at).copied()
    }

    fn hot(&mut self) -> Result<f64> {
        let function = self.any().ok_or("a pool without functions")?;
        self.call(function);
        self.hits(&[function; HITS])
    }

    fn scattered(&mut self) -> Result<f64> {
        let drawn: Vec<_> = std::iter::repeat_with(|| self.any()).flatten().take(HITS).collect();
        self.hits(&drawn)
    }

    fn hits(&mut self, functions: &[FunctionId]) -> Result<f64> {
        let began = Instant::now();
        let mut warm = true;
        for function in functions {
            warm &= self.call(*function);
        }
        let each = began.elapsed().as_nanos() as f64 / functions.len() as f64;
        if warm { Ok(each) } else { Err("a call of a function with an idle sandbox was no warm hit".into()) }
    }
}
