//! Parameters and annotations: named JSON values, of which each layer wins over the one below it.
//!
//! An action's parameters are merged under its caller's, a package's under its actions', a binding's over its package's.
//! One marked `init` is given when a sandbox is initialised, not with each request. Annotations have the same shape.

use super::refusal::{Refusal, Result};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// One of them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Parameter {
    pub(super) key: String,
    pub(super) value: Value,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) init: bool,
}

/// Parameters or annotations, each name once, in the order given.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Parameters(Vec<Parameter>);

impl Parameters {
    /// Reads a list of `{"key": ..., "value": ...}`.
    pub(super) fn read(value: &Value) -> Result<Self> {
        let malformed = || Refusal::malformed("parameters malformed!");
        let mut all = Self::default();
        for item in value.as_array().ok_or_else(malformed)? {
            let key = item.get("key").and_then(Value::as_str).ok_or_else(malformed)?;
            let value = item.get("value").ok_or_else(malformed)?;
            let init = match item.get("init") {
                None | Some(Value::Null) => false,
                Some(init) => init.as_bool().ok_or_else(malformed)?,
            };
            all.put(Parameter { key: key.into(), value: value.clone(), init });
        }
        Ok(all)
    }

    /// Adds one, or replaces the one of that name.
    pub(super) fn put(&mut self, parameter: Parameter) {
        match self.0.iter_mut().find(|known| known.key == parameter.key) {
            Some(known) => *known = parameter,
            None => self.0.push(parameter),
        }
    }

    /// Adds a plain one.
    pub(super) fn set(&mut self, key: &str, value: impl Into<Value>) {
        self.put(Parameter { key: key.into(), value: value.into(), init: false });
    }

    pub(super) fn remove(&mut self, key: &str) {
        self.0.retain(|known| known.key != key);
    }

    pub(super) fn get(&self, key: &str) -> Option<&Value> {
        self.0.iter().find(|known| known.key == key).map(|known| &known.value)
    }

    /// Whether an annotation is `true`; anything else is not.
    pub(super) fn flag(&self, key: &str) -> bool {
        self.get(key) == Some(&Value::Bool(true))
    }

    /// These under others: a name that both have keeps the others' value.
    pub(super) fn under(&self, over: &Self) -> Self {
        let mut merged = self.clone();
        over.0.iter().cloned().for_each(|parameter| merged.put(parameter));
        merged
    }

    /// The names that have a value.
    pub(super) fn defined(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter(|known| !known.value.is_null()).map(|known| known.key.as_str())
    }

    /// What a request is given: those that aren't `init`, under its caller's own.
    pub(super) fn arguments(&self, given: Map<String, Value>) -> Map<String, Value> {
        let mut all: Map<_, _> = self
            .0
            .iter()
            .filter(|known| !known.init)
            .map(|known| (known.key.clone(), known.value.clone()))
            .collect();
        all.extend(given);
        all
    }

    /// What a sandbox is given once: those that are `init`, as environment variables.
    pub(super) fn environment(&self) -> BTreeMap<String, String> {
        let init = self.0.iter().filter(|known| known.init);
        init.map(|known| (known.key.clone(), as_text(&known.value))).collect()
    }

    /// Its size in bytes, as OpenWhisk counts: names and compact values.
    pub(super) fn size(&self) -> u64 {
        self.0.iter().map(|known| (known.key.len() + known.value.to_string().len()) as u64).sum()
    }
}

/// A value as an environment variable has it: strings bare, null empty, all else as JSON.
fn as_text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(value: Value) -> Parameters {
        Parameters::read(&value).unwrap()
    }

    fn object(value: Value) -> Map<String, Value> {
        value.as_object().cloned().unwrap()
    }

    #[test]
    fn each_layer_wins_over_the_one_below() {
        let package =
            read(json!([{"key": "a", "value": 1}, {"key": "b", "value": 1}, {"key": "c", "value": 1}]));
        let action = read(json!([{"key": "b", "value": 2}, {"key": "c", "value": 2}]));
        let merged = package.under(&action).arguments(object(json!({"c": 3})));
        assert_eq!(Value::Object(merged), json!({"a": 1, "b": 2, "c": 3}));
    }

    #[test]
    fn what_is_for_initialisation_isnt_in_requests() {
        let both = read(json!([
            {"key": "level", "value": {"a": 1}, "init": true}, {"key": "n", "value": null, "init": true},
            {"key": "t", "value": "x", "init": true}, {"key": "other", "value": 1, "init": false}
        ]));
        assert_eq!(Value::Object(both.arguments(Map::new())), json!({"other": 1}));
        let expected = [("level", r#"{"a":1}"#), ("n", ""), ("t", "x")];
        let environment = both.environment();
        let found: Vec<_> = environment.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn they_are_written_as_they_were_read() {
        let text = json!([{"key": "b", "value": 1}, {"key": "a", "value": null, "init": true}]);
        assert_eq!(serde_json::to_value(read(text.clone())).unwrap(), text);
        let twice = read(json!([{"key": "a", "value": 1}, {"key": "a", "value": 2}]));
        assert_eq!(twice.get("a"), Some(&json!(2)));
        assert_eq!(twice.size(), 2);
        assert_eq!(read(json!([{"key": "a", "value": null}])).defined().count(), 0);
    }

    #[test]
    fn what_is_no_list_of_pairs_is_refused() {
        for bad in [json!({}), json!([1]), json!([{"key": 1, "value": 1}]), json!([{"key": "a"}])] {
            let refusal = Parameters::read(&bad).unwrap_err();
            assert_eq!(refusal.status, 400);
            assert!(refusal.text.ends_with("parameters malformed!"), "{refusal:?}");
        }
    }
}
