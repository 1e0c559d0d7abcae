//! A million random events over fixed seeds, with every invariant checked after each; at the end of each seed all is
//! drained, each job has ended once, and nothing is charged.

use super::super::*;
use super::sim::{Event, Sim, State, ms, of};
use proptest::collection::vec;
use proptest::prelude::{ProptestConfig, any, proptest};
use proptest::test_runner::RngSeed;
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use std::time::Duration;

/// Seeds of one test, and events of one seed: a million in all.
const SEEDS: u64 = 20;
const EVENTS: u64 = 12_500;
const MEMORY: [u64; 7] = [40, 100, 100, 150, 250, 400, 700];

#[test]
fn a_quarter_of_a_million_events_by_default() {
    seeds(0, |config| {
        config.policy = Policy::Cost;
        config.wait_for_busy = true;
    });
}

#[test]
fn a_quarter_of_a_million_events_in_the_seeds_way() {
    seeds(1_000, |config| {
        config.policy = Policy::Lru;
        config.patience = Duration::ZERO;
    });
}

#[test]
fn a_quarter_of_a_million_events_with_prewarmed_ones_outside_the_budget() {
    seeds(2_000, |config| config.prewarm_outside_budget = true);
}

#[test]
fn a_quarter_of_a_million_events_with_short_lines() {
    seeds(3_000, |config| config.max_waiting = 4);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, rng_seed: RngSeed::Fixed(1), failure_persistence: None, ..ProptestConfig::default() })]

    /// Short histories, which shrink: each step is a number of its own, and can be left out.
    #[test]
    fn any_short_history_keeps_the_rules(seed in 0_u64..1_000, steps in vec(any::<u64>(), 0..200)) {
        let mut world = World::new(seed, |config| config.wait_for_busy = seed % 2 == 0);
        for step in steps {
            world.rng = SmallRng::seed_from_u64(step);
            world.step();
        }
        world.drain();
    }
}

fn seeds(first: u64, set: impl Fn(&mut PoolConfig)) {
    for seed in first..first + SEEDS {
        let mut world = World::new(seed, &set);
        while world.events < EVENTS {
            world.step();
        }
        world.drain();
    }
}

/// A simulated host, and chance.
struct World {
    sim: Sim,
    rng: SmallRng,
    seed: u64,
    functions: Vec<FunctionId>,
    /// Ids that were known once.
    stale: (Vec<SandboxId>, Vec<JobId>),
    events: u64,
}

impl Drop for World {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("seed {}, event {}", self.seed, self.events);
        }
    }
}

impl World {
    fn new(seed: u64, set: impl Fn(&mut PoolConfig)) -> Self {
        let mut rng = SmallRng::seed_from_u64(seed);
        let mut config = PoolConfig {
            budget: rng.random_range(800..2_000),
            patience: if rng.random() { ms(250) } else { Duration::ZERO },
            max_waiting: 25,
            policy: if rng.random() { Policy::Cost } else { Policy::Lru },
            prewarm_outside_budget: false,
            wait_for_busy: false,
        };
        set(&mut config);
        let sim = Sim::with(config);
        let stale = (Vec::new(), Vec::new());
        let mut world = Self { sim, rng, seed, functions: Vec::new(), stale, events: 0 };
        for _ in 0..6 {
            world.deploy();
        }
        world
    }

    fn chance(&mut self, percent: u32) -> bool {
        self.rng.random_range(0..100) < percent
    }

    fn event(&mut self, event: Event) {
        self.events += 1;
        self.sim.event(event);
    }

    fn deploy(&mut self) {
        let rng = &mut self.rng;
        let spec = FunctionSpec {
            concurrency: [1, 1, 2, 3][rng.random_range(0..4)],
            max_sandboxes: rng.random_range(1..8),
            max_uses: rng.random_bool(0.3).then(|| rng.random_range(1..5)),
            idle_timeout: ms(rng.random_range(5..500)),
            pause_after: rng.random_bool(0.5).then(|| ms(rng.random_range(1..300))),
            kind: rng.random_bool(0.7).then(|| Kind(rng.random_range(0..3))),
            ..of(MEMORY[rng.random_range(0..MEMORY.len())])
        };
        let id = self.sim.function(spec);
        self.functions.push(id);
    }

    /// One event, after some time or none.
    fn step(&mut self) {
        match self.rng.random_range(0..100) {
            0..60 => {}
            60..98 => self.sim.pass(Duration::from_micros(self.rng.random_range(1..5_000))),
            _ => self.sim.pass(ms(self.rng.random_range(1..400))),
        }
        if self.sim.pool.next_tick().is_some_and(|due| due <= self.sim.now) && self.chance(50) {
            return self.event(Event::Tick);
        }
        match self.rng.random_range(0..1_000) {
            0..380 => {
                let function = self.functions[self.rng.random_range(0..self.functions.len())];
                self.event(Event::Submit(function));
            }
            380..930 => self.progress(),
            930..945 => self.event(Event::Tick),
            945..960 => self.cancel(),
            960..968 => {
                let budget = self.rng.random_range(200..2_500);
                self.event(Event::SetBudget(budget));
            }
            968..976 => self.prewarm(),
            976..979 => self.redeploy(),
            _ => self.nonsense(),
        }
    }

    /// Something happens to one of the sandboxes.
    fn progress(&mut self) {
        let count = self.sim.sandboxes.iter().count();
        if count == 0 {
            return;
        }
        let nth = self.rng.random_range(0..count);
        let Some((id, sandbox)) = self.sim.sandboxes.iter().nth(nth) else { return };
        let (state, jobs, memory) = (sandbox.state, sandbox.active.len(), sandbox.memory);
        let job = (jobs > 0).then(|| sandbox.active[self.rng.random_range(0..jobs)]);
        let charge = [memory, memory / 4, memory / 2, memory * 2][self.rng.random_range(0..4)];
        let luck = self.rng.random_range(0..100);
        let event = match (state, job) {
            (State::Starting, _) => match luck {
                0..85 => Event::Ready(id, charge),
                85..94 => Event::StartFailed(id),
                94..97 => Event::Lost(id),
                _ => Event::Removed(id),
            },
            (State::Pausing, _) => match luck {
                0..85 => Event::Paused(id),
                85..95 => Event::Lost(id),
                _ => Event::Removed(id),
            },
            (State::Removing, _) => match luck {
                0..80 => Event::Removed(id),
                _ => Event::Lost(id),
            },
            (State::Warm, Some(job)) => match luck {
                0..85 => Event::Released(id, job, charge, Fate::Keep),
                85..90 => Event::Released(id, job, charge, Fate::Poisoned),
                90..94 => Event::Reschedule(id, job),
                94..97 => Event::Lost(id),
                _ => Event::Removed(id),
            },
            (State::Warm | State::Prewarmed, _) => match luck {
                0..3 => Event::Lost(id),
                3..6 => Event::Removed(id),
                _ => return,
            },
        };
        if self.chance(2) {
            self.stale.0.push(id);
            self.stale.1.extend(job);
        }
        self.event(event);
    }

    fn cancel(&mut self) {
        let count = self.sim.jobs.iter().count();
        if count > 0 {
            let nth = self.rng.random_range(0..count);
            let Some((job, _)) = self.sim.jobs.iter().nth(nth) else { return };
            self.event(Event::Cancel(job));
        }
    }

    fn prewarm(&mut self) {
        let function = self.functions[self.rng.random_range(0..self.functions.len())];
        let Some(spec) = self.sim.functions.get(function).map(|it| it.spec) else { return };
        let Some(kind) = spec.kind else { return };
        let count = self.rng.random_range(0..4);
        let owner = self.chance(30).then_some(function);
        self.event(Event::SetPrewarm(kind, spec.memory, count, owner));
    }

    /// A function is replaced by a new revision: what was started ahead for it goes first, as the host does it.
    fn redeploy(&mut self) {
        let function = self.functions.swap_remove(self.rng.random_range(0..self.functions.len()));
        let owned: Vec<_> =
            self.sim.entries.iter().filter(|it| it.owner == Some(function)).copied().collect();
        for entry in owned {
            self.event(Event::SetPrewarm(entry.kind, entry.memory, 0, None));
        }
        self.event(Event::Retire(function));
        self.deploy();
    }

    /// A message from the past, or one that makes no sense now.
    fn nonsense(&mut self) {
        let known: Vec<_> = self.sim.sandboxes.iter().map(|(id, _)| id).take(3).collect();
        let ids = if self.chance(50) && !known.is_empty() { &known } else { &self.stale.0 };
        if ids.is_empty() || self.stale.1.is_empty() {
            return;
        }
        let sandbox = ids[self.rng.random_range(0..ids.len())];
        let job = self.stale.1[self.rng.random_range(0..self.stale.1.len())];
        let event = match self.rng.random_range(0..6) {
            0 => Event::Released(sandbox, job, 1, Fate::Poisoned),
            1 => Event::Reschedule(sandbox, job),
            2 => Event::Cancel(job),
            3 => Event::Paused(sandbox),
            4 => Event::StartFailed(sandbox),
            _ => Event::Ready(sandbox, 1),
        };
        self.event(event);
    }

    /// Everything goes well from now on: all jobs end without another word, and then the pool closes.
    fn drain(&mut self) {
        self.settle(|sim| sim.jobs.iter().next().is_none());
        self.event(Event::Close);
        self.settle(|sim| sim.closed);
        let figures = self.sim.figures();
        assert_eq!((figures.charged, figures.waiting, figures.removing), (0, 0, 0), "something is left");
        assert_eq!(figures.ended, self.sim.ended);
    }

    fn settle(&mut self, done: impl Fn(&Sim) -> bool) {
        for _ in 0..200 {
            if done(&self.sim) {
                return;
            }
            let all: Vec<_> = self.sim.sandboxes.iter().map(|(id, _)| id).collect();
            for id in all {
                while let Some(event) = next_good(&self.sim, id) {
                    self.event(event);
                }
            }
        }
        panic!("jobs or sandboxes are left, and nothing happens any more");
    }
}

/// What a sandbox does next if all goes well; `None` for one at rest.
fn next_good(sim: &Sim, id: SandboxId) -> Option<Event> {
    let sandbox = sim.sandboxes.get(id)?;
    match (sandbox.state, sandbox.active.first()) {
        (State::Starting, _) => Some(Event::Ready(id, sandbox.memory)),
        (State::Pausing, _) => Some(Event::Paused(id)),
        (State::Removing, _) => Some(Event::Removed(id)),
        (_, Some(job)) => Some(Event::Released(id, *job, sandbox.memory, Fate::Keep)),
        _ => None,
    }
}
