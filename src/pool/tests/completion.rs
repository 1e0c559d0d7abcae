//! How jobs and sandboxes end (`SEEDS.md W15` to `W18`, `W21`, `D1`, `D6`, `I7`).

use super::super::*;
use super::sim::{Event, Sim, State, of, plain};
use crate::invocation::Start;

/// SEEDS.md W15: a release makes the sandbox available, and the head is tried.
#[test]
fn w15_a_release_serves_the_head() {
    let mut sim = Sim::new(256);
    let f = sim.function(of(256));
    let running = sim.run(f);
    let sandbox = sim.home(running);
    let head = sim.submit(f);
    assert!(sim.queued(head));
    sim.release(running);
    assert_eq!(sim.assigned(), [(head, sandbox, Start::Warm)]);
}

/// SEEDS.md W16: a crash gives the charge back, and the head is tried.
#[test]
fn w16_a_removal_returns_the_charge_and_tries_the_head() {
    let mut sim = Sim::new(256);
    let (f, g) = (sim.function(of(256)), sim.function(of(256)));
    let running = sim.run(f);
    sim.submit(g);
    sim.removed(sim.home(running));
    assert_eq!(sim.refused(), [(running, Refusal::Lost)]);
    assert_eq!((sim.started().len(), sim.figures().charged), (1, 256));
}

/// SEEDS.md W17: a job whose sandbox was dead before it began goes back to the head, and hasn't failed.
#[test]
fn w17_a_rescheduled_job_goes_to_the_head() {
    let mut sim = Sim::new(256);
    let f = sim.function(of(256));
    let first = sim.run(f);
    let dead = sim.home(first);
    let second = sim.submit(f);
    sim.reschedule(first);
    assert_eq!((sim.ended, sim.removals()), (0, vec![(dead, Why::Poisoned)]));
    sim.removed(dead);
    let fresh = sim.one_started();
    sim.ready(fresh);
    assert_eq!(sim.home(first), fresh);
    assert!(sim.queued(second));
}

/// SEEDS.md W17: before those, too, that had a sandbox coming.
#[test]
fn w17_a_rescheduled_job_goes_before_those_with_a_sandbox_coming() {
    let mut sim = Sim::new(512);
    let f = sim.function(of(256));
    let first = sim.run(f);
    let second = sim.submit(f);
    let coming = sim.one_started();
    sim.reschedule(first);
    sim.ready(coming);
    assert_eq!(sim.home(first), coming);
    assert!(sim.queued(second));
}

/// SEEDS.md W17, W21: the sandbox is removed only when the others that run in it have ended.
#[test]
fn w21_a_removal_waits_for_the_jobs_that_run() {
    let mut sim = Sim::new(1024);
    let f = sim.function(FunctionSpec { concurrency: 3, ..of(256) });
    let jobs = [sim.run(f), sim.run(f), sim.run(f)];
    let sandbox = sim.home(jobs[0]);
    sim.lost(sandbox);
    assert_eq!(sim.removals(), []);
    sim.poison(jobs[0]);
    sim.release(jobs[1]);
    assert_eq!(sim.removals(), []);
    let other = sim.submit(f);
    assert!(sim.queued(other), "nobody enters it any more");
    sim.release(jobs[2]);
    assert_eq!(sim.removals(), [(sandbox, Why::Poisoned)]);
}

/// SEEDS.md D1, W18: with one slot, a burst gave back two credits for three jobs.
#[test]
fn d1_credits_are_jobs_ended() {
    let mut sim = Sim::new(256);
    let f = sim.function(of(256));
    let jobs: Vec<_> = (0..5).map(|_| sim.submit(f)).collect();
    let sandbox = sim.sandboxes.iter().map(|(id, _)| id).next().expect("one is started");
    sim.ready(sandbox);
    let mut credits = 0;
    for job in jobs {
        sim.release(job);
        let given = |action: &Action| if let Action::Credit(jobs) = action { *jobs } else { 0 };
        credits += sim.actions.iter().map(given).sum::<u32>();
    }
    assert_eq!((credits, sim.figures().ended), (5, 5));
}

/// SEEDS.md D1, W18: however a job ends, it gives one credit.
#[test]
fn d1_refusals_and_cancels_give_their_credit() {
    let mut sim = Sim::with(PoolConfig { max_waiting: 1, ..plain(256) });
    let (f, huge) = (sim.function(of(256)), sim.function(of(512)));
    sim.submit(huge);
    assert!(sim.actions.contains(&Action::Credit(1)), "impossible");
    sim.submit(f);
    let sandbox = sim.one_started();
    let waiting = sim.submit(f);
    sim.submit(f);
    assert!(sim.actions.contains(&Action::Credit(1)), "queue full");
    sim.event(Event::Cancel(waiting));
    assert!(sim.actions.contains(&Action::Credit(1)), "cancelled");
    sim.fail(sandbox);
    assert!(sim.actions.contains(&Action::Credit(1)), "start failed");
    assert_eq!(sim.figures().ended, 4);
}

/// SEEDS.md D6: a message from an unknown sandbox threw, and lost the whole pool's state.
#[test]
fn d6_messages_from_the_past_change_nothing() {
    let mut sim = Sim::new(1024);
    let f = sim.function(of(256));
    let gone = sim.run(f);
    let past = sim.home(gone);
    sim.poison(gone);
    sim.removed(past);
    let job = sim.run(f);
    let sandbox = sim.home(job);
    assert_eq!(sandbox.index(), past.index(), "the index is used again, and the old id isn't the new one");
    let before = sim.figures();
    let events = [
        Event::Ready(past, 1),
        Event::StartFailed(past),
        Event::Released(past, job, 1, Fate::Poisoned),
        Event::Released(past, gone, 1, Fate::Keep),
        Event::Released(sandbox, gone, 1, Fate::Poisoned),
        Event::Reschedule(past, job),
        Event::Reschedule(sandbox, gone),
        Event::Paused(past),
        Event::Lost(past),
        Event::Removed(past),
        Event::Cancel(gone),
        Event::Cancel(job),
        Event::Ready(sandbox, 1),
        Event::StartFailed(sandbox),
        Event::Paused(sandbox),
    ];
    for event in events {
        sim.event(event);
        assert_eq!((sim.actions.len(), sim.figures()), (0, before), "{event:?}");
    }
    sim.release(job);
    assert_eq!(sim.figures().ended, 2);
}

/// SEEDS.md I7, D6: a sandbox that dies unasked ends each of its jobs once; a release that comes late is ignored.
#[test]
fn i7_jobs_of_a_dead_sandbox_end_once() {
    let mut sim = Sim::new(1024);
    let f = sim.function(FunctionSpec { concurrency: 2, ..of(256) });
    let jobs = [sim.run(f), sim.run(f)];
    let sandbox = sim.home(jobs[0]);
    sim.removed(sandbox);
    assert_eq!(sim.refused(), jobs.map(|job| (job, Refusal::Lost)));
    assert_eq!((sim.figures().charged, sim.figures().ended), (0, 2));
    sim.event(Event::Released(sandbox, jobs[0], 256, Fate::Keep));
    assert_eq!((sim.actions.len(), sim.figures().ended), (0, 2));
}

/// SEEDS.md E2: a poisoned sandbox is never used again.
#[test]
fn e2_a_poisoned_sandbox_is_removed() {
    let mut sim = Sim::new(512);
    let f = sim.function(of(256));
    let job = sim.run(f);
    let sandbox = sim.home(job);
    sim.poison(job);
    assert_eq!(sim.removals(), [(sandbox, Why::Poisoned)]);
    sim.submit(f);
    assert_eq!((sim.assigned().len(), sim.started().len()), (0, 1));
}

/// A sandbox that ran as many jobs as it may is removed: with 1, each request has a fresh one.
#[test]
fn a_used_up_sandbox_is_removed() {
    let mut sim = Sim::new(256);
    let f = sim.function(FunctionSpec { max_uses: Some(2), ..of(256) });
    let first = sim.run(f);
    let sandbox = sim.home(first);
    sim.release(first);
    let second = sim.submit(f);
    assert_eq!(sim.home(second), sandbox);
    sim.release(second);
    assert_eq!(sim.removals(), [(sandbox, Why::UsedUp)]);
}

/// One found dead while it starts is removed once it has started; who waited for it waits on.
#[test]
fn a_sandbox_lost_while_it_starts_is_removed_when_it_has() {
    let mut sim = Sim::new(256);
    let f = sim.function(of(256));
    let job = sim.submit(f);
    let sandbox = sim.one_started();
    sim.lost(sandbox);
    assert_eq!(sim.removals(), []);
    sim.ready(sandbox);
    assert_eq!(sim.removals(), [(sandbox, Why::Poisoned)]);
    assert!(sim.sandboxes.get(sandbox).is_some_and(|it| it.state == State::Removing));
    sim.removed(sandbox);
    let fresh = sim.one_started();
    sim.ready(fresh);
    assert_eq!(sim.home(job), fresh);
}
