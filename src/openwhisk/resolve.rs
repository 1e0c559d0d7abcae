//! Which action a name means, and with which parameters: through its package, and through a binding to another.

use super::catalog::{Catalog, Kept};
use super::name::{ActionName, OWN};
use super::params::Parameters;
use super::refusal::{Refusal, Result};
use super::{package::Package, words};
use std::sync::Arc;

/// An action that was asked for by a name.
#[derive(Clone)]
pub(super) struct Resolved {
    pub(super) kept: Arc<Kept>,
    /// Its own parameters over those of its package, and those of a binding between them.
    pub(super) parameters: Parameters,
    /// What it was asked by, where that was through a binding.
    pub(super) binding: Option<ActionName>,
}

impl Resolved {
    /// The names that a caller may not set: those that have a value already, where the action is `final`.
    pub(super) fn is_immutable(&self, name: &str) -> bool {
        self.kept.action.annotations.flag("final") && self.parameters.defined().any(|known| known == name)
    }
}

impl Catalog {
    /// Finds what a key of namespace `own` means by a name. 404 where nothing is there, 403 where it is somebody else's.
    pub(super) fn resolve(&self, own: &str, name: &ActionName) -> Result<Resolved> {
        let mut name = name.clone();
        if name.namespace == OWN {
            name.namespace = own.to_owned();
        }
        let Some(package) = name.package.clone() else {
            if name.namespace != own {
                return Err(Refusal::forbidden(&name.to_string()));
            }
            let kept = self.action(&name).ok_or_else(Refusal::missing)?;
            let parameters = kept.action.parameters.clone();
            return Ok(Resolved { kept, parameters, binding: None });
        };
        let (package, inherited, bound) = self.package_of(own, &name.namespace, &package)?;
        let target = ActionName {
            namespace: package.namespace.clone(),
            package: Some(package.name.clone()),
            name: name.name.clone(),
        };
        let kept = self.action(&target).ok_or_else(Refusal::missing)?;
        let parameters = inherited.under(&kept.action.parameters);
        Ok(Resolved { kept, parameters, binding: bound.then_some(name) })
    }

    /// A package by the name that somebody calls it: itself or what its binding refers to, the parameters that its actions
    /// inherit, and whether that was a binding.
    pub(super) fn package_of(
        &self,
        own: &str,
        namespace: &str,
        name: &str,
    ) -> Result<(Arc<Package>, Parameters, bool)> {
        let namespace = if namespace == OWN { own } else { namespace };
        let named = self.package(namespace, name);
        let package = match named {
            Some(package) if readable(own, &package) => package,
            None if namespace == own => return Err(Refusal::missing()),
            _ => return Err(Refusal::forbidden(&format!("{namespace}/{name}"))),
        };
        let Some(binding) = &package.binding else {
            let parameters = package.parameters.clone();
            return Ok((package, parameters, false));
        };
        let provider = self.package(&binding.namespace, &binding.name).ok_or_else(Refusal::missing)?;
        if !readable(own, &provider) {
            return Err(Refusal::forbidden(&format!("{}/{}", binding.namespace, binding.name)));
        }
        if provider.binding.is_some() {
            return Err(Refusal::bad(words::BINDING_OF_BINDING));
        }
        let parameters = provider.parameters.under(&package.parameters);
        Ok((provider, parameters, true))
    }
}

/// A namespace's own packages, and those that others share.
pub(super) fn readable(own: &str, package: &Package) -> bool {
    package.namespace == own || package.publish
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Store;
    use serde_json::json;

    fn name(namespace: &str, package: Option<&str>, name: &str) -> ActionName {
        ActionName { namespace: namespace.into(), package: package.map(str::to_owned), name: name.into() }
    }

    async fn catalog() -> Catalog {
        let catalog = Catalog::open(Store::memory().unwrap()).await.unwrap();
        for (namespace, name, binding, publish, value) in [
            ("guest", "tools", None, false, "package"),
            ("guest", "shared", None, true, "package"),
            ("other", "mine", Some("shared"), false, "binding"),
            ("other", "stolen", Some("tools"), false, "binding"),
        ] {
            let binding = binding.map(|name| json!({"namespace": "guest", "name": name}));
            let package = json!({
                "namespace": namespace, "name": name, "binding": binding, "version": "0.0.1", "publish": publish,
                "parameters": [{"key": "from", "value": value}, {"key": "own", "value": value}],
                "annotations": [], "updated": 1
            });
            catalog.put_package(serde_json::from_value(package).unwrap()).await.unwrap();
        }
        for of in
            [name("guest", None, "a"), name("guest", Some("tools"), "a"), name("guest", Some("shared"), "a")]
        {
            let action = json!({
                "namespace": of.namespace, "package": of.package, "name": of.name, "version": "0.0.1",
                "publish": false, "exec": {"kind": "wasm"}, "parameters": [{"key": "own", "value": "action"}],
                "annotations": [{"key": "final", "value": true}], "updated": 1,
                "limits": {"timeout": 100, "memory": 256, "logs": 10, "concurrency": 1}
            });
            catalog.put_action(serde_json::from_value(action).unwrap(), None, None).await.unwrap();
        }
        catalog
    }

    #[tokio::test]
    async fn parameters_come_from_the_package_the_binding_and_the_action() {
        let catalog = catalog().await;
        let of = |own: &str, of: ActionName| {
            let resolved = catalog.resolve(own, &of)?;
            let value = |key: &str| {
                resolved.parameters.get(key).and_then(|value| value.as_str()).unwrap_or("").to_owned()
            };
            Ok((value("from"), value("own"), resolved.binding.is_some()))
        };
        let expected = |from: &str, bound| Ok::<_, Refusal>((from.to_owned(), "action".to_owned(), bound));
        assert_eq!(of("guest", name("_", None, "a")), expected("", false));
        assert_eq!(of("guest", name("_", Some("tools"), "a")), expected("package", false));
        assert_eq!(of("other", name("_", Some("mine"), "a")), expected("binding", true));
        assert_eq!(of("other", name("guest", Some("shared"), "a")), expected("package", false));
        assert!(catalog.resolve("guest", &name("_", None, "a")).unwrap().is_immutable("own"));
    }

    #[tokio::test]
    async fn what_is_anothers_is_forbidden_and_what_isnt_there_missing() {
        let catalog = catalog().await;
        let status = |own, of| catalog.resolve(own, &of).err().map(|refusal| refusal.status);
        assert_eq!(status("other", name("guest", None, "a")), Some(403));
        assert_eq!(status("other", name("guest", Some("tools"), "a")), Some(403));
        assert_eq!(status("other", name("_", Some("stolen"), "a")), Some(403));
        assert_eq!(status("guest", name("_", None, "b")), Some(404));
        assert_eq!(status("guest", name("_", Some("none"), "a")), Some(404));
        assert_eq!(status("guest", name("_", Some("tools"), "b")), Some(404));
    }
}
