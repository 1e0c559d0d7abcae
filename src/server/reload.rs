//! Deploys a manifest's functions, and again what changes of them while the host serves.

use super::watch::Files;
use crate::error::{Error, Result};
use crate::function::{DEFAULT_NAMESPACE, Function};
use crate::host::Host;
use crate::manifest::Manifest;
use std::collections::BTreeSet;
use std::sync::Arc;
use tokio::sync::Notify;
use tokio::task::JoinSet;

/// Keeps a host's functions as its manifest has them.
pub struct Reloader {
    host: Host,
    /// The last one that was whole.
    manifest: Manifest,
    files: Files,
    /// Whether the manifest decides the budget, too.
    memory: bool,
}

impl Reloader {
    /// Deploys all functions of a manifest, side by side. Fails if one can't be: at the start, a function that can't run
    /// is a mistake to be shown.
    pub async fn start(host: Host, manifest: Manifest) -> Result<Self> {
        // Before the modules are read, so that no change of theirs falls between.
        let files = Files::new(manifest.files());
        let failed = deploy(&host, &manifest.functions).await;
        match failed.into_iter().next() {
            Some(error) => Err(error.context(manifest.file.display())),
            None => Ok(Self { host, manifest, files, memory: true }),
        }
    }

    /// The same, for a host whose budget was given elsewhere: `memory` in the manifest changes nothing.
    #[must_use]
    pub fn without_memory(mut self) -> Self {
        self.memory = false;
        self
    }

    /// Reads the manifest again whenever it, or a module that it names, changes, and whenever `now` is notified.
    /// Never returns; may be dropped between two awaits.
    pub async fn watch(mut self, now: Arc<Notify>) {
        loop {
            tokio::select! {
                () = self.files.changed() => {}
                () = now.notified() => {}
            }
            match Manifest::read(&self.manifest.file) {
                Ok(manifest) => self.apply(manifest).await,
                Err(error) => tracing::error!("the manifest is left as it was:\n{error}"),
            }
        }
    }

    /// What changed gets a new revision, what is gone is taken away; the host itself knows what is unchanged, module
    /// included, and leaves it alone.
    async fn apply(&mut self, manifest: Manifest) {
        self.files.follow(manifest.files());
        for key in self.manifest.host.differences(&manifest.host) {
            if key == "memory" && self.memory {
                let budget = manifest.host.memory.unwrap_or_else(|| Host::builder().budget());
                self.host.set_memory(budget);
                tracing::info!(budget, "the budget has changed");
                continue;
            }
            tracing::warn!("[host] `{key}` has changed, which takes effect when the host is started again");
        }
        if self.manifest.runtimes != manifest.runtimes {
            tracing::warn!("[runtime] has changed, which takes effect when the host is started again");
        }
        let (namespaces, limits) = (&manifest.namespaces, &manifest.openwhisk);
        if self.manifest.namespaces != *namespaces || self.manifest.openwhisk != *limits {
            tracing::warn!(
                "[namespace] or [openwhisk] has changed, which takes effect when the host is started again"
            );
        }
        if self.manifest.store != manifest.store || self.manifest.intake != manifest.intake {
            tracing::warn!(
                "[store] or [intake] has changed, which takes effect when the host is started again"
            );
        }
        let failed = deploy(&self.host, &manifest.functions).await;
        for error in &failed {
            tracing::error!("left as it was: {error}");
        }
        let gone = gone(&self.manifest.functions, &manifest.functions);
        for name in &gone {
            self.host.undeploy(DEFAULT_NAMESPACE, name);
        }
        let functions = manifest.functions.len();
        tracing::info!(
            functions,
            removed = gone.len(),
            failed = failed.len(),
            "the manifest has been read again"
        );
        self.manifest = manifest;
    }
}

/// The functions that were and are no more.
fn gone(before: &[Function], after: &[Function]) -> Vec<String> {
    let after: BTreeSet<&str> = after.iter().map(|function| function.name.as_str()).collect();
    let gone = before.iter().filter(|function| !after.contains(function.name.as_str()));
    gone.map(|function| function.name.clone()).collect()
}

/// Deploys functions side by side; returns why some of them weren't.
async fn deploy(host: &Host, functions: &[Function]) -> Vec<Error> {
    let mut tasks = JoinSet::new();
    for function in functions {
        let (host, function) = (host.clone(), function.clone());
        tasks.spawn(async move { host.deploy(function).await });
    }
    let mut failed = Vec::new();
    while let Some(done) = tasks.join_next().await {
        match done {
            Ok(Ok(_)) => {}
            Ok(Err(error)) => failed.push(error),
            Err(error) => failed.push(Error::internal(format!("a deployment broke off: {error}"))),
        }
    }
    failed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_gone_is_known_by_name() {
        let named =
            |names: &[&str]| -> Vec<_> { names.iter().map(|name| Function::image(*name, "x:1")).collect() };
        assert_eq!(gone(&named(&["a", "b", "c"]), &named(&["b", "d"])), ["a", "c"]);
    }
}
