//! The host that a command runs, from the manifest's settings: the one place where backends are made.

use crate::backend::Backend;
#[cfg(feature = "wasm")]
use crate::backend::wasm::Wasm;
use crate::error::Result;
use crate::host::{Host, HostBuilder};
use crate::manifest::HostSettings;
use crate::runtime::Runtime;
use std::sync::Arc;

/// A host, and what of its backends can be asked directly.
pub(super) struct Made {
    pub(super) host: Host,
    #[cfg(feature = "wasm")]
    wasm: Wasm,
}

impl Made {
    /// Modules that were compiled, not loaded from the cache.
    pub(super) fn compiled(&self) -> u64 {
        #[cfg(feature = "wasm")]
        return self.wasm.figures().compiled;
        #[cfg(not(feature = "wasm"))]
        0
    }

    /// Wasm instances that can live at once; `None` without that backend.
    pub(super) fn instances(&self) -> Option<u32> {
        #[cfg(feature = "wasm")]
        return Some(self.wasm.figures().instances);
        #[cfg(not(feature = "wasm"))]
        None
    }
}

/// A host with every backend that was built in. `id` marks its containers. Must be called within a tokio runtime.
pub(super) fn build(settings: &HostSettings, runtimes: &[Runtime], id: String) -> Result<Host> {
    Ok(make(settings, runtimes, id, &|backend| backend)?.host)
}

/// As [`build`], each backend as `wrap` gives it back.
pub(super) fn make(
    settings: &HostSettings,
    runtimes: &[Runtime],
    id: String,
    #[cfg_attr(
        not(any(feature = "wasm", feature = "docker")),
        expect(unused_variables, reason = "no backend was built in")
    )]
    wrap: &dyn Fn(Arc<dyn Backend>) -> Arc<dyn Backend>,
) -> Result<Made> {
    let builder = runtimes.iter().cloned().fold(configure(settings), HostBuilder::runtime);
    #[cfg(feature = "wasm")]
    let (builder, wasm) = {
        use crate::backend::wasm::WasmConfig;
        let mut config = WasmConfig { budget: builder.budget(), ..WasmConfig::default() };
        if let Some(folder) = &settings.cache_dir {
            config.cache_dir = Some(folder.clone());
        }
        let wasm = Wasm::new(config)?;
        (builder.backend(wrap(Arc::new(wasm.clone()))), wasm)
    };
    #[cfg(feature = "docker")]
    let builder = {
        use crate::backend::docker::{Docker, DockerConfig, Transport};
        use crate::manifest::DockerTransport;
        let mut config = DockerConfig::new(id);
        config.host.clone_from(&settings.docker_host);
        if let Some(most) = settings.kept_networks {
            config.kept_networks = usize::try_from(most).unwrap_or(usize::MAX);
        }
        config.transport = match settings.docker_transport {
            None => Transport::default(),
            Some(DockerTransport::Auto) => Transport::Auto,
            Some(DockerTransport::Socket) => Transport::Socket,
            Some(DockerTransport::Attach) => Transport::Attach,
        };
        builder.backend(wrap(Arc::new(Docker::new(config))))
    };
    #[cfg(not(feature = "docker"))]
    drop(id);
    Ok(Made {
        host: builder.build()?,
        #[cfg(feature = "wasm")]
        wasm,
    })
}

/// The host's own settings; what isn't given stays as the host has it.
fn configure(settings: &HostSettings) -> HostBuilder {
    let mut builder = Host::builder();
    if let Some(bytes) = settings.memory {
        builder = builder.memory(bytes);
    }
    if let Some(patience) = settings.patience {
        builder = builder.patience(patience);
    }
    if let Some(policy) = settings.policy {
        builder = builder.policy(policy);
    }
    if let Some(jobs) = settings.max_waiting {
        builder = builder.max_waiting(usize::try_from(jobs).unwrap_or(usize::MAX));
    }
    if let Some(wait) = settings.max_wait {
        builder = builder.max_wait(wait);
    }
    if let Some(bytes) = settings.max_body {
        builder = builder.max_body(bytes);
    }
    if let Some(outside) = settings.prewarm_outside_budget {
        builder = builder.prewarm_outside_budget(outside);
    }
    builder
}
