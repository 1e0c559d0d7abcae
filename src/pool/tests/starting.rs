//! How a job gets its sandbox, and under which name (`SEEDS.md W1`, `W2`, `W7`, `W9`, `W22`).

use super::super::*;
use super::sim::{Sim, ms, of};
use crate::invocation::Start;

/// SEEDS.md W1: starting, running, idle, being removed: one place at a time, and a count of active jobs.
#[test]
fn w1_a_sandbox_goes_through_its_states() {
    let mut sim = Sim::new(1024);
    let f = sim.function(FunctionSpec { concurrency: 2, ..of(256) });
    let first = sim.submit(f);
    let sandbox = sim.one_started();
    assert_eq!((sim.figures().starting, sim.figures().active, sim.figures().idle), (1, 0, 0));
    sim.ready(sandbox);
    assert_eq!((sim.figures().starting, sim.figures().active, sim.figures().idle), (0, 1, 0));
    let second = sim.submit(f);
    assert_eq!(sim.home(second), sandbox);
    sim.release(first);
    assert_eq!((sim.figures().active, sim.figures().idle), (1, 0), "one job is left in it");
    sim.release(second);
    assert_eq!((sim.figures().active, sim.figures().idle), (0, 1));
    sim.lost(sandbox);
    assert_eq!((sim.figures().idle, sim.figures().removing, sim.figures().charged), (0, 1, 256));
    sim.removed(sandbox);
    assert_eq!(sim.figures(), Figures { budget: 1024, ended: 2, ..Figures::default() });
}

/// SEEDS.md W2: a sandbox has capacity while fewer jobs than its concurrency run in it.
#[test]
fn w2_jobs_share_a_sandbox_up_to_its_concurrency() {
    let mut sim = Sim::new(1024);
    let f = sim.function(FunctionSpec { concurrency: 3, ..of(256) });
    let first = sim.run(f);
    for _ in 0..2 {
        let job = sim.submit(f);
        assert_eq!(sim.assigned(), [(job, sim.home(first), Start::Warm)]);
    }
    sim.submit(f);
    assert_eq!((sim.assigned().len(), sim.started().len()), (0, 1), "a fourth job needs another sandbox");
    assert_eq!(sim.figures().active_memory, 256, "three jobs in one sandbox are charged once");
}

/// SEEDS.md W2: what differs in namespace or revision is another function, and shares nothing.
#[test]
fn w2_two_functions_never_share_a_sandbox() {
    let mut sim = Sim::new(1024);
    let (f, g) = (sim.function(of(256)), sim.function(of(256)));
    let [sandbox] = sim.warm(f);
    sim.submit(g);
    let other = sim.one_started();
    assert_ne!(other, sandbox);
    assert!(sim.assigned().is_empty(), "the idle sandbox is another function's");
}

/// SEEDS.md W9: the job that a sandbox is made for starts cold, the next one in it warm.
#[test]
fn w9_cold_then_warm() {
    let mut sim = Sim::new(1024);
    let f = sim.function(of(256));
    let first = sim.submit(f);
    let sandbox = sim.one_started();
    sim.ready(sandbox);
    assert_eq!(sim.assigned(), [(first, sandbox, Start::Cold)]);
    sim.release(first);
    let second = sim.submit(f);
    assert_eq!(sim.assigned(), [(second, sandbox, Start::Warm)]);
}

/// SEEDS.md W9: a job that joins a sandbox made for another is warming.
#[test]
fn w9_warming_is_a_start_made_for_somebody_else() {
    let mut sim = Sim::new(1024);
    let f = sim.function(FunctionSpec { concurrency: 2, ..of(256) });
    sim.submit(f);
    let sandbox = sim.one_started();
    sim.submit(f);
    assert!(sim.started().is_empty(), "the second waits for the first one's sandbox");
    assert_eq!(sim.figures().waiting, 0, "it has a sandbox coming");
    sim.ready(sandbox);
    assert_eq!(sim.starts(), [Start::Cold, Start::Warming]);
}

/// SEEDS.md W9: a sandbox made after another was evicted for it is recreated.
#[test]
fn w9_recreated_is_cold_after_an_eviction() {
    let mut sim = Sim::new(256);
    let (f, g) = (sim.function(of(256)), sim.function(of(256)));
    let [victim] = sim.warm(f);
    sim.submit(g);
    assert_eq!(sim.evicted(), [victim]);
    sim.removed(victim);
    let sandbox = sim.one_started();
    sim.ready(sandbox);
    assert_eq!(sim.starts(), [Start::Recreated]);
}

/// SEEDS.md W9: one started ahead that could be taken only after an eviction is recreated, too.
#[test]
fn w9_recreated_prewarm_is_prewarmed_after_an_eviction() {
    let mut sim = Sim::new(512);
    let [ready] = sim.prewarm(Kind(1), 256, 1)[..] else { panic!("one is started ahead") };
    sim.event(super::sim::Event::Ready(ready, 64));
    let f = sim.function(of(448));
    let g = sim.function(FunctionSpec { kind: Some(Kind(1)), ..of(256) });
    let [victim] = sim.warm(f);
    let job = sim.submit(g);
    assert_eq!(sim.evicted(), [victim], "it rests at 64 and needs 256 to run");
    sim.removed(victim);
    assert_eq!(sim.assigned(), [(job, ready, Start::RecreatedPrewarm)]);
}

/// DESIGN.md, late binding: whichever sandbox comes first serves; the start that loses becomes a warm spare.
#[test]
fn a_released_sandbox_serves_before_the_one_being_started() {
    let mut sim = Sim::new(1024);
    let f = sim.function(of(256));
    let first = sim.run(f);
    let used = sim.home(first);
    let second = sim.submit(f);
    let spare = sim.one_started();
    sim.release(first);
    assert_eq!(sim.assigned(), [(second, used, Start::Warm)]);
    sim.ready(spare);
    assert!(sim.assigned().is_empty());
    assert_eq!(sim.figures().idle, 1);
    let third = sim.submit(f);
    assert_eq!(sim.assigned(), [(third, spare, Start::Warm)]);
}

/// SEEDS.md W22: jobs that arrive while it initialises wait for it, and all get the same error.
#[test]
fn w22_a_failed_start_fails_the_jobs_that_waited_for_it() {
    let mut sim = Sim::new(1024);
    let f = sim.function(FunctionSpec { concurrency: 2, ..of(256) });
    let jobs = [sim.submit(f)];
    let bad = sim.one_started();
    let jobs = [jobs[0], sim.submit(f), sim.submit(f)];
    let good = sim.one_started();
    sim.fail(bad);
    let why = Refusal::StartFailed(bad);
    assert_eq!(sim.refused(), [(jobs[0], why), (jobs[1], why)]);
    assert!(sim.queued(jobs[2]), "it waits for the other one");
    sim.ready(good);
    assert_eq!(sim.assigned().len(), 1);
    assert_eq!(sim.figures().charged, 256);
}

/// SEEDS.md W22: it is initialised once, however many jobs wait for it.
#[test]
fn w22_a_sandbox_is_started_once_for_all_that_it_can_take() {
    let mut sim = Sim::new(1024);
    let f = sim.function(FunctionSpec { concurrency: 4, ..of(256) });
    let mut starts = 0;
    for _ in 0..4 {
        sim.submit(f);
        starts += sim.started().len();
    }
    assert_eq!(starts, 1);
}

/// SEEDS.md I2: sandboxes are started on demand, up to the function's maximum.
#[test]
fn i2_no_more_than_the_maximum_is_started() {
    let mut sim = Sim::new(10_000);
    let f = sim.function(FunctionSpec { max_sandboxes: 2, ..of(256) });
    let jobs = [sim.run(f), sim.run(f)];
    let third = sim.submit(f);
    assert!(sim.started().is_empty() && sim.queued(third));
    sim.poison(jobs[0]);
    assert_eq!(sim.started().len(), 1, "one that is being removed doesn't count");
}

/// A wasm sandbox is charged its limit while it runs and what it holds while it rests.
#[test]
fn a_resting_sandbox_is_charged_what_it_holds() {
    let mut sim = Sim::new(256);
    let f = sim.function(of(256));
    let first = sim.run(f);
    assert_eq!(sim.figures().charged, 256);
    sim.release_at(first, 40);
    assert_eq!(sim.figures().charged, 40);
    let second = sim.submit(f);
    assert_eq!((sim.starts(), sim.figures().charged), (vec![Start::Warm], 256));
    sim.pass(ms(1));
    sim.release_at(second, 10_000);
    assert_eq!(sim.figures().charged, 256, "no sandbox holds more than its limit");
}
