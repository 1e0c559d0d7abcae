//! Names of entities, and the names that their functions have on the host.

use super::refusal::{Refusal, Result};
use super::words;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fmt;

/// Characters of a name at most.
pub(super) const MAX: usize = 256;
/// The namespace that stands for the key's own.
pub(super) const OWN: &str = "_";
/// What stands for no package where a path has to name one.
pub(super) const NO_PACKAGE: &str = "default";

/// An action, fully qualified.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(super) struct ActionName {
    pub(super) namespace: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) package: Option<String>,
    pub(super) name: String,
}

impl ActionName {
    /// `namespace`, or `namespace/package`: what its documents call its namespace.
    pub(super) fn path(&self) -> String {
        match &self.package {
            None => self.namespace.clone(),
            Some(package) => format!("{}/{package}", self.namespace),
        }
    }

    /// `name`, or `package/name`.
    pub(super) fn local(&self) -> String {
        match &self.package {
            None => self.name.clone(),
            Some(package) => format!("{package}/{}", self.name),
        }
    }

    /// Its function's name on the host: its own where that can be one and holds no dot, else a part of it, a dot, and a
    /// digest of all of it. No two actions share one (`SEEDS.md E7`).
    pub(super) fn function(&self) -> String {
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
        let starts = |name: &str| name.starts_with(|c: char| c.is_ascii_alphanumeric());
        let name = &self.name;
        if self.package.is_none() && name.len() <= 63 && starts(name) && name.bytes().all(fits) {
            return name.clone();
        }
        let local = self.local();
        let clean = |c: char| if c.is_ascii() && fits(c as u8) { c } else { '-' };
        let part: String = local.chars().map(clean).take(40).collect();
        let lead = if starts(&part) { "" } else { "a" };
        let digest: String =
            Sha256::digest(local.as_bytes()).iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        format!("{lead}{part}.{digest}")
    }
}

impl ActionName {
    /// Reads `/namespace/[package/]name`, the first slash left out or not; `_` is the caller's own namespace.
    pub(super) fn read(text: &str, own: &str) -> Result<Self> {
        let malformed = || Refusal::malformed(words::NOT_QUALIFIED);
        let segments: Vec<_> = text.strip_prefix('/').unwrap_or(text).split('/').collect();
        let (ns, package, name) = match *segments.as_slice() {
            [ns, name] => (ns, None, name),
            [ns, package, name] => (ns, Some(package), name),
            _ => return Err(malformed()),
        };
        let namespace = if ns == OWN { own } else { self::namespace(ns)? };
        let package = package.map(entity).transpose()?.map(str::to_owned);
        Ok(Self { namespace: namespace.into(), package, name: entity(name)?.into() })
    }
}

impl fmt::Display for ActionName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.path(), self.name)
    }
}

/// A segment of a path as an entity's name.
pub(super) fn entity(segment: &str) -> Result<&str> {
    checked(segment, "Name segement", words::NAME_ILLEGAL)
}

/// A segment of a path as a namespace.
pub(super) fn namespace(segment: &str) -> Result<&str> {
    checked(segment, "Namespace", words::NAMESPACE_ILLEGAL)
}

fn checked<'a>(segment: &'a str, field: &str, illegal: &'static str) -> Result<&'a str> {
    if segment.len() > MAX {
        return Err(Refusal::bad(words::too_long(field, segment.len())));
    }
    if is_name(segment) { Ok(segment) } else { Err(Refusal::bad(illegal)) }
}

/// `\A([\w]|[\w][\w@ .&-]{0,254}[\w@.&-])\z`, as `EntityPath.scala` has it.
pub(super) fn is_name(text: &str) -> bool {
    let word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let within = |byte: u8| word(byte) || matches!(byte, b'@' | b' ' | b'.' | b'&' | b'-');
    let bytes = text.as_bytes();
    bytes.len() <= MAX
        && bytes.first().is_some_and(|first| word(*first))
        && bytes.last().is_some_and(|last| *last != b' ')
        && bytes.iter().all(|byte| within(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn action(package: Option<&str>, name: &str) -> ActionName {
        ActionName { namespace: "guest".into(), package: package.map(str::to_owned), name: name.into() }
    }

    #[test]
    fn names_are_openwhisks() {
        for name in ["a", "_", "hello", "a b", "a@b.c&d-e", "9", &"x".repeat(256)] {
            assert!(is_name(name), "{name:?}");
        }
        for name in ["", " a", "a ", "-a", ".a", "a/b", "é", "a!", &"x".repeat(257)] {
            assert!(!is_name(name), "{name:?}");
        }
        assert!(entity(&"x".repeat(257)).unwrap_err().text.contains("longer than allowed: 257 > 256."));
    }

    /// SEEDS.md E7: names that are joined can't collide.
    #[test]
    fn e7_every_action_has_a_function_name_of_its_own_that_the_host_takes() {
        let all = [
            action(None, "hello"),
            action(None, "a.b"),
            action(Some("a"), "b"),
            action(None, "a b"),
            action(None, "a-b"),
            action(None, "_x"),
            action(None, &"x".repeat(256)),
            action(Some("x"), &"x".repeat(256)),
            action(None, "_"),
        ];
        let mut names: Vec<_> = all.iter().map(ActionName::function).collect();
        for name in &names {
            assert!(crate::Function::wasm(name, "x.wasm").validate().is_ok(), "{name}");
        }
        assert_eq!(names.first().map(String::as_str), Some("hello"));
        names.sort();
        names.dedup();
        assert_eq!(names.len(), all.len());
    }
}
