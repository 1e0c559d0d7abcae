//! `kiln bench start`: function after function, each in rounds over all its backends and kinds of start.
//!
//! Where each runs is [`super::place`]'s matter. Kinds of one function are interleaved, in a new random order each round, so that a noisy moment of the machine hits
//! all of them alike. What a run was is read off its [`Outcome`]; one that was anything else is told and not counted.

use super::args::Start;
use super::bed::Beds;
use super::place::Place;
use super::progress::Progress;
use super::select::{Selection, select};
use crate::bench::rng::Rng;
use crate::bench::start::{StartCase, StartResults};
use crate::error::Result;

/// How often a run that turns out to be of another kind is tried again in one round.
const TRIES: usize = 3;
/// A case being measured: what was seen, and where it runs.
struct Case {
    seen: StartCase,
    /// It failed over and over before it ever succeeded: it is left alone.
    given_up: bool,
    /// Where it is alternated between two namespaces: which is next.
    turn: bool,
}

pub(super) async fn measure(
    args: &Start,
    seed: u64,
    beds: &Beds,
    progress: &Progress,
) -> anyhow::Result<StartResults> {
    let Selection { settings, runtimes, functions } = select(&args.declared, &args.functions, args.backend)?;
    beds.with(runtimes);
    let mut rng = Rng::new(seed);
    let mut cases = Vec::new();
    for chosen in &functions {
        progress.expect(chosen.starts().count() as u64 * u64::from(args.runs));
    }
    for chosen in &functions {
        progress.say(format!("{}: preparing", chosen.function.name));
        let place = Place::new(beds, &settings, chosen).await?;
        let mut own: Vec<_> = place.cases().into_iter().map(Case::new).collect();
        for round in 0..args.runs {
            progress.say(format!("{}: round {} of {}", chosen.function.name, round + 1, args.runs));
            let mut order: Vec<&mut Case> = own.iter_mut().collect();
            rng.shuffle(&mut order);
            for case in order {
                case.run(&place).await?;
                progress.step(1);
            }
        }
        place.end().await;
        cases.extend(own.into_iter().map(|case| case.seen));
    }
    Ok(StartResults { rounds: args.runs, cases })
}

impl Case {
    fn new(seen: StartCase) -> Self {
        Self { given_up: seen.absent.is_some(), seen, turn: false }
    }

    /// One run, tried again where it turns out to be something else.
    async fn run(&mut self, place: &Place<'_>) -> Result<()> {
        if self.given_up {
            return Ok(());
        }
        for _ in 0..TRIES {
            self.turn = !self.turn;
            match place.run(self.seen.backend, self.seen.start, self.turn).await? {
                Ok(run) => {
                    self.seen.count(run);
                    return Ok(());
                }
                Err(why) => self.seen.discount(why),
            }
        }
        self.given_up = self.seen.runs.is_empty();
        Ok(())
    }
}
