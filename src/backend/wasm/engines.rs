//! The engines of one backend. Most functions share one; the others are made when the first function needs them.

use super::ceiling::Ceiling;
use super::core::Core;
use super::engine::{KEEP_HEAP, Purpose};
use super::nature::Nature;
use super::{WasmConfig, WasmFigures};
use crate::error::{Error, Result};
use parking_lot::Mutex;
use std::sync::Arc;
use std::sync::atomic::Ordering::{Acquire, Relaxed};

/// What share of the budget unused slots with interpreters' heaps keep at most on each engine, beside the pool's books.
const HEAPS: u64 = 8;

/// The engines.
pub(super) struct Engines {
    config: WasmConfig,
    general: Arc<Core>,
    others: Mutex<Vec<(Purpose, Arc<Core>)>>,
}

impl Engines {
    pub(super) fn new(config: WasmConfig) -> Result<Self> {
        let general = Arc::new(Core::new(&config, Purpose::default(), Ceiling::of(&config), None)?);
        Ok(Self { config, general, others: Mutex::default() })
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
        if cfg!(not(feature = "preview3")) {
            return Err(Error::invalid(
                "it is of WASI 0.3, which this build of kiln doesn't run: build it with the feature `preview3`",
            ));
        }
        let ceiling = self.general.ceiling.share(u32::MAX).unwrap_or_else(|| self.general.ceiling.clone());
        self.other(Purpose { concurrent: true, heaps: false }, ceiling)
    }

    /// The one that has room for interpreters with their heaps, with the same code. `None` where the budget has none for what
    /// it keeps, or there are no addresses left.
    pub(super) fn heaps(&self, nature: Nature) -> Option<Arc<Core>> {
        let most = u32::try_from(self.config.budget / HEAPS / KEEP_HEAP as u64).unwrap_or(u32::MAX);
        let ceiling = self.general.ceiling.share(most).filter(|_| self.general.pooled)?;
        let made = self.other(Purpose { concurrent: nature.concurrent, heaps: true }, ceiling);
        made.inspect_err(|error| tracing::debug!("heaps have no engine of their own: {error}")).ok()
    }

    fn other(&self, purpose: Purpose, ceiling: Ceiling) -> Result<Arc<Core>> {
        let mut others = self.others.lock();
        if let Some((_, core)) = others.iter().find(|(of, _)| *of == purpose) {
            return Ok(Arc::clone(core));
        }
        let core = Core::new(&self.config, purpose, ceiling, Some(Arc::clone(&self.general)))?;
        let core = Arc::new(core);
        others.push((purpose, Arc::clone(&core)));
        Ok(core)
    }

    pub(super) fn figures(&self) -> WasmFigures {
        let others = self.others.lock();
        let all = || std::iter::once(&self.general).chain(others.iter().map(|(_, core)| core));
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
