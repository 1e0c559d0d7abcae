//! What goes when room is needed (`SEEDS.md W10`, `W11`, `D3`, `D4`, `D7`; DESIGN.md, "Eviction").

use super::super::*;
use super::sim::{Event, Sim, ms, of, strict};
use std::time::Duration;

/// SEEDS.md W10: the longest unused goes first.
#[test]
fn w10_lru_evicts_the_longest_unused() {
    let mut sim = Sim::with(strict(768));
    let (f, g) = (sim.function(of(256)), sim.function(of(256)));
    let [old, middle, young] = sim.warm(f);
    for victim in [old, middle, young] {
        sim.submit(g);
        assert_eq!(sim.evicted(), [victim]);
        sim.removed(victim);
    }
}

/// SEEDS.md W10: of two that fell idle in the same nanosecond the function's that was known first goes first, in
/// whatever order they did.
#[test]
fn w10_of_one_age_the_first_function_goes_first() {
    let mut sim = Sim::with(strict(512));
    let (f, g, h) = (sim.function(of(256)), sim.function(of(256)), sim.function(of(256)));
    let (of_g, of_f) = (sim.run(g), sim.run(f));
    let first = sim.home(of_f);
    sim.pass(ms(1));
    sim.release(of_g);
    sim.release(of_f);
    sim.submit(h);
    assert_eq!(sim.evicted(), [first]);
}

/// SEEDS.md W10: a sandbox that runs a job is never evicted, however long ago the job began.
#[test]
fn w10_a_running_sandbox_is_not_evicted() {
    let mut sim = Sim::with(strict(512));
    let (f, g) = (sim.function(of(256)), sim.function(of(256)));
    sim.run(f);
    let [idle] = sim.warm(f);
    sim.submit(g);
    assert_eq!(sim.evicted(), [idle]);
    sim.submit(g);
    assert_eq!(sim.evicted(), []);
}

/// SEEDS.md W10: if all the evictable together are not enough, none is evicted.
#[test]
fn w10_nothing_is_evicted_in_vain() {
    let mut sim = Sim::new(1024);
    let (f, big) = (sim.function(of(256)), sim.function(of(1024)));
    let running = sim.run(f);
    let [_, _] = sim.warm(f);
    sim.submit(big);
    assert_eq!(sim.actions, []);
    assert_eq!(sim.figures().idle, 2);
    sim.release(running);
    assert_eq!(sim.evicted().len(), 3, "together with the last one they are enough");
}

/// SEEDS.md W11: prewarmed ones stay while idle warm ones suffice, however young those are.
#[test]
fn w11_prewarmed_ones_are_evicted_last() {
    let mut sim = Sim::new(768);
    let ahead = sim.prewarm(Kind(1), 256, 1);
    sim.ready(ahead[0]);
    let (f, g) = (sim.function(of(256)), sim.function(of(512)));
    sim.pass(ms(1000));
    let [first, second] = sim.warm(f);
    let job = sim.submit(g);
    let mut victims = sim.evicted();
    victims.sort();
    assert_eq!(victims, [first, second]);
    sim.removed(first);
    sim.removed(second);
    let sandbox = sim.one_started();
    sim.ready(sandbox);
    assert_eq!(sim.home(job), sandbox);
    sim.submit(f);
    assert_eq!(sim.evicted(), ahead, "nothing else is left to evict");
}

/// SEEDS.md D3: it evicted `need` instead of `need - free`: 768 needed, 512 free, and 256 is enough.
#[test]
fn d3_only_the_deficit_is_evicted() {
    let mut sim = Sim::new(1024);
    let (f, g) = (sim.function(of(256)), sim.function(of(768)));
    let [_, _] = sim.warm(f);
    assert_eq!(sim.figures().charged, 512);
    sim.submit(g);
    assert_eq!(sim.evicted().len(), 1, "512 is free and 256 is missing");
}

/// SEEDS.md D3: what is being removed already counts: nothing is evicted for it twice.
#[test]
fn d3_what_is_being_removed_is_not_evicted_for_again() {
    let mut sim = Sim::new(768);
    let (f, g) = (sim.function(of(256)), sim.function(of(512)));
    let running = sim.run(f);
    let [_, _] = sim.warm(f);
    sim.poison(running);
    sim.submit(g);
    assert_eq!(sim.evicted().len(), 1, "256 of the 512 are on their way already");
    sim.tick();
    assert_eq!(sim.actions, []);
}

/// A victim that turns out unnecessary is spared: a bigger one taken later makes up for it.
#[test]
fn d3_a_victim_that_turns_out_unnecessary_is_spared() {
    let mut sim = Sim::with(strict(1024));
    let (small, large, g) = (sim.function(of(128)), sim.function(of(896)), sim.function(of(896)));
    let [spared] = sim.warm(small);
    let [victim] = sim.warm(large);
    sim.submit(g);
    assert_eq!(sim.evicted(), [victim]);
    assert!(sim.sandboxes.get(spared).is_some_and(|it| it.state == super::sim::State::Warm));
}

/// SEEDS.md D4: memory of sandboxes that run a job was counted in, so that what could be evicted looked too little.
#[test]
fn d4_what_can_be_evicted_is_enough_beside_running_sandboxes() {
    let mut sim = Sim::new(1024);
    let f = sim.function(FunctionSpec { concurrency: 4, ..of(512) });
    let (g, h) = (sim.function(of(512)), sim.function(of(512)));
    sim.run(f);
    let [idle] = sim.warm(g);
    sim.submit(h);
    assert_eq!(sim.evicted(), [idle]);
    sim.removed(idle);
    assert_eq!(sim.started().len(), 1);
}

/// SEEDS.md D4, D2: as soon as what can be evicted suffices, it is, without anybody asking again.
#[test]
fn d4_eviction_follows_the_release_that_makes_it_enough() {
    let mut sim = Sim::new(512);
    let (f, g) = (sim.function(of(256)), sim.function(of(512)));
    let jobs = [sim.run(f), sim.run(f)];
    sim.submit(g);
    sim.release(jobs[0]);
    assert_eq!(sim.evicted(), []);
    sim.release(jobs[1]);
    assert_eq!(sim.evicted().len(), 2);
}

/// SEEDS.md D7: memory is given back when the removal is confirmed, not when it is asked for.
#[test]
fn d7_memory_is_charged_until_the_removal_is_confirmed() {
    let mut sim = Sim::new(256);
    let (f, g) = (sim.function(of(256)), sim.function(of(256)));
    let [victim] = sim.warm(f);
    sim.submit(g);
    assert_eq!(sim.evicted(), [victim]);
    assert_eq!((sim.figures().charged, sim.figures().removing_memory), (256, 256));
    assert!(sim.started().is_empty(), "the machine has no room for both");
    sim.removed(victim);
    assert_eq!(sim.started().len(), 1);
}

/// A job never evicts the sandbox that it wants itself: it needs room for that one to run.
#[test]
fn a_job_does_not_evict_what_it_wants() {
    let mut sim = Sim::new(512);
    let (f, g) = (sim.function(of(384)), sim.function(of(256)));
    let job = sim.run(f);
    let wanted = sim.home(job);
    sim.release_at(job, 128);
    sim.pass(ms(1));
    let [victim] = sim.warm(g);
    let job = sim.submit(f);
    assert_eq!(sim.evicted(), [victim]);
    sim.removed(victim);
    assert_eq!(sim.home(job), wanted);
}

/// A lowered budget takes what is idle; until what runs fits again, nothing grows.
#[test]
fn a_lowered_budget_evicts_idle_sandboxes_and_starts_nothing() {
    let mut sim = Sim::new(1024);
    let f = sim.function(of(256));
    let running = sim.run(f);
    let [_, _, _] = sim.warm(f);
    sim.event(Event::SetBudget(300));
    assert_eq!(sim.evicted().len(), 3, "one runs, and 44 is left");
    assert_eq!(sim.figures().charged, 1024);
    sim.submit(f);
    assert!(sim.started().is_empty());
    sim.release(running);
    assert_eq!(sim.assigned().len(), 1);
}

/// Brings a function's sandbox up in so many milliseconds, and lets it rest.
fn rest_after(sim: &mut Sim, function: FunctionId, start: Duration) -> SandboxId {
    let job = sim.submit(function);
    let sandbox = sim.one_started();
    sim.pass(start);
    sim.ready(sandbox);
    sim.release(job);
    sandbox
}

/// DESIGN.md: a sandbox that is back in microseconds goes before one that takes half a second, however young.
#[test]
fn cost_keeps_what_is_dear_to_bring_back() {
    let mut sim = Sim::new(512);
    let (dear, cheap, g) = (sim.function(of(256)), sim.function(of(256)), sim.function(of(256)));
    let container = rest_after(&mut sim, dear, ms(500));
    let instance = rest_after(&mut sim, cheap, Duration::from_micros(50));
    sim.submit(g);
    assert_eq!(sim.evicted(), [instance]);
    let mut sim = Sim::with(strict(512));
    let (dear, cheap, g) = (sim.function(of(256)), sim.function(of(256)), sim.function(of(256)));
    let oldest = rest_after(&mut sim, dear, ms(500));
    rest_after(&mut sim, cheap, Duration::from_micros(50));
    sim.submit(g);
    assert_eq!(sim.evicted(), [oldest], "`lru` looks at age alone");
    assert_ne!(container, instance);
}

/// DESIGN.md: for the same cost, what holds more memory goes first.
#[test]
fn cost_weighs_memory() {
    let mut sim = Sim::new(1024);
    let (small, large, g) = (sim.function(of(256)), sim.function(of(768)), sim.function(of(256)));
    rest_after(&mut sim, small, ms(100));
    let heavy = rest_after(&mut sim, large, ms(100));
    sim.submit(g);
    assert_eq!(sim.evicted(), [heavy]);
}

/// DESIGN.md: a function that is used often keeps its sandbox longer.
#[test]
fn cost_weighs_use() {
    let mut sim = Sim::new(512);
    let (often, once, g) = (sim.function(of(256)), sim.function(of(256)), sim.function(of(256)));
    rest_after(&mut sim, often, ms(100));
    for _ in 0..10 {
        let job = sim.run(often);
        sim.release(job);
    }
    let rare = rest_after(&mut sim, once, ms(100));
    sim.submit(g);
    assert_eq!(sim.evicted(), [rare], "though it rested last");
}

/// DESIGN.md, the concurrency term: the third idle sandbox of a function is worth less than another's only one.
#[test]
fn cost_weighs_how_many_there_are() {
    let mut sim = Sim::new(1024);
    let (many, one, g) = (sim.function(of(256)), sim.function(of(256)), sim.function(of(256)));
    let only = rest_after(&mut sim, one, ms(100));
    for _ in 0..2 {
        let job = sim.run(one);
        sim.release(job);
    }
    let jobs = [(); 3].map(|()| {
        let job = sim.submit(many);
        let sandbox = sim.one_started();
        sim.pass(ms(100));
        sim.ready(sandbox);
        job
    });
    for job in jobs {
        sim.release(job);
    }
    sim.submit(g);
    assert_eq!(sim.evicted().len(), 1);
    assert_ne!(sim.evicted(), [only], "though it is the oldest");
}

/// DESIGN.md: the clock goes forward with each eviction, so that past use doesn't keep a sandbox for ever.
#[test]
fn cost_forgets_past_glory() {
    let mut sim = Sim::new(512);
    let (old, other) = (sim.function(of(256)), sim.function(of(256)));
    let glorious = rest_after(&mut sim, old, ms(100));
    for _ in 0..3 {
        let job = sim.run(old);
        sim.release(job);
    }
    let mut evicted = Vec::new();
    let mut guest = rest_after(&mut sim, other, ms(100));
    for _ in 0..50 {
        let next = sim.function(of(256));
        let job = sim.submit(next);
        evicted.extend(sim.evicted());
        if evicted.contains(&glorious) {
            return;
        }
        sim.removed(guest);
        guest = sim.one_started();
        sim.pass(ms(100));
        sim.ready(guest);
        sim.release(job);
    }
    panic!("it stays for ever, unused: {evicted:?}");
}

/// Ties are broken by age.
#[test]
fn cost_ties_go_by_age() {
    let mut sim = Sim::new(512);
    let (a, b, g) = (sim.function(of(256)), sim.function(of(256)), sim.function(of(256)));
    let first = rest_after(&mut sim, a, ms(100));
    sim.pass(ms(5));
    rest_after(&mut sim, b, ms(100));
    sim.submit(g);
    assert_eq!(sim.evicted(), [first]);
}
