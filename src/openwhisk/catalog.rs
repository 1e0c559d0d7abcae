//! The actions, packages, triggers and rules there are. The store keeps them; all but the code is in memory, too, so that no request reads
//! the disk to find out what it asks for.

use super::action::Action;
use super::name::ActionName;
use super::named::Named;
use super::package::Package;
use super::refusal::{Refusal, Result};
use super::rule::Rule;
use super::trigger::Trigger;
use super::words;
use crate::error::Error;
use crate::store::{Digest, Key, Store, Write};
use bytes::Bytes;
use parking_lot::RwLock;
use serde::Serialize;
use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

/// The collections of the store that they are in.
const ACTIONS: &str = "openwhisk.actions";
/// Documents that are read at once.
const PAGE: usize = 256;

/// An action and the digest of its code.
#[derive(Debug)]
pub(super) struct Kept {
    pub(super) action: Action,
    pub(super) code: Option<Digest>,
}

/// All of them.
pub(super) struct Catalog {
    store: Store,
    actions: RwLock<BTreeMap<ActionName, Arc<Kept>>>,
    packages: Named<Package>,
    pub(super) triggers: Named<Trigger>,
    pub(super) rules: Named<Rule>,
}

impl Catalog {
    /// Reads what the store has. A document that can't be read is reported and left where it is.
    pub(super) async fn open(store: Store) -> crate::Result<Self> {
        let mut actions = BTreeMap::new();
        for (key, document) in documents(&store, ACTIONS).await? {
            match serde_json::from_slice::<Action>(&document.bytes) {
                Ok(action) => {
                    let kept = Kept { action, code: document.code };
                    actions.insert(kept.action.name.clone(), Arc::new(kept));
                }
                Err(error) => unreadable(&key, &error),
            }
        }
        let packages = Named::open(store.clone(), "openwhisk.packages").await?;
        let triggers = Named::open(store.clone(), "openwhisk.triggers").await?;
        let rules = Named::open(store.clone(), "openwhisk.rules").await?;
        Ok(Self { store, actions: RwLock::new(actions), packages, triggers, rules })
    }

    pub(super) fn action(&self, name: &ActionName) -> Option<Arc<Kept>> {
        self.actions.read().get(name).cloned()
    }

    /// Every action there is.
    pub(super) fn every(&self) -> Vec<Arc<Kept>> {
        self.actions.read().values().cloned().collect()
    }

    /// Actions of a namespace, the last changed first: all, or those of a package.
    pub(super) fn actions(&self, namespace: &str, package: Option<&str>) -> Vec<Arc<Kept>> {
        let from = ActionName { namespace: namespace.to_owned(), package: None, name: String::new() };
        let actions = self.actions.read();
        let of = actions
            .range((Bound::Included(from), Bound::Unbounded))
            .take_while(|(name, _)| name.namespace == namespace)
            .filter(|(name, _)| package.is_none() || name.package.as_deref() == package);
        let mut found: Vec<_> = of.map(|(_, kept)| kept.clone()).collect();
        found.sort_by_key(|kept| std::cmp::Reverse(kept.action.updated));
        found
    }

    pub(super) fn package(&self, namespace: &str, name: &str) -> Option<Arc<Package>> {
        self.packages.get(namespace, name)
    }

    /// Packages of a namespace, the last changed first.
    pub(super) fn packages(&self, namespace: &str) -> Vec<Arc<Package>> {
        self.packages.of(namespace)
    }

    /// An action's code; none where it has none.
    pub(super) async fn code(&self, kept: &Kept) -> crate::Result<Option<Bytes>> {
        let Some(digest) = kept.code else { return Ok(None) };
        let lost =
            || Error::internal(format!("the code of action {} is lost: deploy it again", kept.action.name));
        self.store.code(digest).await?.ok_or_else(lost).map(Some)
    }

    /// Keeps an action; on disk when this returns. With `code` its code is that from now on, without it what it was.
    pub(super) async fn put_action(
        &self,
        action: Action,
        code: Option<Bytes>,
        old: Option<Digest>,
    ) -> Result<Arc<Kept>> {
        let mut write = Write::new();
        let code = code.map(|bytes| write.code(bytes)).or(old);
        write.put(action_key(&action.name), json(&action)?, code);
        self.commit(write).await?;
        let kept = Arc::new(Kept { action, code });
        self.actions.write().insert(kept.action.name.clone(), kept.clone());
        Ok(kept)
    }

    pub(super) async fn delete_actions(&self, names: &[ActionName]) -> Result<()> {
        let mut write = Write::new();
        names.iter().for_each(|name| write.delete(action_key(name)));
        self.commit(write).await?;
        let mut actions = self.actions.write();
        names.iter().for_each(|name| drop(actions.remove(name)));
        Ok(())
    }

    pub(super) async fn put_package(&self, package: Package) -> Result<Arc<Package>> {
        self.packages.put(package).await
    }

    pub(super) async fn delete_package(&self, package: &Package) -> Result<()> {
        self.packages.delete(package).await
    }

    async fn commit(&self, write: Write) -> Result<()> {
        commit(&self.store, write).await
    }
}

pub(super) async fn commit(store: &Store, write: Write) -> Result<()> {
    let committed = store.commit(write).await.and_then(crate::store::Commit::done);
    committed.map(drop).map_err(Refusal::internal)
}

fn action_key(name: &ActionName) -> Key {
    Key::new(ACTIONS, &name.namespace, name.local())
}

pub(super) fn json(document: &impl Serialize) -> Result<Vec<u8>> {
    serde_json::to_vec(document).map_err(|_| Refusal::new(500, words::INTERNAL))
}

pub(super) fn unreadable(key: &Key, error: &serde_json::Error) {
    tracing::error!(collection = key.collection, namespace = key.namespace, name = key.name, %error, "a document of the store can't be read and is left out");
}

pub(super) async fn documents(
    store: &Store,
    collection: &str,
) -> crate::Result<Vec<(Key, crate::store::Document)>> {
    let mut all = Vec::new();
    loop {
        let from = all.last().map(|(key, _): &(Key, _)| key.clone());
        let page = store.all(collection, from, PAGE).await?;
        let last = page.len() < PAGE;
        all.extend(page);
        if last {
            return Ok(all);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn action(package: Option<&str>, name: &str, updated: u64) -> Action {
        let kept = json!({
            "namespace": "guest", "package": package, "name": name, "version": "0.0.1", "publish": false,
            "exec": {"kind": "wasm"}, "parameters": [], "annotations": [],
            "limits": {"timeout": 100, "memory": 256, "logs": 10, "concurrency": 1}, "updated": updated
        });
        serde_json::from_value(kept).unwrap()
    }

    #[tokio::test]
    async fn what_is_kept_is_there_when_the_store_is_opened_again() {
        let store = Store::memory().unwrap();
        let catalog = Catalog::open(store.clone()).await.unwrap();
        let code = Bytes::from_static(b"code");
        let kept = catalog.put_action(action(None, "a", 1), Some(code.clone()), None).await.unwrap();
        catalog.put_action(action(Some("p"), "b", 2), None, None).await.unwrap();
        // An update without code keeps it.
        catalog.put_action(action(None, "a", 3), None, kept.code).await.unwrap();

        let again = Catalog::open(store).await.unwrap();
        let names = |package| {
            let list = again.actions("guest", package);
            list.iter().map(|kept| kept.action.name.local()).collect::<Vec<_>>()
        };
        assert_eq!((names(None), names(Some("p"))), (vec!["a".into(), "p/b".into()], vec!["p/b".into()]));
        assert!(again.actions("gues", None).is_empty() && again.actions("guest2", None).is_empty());
        let kept = again.action(&action(None, "a", 3).name).unwrap();
        assert_eq!(again.code(&kept).await.unwrap(), Some(code));
        again.delete_actions(std::slice::from_ref(&kept.action.name)).await.unwrap();
        assert!(again.action(&kept.action.name).is_none());
        assert!(again.code(&kept).await.is_err(), "nobody refers to it any more");
    }
}
