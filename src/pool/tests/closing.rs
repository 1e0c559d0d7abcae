//! The end of a function, and of the pool (`SEEDS.md I8`, `W21`).

use super::super::*;
use super::sim::{Event, Sim, of};

/// A retired function takes no new jobs, serves those it has, and is forgotten when nothing of it is left.
#[test]
fn a_retired_function_drains_and_is_forgotten() {
    let mut sim = Sim::new(512);
    let f = sim.function(FunctionSpec { max_sandboxes: 1, ..of(256) });
    let running = sim.run(f);
    let sandbox = sim.home(running);
    let waiting = sim.submit(f);
    sim.event(Event::Retire(f));
    assert_eq!(sim.actions, []);
    let late = sim.submit(f);
    assert_eq!(sim.refused(), [(late, Refusal::Closed)]);
    sim.release(running);
    assert_eq!(sim.home(waiting), sandbox);
    sim.release(waiting);
    assert_eq!(sim.removals(), [(sandbox, Why::Retired)]);
    sim.removed(sandbox);
    assert_eq!(sim.actions, [Action::Forget { function: f }]);
    sim.submit(f);
    assert_eq!(sim.refused().len(), 1, "its id is no longer known");
    assert_eq!(sim.pool.function_figures(f), None);
}

/// Its idle sandboxes go at once.
#[test]
fn a_retired_function_loses_its_idle_sandboxes() {
    let mut sim = Sim::new(1024);
    let (f, g) = (sim.function(of(256)), sim.function(of(256)));
    let [_, _] = sim.warm(f);
    let [_] = sim.warm(g);
    sim.event(Event::Retire(f));
    assert_eq!(sim.removals().len(), 2);
    assert_eq!(sim.figures().idle, 1, "another function's stay");
}

/// One without sandboxes or jobs is forgotten at once, also where its last job was refused.
#[test]
fn an_empty_retired_function_is_forgotten_at_once() {
    let mut sim = Sim::new(1024);
    let (f, g) = (sim.function(of(256)), sim.function(of(1024)));
    sim.event(Event::Retire(f));
    assert_eq!(sim.actions, [Action::Forget { function: f }]);
    let h = sim.function(of(256));
    sim.run(h);
    sim.submit(g);
    sim.event(Event::Retire(g));
    sim.event(Event::SetBudget(512));
    assert_eq!(sim.refused().len(), 1);
    assert!(sim.actions.contains(&Action::Forget { function: g }));
}

/// SEEDS.md I8: shutting down stops intake, lets running requests finish, then stops every sandbox.
#[test]
fn i8_closing_serves_what_it_has_and_removes_everything() {
    let mut sim = Sim::new(1024);
    let f = sim.function(FunctionSpec { max_sandboxes: 1, ..of(256) });
    let g = sim.function(of(256));
    let ahead = sim.prewarm(Kind(1), 128, 1);
    sim.ready(ahead[0]);
    let [idle] = sim.warm(g);
    let running = sim.run(f);
    let waiting = sim.submit(f);
    sim.event(Event::Close);
    let mut removed = sim.removals();
    removed.sort();
    let mut all = [(ahead[0], Why::Closing), (idle, Why::Closing)];
    all.sort();
    assert_eq!(removed, all);
    sim.submit(f);
    assert_eq!(sim.refused().len(), 1);
    let last = sim.home(running);
    sim.release(running);
    sim.release(waiting);
    assert_eq!(sim.removals(), [(last, Why::Closing)]);
    sim.removed(ahead[0]);
    sim.removed(last);
    assert!(!sim.closed);
    sim.removed(idle);
    assert_eq!(sim.actions, [Action::Closed]);
}

/// An empty pool closes at once, and says so once.
#[test]
fn an_empty_pool_closes_at_once() {
    let mut sim = Sim::new(1024);
    let f = sim.function(of(256));
    sim.event(Event::Close);
    assert_eq!(sim.actions, [Action::Closed]);
    sim.event(Event::Close);
    sim.submit(f);
    assert!(!sim.actions.contains(&Action::Closed));
}
