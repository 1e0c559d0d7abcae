//! Snapshots of runtimes that have loaded a function's source: taken beside, after the function is deployed.
//!
//! Until one is there the function is served by stem cells, and where none can be taken it stays so. Then it is as if the
//! function were deployed anew, with a program of its own that needs no source: what waits and runs is still served.

use super::Shared;
use super::deploy::New;
use super::registry::{Load, Revised};
use crate::backend::{Logs, Program, SnapshotSpec};
use crate::error::{Error, Result};
use crate::format::Session;
use std::sync::Arc;

impl Shared {
    /// Begins to take a source function's snapshot. Deploying it anew or taking it away stops that.
    pub(super) fn take_snapshot(self: &Arc<Self>, revised: Arc<Revised>) {
        let wanted = revised.function.code.source.as_ref().is_some_and(|source| source.snapshot);
        if !self.snapshots || !wanted || !matches!(revised.load, Load::Source(_)) {
            return;
        }
        let (id, host) = (revised.id, Arc::downgrade(self));
        // Held until the task is known, which looks whether it still is.
        let mut state = self.state.lock();
        if !self.is_current(&revised) {
            return;
        }
        let task = self.runtime.spawn(async move {
            let name = &revised.function.name;
            let program = match loaded(&revised).await {
                Ok(program) => program,
                Err(error) => {
                    tracing::info!(function = %name, "no snapshot is taken, stem cells serve it: {error}");
                    return;
                }
            };
            if let Some(host) = host.upgrade()
                && host.switch(&revised, program).await
            {
                tracing::info!(function = %name, "is served from a snapshot");
            }
        });
        state.snapshots.insert(id, task.abort_handle());
    }

    /// Serves a function from its snapshot, if it is still the one that the snapshot is of.
    async fn switch(self: &Arc<Self>, old: &Arc<Revised>, program: Arc<dyn Program>) -> bool {
        let _one = self.deploying.lock().await;
        let mut switched = false;
        self.event(|state, now| {
            // No longer there: it is stopped, or taken away.
            if state.snapshots.remove(&old.id).is_none() || !self.is_current(old) {
                return;
            }
            let new = New {
                function: old.function.clone(),
                revision: old.revision,
                backend: old.backend,
                program,
                memory: old.memory,
                kind: None,
                load: Load::Snapshot,
                prewarm: old.function.prewarm,
            };
            new.install(self, state, now);
            switched = true;
        });
        switched
    }
}

async fn loaded(revised: &Revised) -> Result<Arc<dyn Program>> {
    let Load::Source(init) = &revised.load else {
        return Err(Error::internal("a function without source was to be loaded"));
    };
    let written = Session::new(revised.function.format).initialise(init, None)?;
    let spec = SnapshotSpec {
        function: revised.function.clone(),
        stdin: [written.head, written.body],
        env: revised.env(),
        logs: Arc::new(Logs::new(revised.function.clone(), revised.memory)),
    };
    revised.program.snapshot(spec).await
}
