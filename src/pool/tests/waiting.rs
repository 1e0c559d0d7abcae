//! The two lines: a function's own, and the host's for memory (`SEEDS.md W12` to `W14`, `D2`, `D5`, `D8`, `E4`, `E5`, `E8`).

use super::super::*;
use super::sim::{Event, Sim, ms, of, strict};
use crate::invocation::Start;

/// SEEDS.md W12: with a patience of 0 a small job never overtakes an earlier large one that needs memory.
#[test]
fn w12_strict_order_without_patience() {
    let mut sim = Sim::with(strict(1024));
    let (small, large) = (sim.function(of(256)), sim.function(of(1024)));
    let running = sim.run(small);
    let first = sim.submit(large);
    let second = sim.submit(small);
    assert!(sim.actions.is_empty(), "768 is free, and kept for the first");
    sim.release(running);
    let [victim] = sim.evicted()[..] else { panic!("the idle one is evicted for the first") };
    sim.removed(victim);
    let sandbox = sim.one_started();
    sim.ready(sandbox);
    assert_eq!(sim.assigned(), [(first, sandbox, Start::Recreated)]);
    assert!(sim.queued(second));
}

/// SEEDS.md W12: not even a warm hit passes.
#[test]
fn w12_a_warm_hit_does_not_pass_without_patience() {
    let mut sim = Sim::with(strict(1024));
    let (small, other, large) = (sim.function(of(128)), sim.function(of(256)), sim.function(of(1024)));
    sim.run(other);
    let [_] = sim.warm(small);
    sim.submit(large);
    let job = sim.submit(small);
    assert!(sim.actions.is_empty() && sim.queued(job));
}

/// DESIGN.md, the waiting line: while the head has patience, later jobs that fit pass it; then nobody does.
#[test]
fn patience_lets_others_pass_and_then_ends() {
    let mut sim = Sim::new(1024);
    let (small, large) = (sim.function(of(256)), sim.function(of(1024)));
    let holding = sim.run(small);
    let head = sim.submit(large);
    sim.pass(ms(249));
    let passing = sim.submit(small);
    let sandbox = sim.one_started();
    sim.ready(sandbox);
    assert_eq!(sim.home(passing), sandbox);
    sim.pass(ms(1));
    let late = sim.submit(small);
    assert!(sim.actions.is_empty() && sim.queued(late));
    sim.release(holding);
    sim.release(passing);
    for victim in sim.sandboxes.iter().map(|(id, _)| id).collect::<Vec<_>>() {
        sim.removed(victim);
    }
    let sandbox = sim.one_started();
    sim.ready(sandbox);
    assert_eq!(sim.home(head), sandbox);
}

/// DESIGN.md, the waiting line: a warm hit passes while the head has patience.
#[test]
fn patience_lets_warm_hits_pass() {
    let mut sim = Sim::new(1024);
    let (small, other, large) = (sim.function(of(128)), sim.function(of(256)), sim.function(of(1024)));
    sim.run(other);
    let [_] = sim.warm(small);
    sim.submit(large);
    sim.submit(small);
    assert_eq!(sim.starts(), [Start::Warm]);
}

/// DESIGN.md, the waiting line: what is being freed for the head is nobody else's, patience or not.
#[test]
fn what_is_freed_for_the_head_is_earmarked() {
    let mut sim = Sim::new(1024);
    let (small, large) = (sim.function(of(256)), sim.function(of(1024)));
    let [victim] = sim.warm(small);
    let head = sim.submit(large);
    assert_eq!(sim.evicted(), [victim]);
    let late = sim.submit(small);
    assert!(sim.actions.is_empty() && sim.queued(late), "768 is free, and the head's");
    sim.removed(victim);
    let sandbox = sim.one_started();
    sim.ready(sandbox);
    assert_eq!(sim.home(head), sandbox);
}

/// Only the head evicts: one that merely passes takes what is free.
#[test]
fn one_that_passes_evicts_nobody() {
    let mut sim = Sim::new(1024);
    let (f, g, large) = (sim.function(of(512)), sim.function(of(512)), sim.function(of(1024)));
    sim.run(f);
    let [_] = sim.warm(f);
    sim.submit(large);
    sim.submit(g);
    assert_eq!(sim.actions, []);
}

/// Of those that fit, the one that needs least passes first: a warm hit above all.
#[test]
fn the_smallest_need_passes_first() {
    let mut sim = Sim::new(1024);
    let (holder, large) = (sim.function(of(512)), sim.function(of(1024)));
    let (mid, small) = (sim.function(of(384)), sim.function(of(256)));
    let jobs = [sim.run(holder), sim.run(holder)];
    sim.submit(large);
    let (middle, least) = (sim.submit(mid), sim.submit(small));
    sim.poison(jobs[0]);
    sim.removed(sim.removals()[0].0);
    let targets: Vec<_> = sim.actions.iter().collect();
    let sandbox = sim.one_started();
    assert_eq!(targets, [&Action::Start { sandbox, target: Target::Function(small) }]);
    sim.ready(sandbox);
    assert!(sim.queued(middle));
    assert_eq!(sim.home(least), sandbox);
}

/// SEEDS.md W13, E5: each thing that makes room wakes the head at once, and nothing else is needed.
#[test]
fn w13_whatever_makes_room_wakes_the_head() {
    let wakers: [fn(&mut Sim, JobId, SandboxId); 6] = [
        |sim, job, _| sim.release(job),
        |sim, job, home| {
            sim.poison(job);
            sim.removed(home);
        },
        |sim, _, home| sim.removed(home),
        |sim, job, home| {
            sim.reschedule(job);
            sim.event(Event::Cancel(job));
            sim.removed(home);
        },
        |sim, _, _| {
            sim.event(Event::SetBudget(512));
        },
        |sim, job, _| sim.release_at(job, 0),
    ];
    for (which, wake) in wakers.into_iter().enumerate() {
        let mut sim = Sim::with(strict(256));
        let f = sim.function(of(256));
        let job = sim.run(f);
        let home = sim.home(job);
        let head = sim.submit(f);
        assert!(sim.queued(head) && sim.actions.is_empty(), "{which}");
        wake(&mut sim, job, home);
        assert!(!sim.started().is_empty() || !sim.queued(head), "waker {which} wakes nobody");
    }
}

/// SEEDS.md W13: a start that failed gives its room to the head.
#[test]
fn w13_a_failed_start_wakes_the_head() {
    let mut sim = Sim::new(256);
    let (f, g) = (sim.function(of(256)), sim.function(of(256)));
    sim.submit(f);
    let failing = sim.one_started();
    sim.submit(g);
    assert!(sim.actions.is_empty());
    sim.fail(failing);
    let sandbox = sim.one_started();
    assert!(sim.actions.contains(&Action::Start { sandbox, target: Target::Function(g) }));
}

/// SEEDS.md W13: the head that gives up makes way for the next.
#[test]
fn w13_a_cancelled_head_wakes_the_next() {
    let mut sim = Sim::with(strict(512));
    let (small, large) = (sim.function(of(256)), sim.function(of(512)));
    sim.run(small);
    let head = sim.submit(large);
    sim.submit(small);
    assert!(sim.actions.is_empty());
    sim.event(Event::Cancel(head));
    assert_eq!(sim.started().len(), 1);
}

/// SEEDS.md W14, D8: a job that has to wait is counted once, however often it is tried again.
#[test]
fn w14_d8_a_wait_is_counted_once() {
    let mut sim = Sim::with(strict(512));
    let (small, large) = (sim.function(of(256)), sim.function(of(512)));
    let running = sim.run(small);
    sim.submit(large);
    assert_eq!((sim.figures().waiting, sim.figures().waiting_memory, sim.figures().waited), (1, 512, 1));
    for _ in 0..40 {
        sim.pass(ms(1000));
        sim.tick();
    }
    for _ in 0..5 {
        sim.event(Event::SetBudget(600));
        sim.event(Event::SetBudget(512));
    }
    assert_eq!(sim.figures().waited, 1);
    sim.release(running);
    assert_eq!((sim.figures().waiting, sim.figures().waited), (1, 1));
}

/// SEEDS.md D2: a failed resume with waiting jobs wakes them; an empty pool is never stuck.
#[test]
fn d2_a_failed_resume_leaves_nobody_asleep() {
    let mut sim = Sim::with(strict(256));
    let f = sim.function(FunctionSpec { pause_after: Some(ms(10)), ..of(256) });
    let [paused] = sim.warm(f);
    sim.pass(ms(10));
    sim.tick();
    sim.event(Event::Paused(paused));
    let first = sim.submit(f);
    let second = sim.submit(f);
    assert_eq!(sim.home(first), paused);
    sim.reschedule(first);
    assert_eq!(sim.removals(), [(paused, Why::Poisoned)]);
    sim.removed(paused);
    let fresh = sim.one_started();
    sim.ready(fresh);
    assert_eq!(sim.home(first), fresh);
    sim.release(first);
    assert_eq!(sim.home(second), fresh);
}

/// SEEDS.md D5: a job that needs more than the whole budget is refused at once, with both figures.
#[test]
fn d5_an_impossible_job_is_refused_at_once() {
    let mut sim = Sim::new(1024);
    let (small, huge) = (sim.function(of(256)), sim.function(of(1025)));
    let job = sim.submit(huge);
    assert_eq!(sim.refused(), [(job, Refusal::Impossible { needs: 1025, budget: 1024 })]);
    sim.submit(small);
    assert_eq!(sim.started().len(), 1, "it blocks nobody");
}

/// SEEDS.md D5: also where a lowered budget makes a waiting job impossible.
#[test]
fn d5_a_lowered_budget_refuses_what_became_impossible() {
    let mut sim = Sim::with(strict(1024));
    let (small, large) = (sim.function(of(256)), sim.function(of(1024)));
    sim.run(small);
    let head = sim.submit(large);
    let next = sim.submit(small);
    sim.event(Event::SetBudget(1000));
    assert_eq!(sim.refused(), [(head, Refusal::Impossible { needs: 1024, budget: 1000 })]);
    assert!(sim.started().len() == 1 && sim.queued(next), "the next one is tried");
}

/// SEEDS.md E4: one saturated function blocks nobody else.
#[test]
fn e4_a_saturated_function_blocks_nobody() {
    let mut sim = Sim::with(strict(1024));
    let full = sim.function(FunctionSpec { max_sandboxes: 1, ..of(64) });
    let other = sim.function(of(256));
    let running = sim.run(full);
    let waiting = [sim.submit(full), sim.submit(full), sim.submit(full)];
    assert_eq!(sim.figures().waiting, 3);
    sim.submit(other);
    assert_eq!(sim.started().len(), 1, "it waits for nobody");
    sim.release(running);
    assert_eq!(sim.starts(), [Start::Warm]);
    assert!(!sim.queued(waiting[0]) && sim.queued(waiting[1]));
}

/// SEEDS.md E5: a job that arrives while the last sandbox idles out is served without another's help.
#[test]
fn e5_a_job_that_meets_an_idle_timeout_is_served() {
    let mut sim = Sim::new(256);
    let f = sim.function(FunctionSpec { max_sandboxes: 1, ..of(256) });
    let [leaving] = sim.warm(f);
    sim.pass(ms(600_000));
    sim.tick();
    assert_eq!(sim.removals(), [(leaving, Why::Idle)]);
    let job = sim.submit(f);
    assert!(sim.queued(job));
    sim.removed(leaving);
    let fresh = sim.one_started();
    sim.ready(fresh);
    assert_eq!(sim.home(job), fresh);
}

/// SEEDS.md E6: a maximum of 0 must not hang: declared functions refuse it, and the pool takes it as 1.
#[test]
fn e6_a_maximum_of_zero_does_not_hang() {
    let mut pool = Pool::new(PoolConfig::default());
    let f = pool.add_function(FunctionSpec { max_sandboxes: 0, concurrency: 0, max_uses: Some(0), ..of(1) });
    pool.submit(Time(0), f);
    assert!(matches!(pool.pop_action(), Some(Action::Start { .. } | Action::Refuse { .. })));
}

/// SEEDS.md E8: memory admitted is memory there: any burst stays within the budget, whatever starts and ends.
#[test]
fn e8_a_burst_never_over_admits() {
    let mut sim = Sim::new(1000);
    let f = sim.function(of(300));
    let jobs: Vec<_> = (0..10).map(|_| sim.submit(f)).collect();
    assert_eq!((sim.figures().starting, sim.figures().waiting), (3, 7));
    assert_eq!(sim.figures().charged, 900);
    let starting: Vec<_> = sim.sandboxes.iter().map(|(id, _)| id).collect();
    for sandbox in starting {
        sim.ready(sandbox);
    }
    for job in jobs {
        sim.release(job);
        assert!(sim.figures().charged <= 1000);
    }
    assert_eq!((sim.ended, sim.figures().idle), (10, 3));
}

/// As many jobs wait as may; the next is refused, and so is nobody who needn't wait.
#[test]
fn a_full_queue_refuses() {
    let mut sim = Sim::with(PoolConfig { max_waiting: 2, ..strict(256) });
    let f = sim.function(of(256));
    let running = sim.run(f);
    let first = sim.submit(f);
    sim.submit(f);
    let third = sim.submit(f);
    assert_eq!(sim.refused(), [(third, Refusal::QueueFull)]);
    sim.release(running);
    assert_eq!(sim.home(first), sim.assigned()[0].1);
    sim.submit(f);
    assert!(sim.refused().is_empty(), "there is a place again");
}
