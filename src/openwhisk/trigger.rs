//! A trigger: a name for something that happens. Fired, it runs the actions that rules tie to it.

use super::action::Common;
use super::catalog::Catalog;
use super::limits::Ranges;
use super::named::Entity;
use super::params::Parameters;
use super::refusal::{Refusal, Result};
use super::version::Version;
use super::{name, words};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

/// A trigger, as it is kept. Which rules are tied to it, they know.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Trigger {
    pub(super) namespace: String,
    pub(super) name: String,
    pub(super) version: Version,
    pub(super) publish: bool,
    pub(super) parameters: Parameters,
    pub(super) annotations: Parameters,
    /// Milliseconds since the epoch.
    pub(super) updated: u64,
}

impl Entity for Trigger {
    fn key(&self) -> (&str, &str) {
        (&self.namespace, &self.name)
    }

    fn updated(&self) -> u64 {
        self.updated
    }
}

/// What a `PUT` gives; what it leaves out is left as it is.
pub(super) struct Put(Common);

impl Put {
    pub(super) fn read(body: &Value, ranges: &Ranges) -> Result<Self> {
        Common::read(body, ranges).map(Self)
    }

    pub(super) fn create(self, namespace: &str, name: &str, now: u64) -> Result<Trigger> {
        let Common { parameters, annotations, version, publish } = self.0;
        let annotations = annotations.unwrap_or_default();
        // The feed is its client's to call, but it must be one that can be called.
        let feed = annotations.get("feed").map(|feed| feed.as_str().unwrap_or_default());
        let named = |feed: &str| {
            let path = feed.strip_prefix('/').unwrap_or(feed);
            path.split('/').all(name::is_name)
        };
        if feed.is_some_and(|feed| !named(feed)) {
            return Err(Refusal::bad(words::FEED_INVALID));
        }
        Ok(Trigger {
            namespace: namespace.into(),
            name: name.into(),
            version: version.unwrap_or_default(),
            publish: publish.unwrap_or_default(),
            parameters: parameters.unwrap_or_default(),
            annotations,
            updated: now,
        })
    }

    pub(super) fn update(self, old: &Trigger, now: u64) -> Trigger {
        let Common { parameters, annotations, version, publish } = self.0;
        Trigger {
            namespace: old.namespace.clone(),
            name: old.name.clone(),
            version: version.unwrap_or(old.version.up()),
            publish: publish.unwrap_or(old.publish),
            parameters: parameters.unwrap_or_else(|| old.parameters.clone()),
            annotations: annotations.unwrap_or_else(|| old.annotations.clone()),
            updated: now,
        }
    }
}

impl Catalog {
    /// A trigger as clients get it: with the rules that are tied to it, where there are any.
    pub(super) fn shown(&self, trigger: &Trigger) -> Value {
        let mut shown = json!({
            "namespace": trigger.namespace, "name": trigger.name, "version": trigger.version,
            "publish": trigger.publish, "parameters": trigger.parameters, "annotations": trigger.annotations,
            "limits": {}, "updated": trigger.updated,
        });
        let rules = self.rules.of(&trigger.namespace);
        let rules = rules.iter().filter(|rule| rule.trigger == trigger.name && rule.tied);
        let rules: Map<_, _> = rules.map(|rule| (rule.full_name(), rule.reduced())).collect();
        if let (Some(fields), false) = (shown.as_object_mut(), rules.is_empty()) {
            fields.insert("rules".into(), Value::Object(rules));
        }
        shown
    }
}
