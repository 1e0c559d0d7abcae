//! `kiln bench start`: function after function, each in rounds over all its backends and kinds of start.
//!
//! Kinds of one function are interleaved, in a new random order each round, so that a noisy moment of the machine hits
//! all of them alike. What a run was is read off its [`Outcome`]; one that was anything else is told and not counted.

use super::args::Start;
use super::bed::{Bed, Beds};
use super::progress::Progress;
use super::select::{Chosen, Selection, select};
use super::watch::Watch;
use crate::bench::rng::Rng;
use crate::bench::start::{Run, StartCase, StartKind, StartResults};
use crate::error::Result;
use crate::function::BackendKind;
use crate::invocation::{Invocation, Outcome};
use crate::manifest::HostSettings;
use bytes::Bytes;
use std::time::{Duration, Instant};

/// How often a run that turns out to be of another kind is tried again in one round.
const TRIES: usize = 3;
/// A budget that never evicts. Charges of all functions together stay far below what 64 bits hold.
const AMPLE: u64 = 1 << 50;

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
        progress.expect(chosen.backends.len() as u64 * StartKind::ALL.len() as u64 * u64::from(args.runs));
    }
    for chosen in &functions {
        progress.say(format!("{}: preparing", chosen.function.name));
        let mut place = Place::new(beds, &settings, chosen).await?;
        let mut own = place.cases();
        for round in 0..args.runs {
            progress.say(format!("{}: round {} of {}", chosen.function.name, round + 1, args.runs));
            let mut order: Vec<&mut Case> = own.iter_mut().collect();
            rng.shuffle(&mut order);
            for case in order {
                place.run(case).await?;
                progress.step(1);
            }
        }
        place.end().await;
        cases.extend(own.into_iter().map(|case| case.seen));
    }
    Ok(StartResults { rounds: args.runs, cases })
}

/// Where one function is measured: a host with room for all kinds but two, and for each backend one with room for a
/// single sandbox. A cold start makes its own.
struct Place<'a> {
    beds: &'a Beds,
    settings: &'a HostSettings,
    chosen: &'a Chosen,
    steady: Bed,
    tight: Vec<(BackendKind, Bed)>,
    /// Why a backend, or one kind on it, can't be measured.
    absent: Vec<(BackendKind, Option<StartKind>, String)>,
    /// Sandboxes that stand ready ahead on the steady host.
    ahead: usize,
}

fn namespace(backend: BackendKind, kind: StartKind) -> String {
    format!("bench-{backend}-{}", kind.as_str())
}

impl<'a> Place<'a> {
    async fn new(beds: &'a Beds, settings: &'a HostSettings, chosen: &'a Chosen) -> Result<Self> {
        let steady = beds.make(settings, Watch::default())?;
        steady.host.set_memory(AMPLE);
        let mut place =
            Self { beds, settings, chosen, steady, tight: Vec::new(), absent: Vec::new(), ahead: 0 };
        for &backend in &chosen.backends {
            if let Err(why) = place.set_up(backend).await {
                place.absent.push((backend, None, why.to_string()));
            }
        }
        Ok(place)
    }

    async fn set_up(&mut self, backend: BackendKind) -> Result<()> {
        let (steady, chosen) = (&self.steady, self.chosen);
        steady.check(backend).await?;
        let mut cached = chosen.on(backend, &namespace(backend, StartKind::Cached));
        let once = cached.max_uses() == Some(1);
        let streaming = cached.format.is_streaming();
        // So that no sandbox is left for the next one.
        cached.limits.max_uses = Some(1);
        steady.host.deploy(cached.clone()).await?;
        let memory = steady.deployed(&cached.namespace)?.memory;

        if streaming || steady.watch.starts_oneshot_ahead(backend) {
            let ahead = cached.clone().prewarm(1);
            let namespace = namespace(backend, StartKind::Prewarmed);
            steady.host.deploy(crate::Function { namespace, ..ahead }).await?;
            self.ahead += 1;
        } else {
            let why = "a one-shot sandbox of this backend can't start before its request is known";
            self.absent.push((backend, Some(StartKind::Prewarmed), why.into()));
        }
        if once {
            let what = if streaming { "its `max_uses` is 1" } else { "it is one-shot" };
            let why = format!("{what}, so each sandbox serves once and none is ever idle");
            self.absent.push((backend, Some(StartKind::Warm), why.clone()));
            self.absent.push((backend, Some(StartKind::Recreated), why));
            return Ok(());
        }
        let warm = namespace(backend, StartKind::Warm);
        steady.host.deploy(chosen.on(backend, &warm)).await?;
        // So that the first run finds what it needs. How this one ends is told by those that follow.
        let _ = steady.host.invoke_in(&warm, &chosen.function.name, self.request()).await;
        let tight = self.beds.make(self.settings, Watch::default())?;
        for side in ["a", "b"] {
            tight.host.deploy(chosen.on(backend, &format!("bench-{side}"))).await?;
        }
        // Room for one that runs: the other one's idle sandbox has to go.
        tight.host.set_memory(memory);
        let _ = tight.host.invoke_in("bench-b", &chosen.function.name, self.request()).await;
        self.tight.push((backend, tight));
        Ok(())
    }

    fn cases(&self) -> Vec<Case> {
        let function = &self.chosen.function;
        let all = self.chosen.backends.iter().flat_map(|backend| StartKind::ALL.map(|kind| (*backend, kind)));
        all.map(|(backend, kind)| {
            let mut seen = StartCase::new(&function.name, backend, function.format, kind);
            let why = self
                .absent
                .iter()
                .find(|(of, only, _)| *of == backend && only.is_none_or(|only| only == kind));
            seen.absent = why.map(|(_, _, why)| why.clone());
            Case { given_up: seen.absent.is_some(), seen, turn: false }
        })
        .collect()
    }

    /// One run of a case, tried again where it turns out to be something else.
    async fn run(&mut self, case: &mut Case) -> Result<()> {
        if case.given_up {
            return Ok(());
        }
        for _ in 0..TRIES {
            let (backend, kind) = (case.seen.backend, case.seen.start);
            let once = match kind {
                StartKind::Cold => self.cold(backend).await,
                _ => {
                    case.turn = !case.turn;
                    self.invoke(backend, kind, case.turn).await?
                }
            };
            match once {
                Ok(run) => {
                    case.seen.count(run);
                    return Ok(());
                }
                Err(why) => case.seen.discount(why),
            }
        }
        case.given_up = case.seen.runs.is_empty();
        Ok(())
    }

    /// A start on a host that is there. Errors are the machine's; in the inner result is why the run isn't counted.
    async fn invoke(&self, backend: BackendKind, kind: StartKind, turn: bool) -> Result<Result<Run, String>> {
        let containers = backend == BackendKind::Docker;
        let tight = self.tight.iter().find(|(of, _)| *of == backend).map(|(_, bed)| bed);
        let (bed, ahead, namespace) = match (kind, tight) {
            (StartKind::Recreated, Some(bed)) => (bed, 0, format!("bench-{}", if turn { "a" } else { "b" })),
            _ => (&self.steady, self.ahead, namespace(backend, kind)),
        };
        // What the run before has set going must not run beside this one.
        self.steady.rest(self.ahead, containers).await?;
        if !std::ptr::eq(bed, &self.steady) {
            bed.rest(ahead, containers).await?;
        }
        let name = &self.chosen.function.name;
        let invocation = self.request();
        let began = Instant::now();
        let outcome = bed.host.invoke_in(&namespace, name, invocation).await;
        let total = began.elapsed();
        Ok(counted(kind, &outcome).map(|()| Run::new(&outcome, total, Duration::ZERO, Duration::ZERO)))
    }

    /// A start with nothing there: host, engine and code are made anew.
    async fn cold(&self, backend: BackendKind) -> Result<Run, String> {
        let said = |error: crate::Error| format!("{}: {}", error.kind(), error.message());
        self.steady.rest(self.ahead, false).await.map_err(said)?;
        let function = self.chosen.on(backend, crate::function::DEFAULT_NAMESPACE);
        let (name, invocation) = (function.name.clone(), self.request());
        let began = Instant::now();
        let bed = self.beds.make(self.settings, Watch::default()).map_err(said)?;
        let host = began.elapsed();
        let run = async {
            bed.host.deploy(function).await.map_err(said)?;
            let load = began.elapsed().saturating_sub(host);
            let outcome = bed.host.invoke(&name, invocation).await;
            let total = began.elapsed();
            counted(StartKind::Cold, &outcome)?;
            if bed.compiled() > 0 {
                return Err(
                    "its module was compiled: the cache on disk didn't have it, see `kiln doctor`".into()
                );
            }
            Ok(Run::new(&outcome, total, host, load))
        };
        let run = run.await;
        self.beds.end(bed).await;
        run
    }

    fn request(&self) -> Invocation {
        Invocation::new(Bytes::clone(&self.chosen.body))
    }

    async fn end(self) {
        for (_, bed) in self.tight {
            self.beds.end(bed).await;
        }
        self.beds.end(self.steady).await;
    }
}

/// Whether a run was what it was meant to be; if not, what it was.
fn counted(kind: StartKind, outcome: &Outcome) -> Result<(), String> {
    match (&outcome.result, outcome.start) {
        (Err(error), _) => Err(format!("{}: {}", error.kind(), error.message())),
        (Ok(reply), _) if reply.status >= 400 => {
            Err(format!("the function answered with status {}", reply.status))
        }
        (Ok(_), Some(start)) if start == kind.seen_as() => Ok(()),
        (Ok(_), start) => {
            Err(format!("the host saw it as {}", start.map_or("nothing", |start| start.as_str())))
        }
    }
}
