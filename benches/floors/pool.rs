//! One event of the pool at 1,000,000 sandboxes against one at 100: a warm hit, of one function and of any.

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
    let rate = "pool hits on one core against 2,000,000/s";
    if !plan.wants(&one) && !plan.wants(&any) && !plan.wants(rate) {
        return Ok(());
    }
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
    if plan.wants(rate) {
        let mut rounds = Rounds::new();
        rounds.add(2e6, 1e9 / scattered.kiln());
        table.row(rate, Unit::Rate, &rounds, Promise::AtLeast(1.0));
    }
    Ok(())
}

/// A pool with an idle sandbox for each function, and a host that does at once what it says.
struct World {
    pool: Pool,
    now: Time,
    functions: Vec<FunctionId>,
    random: u64,
}

impl World {
    fn new(sandboxes: usize) -> Result<Self> {
        let budget = MEMORY * sandboxes as u64;
        let pool = Pool::new(PoolConfig { budget, ..PoolConfig::default() });
        let mut world = Self { pool, now: Time(0), functions: Vec::new(), random: 0x9e37_79b9_7f4a_7c15 };
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
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        let at = (u128::from(self.random) * self.functions.len() as u128) >> 64;
        self.functions.get(at as usize).copied()
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
