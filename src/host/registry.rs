//! What is deployed: by namespace and name, the revision that runs now.

use crate::backend::Program;
use crate::format::Init;
use crate::function::{BackendKind, FN_SOCKET, Format, Function, MIB};
use crate::pool::{FunctionId, Kind};
use crate::revision::Revision;
use std::collections::BTreeMap;
use std::collections::HashMap;
use std::sync::Arc;

/// What its sandboxes are once they have started.
pub(super) enum Load {
    /// The function itself.
    Own,
    /// A runtime that is to be given this function's source.
    Source(Arc<Init>),
    /// A runtime that has loaded this function's source before it is started.
    Snapshot,
    /// A runtime that belongs to no function yet.
    Stem,
}

/// One deployed revision, or a runtime's base: all that starting and calling it needs.
pub(super) struct Revised {
    pub(super) function: Arc<Function>,
    pub(super) revision: Revision,
    pub(super) backend: BackendKind,
    pub(super) program: Arc<dyn Program>,
    pub(super) memory: u64,
    /// The pool's name for it.
    pub(super) id: FunctionId,
    /// The pool's name for the prewarmed sandboxes that serve it: a runtime's for all of its functions.
    pub(super) kind: Kind,
    pub(super) load: Load,
}

impl Load {
    /// Whether its sandboxes have the function's code from their start on.
    pub(super) fn is_own(&self) -> bool {
        matches!(self, Self::Own | Self::Snapshot)
    }
}

impl Revised {
    /// Whether what it is given are parameters, one JSON object.
    pub(super) fn takes_parameters(&self) -> bool {
        matches!(self.load, Load::Source(_) | Load::Snapshot)
    }

    /// Whether its sandboxes are a runtime's until they are given its source. An image that loads its code itself has
    /// sandboxes of its own, which can be started ahead for it and for nobody else.
    pub(super) fn is_of_runtime(&self) -> bool {
        let code = &self.function.code;
        matches!(self.load, Load::Source(_)) && code.image.is_none() && code.wasm.is_none()
    }

    /// What each of its sandboxes is told of itself as it is started.
    pub(super) fn env(&self) -> Vec<(String, String)> {
        let function = &self.function;
        let mut env = vec![
            ("FN_FORMAT".into(), function.format.as_str().into()),
            ("FN_MEMORY".into(), (self.memory / MIB).to_string()),
        ];
        if function.format == Format::HttpStream {
            // What an FDK is told of Fn's own ids: the nearest that there is here.
            env.push(("FN_LISTENER".into(), format!("unix:{FN_SOCKET}")));
            env.push(("FN_TYPE".into(), "sync".into()));
            env.push(("FN_FN_ID".into(), function.name.clone()));
            env.push(("FN_APP_ID".into(), function.namespace.clone()));
        }
        env
    }

    /// The prewarmed sandboxes that serve it, by the pool's names.
    pub(super) fn stock(&self) -> (Kind, u64) {
        (self.kind, self.memory)
    }
}

/// All revisions that run now. Replaced as a whole, so that a look-up takes no lock.
#[derive(Clone, Default)]
pub(super) struct Registry {
    namespaces: HashMap<String, HashMap<String, Arc<Revised>>>,
}

impl Registry {
    pub(super) fn get(&self, namespace: &str, name: &str) -> Option<&Arc<Revised>> {
        self.namespaces.get(namespace)?.get(name)
    }

    /// The same with one function more or replaced.
    pub(super) fn with(&self, revised: Arc<Revised>) -> Self {
        let mut next = self.clone();
        let function = &revised.function;
        let names = next.namespaces.entry(function.namespace.clone()).or_default();
        names.insert(function.name.clone(), revised.clone());
        next
    }

    /// The same with one function less.
    pub(super) fn without(&self, namespace: &str, name: &str) -> Self {
        let mut next = self.clone();
        if let Some(names) = next.namespaces.get_mut(namespace) {
            names.remove(name);
            if names.is_empty() {
                next.namespaces.remove(namespace);
            }
        }
        next
    }

    /// All of them, by namespace and name.
    pub(super) fn all(&self) -> Vec<Arc<Revised>> {
        let sorted: BTreeMap<_, _> = self
            .namespaces
            .iter()
            .flat_map(|(namespace, names)| {
                names.iter().map(move |(name, revised)| ((namespace, name), revised))
            })
            .collect();
        sorted.into_values().cloned().collect()
    }
}
