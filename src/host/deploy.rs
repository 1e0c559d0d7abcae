//! Functions come, change and go.

use super::registry::{Load, Revised};
use super::runtimes::{Settled, read};
use super::state::State;
use super::{Host, PAUSE_AFTER, Shared};
use crate::backend::Program;
use crate::error::{Error, Result};
use crate::format::{Init, Session};
use crate::function::{BackendKind, Function, Module};
use crate::pool::{FunctionSpec, Kind, Time};
use crate::revision::Revision;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// A revision that is about to be known.
pub(super) struct New {
    pub(super) function: Arc<Function>,
    pub(super) revision: Revision,
    pub(super) backend: BackendKind,
    pub(super) program: Arc<dyn Program>,
    pub(super) memory: u64,
    /// The kind of sandbox that serves it; `None`: one of its own.
    pub(super) kind: Option<Kind>,
    pub(super) load: Load,
    /// Sandboxes to be kept ready for it.
    pub(super) prewarm: u32,
}

impl New {
    /// Puts it in the place of what is deployed by that name.
    pub(super) fn install(self, shared: &Shared, state: &mut State, now: Time) -> Arc<Revised> {
        let Self { function, revision, backend, program, memory, kind, load, prewarm } = self;
        let kind = kind.unwrap_or_else(|| {
            let kind = Kind(state.next_kind);
            state.next_kind = state.next_kind.wrapping_add(1);
            kind
        });
        let pauses = program.pauses() && function.format.is_streaming();
        let id = state.pool.add_function(FunctionSpec {
            memory,
            concurrency: function.limits.concurrency,
            max_sandboxes: function.limits.max_sandboxes,
            max_uses: function.max_uses(),
            idle_timeout: function.idle_timeout(),
            pause_after: pauses.then(|| function.pause_after.unwrap_or(PAUSE_AFTER)),
            kind: Some(kind),
        });
        // Read under the lock, as `undeploy` does: each revision is retired once.
        let old = shared.registry.load().get(&function.namespace, &function.name).cloned();
        let revised = Arc::new(Revised { function, revision, backend, program, memory, id, kind, load });
        state.know(revised.clone());
        if revised.takes_parameters() {
            shared.parameters.store(true, Ordering::Relaxed);
        }
        shared.registry.rcu(|registry| registry.with(revised.clone()));
        state.replace(now, Some((&revised, prewarm)), old.as_deref());
        revised
    }
}

/// What an image that isn't a runtime's is told of the function that it is, and the code that it is to load, if any. Code
/// that has to be read is read here, so that what is known of the function holds all of it.
async fn own(function: &mut Function) -> Result<Arc<Init>> {
    let mut init = Init {
        namespace: function.namespace.clone(),
        name: function.name.clone(),
        main: "main".into(),
        env: function.env.clone(),
        ..Init::default()
    };
    if let Some(source) = &mut function.code.source {
        init.code = read(&source.code).await?;
        source.code = Module::Bytes(init.code.clone());
        init.main.clone_from(&source.main);
        init.binary = source.binary;
    }
    Session::new(function.format).initialise(&init, None)?;
    Ok(Arc::new(init))
}

impl Host {
    /// Deploys a function, or a new revision of it: the old one's sandboxes drain, no request is lost. An unchanged one
    /// is left alone. `InvalidInput` where it can't be, with its name in front.
    ///
    /// A source function's code is read now, and loaded by each of its sandboxes before its first request: what is wrong
    /// with it is those requests' error. Where the backend can, a snapshot of a sandbox that has loaded it is taken beside;
    /// when that is there, the function is served from it, and no request is lost.
    pub async fn deploy(&self, function: Function) -> Result<Revision> {
        let name = function.name.clone();
        self.deploy_unnamed(function).await.map_err(|error| error.context(format_args!("function {name:?}")))
    }

    async fn deploy_unnamed(&self, mut function: Function) -> Result<Revision> {
        function.validate()?;
        let shared = &self.shared;
        let named = !function.loads_itself();
        let (function, program, backend, memory, stem) = match function.code.source.take_if(|_| named) {
            Some(source) => {
                let Settled { function, base, init } = shared.settle(function, source).await?;
                let (program, backend) = (base.program.clone(), base.backend);
                (
                    Arc::new(function),
                    program,
                    backend,
                    base.memory,
                    Some((Some(base.kind), Load::Source(init))),
                )
            }
            None => {
                let backend = function.backend().ok_or_else(|| Error::invalid("it has no code"))?;
                let own = match function.format.initialises() {
                    true => Some((None, Load::Source(own(&mut function).await?))),
                    false => None,
                };
                let mut function = Arc::new(function);
                let program = shared.backend(backend)?.prepare(function.clone()).await?;
                if let Some(format) = program.format().filter(|format| *format != function.format) {
                    function = Arc::new(Function::clone(&function).format(format));
                }
                let memory = program.memory();
                (function, program, backend, memory, own)
            }
        };
        let revision = function.revision(program.code());
        let _one = shared.deploying.lock().await;
        let current = shared.registry.load().get(&function.namespace, &function.name).cloned();
        if current.is_some_and(|current| current.revision == revision) {
            return Ok(revision);
        }
        if memory > shared.budget {
            tracing::warn!(function = %function.name, memory, budget = shared.budget, "needs more than the whole budget: every request to it will be refused");
        }
        let oneshot = !function.format.is_streaming();
        let prewarm = if oneshot && !program.prewarms_oneshot() {
            if function.prewarm > 0 {
                tracing::warn!(function = %function.name, "`prewarm` has no effect on a one-shot image that is reached through the engine's `attach`: its container can't start before its request is known");
            }
            0
        } else {
            function.prewarm
        };
        let (kind, load) = stem.unwrap_or((None, Load::Own));
        let new = New { function, revision, backend, program, memory, kind, load, prewarm };
        let mut installed = None;
        shared.event(|state, now| installed = Some(new.install(shared, state, now)));
        if let Some(installed) = installed {
            shared.take_snapshot(installed);
        }
        Ok(revision)
    }

    /// Takes a function away: its running and waiting requests are still served. False if there is none.
    pub fn undeploy(&self, namespace: &str, name: &str) -> bool {
        let shared = &self.shared;
        let mut found = false;
        shared.event(|state, now| {
            if let Some(old) = shared.registry.load().get(namespace, name).cloned() {
                shared.registry.rcu(|registry| registry.without(namespace, name));
                state.replace(now, None, Some(&old));
                found = true;
            }
        });
        found
    }
}
