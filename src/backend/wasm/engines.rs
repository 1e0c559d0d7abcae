//! The engines of one backend. Most functions share one; the others are made when the first function needs them.

use super::ceiling::Ceiling;
use super::core::Core;
use super::engine::{KEEP_HEAP, Purpose};
use super::nature::Nature;
use super::{WasmConfig, WasmFigures};
#[cfg(not(feature = "preview3"))]
use crate::error::Error;
use crate::error::Result;
use parking_lot::Mutex;
use std::sync::Arc;
use std::sync::atomic::Ordering::{Acquire, Relaxed};

/// What share of the budget unused slots with interpreters' heaps keep at most, beside the pool's books.
const HEAPS: u64 = 8;

/// The engines.
pub(super) struct Engines {
    config: WasmConfig,
    general: Arc<Core>,
    heaps: Mutex<Option<Arc<Core>>>,
    #[cfg(feature = "preview3")]
    services: Mutex<Option<Arc<Core>>>,
}

impl Engines {
    pub(super) fn new(config: WasmConfig) -> Result<Self> {
        let general = Arc::new(Core::new(&config, Purpose::General, Ceiling::of(&config), None)?);
        Ok(Self {
            config,
            general,
            heaps: Mutex::default(),
            #[cfg(feature = "preview3")]
            services: Mutex::default(),
        })
    }

    /// That of most functions.
    pub(super) fn general(&self) -> &Arc<Core> {
        &self.general
    }

    /// The one that code of this nature is compiled for.
    pub(super) fn of(&self, nature: Nature) -> Result<Arc<Core>> {
        if !nature.concurrent {
            return Ok(Arc::clone(&self.general));
        }
        #[cfg(feature = "preview3")]
        return self.services();
        #[cfg(not(feature = "preview3"))]
        Err(Error::invalid(
            "it is of WASI 0.3, which this build of kiln doesn't run: build it with the feature `preview3`",
        ))
    }

    /// That of components of WASI 0.3.
    #[cfg(feature = "preview3")]
    fn services(&self) -> Result<Arc<Core>> {
        let mut services = self.services.lock();
        if let Some(core) = &*services {
            return Ok(Arc::clone(core));
        }
        let ceiling = self.general.ceiling.share(u32::MAX).unwrap_or_else(|| self.general.ceiling.clone());
        let core = Core::new(&self.config, Purpose::Services, ceiling, Some(Arc::clone(&self.general)))?;
        Ok(Arc::clone(services.insert(Arc::new(core))))
    }

    /// That of interpreters with their heaps. Its code is the general one's. `None` where the budget has no room for what
    /// it keeps, or there are no addresses left.
    pub(super) fn heaps(&self) -> Option<Arc<Core>> {
        let mut heaps = self.heaps.lock();
        if heaps.is_none() {
            let most = u32::try_from(self.config.budget / HEAPS / KEEP_HEAP as u64).unwrap_or(u32::MAX);
            let ceiling = self.general.ceiling.share(most).filter(|_| self.general.pooled)?;
            let made = Core::new(&self.config, Purpose::Heaps, ceiling, Some(Arc::clone(&self.general)));
            let made =
                made.inspect_err(|error| tracing::debug!("heaps have no engine of their own: {error}"));
            *heaps = Some(Arc::new(made.ok()?));
        }
        heaps.clone()
    }

    pub(super) fn figures(&self) -> WasmFigures {
        let heaps = self.heaps.lock().clone();
        #[cfg(feature = "preview3")]
        let services = self.services.lock().clone();
        #[cfg(not(feature = "preview3"))]
        let services = None;
        let all = || std::iter::once(&self.general).chain(&heaps).chain(&services);
        WasmFigures {
            instances: self.general.ceiling.instances,
            // The others' are among them.
            live: self.general.live.load(Acquire),
            pooled: self.general.pooled,
            epochs: all().map(|core| core.ticker.ticks()).sum(),
            compiled: all().map(|core| core.compiled.load(Relaxed)).sum(),
            loaded: all().map(|core| core.loaded.load(Relaxed)).sum(),
        }
    }
}
