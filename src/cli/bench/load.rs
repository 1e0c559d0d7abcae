//! `kiln bench load`: an open loop.
//!
//! A thread of its own sends each request when its schedule says so, and not when the one before is answered. A timer of
//! the runtime would be late by up to a millisecond, thousands of times what a warm call takes.

use super::args::{Backends, Load};
use super::bed::Beds;
use super::progress::Progress;
use super::select::{self, Selection, select};
use super::target::{Ended, Target};
use super::watch::Watch;
use crate::bench::Distribution;
use crate::bench::arrivals::Schedule;
use crate::bench::load::{LoadResults, behind};
use crate::function::BackendKind;
use anyhow::Context;
use bytes::Bytes;
use hdrhistogram::Histogram;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, oneshot};

/// Requests without an answer at once; beyond, those that are due aren't sent, which is told. It keeps the memory bounded.
const UNANSWERED: u32 = 20_000;
/// The longest latency that is told apart, in nanoseconds: an hour. Precision: three digits.
const LONGEST: u64 = 3_600_000_000_000;
/// What a sleeping thread may oversleep: it is awake from then on.
const OVERSLEEP: Duration = Duration::from_micros(120);
/// How often a sleeping generator looks whether it is to stop.
const LOOK: Duration = Duration::from_millis(50);

pub(super) async fn measure(
    args: Load,
    seed: u64,
    beds: &Beds,
    progress: &Progress,
) -> anyhow::Result<LoadResults> {
    let name = args.function.clone();
    let (target, body, declared) = match &args.url {
        Some(url) => {
            let body = select::body(&args.declared.data, std::slice::from_ref(&name), &name)?;
            let body = body.unwrap_or(Bytes::from_static(select::BODY));
            (Target::server(url, &name).await?, body, None)
        }
        None => {
            let (target, body, backend, format) = in_process(&args, beds).await?;
            (target, body, Some((backend, format)))
        }
    };
    progress.expect(args.duration.as_millis() as u64);
    progress.say(format!("{name}: {} requests/s", args.rate));
    let schedule = Schedule::new(args.arrivals, args.rate, args.duration, seed);
    let tally = run(target, body, schedule, progress).await?;
    let Tally { latency, service, lateness, starts, errors, meant, unsent, last } = tally;
    let (latency, service, lateness) = (values(&latency), values(&service), values(&lateness));
    let took = last.max(args.duration).as_secs_f64();
    let sent = meant.saturating_sub(unsent);
    Ok(LoadResults {
        function: name,
        backend: declared.map(|(backend, _)| backend),
        format: declared.map(|(_, format)| format),
        url: args.url,
        rate: args.rate,
        arrivals: args.arrivals,
        seconds: args.duration.as_secs_f64(),
        meant,
        sent,
        answered: latency.count(),
        achieved: latency.count() as f64 / took,
        behind: behind(meant, sent, &lateness, &latency),
        latency,
        service,
        lateness,
        starts,
        errors,
    })
}

/// The function as its manifest has it, on a host of its manifest's settings, with what it wants started ahead.
async fn in_process(args: &Load, beds: &Beds) -> anyhow::Result<(Target, Bytes, BackendKind, crate::Format)> {
    let names = std::slice::from_ref(&args.function);
    let Selection { settings, runtimes, functions } = select(&args.declared, names, Backends::Both)?;
    beds.with(runtimes);
    let chosen = functions.into_iter().next().context("a function was chosen and isn't there")?;
    let mut function = chosen.function;
    function.backend = args.backend.or(function.backend);
    function.validate()?;
    let backend = function.backend().context("it has no code")?;
    let (format, ahead) = (function.format, function.prewarm);
    let bed = beds.make(&settings, Watch::default())?;
    bed.check(backend).await?;
    bed.host.deploy(function).await?;
    let starts_ahead = format.is_streaming() || bed.watch.starts_oneshot_ahead(backend);
    bed.rest(if starts_ahead { ahead as usize } else { 0 }, backend == BackendKind::Docker).await?;
    Ok((Target::Host(bed.host, args.function.clone()), chosen.body, backend, format))
}

/// What was seen so far.
struct Tally {
    latency: Histogram<u64>,
    service: Histogram<u64>,
    lateness: Histogram<u64>,
    starts: BTreeMap<String, u64>,
    errors: BTreeMap<String, u64>,
    meant: u64,
    unsent: u64,
    /// From the beginning to the last good reply.
    last: Duration,
}

impl Tally {
    fn new() -> anyhow::Result<Self> {
        let histogram = || Histogram::new_with_bounds(1, LONGEST, 3).context("can't make a histogram");
        Ok(Self {
            latency: histogram()?,
            service: histogram()?,
            lateness: histogram()?,
            starts: BTreeMap::new(),
            errors: BTreeMap::new(),
            meant: 0,
            unsent: 0,
            last: Duration::ZERO,
        })
    }

    fn ended(&mut self, began: Instant, due: Instant, sent: Instant, ended: Ended) {
        let now = Instant::now();
        match ended {
            Ok(start) => {
                self.latency.saturating_record(nanos(now - due));
                self.service.saturating_record(nanos(now - sent));
                *self.starts.entry(start).or_default() += 1;
                self.last = self.last.max(now - began);
            }
            Err(kind) => *self.errors.entry(kind).or_default() += 1,
        }
    }
}

/// Stops the generator when nobody waits for it any more.
struct Stop(Arc<AtomicBool>);

impl Drop for Stop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

async fn run(target: Target, body: Bytes, schedule: Schedule, progress: &Progress) -> anyhow::Result<Tally> {
    let tally = Arc::new(Mutex::new(Tally::new()?));
    let line = Arc::new(Semaphore::new(UNANSWERED as usize));
    let stop = Stop(Arc::default());
    let (done, mut all_sent) = oneshot::channel();
    let generator = Generator {
        target: Arc::new(target),
        body,
        tally: tally.clone(),
        line: line.clone(),
        stop: stop.0.clone(),
        runtime: Handle::current(),
    };
    let thread = std::thread::Builder::new().name("kiln-arrivals".into());
    thread
        .spawn(move || {
            generator.run(schedule);
            // Nobody listens where the bench was interrupted.
            let _ = done.send(());
        })
        .context("can't start the thread that sends requests")?;
    let mut shown = Instant::now();
    let mut tick = tokio::time::interval(Duration::from_millis(100));
    while let Err(oneshot::error::TryRecvError::Empty) = all_sent.try_recv() {
        tick.tick().await;
        progress.step(shown.elapsed().as_millis() as u64);
        shown = Instant::now();
    }
    progress.say("waiting for the last replies");
    // Each waits for a sandbox and runs for as long as its host and function allow: this ends.
    let _all = line.acquire_many(UNANSWERED).await.context("the requests were lost")?;
    let empty = Tally::new()?;
    Ok(std::mem::replace(&mut tally.lock(), empty))
}

/// What the generator's thread needs.
struct Generator {
    target: Arc<Target>,
    body: Bytes,
    tally: Arc<Mutex<Tally>>,
    line: Arc<Semaphore>,
    stop: Arc<AtomicBool>,
    runtime: Handle,
}

impl Generator {
    fn run(self, schedule: Schedule) {
        let began = Instant::now() + Duration::from_millis(20);
        for at in schedule {
            let due = began + at;
            if !self.wait(due) {
                return;
            }
            let sent = Instant::now();
            let Ok(place) = self.line.clone().try_acquire_owned() else {
                let mut tally = self.tally.lock();
                (tally.meant, tally.unsent) = (tally.meant + 1, tally.unsent + 1);
                continue;
            };
            {
                let mut tally = self.tally.lock();
                tally.meant += 1;
                tally.lateness.saturating_record(nanos(sent - due));
            }
            let (target, body, tally) = (self.target.clone(), self.body.clone(), self.tally.clone());
            self.runtime.spawn(async move {
                let ended = target.ask(body).await;
                tally.lock().ended(began, due, sent, ended);
                drop(place);
            });
        }
    }

    /// Sleeps until a moment, and at its end looks at the clock instead. False: stop.
    fn wait(&self, due: Instant) -> bool {
        loop {
            if self.stop.load(Ordering::Relaxed) {
                return false;
            }
            let left = due.saturating_duration_since(Instant::now());
            if left > OVERSLEEP {
                std::thread::sleep((left - OVERSLEEP).min(LOOK));
            } else if left.is_zero() {
                return true;
            } else {
                std::thread::yield_now();
            }
        }
    }
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX).max(1)
}

fn values(histogram: &Histogram<u64>) -> Distribution {
    let step = |step: hdrhistogram::iterators::IterationValue<u64>| {
        (step.value_iterated_to(), step.count_since_last_iteration())
    };
    histogram.iter_recorded().map(step).collect::<Vec<_>>().into()
}
