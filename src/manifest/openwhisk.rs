//! `[namespace.NAME]` and `[openwhisk]`: who may use OpenWhisk's API, and its limits.

use super::faults::Faults;
use super::section::{Section, show};
use std::path::Path;
use std::time::Duration;

/// `[namespace.NAME]`: a namespace and the key that opens it.
#[derive(Clone, PartialEq, Eq)]
pub struct NamespaceSettings {
    /// Its name.
    pub name: String,
    /// Its key, `uuid:key`.
    pub key: String,
}

impl std::fmt::Debug for NamespaceSettings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NamespaceSettings").field("name", &self.name).finish_non_exhaustive()
    }
}

/// `[openwhisk]`, as written: `None` where a key is absent and OpenWhisk's own limit holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OpenWhiskSettings {
    /// `memory`: of actions that say none, in bytes.
    pub memory: Option<u64>,
    /// `min_memory`: that an action may have at least, in bytes.
    pub min_memory: Option<u64>,
    /// `max_memory`: that an action may have at most, in bytes.
    pub max_memory: Option<u64>,
    /// `timeout`: of actions that say none.
    pub timeout: Option<Duration>,
    /// `max_timeout`: that an action may have at most.
    pub max_timeout: Option<Duration>,
    /// `max_payload`: bytes of a request's parameters.
    pub max_payload: Option<u64>,
    /// `max_result`: bytes of a result.
    pub max_result: Option<u64>,
    /// `max_code`: bytes of an action's code.
    pub max_code: Option<u64>,
    /// `max_wait`: the longest that a blocking invocation is waited for.
    pub max_wait: Option<Duration>,
    /// `api_host`: where actions find the API, as `http://host:port`.
    pub api_host: Option<String>,
}

pub(super) fn limits(mut section: Section<'_>) -> OpenWhiskSettings {
    let settings = OpenWhiskSettings {
        memory: section.size("memory"),
        min_memory: section.size("min_memory"),
        max_memory: section.size("max_memory"),
        timeout: section.duration("timeout"),
        max_timeout: section.duration("max_timeout"),
        max_payload: section.size("max_payload"),
        max_result: section.size("max_result"),
        max_code: section.size("max_code"),
        max_wait: section.duration("max_wait"),
        api_host: section.text("api_host", "a URL, as \"http://10.0.0.5:8080\"").map(str::to_owned),
    };
    section.finish();
    settings
}

/// Reads all namespaces.
pub(super) fn namespaces(all: Section<'_>, folder: &Path) -> Vec<NamespaceSettings> {
    let faults = all.faults;
    let mut namespaces = Vec::new();
    for entry in all.entries() {
        let name = entry.key;
        let Some(table) = entry.value.as_table() else {
            let found = show(entry.value);
            faults
                .add(entry.at, format!("namespace `{name}` is {found}: give a table, as [namespace.{name}]"));
            continue;
        };
        let section = Section::new(format!("[namespace.{name}]"), table, faults);
        if let Some(key) = key(section, (name, entry.key_at), folder, faults) {
            namespaces.push(NamespaceSettings { name: name.to_owned(), key });
        }
    }
    namespaces
}

fn key(
    mut section: Section<'_>,
    (name, at): (&str, std::ops::Range<usize>),
    folder: &Path,
    faults: &Faults<'_>,
) -> Option<String> {
    let key = section.text("key", "its key, as \"uuid:key\"").map(str::to_owned);
    let file = section.take("key_file");
    section.finish();
    match (key, file) {
        (Some(key), None) => Some(key),
        (None, Some(file)) => {
            let path = file.value.as_str().map(|path| folder.join(path));
            let read = path.as_ref().map(std::fs::read_to_string);
            match (path, read) {
                (_, Some(Ok(key))) => Some(key.trim().to_owned()),
                (Some(path), Some(Err(error))) => {
                    let shown = path.display();
                    faults.add(file.at, format!("`key_file` is {shown}, which can't be read: {error}"));
                    None
                }
                _ => {
                    let found = show(file.value);
                    faults.add(file.at, format!("`key_file` is {found}: give a file with the key in it"));
                    None
                }
            }
        }
        (Some(_), Some(file)) => {
            faults.add(file.key_at, format!("namespace `{name}` has `key` and `key_file`: give one of them"));
            None
        }
        (None, None) => {
            faults.add(
                at,
                format!("namespace `{name}` has no key: give it `key = \"uuid:key\"` or `key_file`"),
            );
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::manifest::Manifest;

    #[test]
    fn a_namespace_has_a_key_here_or_in_a_file() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("shop.key"), "u:from-a-file\n").unwrap();
        let file = folder.path().join("kiln.toml");
        let text = "[namespace.a]\nkey = \"u:in-here\"\n[namespace.b]\nkey_file = \"shop.key\"\n\
                    [openwhisk]\nmax_memory = \"1GiB\"\n[host]\nstate = \"here\"";
        let manifest = Manifest::parse(&file, text).unwrap();
        let keys: Vec<_> =
            manifest.namespaces.iter().map(|one| (one.name.as_str(), one.key.as_str())).collect();
        assert_eq!(keys, [("a", "u:in-here"), ("b", "u:from-a-file")]);
        assert_eq!((manifest.openwhisk.max_memory, manifest.openwhisk.timeout), (Some(1 << 30), None));
        assert_eq!(manifest.host.state, Some(folder.path().join("here")));
        assert!(!format!("{manifest:?}").contains("in-here"), "keys aren't logged");
        for (text, said) in [
            ("[namespace.a]", "namespace `a` has no key"),
            ("[namespace.a]\nkey = \"u:x\"\nkey_file = \"shop.key\"", "give one of them"),
            ("[namespace.a]\nkey_file = \"none\"", "which can't be read"),
            ("namespace.a = 1", "give a table, as [namespace.a]"),
            ("[openwhisk]\nmax_memroy = \"1GiB\"", "did you mean `max_memory`"),
        ] {
            let error = Manifest::parse(&file, text).unwrap_err();
            assert!(error.message().contains(said), "{text}: {error}");
        }
    }
}
