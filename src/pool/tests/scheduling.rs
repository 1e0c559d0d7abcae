//! Which sandbox a job gets where there are several (`SEEDS.md W6`, `W7`, `W8`).

use super::super::*;
use super::sim::{Event, Sim, ms, of, strict};
use crate::invocation::Start;

/// SEEDS.md W6: a job that arrives while another waits is not looked at: it joins the tail.
#[test]
fn w6_nobody_is_looked_at_before_those_who_wait() {
    let mut sim = Sim::with(strict(512));
    let (big, small) = (sim.function(of(512)), sim.function(of(64)));
    let running = sim.run(small);
    let first = sim.submit(big);
    let second = sim.submit(small);
    assert!(sim.actions.is_empty(), "64 would fit, but 512 waits before it");
    sim.release(running);
    assert!(sim.assigned().is_empty() && sim.queued(first) && sim.queued(second));
    assert_eq!(sim.evicted().len(), 1);
}

/// SEEDS.md W7: a running sandbox with capacity is used before an idle one, which may then be paused or evicted.
#[test]
fn w7_a_running_sandbox_before_an_idle_one() {
    let mut sim = Sim::new(1024);
    let f = sim.function(FunctionSpec { concurrency: 2, ..of(256) });
    let jobs = [sim.run(f), sim.run(f), sim.run(f)];
    let (busy, idle) = (sim.home(jobs[0]), sim.home(jobs[2]));
    assert_eq!(busy, sim.home(jobs[1]));
    sim.release(jobs[1]);
    sim.release(jobs[2]);
    let job = sim.submit(f);
    assert_eq!(sim.assigned(), [(job, busy, Start::Warm)]);
    let job = sim.submit(f);
    assert_eq!(sim.assigned(), [(job, idle, Start::Warm)]);
}

/// SEEDS.md W7: of the idle ones, the one used last: the others grow old together.
#[test]
fn w7_the_idle_sandbox_used_last_comes_first() {
    let mut sim = Sim::new(1024);
    let f = sim.function(of(256));
    let [_, _, last] = sim.warm(f);
    let job = sim.submit(f);
    assert_eq!(sim.assigned(), [(job, last, Start::Warm)]);
}

/// SEEDS.md W7, W20: a running idle sandbox comes before a paused one, a paused one before a start.
#[test]
fn w7_a_paused_sandbox_after_the_running_ones() {
    let mut sim = Sim::new(1024);
    let f = sim.function(FunctionSpec { pause_after: Some(ms(10)), ..of(256) });
    let jobs = [sim.run(f), sim.run(f)];
    let [paused, idle] = jobs.map(|job| sim.home(job));
    sim.release(jobs[0]);
    sim.pass(ms(10));
    sim.tick();
    sim.event(Event::Paused(paused));
    sim.release(jobs[1]);
    let assign = |job, sandbox, paused| Action::Assign { job, sandbox, start: Start::Warm, paused };
    let job = sim.submit(f);
    assert_eq!(sim.actions, [assign(job, idle, false)]);
    let job = sim.submit(f);
    assert_eq!(sim.actions, [assign(job, paused, true)]);
}

/// SEEDS.md W7: capacity in a sandbox that is being started comes before a prewarmed one.
#[test]
fn w7_a_warming_sandbox_before_a_prewarmed_one() {
    let mut sim = Sim::new(1024);
    let f = sim.function(FunctionSpec { concurrency: 2, kind: Some(Kind(1)), ..of(256) });
    sim.submit(f);
    let warming = sim.one_started();
    let ahead = sim.prewarm(Kind(1), 256, 1);
    sim.ready(ahead[0]);
    let job = sim.submit(f);
    assert!(sim.assigned().is_empty() && sim.queued(job));
    sim.ready(warming);
    assert_eq!(sim.starts(), [Start::Cold, Start::Warming]);
}

/// SEEDS.md W7: a prewarmed one comes before a cold start, also where it is still being started.
#[test]
fn w7_a_prewarmed_sandbox_before_a_cold_start() {
    let mut sim = Sim::new(2048);
    let f = sim.function(FunctionSpec { kind: Some(Kind(1)), ..of(256) });
    let ahead = sim.prewarm(Kind(1), 256, 2);
    sim.ready(ahead[0]);
    let job = sim.submit(f);
    assert_eq!(sim.assigned(), [(job, ahead[0], Start::Prewarmed)]);
    let job = sim.submit(f);
    assert!(!sim.actions.contains(&Action::Start { sandbox: ahead[1], target: Target::Function(f) }));
    let cold = |action: &Action| matches!(action, Action::Start { target: Target::Function(_), .. });
    assert!(!sim.actions.iter().any(cold), "the second one that is being started ahead is put down for it");
    sim.ready(ahead[1]);
    assert_eq!(sim.assigned(), [(job, ahead[1], Start::Warming)]);
}

/// SEEDS.md W7: a cold start while the budget allows, and only then an eviction.
#[test]
fn w7_a_cold_start_before_an_eviction() {
    let mut sim = Sim::new(768);
    let (f, g) = (sim.function(of(256)), sim.function(of(256)));
    let [idle] = sim.warm(f);
    for _ in 0..2 {
        sim.submit(g);
        assert_eq!((sim.started().len(), sim.evicted().len()), (1, 0));
    }
    sim.submit(g);
    assert_eq!((sim.started().len(), sim.evicted()), (0, vec![idle]));
}

/// SEEDS.md W8: a prewarmed sandbox matches on exact kind and memory, nothing near it.
#[test]
fn w8_a_prewarmed_sandbox_is_an_exact_match() {
    let mut sim = Sim::new(4096);
    let ahead = sim.prewarm(Kind(1), 256, 1);
    sim.ready(ahead[0]);
    let near = [
        FunctionSpec { kind: Some(Kind(2)), ..of(256) },
        FunctionSpec { kind: Some(Kind(1)), ..of(128) },
        FunctionSpec { kind: Some(Kind(1)), ..of(512) },
        of(256),
    ];
    for spec in near {
        let f = sim.function(spec);
        sim.submit(f);
        let sandbox = sim.one_started();
        assert_eq!(sim.actions, [Action::Start { sandbox, target: Target::Function(f) }]);
    }
    let f = sim.function(FunctionSpec { kind: Some(Kind(1)), ..of(256) });
    sim.submit(f);
    assert_eq!(sim.starts(), [Start::Prewarmed]);
}

/// SEEDS.md W8: taking a prewarmed sandbox starts its replacement.
#[test]
fn w8_taking_one_starts_its_replacement() {
    let mut sim = Sim::new(1024);
    let f = sim.function(FunctionSpec { kind: Some(Kind(1)), ..of(256) });
    let ahead = sim.prewarm(Kind(1), 256, 1);
    sim.ready(ahead[0]);
    let job = sim.submit(f);
    let replacement = sim.one_started();
    assert!(
        sim.actions.contains(&Action::Start { sandbox: replacement, target: Target::Prewarm(Kind(1), 256) })
    );
    assert_eq!(sim.home(job), ahead[0]);
    assert_eq!(sim.figures().prewarmed, 1);
}
