//! Who calls: Basic auth with one `uuid:key` for each namespace.

use super::{name, refusal, words};
use crate::error::{Error, Result};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::HeaderMap;
use http::header::AUTHORIZATION;
use sha2::{Digest, Sha256};

/// A namespace and the key that opens it.
#[derive(Clone, PartialEq, Eq)]
pub struct Namespace {
    /// Its name.
    pub name: String,
    /// Its key, `uuid:key`.
    pub key: String,
}

impl std::fmt::Debug for Namespace {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Namespace").field("name", &self.name).finish_non_exhaustive()
    }
}

/// All keys. They are compared by their digests: those are of one length, and comparing them tells nothing of the keys.
pub(super) struct Keys {
    all: Vec<(Namespace, [u8; 32])>,
}

impl Keys {
    /// `InvalidInput` where a name or key can't be, or two are the same.
    pub(super) fn new(namespaces: &[Namespace]) -> Result<Self> {
        let mut all: Vec<(Namespace, [u8; 32])> = Vec::with_capacity(namespaces.len());
        for namespace in namespaces {
            let Namespace { name, key } = namespace;
            check(name, key)?;
            let digest = Sha256::digest(key.as_bytes()).into();
            if all.iter().any(|(known, theirs)| known.name == *name || *theirs == digest) {
                return Err(Error::invalid(format!(
                    "namespace {name:?} has the name or the key of another: give each its own"
                )));
            }
            all.push((namespace.clone(), digest));
        }
        Ok(Self { all })
    }

    /// Whether there is such a namespace.
    pub(super) fn has(&self, namespace: &str) -> bool {
        self.key(namespace).is_some()
    }

    /// The key of a namespace.
    pub(super) fn key(&self, namespace: &str) -> Option<&str> {
        let known = self.all.iter().find(|(known, _)| known.name == namespace);
        known.map(|(known, _)| known.key.as_str())
    }

    /// The namespace of a key. Every key is looked at to its end, whichever it is.
    fn open(&self, key: &[u8]) -> Option<&str> {
        let digest: [u8; 32] = Sha256::digest(key).into();
        let mut found = None;
        for (namespace, theirs) in &self.all {
            let differs = theirs.iter().zip(&digest).fold(0, |sum, (a, b)| sum | (a ^ b));
            if std::hint::black_box(differs) == 0 {
                found = Some(namespace.name.as_str());
            }
        }
        found
    }

    /// The namespace of the key that a request carries; 401 where it carries none that opens one.
    pub(super) fn of(&self, headers: &HeaderMap) -> refusal::Result<&str> {
        let Some(header) = headers.get(AUTHORIZATION) else {
            return Err(refusal::Refusal::new(401, words::NO_AUTH));
        };
        let key = header.to_str().ok().and_then(|text| {
            let (scheme, encoded) = text.split_once(' ')?;
            scheme.eq_ignore_ascii_case("basic").then(|| STANDARD.decode(encoded.trim()).ok())?
        });
        let namespace = key.and_then(|key| self.open(&key));
        namespace.ok_or(refusal::Refusal::new(401, words::BAD_AUTH))
    }
}

fn check(name: &str, key: &str) -> Result<()> {
    // The host keeps a namespace's sandboxes apart by this name, so that it must be one there, too.
    let probe = crate::Function { namespace: name.into(), ..crate::Function::wasm("x", "x.wasm") };
    if name == name::OWN || !name::is_name(name) || probe.validate().is_err() {
        return Err(Error::invalid(format!(
            "namespace {name:?} can't be: give 1 to 63 letters, digits, `-`, `_` and `.`, a letter or digit first"
        )));
    }
    let parts = key.split_once(':').filter(|(user, secret)| {
        !user.is_empty() && secret.len() >= 8 && !key.contains(|c: char| c.is_whitespace() || c.is_control())
    });
    if parts.is_none() {
        return Err(Error::invalid(format!(
            "the key of namespace {name:?} can't be: give \"uuid:key\" without spaces, its second part of 8 characters or \
             more"
        )));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn keys() -> Keys {
        let namespace = |name: &str, key: &str| Namespace { name: name.into(), key: key.into() };
        Keys::new(&[namespace("guest", "u:secret-1"), namespace("other", "v:secret-2")]).unwrap()
    }

    fn header(value: &str) -> HeaderMap {
        HeaderMap::from_iter([(AUTHORIZATION, HeaderValue::from_str(value).unwrap())])
    }

    #[test]
    fn a_key_opens_its_namespace_and_no_other_does() {
        let basic = |key: &str| header(&format!("Basic {}", STANDARD.encode(key)));
        assert_eq!(keys().of(&basic("u:secret-1")), Ok("guest"));
        assert_eq!(keys().of(&basic("v:secret-2")), Ok("other"));
        for wrong in [basic("u:secret-2"), basic(""), header("Basic !"), header("Bearer x"), header("x")] {
            let refusal = keys().of(&wrong).unwrap_err();
            assert_eq!((refusal.status, &*refusal.text), (401, words::BAD_AUTH), "{wrong:?}");
        }
        assert_eq!(keys().of(&HeaderMap::new()).unwrap_err().text, words::NO_AUTH);
    }

    #[test]
    fn keys_that_cannot_be_are_refused_without_being_told() {
        for (name, key) in
            [("_", "u:12345678"), ("a b", "u:12345678"), ("a", "u"), ("a", ":12345678"), ("a", "u:1234567")]
        {
            let error = Keys::new(&[Namespace { name: name.into(), key: key.into() }]).err().unwrap();
            assert!(!error.message().contains("1234567"), "{error}");
        }
        let twice = Namespace { name: "a".into(), key: "u:12345678".into() };
        assert!(Keys::new(&[twice.clone(), twice]).is_err());
    }
}
