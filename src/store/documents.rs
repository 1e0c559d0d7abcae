//! Documents: bytes of whoever owns them, by collection, namespace and name.

use super::Store;
use super::code::Digest;
use super::tables::{DOCUMENTS, DocumentRow};
use super::write::{Commit, Expect, Write};
use crate::error::Result;
use bytes::Bytes;

/// Where a document is. Documents are in order of collection, then namespace, then name.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key {
    /// What kind of document, as `functions`.
    pub collection: String,
    /// Whose.
    pub namespace: String,
    /// Which.
    pub name: String,
}

impl Key {
    /// The key of a document.
    pub fn new(collection: impl Into<String>, namespace: impl Into<String>, name: impl Into<String>) -> Self {
        Self { collection: collection.into(), namespace: namespace.into(), name: name.into() }
    }

    pub(super) fn row(&self) -> (&str, &str, &str) {
        (&self.collection, &self.namespace, &self.name)
    }
}

/// A document as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    /// What its owner put there.
    pub bytes: Bytes,
    /// The code it refers to.
    pub code: Option<Digest>,
    /// Another one after each put, never one that any document had before: what [`Expect::Version`] compares.
    pub version: u64,
}

impl Document {
    fn read((version, digest, bytes): DocumentRow<'_>) -> Self {
        Self { bytes: Bytes::copy_from_slice(bytes), code: Digest::from_stored(digest), version }
    }
}

impl Store {
    /// A document; `None` if there is none.
    pub async fn get(&self, key: Key) -> Result<Option<Document>> {
        self.read(move |snapshot| {
            let row = snapshot.open_table(DOCUMENTS)?.get_owned(key.row())?;
            Ok(row.map(|row| Document::read(row.value())))
        })
        .await
    }

    /// Puts one document, whatever was there; returns its version. On disk when it returns.
    pub async fn put(&self, key: Key, bytes: impl Into<Bytes>) -> Result<u64> {
        let mut write = Write::new();
        write.put(key, bytes, None);
        self.commit(write).await?.done()
    }

    /// Puts one document if what is there is as expected: of two who expect the same, one wins.
    pub async fn put_if(&self, key: Key, expect: Expect, bytes: impl Into<Bytes>) -> Result<Commit> {
        let mut write = Write::new();
        write.expect(key.clone(), expect);
        write.put(key, bytes, None);
        self.commit(write).await
    }

    /// Takes one document away; nothing happens where there is none.
    pub async fn delete(&self, key: Key) -> Result<()> {
        let mut write = Write::new();
        write.delete(key);
        self.commit(write).await.map(drop)
    }

    /// Documents of a namespace by name, at most `limit` after the first `skip`. Each one skipped is walked over.
    pub async fn list(
        &self,
        collection: impl Into<String>,
        namespace: impl Into<String>,
        skip: usize,
        limit: usize,
    ) -> Result<Vec<(String, Document)>> {
        let (collection, namespace) = (collection.into(), namespace.into());
        self.read(move |snapshot| {
            let table = snapshot.open_table(DOCUMENTS)?;
            let next = after(&namespace);
            let rows =
                table.range((collection.as_str(), namespace.as_str(), "")..(&collection, &next, ""))?;
            let mut found = Vec::new();
            for row in rows.skip(skip).take(limit) {
                let (key, value) = row?;
                found.push((key.value().2.to_owned(), Document::read(value.value())));
            }
            Ok(found)
        })
        .await
    }

    /// How many documents a namespace has. Each is walked over.
    pub async fn count(&self, collection: impl Into<String>, namespace: impl Into<String>) -> Result<usize> {
        let (collection, namespace) = (collection.into(), namespace.into());
        self.read(move |snapshot| {
            let table = snapshot.open_table(DOCUMENTS)?;
            let next = after(&namespace);
            let mut rows =
                table.range((collection.as_str(), namespace.as_str(), "")..(&collection, &next, ""))?;
            rows.try_fold(0, |count, row| row.map(|_| count + 1).map_err(Into::into))
        })
        .await
    }

    /// Documents of a collection in all namespaces, in order, at most `limit` behind `from`: the last one's key asks for the
    /// next page.
    pub async fn all(
        &self,
        collection: impl Into<String>,
        from: Option<Key>,
        limit: usize,
    ) -> Result<Vec<(Key, Document)>> {
        let collection = collection.into();
        self.read(move |snapshot| {
            let table = snapshot.open_table(DOCUMENTS)?;
            let (namespace, name) = match from {
                Some(key) => (key.namespace, after(&key.name)),
                None => Default::default(),
            };
            let next = after(&collection);
            let rows =
                table.range((collection.as_str(), namespace.as_str(), name.as_str())..(&next, "", ""))?;
            let mut found = Vec::new();
            for row in rows.take(limit) {
                let (key, value) = row?;
                let (collection, namespace, name) = key.value();
                found.push((Key::new(collection, namespace, name), Document::read(value.value())));
            }
            Ok(found)
        })
        .await
    }
}

/// The first text behind this one: a range that ends there holds the whole of it.
fn after(text: &str) -> String {
    format!("{text}\0")
}
