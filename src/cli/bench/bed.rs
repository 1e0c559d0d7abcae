//! The hosts that a bench makes, all of them stopped at its end, however it ends.

use super::watch::{Watch, Watched};
use crate::backend::Backend;
use crate::cli::{host, identity};
use crate::error::{Error, Result};
use crate::function::BackendKind;
use crate::host::{Deployed, Host};
use crate::manifest::HostSettings;
use crate::runtime::Runtime;
use parking_lot::Mutex;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// Far longer than anything takes to come to rest: it only turns a hang into an error.
const RESTLESS: Duration = Duration::from_secs(120);
/// How often it is looked, and for how long it has to stay so: a start that was decided on is begun by then.
const LOOK: Duration = Duration::from_millis(2);
const STAYS: u32 = 3;
/// How long a container that was started ahead is left alone: nobody sees when its program has come to its first read.
const CONTAINER_INIT: Duration = Duration::from_millis(150);

/// Every host that was made and not stopped yet.
#[derive(Default)]
pub(super) struct Beds {
    live: Mutex<Vec<(String, Host)>>,
    runtimes: Mutex<Vec<Runtime>>,
    engine: Mutex<Option<Option<String>>>,
}

/// A host under test. [`Beds::stop`] stops it where [`Bed::stop`] didn't.
pub(super) struct Bed {
    pub(super) host: Host,
    pub(super) watch: Arc<Watch>,
    /// What marks its containers.
    pub(super) id: String,
    made: host::Made,
    /// Sandboxes that had started when it last came to rest.
    settled: AtomicUsize,
}

impl Beds {
    /// From now on its hosts have these runtimes.
    pub(super) fn with(&self, runtimes: Vec<Runtime>) {
        *self.runtimes.lock() = runtimes;
    }

    /// Makes a host of these settings, with every backend that was built in.
    pub(super) fn make(&self, settings: &HostSettings, watch: Watch) -> Result<Bed> {
        let (watch, id) = (Arc::new(watch), identity::of_one_life());
        let wrap = |backend| Arc::new(Watched { backend, watch: watch.clone() }) as Arc<dyn Backend>;
        let runtimes = self.runtimes.lock().clone();
        let made = host::make(settings, &runtimes, id.clone(), &wrap)?;
        let host = made.host.clone();
        self.live.lock().push((id.clone(), host.clone()));
        self.engine.lock().get_or_insert_with(|| settings.docker_host.clone());
        Ok(Bed { host, watch, id, made, settled: AtomicUsize::new(0) })
    }

    /// Stops one.
    pub(super) async fn end(&self, bed: Bed) {
        bed.host.stop().await;
        self.live.lock().retain(|(id, _)| *id != bed.id);
    }

    /// Stops all that are left. Returns when no sandbox of theirs is left.
    pub(super) async fn stop(&self) {
        let left: Vec<_> = self.live.lock().iter().map(|(_, host)| host.clone()).collect();
        for host in &left {
            host.stop().await;
        }
        self.live.lock().clear();
    }

    /// The version of the engine that was used, if one was.
    pub(super) async fn engine_version(&self) -> Option<String> {
        let _address = self.engine.lock().clone()?;
        #[cfg(feature = "docker")]
        return super::containers::version(_address.as_deref()).await;
        #[cfg(not(feature = "docker"))]
        None
    }
}

impl Bed {
    /// Whether a backend can start sandboxes; if not, why.
    pub(super) async fn check(&self, backend: BackendKind) -> Result<()> {
        let checks = self.host.check().await;
        let missing = || Error::unavailable(format!("this kiln was built without its {backend} backend"));
        checks.into_iter().find(|(kind, _)| *kind == backend).ok_or_else(missing)?.1
    }

    /// Modules compiled in this host's life: 0 where all came from the cache on disk.
    pub(super) fn compiled(&self) -> u64 {
        self.made.compiled()
    }

    /// Wasm instances that can live at once.
    pub(super) fn instances(&self) -> Option<u32> {
        self.made.instances()
    }

    /// What a function's deployment says of it.
    pub(super) fn deployed(&self, namespace: &str) -> Result<Deployed> {
        let found = self.host.list().into_iter().find(|each| each.function.namespace == namespace);
        found.ok_or_else(|| Error::internal("a function that was deployed is not"))
    }

    /// Waits until the source function in a namespace is served from its snapshot; if it can't be, why.
    pub(super) async fn snapshotted(&self, namespace: &str) -> Result<()> {
        let until = Instant::now() + RESTLESS;
        while !self.deployed(namespace)?.snapshot {
            if let Some(why) = self.watch.no_snapshot() {
                return Err(why);
            }
            if Instant::now() > until {
                let seconds = RESTLESS.as_secs();
                let why = format!("its snapshot isn't there after {seconds} s");
                return Err(Error::new(crate::ErrorKind::TimedOut, why));
            }
            sleep(LOOK).await;
        }
        Ok(())
    }

    /// Waits until nothing starts, runs or ends, and `ahead` sandboxes are ready ahead.
    pub(super) async fn rest(&self, ahead: usize, containers: bool) -> Result<()> {
        let until = Instant::now() + RESTLESS;
        let mut stayed = 0;
        while stayed < STAYS {
            let now = self.host.figures();
            let moving = now.active + now.starting + now.removing + now.waiting + self.watch.in_flight();
            stayed = if moving == 0 && now.prewarmed == ahead { stayed + 1 } else { 0 };
            if stayed == 0 && self.watch.failures() > 0 {
                break;
            }
            if Instant::now() > until {
                return Err(Error::new(
                    crate::ErrorKind::TimedOut,
                    format!("the host didn't come to rest within {} s: {now:?}", RESTLESS.as_secs()),
                ));
            }
            sleep(LOOK).await;
        }
        let started = self.watch.started();
        if containers && ahead > 0 && self.settled.swap(started, Ordering::Relaxed) != started {
            sleep(CONTAINER_INIT).await;
        }
        Ok(())
    }
}
