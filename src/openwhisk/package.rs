//! A package: parameters that its actions share, or a binding that lends another's actions with parameters of its own.

use super::action::Common;
use super::limits::Ranges;
use super::named::Entity;
use super::params::Parameters;
use super::refusal::{Refusal, Result};
use super::version::Version;
use super::{name, words};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// What a binding refers to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Binding {
    pub(super) namespace: String,
    pub(super) name: String,
}

/// A package, as it is kept.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Package {
    pub(super) namespace: String,
    pub(super) name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) binding: Option<Binding>,
    pub(super) version: Version,
    pub(super) publish: bool,
    pub(super) parameters: Parameters,
    pub(super) annotations: Parameters,
    /// Milliseconds since the epoch.
    pub(super) updated: u64,
}

impl Entity for Package {
    fn key(&self) -> (&str, &str) {
        (&self.namespace, &self.name)
    }

    fn updated(&self) -> u64 {
        self.updated
    }
}

/// What a `PUT` gives; what it leaves out is left as it is.
pub(super) struct Put {
    common: Common,
    pub(super) binding: Option<Binding>,
}

impl Put {
    /// `own` is the caller's namespace, which `_` in a binding stands for.
    pub(super) fn read(body: &Value, own: &str, ranges: &Ranges) -> Result<Self> {
        let common = Common::read(body, ranges)?;
        let binding = match body.get("binding") {
            None | Some(Value::Null) => None,
            Some(Value::Object(fields)) if fields.is_empty() => None,
            Some(binding) => {
                let text = |key: &str| binding.get(key).and_then(Value::as_str).map(str::to_owned);
                let (Some(namespace), Some(name)) = (text("namespace"), text("name")) else {
                    return Err(Refusal::malformed("binding malformed"));
                };
                let namespace = if namespace == name::OWN { own.to_owned() } else { namespace };
                Some(Binding { namespace, name })
            }
        };
        Ok(Self { common, binding })
    }

    pub(super) fn create(self, namespace: &str, name: &str, now: u64) -> Package {
        let Common { parameters, annotations, version, publish } = self.common;
        let annotations = annotated(annotations.unwrap_or_default(), self.binding.as_ref());
        Package {
            namespace: namespace.into(),
            name: name.into(),
            binding: self.binding,
            version: version.unwrap_or_default(),
            publish: publish.unwrap_or_default(),
            parameters: parameters.unwrap_or_default(),
            annotations,
            updated: now,
        }
    }

    pub(super) fn update(self, old: &Package, now: u64) -> Result<Package> {
        if self.binding.is_some() && old.binding.is_none() {
            return Err(Refusal::conflict(words::PACKAGE_NOT_BINDING));
        }
        let Common { parameters, annotations, version, publish } = self.common;
        let binding = self.binding.or_else(|| old.binding.clone());
        let annotations = annotations.unwrap_or_else(|| old.annotations.clone());
        Ok(Package {
            namespace: old.namespace.clone(),
            name: old.name.clone(),
            version: version.unwrap_or(old.version.up()),
            publish: publish.unwrap_or(old.publish),
            parameters: parameters.unwrap_or_else(|| old.parameters.clone()),
            annotations: annotated(annotations, binding.as_ref()),
            binding,
            updated: now,
        })
    }
}

/// The annotation that tells a binding from a package in a list is ours to set.
fn annotated(mut annotations: Parameters, binding: Option<&Binding>) -> Parameters {
    annotations.remove("binding");
    if let Some(Binding { namespace, name }) = binding {
        annotations.set("binding", json!({"namespace": namespace, "name": name}));
    }
    annotations
}

impl Package {
    /// As `PUT` and `DELETE` answer with.
    pub(super) fn as_json(&self) -> Value {
        self.with_parameters(&self.parameters)
    }

    fn with_parameters(&self, parameters: &Parameters) -> Value {
        let binding = self.binding.as_ref().map_or_else(|| json!({}), |binding| json!(binding));
        json!({
            "namespace": self.namespace, "name": self.name, "binding": binding, "version": self.version,
            "publish": self.publish, "parameters": parameters, "annotations": self.annotations,
            "updated": self.updated,
        })
    }

    /// As a `GET` shows it: with its actions, each as [`Package::action`] has it, and for a binding with the parameters of
    /// both.
    pub(super) fn whole(&self, parameters: &Parameters, actions: Vec<(Value, bool)>) -> Value {
        let (feeds, actions): (Vec<_>, Vec<_>) = actions.into_iter().partition(|(_, feed)| *feed);
        let values = |list: Vec<(Value, bool)>| list.into_iter().map(|(value, _)| value).collect::<Vec<_>>();
        let mut shown = self.with_parameters(parameters);
        if let Some(fields) = shown.as_object_mut() {
            fields.insert("actions".into(), Value::Array(values(actions)));
            fields.insert("feeds".into(), Value::Array(values(feeds)));
        }
        shown
    }

    /// As a list shows it.
    pub(super) fn summary(&self) -> Value {
        let binding = self.binding.as_ref().map_or_else(|| json!(false), |binding| json!(binding));
        json!({
            "namespace": self.namespace, "name": self.name, "version": self.version, "publish": self.publish,
            "annotations": self.annotations, "binding": binding, "updated": self.updated,
        })
    }

    /// One of its actions as [`Package::whole`] lists it, and whether it is a feed.
    pub(super) fn action(action: &super::action::Action) -> (Value, bool) {
        let shown = json!({
            "name": action.name.name, "version": action.version, "annotations": action.annotations,
        });
        (shown, action.annotations.get("feed").is_some())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(body: Value) -> Put {
        Put::read(&body, "guest", &Ranges::default()).unwrap()
    }

    #[test]
    fn a_binding_is_annotated_and_a_package_never_becomes_one() {
        let binding = put(json!({"binding": {"namespace": "_", "name": "tools"}})).create("guest", "mine", 1);
        let shown = json!({"namespace": "guest", "name": "tools"});
        assert_eq!(binding.annotations.get("binding"), Some(&shown));
        assert_eq!(binding.as_json().get("binding"), Some(&shown));
        let package = put(json!({"binding": {}})).create("guest", "tools", 1);
        assert_eq!(package.summary().get("binding"), Some(&json!(false)));
        let refusal =
            put(json!({"binding": {"namespace": "_", "name": "x"}})).update(&package, 2).unwrap_err();
        assert_eq!(refusal.status, 409);
        let updated = put(json!({"parameters": [{"key": "a", "value": 1}]})).update(&package, 2).unwrap();
        assert_eq!((updated.version.to_string().as_str(), updated.updated), ("0.0.2", 2));
    }

    #[test]
    fn it_is_read_as_it_was_kept() {
        let package = put(json!({"publish": true})).create("guest", "tools", 1);
        let kept = serde_json::to_vec(&package).unwrap();
        assert_eq!(serde_json::from_slice::<Package>(&kept).unwrap(), package);
    }
}
