//! A job waits for a busy sandbox as long as a start would take, where one is expected to be free before.

use crate::invocation::Start;
use crate::pool::{Action, Fate, FunctionId, FunctionSpec, JobId, Pool, PoolConfig, SandboxId, Time};
use std::time::Duration;

fn at(millis: u64) -> Time {
    Time::after(Duration::from_millis(millis))
}

fn actions(pool: &mut Pool) -> Vec<Action> {
    std::iter::from_fn(|| pool.pop_action()).filter(|action| !matches!(action, Action::Credit(_))).collect()
}

/// A pool with one warm sandbox of a function, which took 500 ms to start and ran one job for `run` ms. It is busy with
/// another one from 10,000 ms on.
fn busy(run: u64) -> (Pool, FunctionId, SandboxId, JobId) {
    let mut pool = Pool::new(PoolConfig { budget: 100, ..PoolConfig::default() });
    let function = pool.add_function(FunctionSpec {
        memory: 10,
        concurrency: 1,
        max_sandboxes: 8,
        max_uses: None,
        idle_timeout: Duration::from_secs(3600),
        pause_after: None,
        kind: None,
    });
    let first = pool.submit(at(0), function);
    let [Action::Start { sandbox, .. }] = actions(&mut pool)[..] else { panic!("a cold start") };
    pool.ready(at(500), sandbox, 10);
    assert!(matches!(actions(&mut pool)[..], [Action::Assign { start: Start::Cold, .. }]));
    pool.released(at(500 + run), sandbox, first, 10, Fate::Keep);
    let second = pool.submit(at(10_000), function);
    assert!(matches!(actions(&mut pool)[..], [Action::Assign { start: Start::Warm, .. }]));
    (pool, function, sandbox, second)
}

#[test]
fn a_short_job_is_waited_for() {
    let (mut pool, function, sandbox, running) = busy(2);
    let waiting = pool.submit(at(10_001), function);
    assert_eq!(actions(&mut pool), [], "nothing is started");
    pool.released(at(10_003), sandbox, running, 10, Fate::Keep);
    let assigned = Action::Assign { job: waiting, sandbox, start: Start::Warm, paused: false };
    assert_eq!(actions(&mut pool), [assigned]);
}

#[test]
fn but_no_longer_than_a_start_takes() {
    let (mut pool, function, ..) = busy(2);
    pool.submit(at(10_001), function);
    assert_eq!(actions(&mut pool), []);
    let due = pool.next_tick().expect("an alarm");
    assert!(due <= at(10_501), "{due:?}");
    pool.tick(at(10_500));
    assert_eq!(actions(&mut pool), []);
    pool.tick(at(10_501));
    assert!(matches!(actions(&mut pool)[..], [Action::Start { .. }]));
}

#[test]
fn a_long_job_is_not_waited_for() {
    let (mut pool, function, ..) = busy(5_000);
    pool.submit(at(10_001), function);
    assert!(matches!(actions(&mut pool)[..], [Action::Start { .. }]));
}

#[test]
fn a_crowd_gets_more_sandboxes() {
    let (mut pool, function, ..) = busy(100);
    for _ in 0..8 {
        pool.submit(at(10_001), function);
    }
    assert!(actions(&mut pool).iter().any(|action| matches!(action, Action::Start { .. })));
}

#[test]
fn nobody_waits_for_a_sandbox_that_is_gone() {
    let (mut pool, function, sandbox, running) = busy(2);
    pool.submit(at(10_001), function);
    assert_eq!(actions(&mut pool), []);
    pool.released(at(10_002), sandbox, running, 10, Fate::Poisoned);
    let after = actions(&mut pool);
    assert!(after.iter().any(|action| matches!(action, Action::Start { .. })), "{after:?}");
}
