//! A host's runtimes, and the programs that their stem cells are started from.
//!
//! Each is made ready once for a backend and a memory, and shared by all functions that run on it. To the pool a runtime is
//! one [`Kind`] on each backend: a stem cell that was started ahead serves whichever function of that kind and memory comes
//! first (`SEEDS.md W3`, `W8`), and is that function's from then on (`W2`).

use super::Shared;
use super::registry::{Load, Revised};
use crate::error::{Error, Result};
use crate::format::{Init, Session};
use crate::function::{BackendKind, Code, Format, Function, Module, Source};
use crate::pool::{FunctionSpec, Kind};
use crate::runtime::{Prewarm, Runtime};
use bytes::Bytes;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::fmt::Write;
use std::sync::Arc;
use tokio::sync::OnceCell;

/// A runtime by its place in the list, where it runs, and the memory that was asked for.
type Key = (usize, BackendKind, Option<u64>);

/// All runtimes of a host.
pub(super) struct Runtimes {
    pub(super) all: Vec<Runtime>,
    bases: Mutex<HashMap<Key, Arc<OnceCell<Arc<Revised>>>>>,
}

/// A source function with what it stands on.
pub(super) struct Settled {
    /// The function with all that its runtime decides.
    pub(super) function: Function,
    pub(super) base: Arc<Revised>,
    pub(super) init: Arc<Init>,
}

impl Runtimes {
    pub(super) fn new(all: Vec<Runtime>) -> Self {
        Self { all, bases: Mutex::default() }
    }

    /// How many kinds of sandbox they make; the pool's names for them are the numbers below that.
    pub(super) fn kinds(&self) -> u32 {
        u32::try_from(self.all.len() * BackendKind::ALL.len()).unwrap_or(u32::MAX)
    }

    fn kind(index: usize, backend: BackendKind) -> Kind {
        let place = BackendKind::ALL.iter().position(|kind| *kind == backend).unwrap_or_default();
        Kind(u32::try_from(index * BackendKind::ALL.len() + place).unwrap_or(u32::MAX))
    }

    /// The one that a function means by a name.
    fn called(&self, name: &str) -> Result<(usize, &Runtime)> {
        let found = self.all.iter().enumerate().find(|(_, runtime)| runtime.is_called(name));
        found.ok_or_else(|| {
            let mut known = String::new();
            for name in
                self.all.iter().flat_map(|runtime| std::iter::once(&runtime.name).chain(&runtime.kinds))
            {
                let _ = write!(known, "{}{name:?}", if known.is_empty() { "" } else { ", " });
            }
            Error::invalid(if known.is_empty() {
                format!(
                    "there is no runtime {name:?}, since this host has none: declare it, as [runtime.{name}]"
                )
            } else {
                format!("there is no runtime {name:?}: give one of {known}")
            })
        })
    }
}

impl Shared {
    /// Reads a source function's code, and finds what it runs on.
    pub(super) async fn settle(
        self: &Arc<Self>,
        mut function: Function,
        mut source: Source,
    ) -> Result<Settled> {
        let (index, runtime) = self.runtimes.called(&source.runtime)?;
        let (name, has) = (&runtime.name, |kind| self.backends.iter().any(|it| it.kind() == kind));
        let backend = function.backend.or_else(|| {
            let here = BackendKind::ALL.into_iter().find(|kind| runtime.runs_on(*kind) && has(*kind));
            here.or(runtime.backend())
        });
        let Some(backend) = backend.filter(|backend| runtime.runs_on(*backend)) else {
            let missing = if function.backend == Some(BackendKind::Wasm) { "module" } else { "image" };
            return Err(Error::invalid(format!(
                "runtime {name:?} has no {missing}: leave out `backend`, or give the runtime one"
            )));
        };
        if function.format != Format::Default && function.format != runtime.format {
            return Err(Error::invalid(format!(
                "`format` is `{}`, but its runtime {name:?} speaks `{}`: leave it out",
                function.format, runtime.format
            )));
        }
        (function.backend, function.format) = (Some(backend), runtime.format);
        source.file = source.shown(&function.name).to_owned();
        let code = read(&source.code).await?;
        let init = Init {
            namespace: function.namespace.clone(),
            name: function.name.clone(),
            main: source.main.clone(),
            file: source.file.clone(),
            code: code.clone(),
            binary: source.binary,
            env: function.env.clone(),
        };
        // Whether it can be carried is better said now than at the first request.
        Session::new(runtime.format).initialise(&init, None)?;
        source.code = Module::Bytes(code);
        function.code.source = Some(source);
        let base = self.base(index, backend, function.limits.memory.or(runtime.memory)).await;
        let base = base.map_err(|error| error.context(format_args!("runtime {name:?}")))?;
        Ok(Settled { function, base, init: Arc::new(init) })
    }

    /// What a runtime's stem cells are started from.
    async fn base(
        self: &Arc<Self>,
        index: usize,
        backend: BackendKind,
        memory: Option<u64>,
    ) -> Result<Arc<Revised>> {
        let key = (index, backend, memory);
        let cell = self.runtimes.bases.lock().entry(key).or_default().clone();
        let made = cell.get_or_try_init(|| self.make_base(key)).await;
        made.cloned()
    }

    async fn make_base(self: &Arc<Self>, (index, backend, memory): Key) -> Result<Arc<Revised>> {
        let runtime = self.runtimes.all.get(index).ok_or_else(|| Error::internal("a runtime is gone"))?;
        // No arguments, no directories, and nobody's environment: it isn't known yet whose it will be.
        let mut function = Function::source(runtime.name.clone(), "", "").format(runtime.format);
        function.code = Code { wasm: runtime.wasm.clone(), image: runtime.image.clone(), ..Code::default() };
        function.backend = Some(backend);
        function.limits.memory = memory;
        function.env.clone_from(&runtime.env);
        let function = Arc::new(function);
        let program = self.backend(backend)?.prepare(function.clone()).await?;
        let (revision, memory) = (function.revision(program.code()), program.memory());
        let kind = Runtimes::kind(index, backend);
        let mut base = None;
        self.event(|state, now| {
            // No request is ever submitted by this name.
            let id = state.pool.add_function(FunctionSpec {
                memory,
                concurrency: 1,
                max_sandboxes: 1,
                max_uses: None,
                idle_timeout: function.idle_timeout(),
                pause_after: None,
                kind: None,
            });
            let load = Load::Stem;
            let made = Arc::new(Revised { function, revision, backend, program, memory, id, kind, load });
            state.know_base(made.clone());
            if backend == BackendKind::Wasm && runtime.ready > 0 {
                state.rewarm(now, Some((made.stock(), runtime.ready)), None);
            }
            base = Some(made);
        });
        base.ok_or_else(|| Error::internal("a runtime was not made known"))
    }

    /// Starts the stem cells that are to be kept ready, as soon as their programs are (`SEEDS.md W4`).
    pub(super) fn prewarm_runtimes(self: &Arc<Self>) {
        for (index, runtime) in self.runtimes.all.iter().enumerate() {
            for prewarm in runtime.prewarm.iter().filter(|prewarm| prewarm.count > 0) {
                let (host, prewarm) = (self.clone(), *prewarm);
                self.runtime.spawn(async move { host.keep_ready(index, prewarm).await });
            }
        }
    }

    async fn keep_ready(self: &Arc<Self>, index: usize, Prewarm { backend, memory, count }: Prewarm) {
        let Some(runtime) = self.runtimes.all.get(index) else { return };
        match self.base(index, backend, memory.or(runtime.memory)).await {
            Ok(base) => self.event(|state, now| state.rewarm(now, Some((base.stock(), count)), None)),
            Err(error) => {
                tracing::error!(runtime = %runtime.name, %backend, "no stem cells can be kept ready: {error}");
            }
        }
    }
}

pub(super) async fn read(code: &Module) -> Result<Bytes> {
    match code {
        Module::Bytes(bytes) => Ok(bytes.clone()),
        Module::File(file) => {
            let (path, shown) = (file.clone(), file.display());
            let read = tokio::task::spawn_blocking(move || std::fs::read(path)).await;
            let read =
                read.map_err(|error| Error::internal(format!("{shown}: reading it failed: {error}")))?;
            read.map(Bytes::from)
                .map_err(|error| Error::invalid(format!("{shown}: it can't be read: {error}")))
        }
    }
}
