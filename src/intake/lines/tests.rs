//! The lines, against a plain list of what waits and what is under way.

use super::{Entry, Lines, Of};
use proptest::prelude::*;
use std::collections::HashMap;
use std::sync::Arc;

const FUNCTIONS: usize = 4;
const CREDIT: usize = 8;

#[derive(Clone, Debug)]
enum Op {
    Add { of: usize, from: u64 },
    Take { credit: usize },
    End(usize),
    Again { which: usize, pause: u64 },
    PutBack(usize),
    Pass(u64),
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        4 => (0..FUNCTIONS, 0..40_u64).prop_map(|(of, from)| Op::Add { of, from: from.saturating_sub(30) }),
        4 => (1..=CREDIT).prop_map(|credit| Op::Take { credit }),
        2 => any::<usize>().prop_map(Op::End),
        1 => (any::<usize>(), 0..20_u64).prop_map(|(which, pause)| Op::Again { which, pause }),
        1 => any::<usize>().prop_map(Op::PutBack),
        1 => (0..20_u64).prop_map(Op::Pass),
    ]
}

fn of(function: usize) -> Of {
    Arc::new(("guest".into(), format!("function {function}")))
}

/// What the model knows of one work.
struct Known {
    of: Of,
    from: u64,
    attempts: u32,
    running: bool,
}

proptest! {
    #[test]
    fn each_work_is_handed_out_in_its_time_and_once(ops in proptest::collection::vec(op(), 1..200)) {
        let (mut lines, mut now, mut next) = (Lines::default(), 100_u64, 1_u64);
        let mut known: HashMap<u64, Known> = HashMap::new();
        let pick = |known: &HashMap<u64, Known>, which: usize| {
            let mut running: Vec<_> = known.iter().filter(|(_, one)| one.running).map(|(number, _)| *number).collect();
            running.sort_unstable();
            (!running.is_empty()).then(|| running[which % running.len()])
        };
        for op in ops {
            match op {
                Op::Add { of: function, from } => {
                    let from = if from == 0 { 0 } else { now + from };
                    prop_assert!(lines.reserve(10, usize::MAX, u64::MAX));
                    lines.add(Entry { number: next, of: of(function), bytes: 10, attempts: 0, found: true }, from);
                    known.insert(next, Known { of: of(function), from, attempts: 0, running: false });
                    next += 1;
                }
                Op::Take { credit } => {
                    let running = known.values().filter(|one| one.running).count();
                    let credit = credit.min(CREDIT - running);
                    let could = known.values().any(|one| !one.running && one.from <= now);
                    let taken = lines.take(now, credit, 40);
                    prop_assert!(taken.len() <= credit);
                    // With nothing under way nobody is stuck, so somebody's turn it is.
                    prop_assert!(!taken.is_empty() || !could || credit == 0 || running > 0);
                    for entry in taken {
                        let one = known.get_mut(&entry.number).unwrap();
                        prop_assert!(!one.running && one.from <= now);
                        prop_assert_eq!((&one.of, one.attempts), (&entry.of, entry.attempts));
                        prop_assert_eq!(lines.attempts(entry.number), one.attempts);
                        one.running = true;
                    }
                    prop_assert!(known.values().filter(|one| one.running).count() <= 4, "10 bytes each, of 40");
                    // No function holds more than half (`SEEDS.md E4`).
                    for function in 0..FUNCTIONS {
                        let of = of(function);
                        let held = known.values().filter(|one| one.running && one.of == of).count();
                        prop_assert!(held <= CREDIT / 2, "{held}");
                    }
                }
                Op::End(which) => {
                    let Some(number) = pick(&known, which) else { continue };
                    prop_assert!(lines.end(number).is_some());
                    prop_assert!(lines.end(number).is_none());
                    known.remove(&number);
                }
                Op::Again { which, pause } => {
                    let Some(number) = pick(&known, which) else { continue };
                    let one = known.get_mut(&number).unwrap();
                    (one.attempts, one.from, one.running) = (one.attempts + 1, now + pause, false);
                    prop_assert!(lines.again(number, one.attempts, one.from).is_some());
                }
                Op::PutBack(which) => {
                    let Some(number) = pick(&known, which) else { continue };
                    lines.put_back(number);
                    known.get_mut(&number).unwrap().running = false;
                }
                Op::Pass(time) => now += time,
            }
            prop_assert_eq!(lines.works, known.len());
            prop_assert_eq!(lines.bytes, 10 * known.len() as u64);
            prop_assert_eq!(lines.running(), known.values().filter(|one| one.running).count());
        }
        // All that is left comes out.
        now += 1000;
        for _ in 0..known.len() * 2 {
            for number in known.iter().filter(|(_, one)| one.running).map(|(number, _)| *number).collect::<Vec<_>>() {
                lines.end(number);
                known.remove(&number);
            }
            for entry in lines.take(now, CREDIT, 40) {
                known.get_mut(&entry.number).unwrap().running = true;
            }
        }
        prop_assert_eq!((known.len(), lines.works, lines.lines.len(), lines.turns.len()), (0, 0, 0, 0));
    }
}

#[test]
fn functions_take_turns() {
    let mut lines = Lines::default();
    let functions = [0, 0, 0, 0, 1, 2];
    for (number, function) in (1..).zip(functions) {
        lines.add(Entry { number, of: of(function), bytes: 0, attempts: 0, found: false }, 0);
    }
    let taken: Vec<_> = lines.take(1, 8, 0).into_iter().map(|entry| entry.number).collect();
    // 8 among 3 functions and one to come is 2 each.
    assert_eq!(taken, [1, 5, 6, 2]);
    lines.end(5);
    lines.end(6);
    let taken: Vec<_> = lines.take(1, 6, 0).into_iter().map(|entry| entry.number).collect();
    assert_eq!(taken, [3, 4], "one function alone has half");
}

#[test]
fn what_is_more_than_may_wait_is_not_reserved() {
    let mut lines = Lines::default();
    assert!(lines.reserve(5, 2, 10));
    assert!(!lines.reserve(6, 2, 10), "bytes");
    assert!(lines.reserve(5, 2, 10));
    assert!(!lines.reserve(0, 2, 10), "works");
    lines.forget(5);
    assert!(lines.reserve(5, 2, 10));
}

#[test]
fn what_is_too_large_for_all_goes_alone() {
    let mut lines = Lines::default();
    for (number, bytes) in [(1, 5), (2, 100), (3, 5)] {
        lines.add(Entry { number, of: of(number as usize), bytes, attempts: 0, found: false }, 0);
    }
    let mut take = |ended: &[u64]| {
        ended.iter().for_each(|number| drop(lines.end(*number)));
        lines.take(1, 8, 50).into_iter().map(|entry| entry.number).collect::<Vec<_>>()
    };
    assert_eq!(take(&[]), [1]);
    assert_eq!(take(&[]), [0_u64; 0], "nothing goes before the one that waits for room");
    assert_eq!(take(&[1]), [2]);
    assert_eq!(take(&[2]), [3]);
}
