//! What time does to sandboxes at rest (`SEEDS.md W20`, `I4`), and the figures (`W19`).

use super::super::*;
use super::sim::{Event, Sim, ms, of};
use crate::invocation::Start;
use std::time::Duration;

fn pausing() -> FunctionSpec {
    FunctionSpec { idle_timeout: ms(1_000), pause_after: Some(ms(100)), ..of(256) }
}

/// SEEDS.md W20: beyond the grace time an idle sandbox is paused, beyond the idle timeout it is removed.
#[test]
fn w20_an_idle_sandbox_is_paused_and_then_removed() {
    let mut sim = Sim::new(1024);
    let f = sim.function(pausing());
    let [sandbox] = sim.warm(f);
    sim.pass(ms(99));
    sim.tick();
    assert_eq!(sim.actions, []);
    sim.pass(ms(1));
    sim.tick();
    assert_eq!(sim.actions, [Action::Pause { sandbox }]);
    sim.event(Event::Paused(sandbox));
    assert_eq!(sim.pool.function_figures(f).map(|it| (it.idle, it.paused)), Some((1, 1)));
    sim.pass(ms(899));
    sim.tick();
    assert_eq!(sim.actions, []);
    sim.pass(ms(1));
    sim.tick();
    assert_eq!(sim.removals(), [(sandbox, Why::Idle)]);
}

/// SEEDS.md W20: while it is being paused nothing is assigned to it; the job waits for it, and resumes it.
#[test]
fn w20_a_job_waits_for_a_sandbox_that_is_being_paused() {
    let mut sim = Sim::new(1024);
    let f = sim.function(pausing());
    let [sandbox] = sim.warm(f);
    sim.pass(ms(100));
    sim.tick();
    let job = sim.submit(f);
    assert_eq!((sim.actions.len(), sim.figures().waiting), (0, 0));
    sim.event(Event::Paused(sandbox));
    assert_eq!(sim.actions, [Action::Assign { job, sandbox, start: Start::Warm, paused: true }]);
}

/// SEEDS.md W20, late binding: of two that are being paused, the first one done serves.
#[test]
fn w20_the_first_one_paused_serves() {
    let mut sim = Sim::new(1024);
    let f = sim.function(pausing());
    let [_, second] = sim.warm(f);
    sim.pass(ms(100));
    sim.tick();
    let job = sim.submit(f);
    sim.event(Event::Paused(second));
    assert_eq!(sim.home(job), second);
}

/// SEEDS.md W20, W17: a resume that fails reschedules the job and removes the sandbox.
#[test]
fn w20_a_failed_resume_reschedules() {
    let mut sim = Sim::new(1024);
    let f = sim.function(pausing());
    let [sandbox] = sim.warm(f);
    sim.pass(ms(100));
    sim.tick();
    sim.event(Event::Paused(sandbox));
    let job = sim.submit(f);
    sim.reschedule(job);
    assert_eq!(sim.removals(), [(sandbox, Why::Poisoned)]);
    let fresh = sim.one_started();
    sim.ready(fresh);
    assert_eq!(sim.home(job), fresh);
}

/// SEEDS.md I4: the idle clock starts when the last job ends, and doesn't run during a request.
#[test]
fn i4_the_idle_clock_does_not_run_during_a_request() {
    let mut sim = Sim::new(1024);
    let f = sim.function(FunctionSpec { idle_timeout: ms(50), ..of(256) });
    let job = sim.run(f);
    sim.pass(Duration::from_secs(3_600));
    sim.tick();
    assert_eq!(sim.actions, []);
    sim.release(job);
    sim.pass(ms(49));
    sim.tick();
    assert_eq!(sim.actions, []);
    sim.pass(ms(1));
    sim.tick();
    assert_eq!(sim.removals().len(), 1);
}

/// SEEDS.md I4: the one that was used keeps its place, the others go.
#[test]
fn i4_each_sandbox_has_its_own_clock() {
    let mut sim = Sim::new(1024);
    let f = sim.function(FunctionSpec { idle_timeout: ms(50), ..of(256) });
    let [oldest, young] = sim.warm(f);
    sim.pass(ms(30));
    let job = sim.submit(f);
    assert_eq!(sim.home(job), young);
    sim.release(job);
    sim.pass(ms(25));
    sim.tick();
    assert_eq!(sim.removals(), [(oldest, Why::Idle)]);
}

/// `next_tick` may be early and is never late; an early tick does nothing.
#[test]
fn a_tick_is_never_late() {
    let mut sim = Sim::new(1024);
    let f = sim.function(FunctionSpec { idle_timeout: ms(50), ..of(256) });
    assert_eq!(sim.pool.next_tick(), None);
    let [_] = sim.warm(f);
    let mut ticks = 0;
    while sim.figures().idle > 0 {
        sim.now = sim.pool.next_tick().expect("something is due");
        sim.tick();
        ticks += 1;
    }
    assert!(ticks <= 2, "{ticks} ticks for one sandbox");
    assert_eq!(sim.now, Time::after(ms(51)));
}

/// SEEDS.md W19: every gauge, in count and in bytes, and the counter of jobs that had to wait.
#[test]
fn w19_the_figures_say_where_everything_is() {
    let mut sim = Sim::new(1000);
    let (f, g, h) = (sim.function(of(100)), sim.function(of(200)), sim.function(of(700)));
    let ahead = sim.prewarm(Kind(1), 50, 1);
    sim.ready(ahead[0]);
    let [_, gone] = sim.warm(f);
    sim.lost(gone);
    sim.run(g);
    sim.submit(g);
    sim.submit(h);
    let figures = sim.figures();
    assert_eq!((figures.budget, figures.charged), (1000, 650));
    assert_eq!((figures.waiting, figures.waiting_memory, figures.waited), (1, 700, 1));
    assert_eq!((figures.active, figures.active_memory), (1, 200));
    assert_eq!((figures.prewarmed, figures.prewarmed_memory), (1, 50));
    assert_eq!((figures.idle, figures.idle_memory), (1, 100));
    assert_eq!((figures.starting, figures.starting_memory), (1, 200));
    assert_eq!((figures.removing, figures.removing_memory), (1, 100));
    assert_eq!((figures.ended, figures.evicted), (2, 0));
}
