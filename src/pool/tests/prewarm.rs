//! Sandboxes started ahead (`SEEDS.md W3` to `W5`, `W8`, `W11`, `W16`).

use super::super::*;
use super::sim::{Event, Sim, ms, of, plain};
use crate::invocation::Start;

const KIND: Kind = Kind(1);

fn served(memory: u64) -> FunctionSpec {
    FunctionSpec { kind: Some(KIND), ..of(memory) }
}

/// SEEDS.md W3: a count for each kind and memory.
#[test]
fn w3_each_kind_and_memory_has_its_count() {
    let mut sim = Sim::new(4096);
    assert_eq!(sim.prewarm(KIND, 256, 2).len(), 2);
    assert_eq!(sim.prewarm(KIND, 128, 1).len(), 1);
    assert_eq!(sim.prewarm(Kind(2), 256, 3).len(), 3);
    assert_eq!((sim.figures().prewarmed, sim.figures().prewarmed_memory), (6, 5 * 256 + 128));
    assert_eq!(sim.prewarm(KIND, 256, 2).len(), 0, "it has them already");
}

/// SEEDS.md W4: the whole count is started at once, side by side.
#[test]
fn w4_all_are_started_at_once() {
    let mut sim = Sim::new(4096);
    let ahead = sim.prewarm(KIND, 256, 4);
    assert_eq!(ahead.len(), 4);
    assert_eq!(sim.figures().charged, 4 * 256, "starting ones are charged");
}

/// SEEDS.md W5: one that is ready joins the set, and can be taken.
#[test]
fn w5_a_ready_one_joins_the_set() {
    let mut sim = Sim::new(4096);
    let ahead = sim.prewarm(KIND, 256, 1);
    sim.event(Event::Ready(ahead[0], 100));
    assert_eq!((sim.figures().prewarmed, sim.figures().prewarmed_memory), (1, 100));
    let f = sim.function(served(256));
    let job = sim.submit(f);
    assert_eq!(sim.assigned(), [(job, ahead[0], Start::Prewarmed)]);
}

/// SEEDS.md W16: what is removed is started again, up to the count.
#[test]
fn w16_a_removed_one_is_started_again() {
    let mut sim = Sim::new(4096);
    let ahead = sim.prewarm(KIND, 256, 2);
    sim.ready(ahead[0]);
    sim.removed(ahead[0]);
    assert_eq!(sim.started().len(), 1);
    assert_eq!(sim.figures().prewarmed, 2);
}

/// SEEDS.md W16: those that made way are back as soon as there is room.
#[test]
fn w16_refilled_when_memory_is_free_again() {
    let mut sim = Sim::new(512);
    let ahead = sim.prewarm(KIND, 256, 1);
    sim.ready(ahead[0]);
    let f = sim.function(of(512));
    sim.submit(f);
    assert_eq!(sim.evicted(), ahead);
    sim.removed(ahead[0]);
    let sandbox = sim.one_started();
    sim.ready(sandbox);
    assert_eq!(sim.figures().prewarmed, 0, "demand comes first");
    sim.lost(sandbox);
    sim.removed(sandbox);
    assert_eq!(sim.figures().prewarmed, 1);
}

/// Starting ahead never evicts, and never takes what somebody waits for.
#[test]
fn nothing_is_started_ahead_while_a_job_waits_for_memory() {
    let mut sim = Sim::new(1024);
    let (small, large) = (sim.function(of(256)), sim.function(of(1024)));
    sim.run(small);
    let [_] = sim.warm(small);
    sim.submit(large);
    assert_eq!(sim.prewarm(KIND, 256, 2), []);
    let mut sim = Sim::new(512);
    let f = sim.function(of(256));
    let [_, _] = sim.warm(f);
    assert_eq!((sim.prewarm(KIND, 256, 1), sim.evicted()), (vec![], vec![]));
}

/// A start ahead that fails is tried again by the clock, later each time, and never in a hot loop.
#[test]
fn a_failed_start_ahead_backs_off() {
    let mut sim = Sim::new(1024);
    let mut sandbox = sim.prewarm(KIND, 256, 1)[0];
    for wait in [1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000] {
        sim.fail(sandbox);
        assert!(sim.started().is_empty());
        sim.pass(ms(wait - 1));
        sim.tick();
        assert!(sim.started().is_empty(), "{wait} ms are not over");
        assert!(sim.pool.next_tick().is_some_and(|due| due <= sim.now + ms(1)));
        sim.pass(ms(1));
        sim.tick();
        sandbox = sim.one_started();
    }
    sim.ready(sandbox);
    sim.removed(sandbox);
    sim.fail(sim.one_started());
    sim.pass(ms(1_000));
    sim.tick();
    assert_eq!(sim.started().len(), 1, "a success starts over");
}

/// An owner's maximum bounds its own sandboxes and those ahead together.
#[test]
fn an_owner_has_no_more_than_its_maximum_in_all() {
    let mut sim = Sim::new(4096);
    let f = sim.function(FunctionSpec { max_sandboxes: 2, ..served(256) });
    sim.event(Event::SetPrewarm(KIND, 256, 5, Some(f)));
    let ahead = sim.started();
    assert_eq!(ahead.len(), 2);
    for sandbox in ahead {
        sim.ready(sandbox);
    }
    let jobs = [sim.submit(f), sim.submit(f)];
    assert_eq!(sim.started(), []);
    assert_eq!(sim.figures().active, 2);
    sim.poison(jobs[0]);
    assert_eq!(sim.started().len(), 1, "one that is being removed doesn't count");
}

/// A smaller count removes the surplus, a starting one as soon as it is ready.
#[test]
fn a_smaller_count_removes_the_surplus() {
    let mut sim = Sim::new(4096);
    let ahead = sim.prewarm(KIND, 256, 3);
    sim.ready(ahead[0]);
    sim.ready(ahead[1]);
    sim.prewarm(KIND, 256, 1);
    assert!(sim.removals().iter().all(|(_, why)| *why == Why::Retired));
    assert_eq!(sim.removals().len(), 2);
    sim.prewarm(KIND, 256, 0);
    sim.ready(ahead[2]);
    assert_eq!(sim.removals(), [(ahead[2], Why::Retired)]);
}

/// `prewarm_outside_budget` is the seed's way: what nobody has taken is not charged.
#[test]
fn outside_the_budget_they_are_charged_when_taken() {
    let config = PoolConfig { prewarm_outside_budget: true, ..plain(256) };
    let mut sim = Sim::with(config);
    let ahead = sim.prewarm(KIND, 256, 2);
    assert_eq!((ahead.len(), sim.figures().charged), (2, 0));
    sim.ready(ahead[0]);
    let f = sim.function(served(256));
    let first = sim.submit(f);
    assert_eq!((sim.home(first), sim.figures().charged), (ahead[0], 256));
    let second = sim.submit(f);
    assert!(sim.queued(second), "the next one has no room to run in");
    assert_eq!(sim.figures().charged, 256);
}

/// Prewarmed sandboxes don't idle out.
#[test]
fn prewarmed_ones_do_not_idle_out() {
    let mut sim = Sim::new(1024);
    let ahead = sim.prewarm(KIND, 256, 1);
    sim.ready(ahead[0]);
    sim.pass(ms(86_400_000));
    sim.tick();
    assert_eq!((sim.actions.len(), sim.figures().prewarmed), (0, 1));
}
