//! Entities of one kind that have a name in a namespace, and no code: packages, triggers, rules.

use super::catalog::{commit, documents, json, unreadable};
use super::refusal::Result;
use crate::store::{Key, Store, Write};
use parking_lot::RwLock;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;
use std::sync::Arc;

/// What has a name in a namespace.
pub(super) trait Entity: Serialize + DeserializeOwned {
    /// Its namespace and its name.
    fn key(&self) -> (&str, &str);
    /// When it was changed last, in milliseconds since the epoch.
    fn updated(&self) -> u64;
}

/// All of them. The store keeps them, and they are in memory, too.
pub(super) struct Named<E> {
    store: Store,
    /// The store's collection that they are in.
    collection: &'static str,
    all: RwLock<BTreeMap<(String, String), Arc<E>>>,
}

impl<E: Entity> Named<E> {
    /// Reads what the store has. A document that can't be read is reported and left where it is.
    pub(super) async fn open(store: Store, collection: &'static str) -> crate::Result<Self> {
        let mut all = BTreeMap::new();
        for (key, document) in documents(&store, collection).await? {
            match serde_json::from_slice::<E>(&document.bytes) {
                Ok(entity) => drop(all.insert(owned(&entity), Arc::new(entity))),
                Err(error) => unreadable(&key, &error),
            }
        }
        Ok(Self { store, collection, all: RwLock::new(all) })
    }

    pub(super) fn get(&self, namespace: &str, name: &str) -> Option<Arc<E>> {
        self.all.read().get(&(namespace.to_owned(), name.to_owned())).cloned()
    }

    /// Those of a namespace, the last changed first.
    pub(super) fn of(&self, namespace: &str) -> Vec<Arc<E>> {
        let all = self.all.read();
        let of = all.iter().filter(|((of, _), _)| of == namespace);
        let mut found: Vec<_> = of.map(|(_, entity)| entity.clone()).collect();
        found.sort_by_key(|entity| std::cmp::Reverse(entity.updated()));
        found
    }

    /// Keeps one; on disk when this returns.
    pub(super) async fn put(&self, entity: E) -> Result<Arc<E>> {
        let mut write = Write::new();
        write.put(self.document(&entity), json(&entity)?, None);
        commit(&self.store, write).await?;
        let entity = Arc::new(entity);
        self.all.write().insert(owned(&*entity), entity.clone());
        Ok(entity)
    }

    pub(super) async fn delete(&self, entity: &E) -> Result<()> {
        let mut write = Write::new();
        write.delete(self.document(entity));
        commit(&self.store, write).await?;
        self.all.write().remove(&owned(entity));
        Ok(())
    }

    fn document(&self, entity: &E) -> Key {
        let (namespace, name) = entity.key();
        Key::new(self.collection, namespace, name)
    }
}

fn owned(entity: &impl Entity) -> (String, String) {
    let (namespace, name) = entity.key();
    (namespace.to_owned(), name.to_owned())
}
