//! Where the starts of one function are measured: hosts in which each run comes to be what it is meant to be.

use super::bed::{Bed, Beds};
use super::select::Chosen;
use super::watch::Watch;
use crate::bench::start::{Run, StartCase, StartKind};
use crate::error::Result;
use crate::function::{BackendKind, Function};
use crate::invocation::{Invocation, Outcome};
use crate::manifest::HostSettings;
use bytes::Bytes;
use std::time::{Duration, Instant};

/// A budget that never evicts. Charges of all functions together stay far below what 64 bits hold.
const AMPLE: u64 = 1 << 50;

/// Where one function is measured: a host with room for most kinds, and for each backend one with room for a single
/// sandbox. A cold start makes its own.
pub(super) struct Place<'a> {
    beds: &'a Beds,
    settings: &'a HostSettings,
    chosen: &'a Chosen,
    steady: Bed,
    /// Where sandboxes stand ready ahead, if not on the steady host: any of a source function's starts there would take them.
    stem_cells: Option<Bed>,
    tight: Vec<(BackendKind, Bed)>,
    /// Why a backend, or one kind on it, can't be measured.
    absent: Vec<(BackendKind, Option<StartKind>, String)>,
    /// Sandboxes that stand ready ahead.
    ahead: usize,
}

fn namespace(backend: BackendKind, kind: StartKind) -> String {
    format!("bench-{backend}-{}", kind.as_str())
}

impl<'a> Place<'a> {
    pub(super) async fn new(beds: &'a Beds, settings: &'a HostSettings, chosen: &'a Chosen) -> Result<Self> {
        let ample = || {
            let bed = beds.make(settings, Watch::default())?;
            bed.host.set_memory(AMPLE);
            crate::Result::Ok(bed)
        };
        let (tight, absent) = (Vec::new(), Vec::new());
        let stem_cells = chosen.source().is_some().then(ample).transpose()?;
        let steady = ample()?;
        let mut place = Self { beds, settings, chosen, steady, stem_cells, tight, absent, ahead: 0 };
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
            self.ready().host.deploy(Function { namespace, ..ahead }).await?;
            self.ahead += 1;
        } else {
            let why = "a one-shot sandbox of this backend can't start before its request is known";
            self.absent.push((backend, Some(StartKind::Prewarmed), why.into()));
        }
        self.set_up_snapshot(backend).await?;
        let (steady, chosen) = (&self.steady, self.chosen);
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

    /// Deploys what is served from its snapshot, where there is such a thing, and waits until it is.
    async fn set_up_snapshot(&mut self, backend: BackendKind) -> Result<()> {
        let Some(source) = self.chosen.source() else { return Ok(()) };
        if backend != BackendKind::Wasm {
            return Ok(());
        }
        let name = &self.chosen.function.name;
        let namespace = namespace(backend, StartKind::Snapshot);
        let taken = match source.snapshot {
            false => Err("its `snapshot` is false".to_owned()),
            true => {
                let mut function = self.chosen.on(backend, &namespace);
                function.limits.max_uses = Some(1);
                function.code.source = Some(source.clone());
                self.steady.host.deploy(function).await?;
                self.steady.snapshotted(&namespace).await.map_err(|why| why.to_string())
            }
        };
        match taken {
            // So that the first run finds what it needs.
            Ok(()) => drop(self.steady.host.invoke_in(&namespace, name, self.request()).await),
            Err(why) => self.absent.push((backend, Some(StartKind::Snapshot), why)),
        }
        Ok(())
    }

    /// Where sandboxes stand ready ahead.
    fn ready(&self) -> &Bed {
        self.stem_cells.as_ref().unwrap_or(&self.steady)
    }

    /// Waits until nothing moves on the hosts that stay.
    async fn rest(&self, containers: bool) -> Result<()> {
        if self.stem_cells.is_some() {
            self.steady.rest(0, containers).await?;
        }
        self.ready().rest(self.ahead, containers).await
    }

    /// What is measured here, nothing of it seen yet.
    pub(super) fn cases(&self) -> Vec<StartCase> {
        let function = &self.chosen.function;
        self.chosen
            .starts()
            .map(|(backend, kind)| {
                let mut seen = StartCase::new(&function.name, backend, function.format, kind);
                let why = self
                    .absent
                    .iter()
                    .find(|(of, only, _)| *of == backend && only.is_none_or(|only| only == kind));
                seen.absent = why.map(|(_, _, why)| why.clone());
                seen
            })
            .collect()
    }

    /// One run. Errors are the machine's; in the inner result is why it isn't counted. Of the kinds that alternate between
    /// two functions `turn` says which.
    pub(super) async fn run(
        &self,
        backend: BackendKind,
        kind: StartKind,
        turn: bool,
    ) -> Result<Result<Run, String>> {
        match kind {
            StartKind::Cold => Ok(self.cold(backend).await),
            _ => self.invoke(backend, kind, turn).await,
        }
    }

    /// A start on a host that is there.
    async fn invoke(&self, backend: BackendKind, kind: StartKind, turn: bool) -> Result<Result<Run, String>> {
        let containers = backend == BackendKind::Docker;
        let tight = self.tight.iter().find(|(of, _)| *of == backend).map(|(_, bed)| bed);
        // What the run before has set going must not run beside this one.
        self.rest(containers).await?;
        let (bed, namespace) = match (kind, tight) {
            (StartKind::Recreated, Some(bed)) => {
                bed.rest(0, containers).await?;
                (bed, format!("bench-{}", if turn { "a" } else { "b" }))
            }
            (StartKind::Prewarmed, _) => (self.ready(), namespace(backend, kind)),
            _ => (&self.steady, namespace(backend, kind)),
        };
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
        self.rest(false).await.map_err(said)?;
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

    pub(super) async fn end(self) {
        let tight = self.tight.into_iter().map(|(_, bed)| bed);
        for bed in tight.chain(self.stem_cells).chain([self.steady]) {
            self.beds.end(bed).await;
        }
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
