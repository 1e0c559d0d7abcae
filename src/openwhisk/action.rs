//! An action: what is kept of it, what a `PUT` changes of it, how it is shown.

use super::exec::{Exec, Given};
use super::kinds::Kinds;
use super::limits::{Limits, Ranges};
use super::name::ActionName;
use super::params::Parameters;
use super::refusal::{Refusal, Result};
use super::version::Version;
use super::words;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// An action, as it is kept.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Action {
    #[serde(flatten)]
    pub(super) name: ActionName,
    pub(super) version: Version,
    pub(super) publish: bool,
    pub(super) exec: Exec,
    pub(super) parameters: Parameters,
    pub(super) annotations: Parameters,
    pub(super) limits: Limits,
    /// Milliseconds since the epoch.
    pub(super) updated: u64,
}

/// What a `PUT` gives; what it leaves out is left as it is.
#[derive(Debug, Default)]
pub(super) struct Put {
    exec: Option<Given>,
    parameters: Option<Parameters>,
    annotations: Option<Parameters>,
    removed: Vec<String>,
    limits: Option<Value>,
    version: Option<Version>,
    publish: Option<bool>,
}

/// What of an action or package `PUT` is read the same way.
pub(super) struct Common {
    pub(super) parameters: Option<Parameters>,
    pub(super) annotations: Option<Parameters>,
    pub(super) version: Option<Version>,
    pub(super) publish: Option<bool>,
}

impl Common {
    pub(super) fn read(body: &Value, ranges: &Ranges) -> Result<Self> {
        if !body.is_object() {
            return Err(Refusal::malformed("Object expected"));
        }
        let list = |key: &str| {
            let value = body.get(key).filter(|value| !value.is_null());
            let list = value.map(Parameters::read).transpose()?;
            match list.as_ref().map(Parameters::size) {
                Some(size) if size > ranges.max_parameters => {
                    Err(Refusal::too_large(key, size, ranges.max_parameters))
                }
                _ => Ok(list),
            }
        };
        let version = match body.get("version") {
            None | Some(Value::Null) => None,
            Some(Value::String(text)) => {
                let version = Version::try_from(text.clone());
                Some(version.map_err(|_| Refusal::malformed("semantic version malformed"))?)
            }
            Some(_) => return Err(Refusal::malformed("semantic version malformed")),
        };
        let publish = match body.get("publish") {
            None | Some(Value::Null) => None,
            Some(Value::Bool(publish)) => Some(*publish),
            Some(other) => {
                return Err(Refusal::malformed(format!("Expected JsBoolean, but got {other}")));
            }
        };
        Ok(Self { parameters: list("parameters")?, annotations: list("annotations")?, version, publish })
    }
}

impl Put {
    /// `own` is the caller's namespace.
    pub(super) fn read(body: &Value, own: &str, kinds: &Kinds, ranges: &Ranges) -> Result<Self> {
        let Common { parameters, annotations, version, publish } = Common::read(body, ranges)?;
        let given = |key: &str| body.get(key).filter(|value| !value.is_null());
        let exec = given("exec").map(|exec| Given::read(exec, own, kinds, ranges.max_code)).transpose()?;
        let removed = given("delAnnotations").and_then(Value::as_array).into_iter().flatten();
        let removed = removed.filter_map(Value::as_str).map(str::to_owned).collect();
        let limits = given("limits").cloned();
        Ok(Self { exec, parameters, annotations, removed, limits, version, publish })
    }

    /// A new action, and its code.
    pub(super) fn create(
        self,
        name: ActionName,
        ranges: &Ranges,
        now: u64,
    ) -> Result<(Action, Option<Bytes>)> {
        let Given { exec, code } = self.exec.ok_or_else(|| Refusal::bad(words::NO_EXEC))?;
        let limits = limits(self.limits.as_ref(), ranges.defaults(), ranges)?;
        let mut annotations = self.annotations.unwrap_or_default();
        if annotations.get(PROVIDE_API_KEY).is_none() {
            annotations.set(PROVIDE_API_KEY, false);
        }
        annotations.set("exec", exec.kind.as_str());
        let parameters = self.parameters.unwrap_or_default();
        let parameters = exec.parameters().unwrap_or(parameters);
        let action = Action {
            name,
            version: self.version.unwrap_or_default(),
            publish: self.publish.unwrap_or_default(),
            exec,
            parameters,
            annotations,
            limits,
            updated: now,
        };
        Ok((action, code))
    }

    /// An action as this changes it, its version one patch up; and its code where that is new.
    pub(super) fn update(self, old: &Action, ranges: &Ranges, now: u64) -> Result<(Action, Option<Bytes>)> {
        let limits = limits(self.limits.as_ref(), old.limits, ranges)?;
        let (exec, code) = match self.exec {
            Some(Given { exec, code }) => (exec, code),
            None => (old.exec.clone(), None),
        };
        let mut annotations = old.annotations.clone();
        self.removed.iter().for_each(|key| annotations.remove(key));
        let mut annotations = annotations.under(&self.annotations.unwrap_or_default());
        annotations.set("exec", exec.kind.as_str());
        // What a sequence has are its components, and no other action inherits them.
        let kept = if old.exec.is_sequence() { Parameters::default() } else { old.parameters.clone() };
        let parameters = exec.parameters().unwrap_or_else(|| self.parameters.unwrap_or(kept));
        let action = Action {
            name: old.name.clone(),
            version: self.version.unwrap_or(old.version.up()),
            publish: self.publish.unwrap_or(old.publish),
            exec,
            parameters,
            annotations,
            limits,
            updated: now,
        };
        Ok((action, code))
    }
}

/// Whether a run is given its caller's key.
pub(super) const PROVIDE_API_KEY: &str = "provide-api-key";

fn limits(given: Option<&Value>, base: Limits, ranges: &Ranges) -> Result<Limits> {
    given.map_or(Ok(base), |given| ranges.read(given, base))
}

impl Action {
    /// As a `GET` shows it. `parameters` are its own under those of its package; `code` is shown where it is wanted.
    pub(super) fn as_json(&self, parameters: &Parameters, code: Option<&[u8]>) -> Value {
        json!({
            "namespace": self.name.path(), "name": self.name.name, "version": self.version, "publish": self.publish,
            "exec": self.exec.as_json(code), "parameters": parameters, "limits": self.limits,
            "annotations": self.annotations, "updated": self.updated,
        })
    }

    /// As a list shows it.
    pub(super) fn summary(&self) -> Value {
        json!({
            "namespace": self.name.path(), "name": self.name.name, "version": self.version, "publish": self.publish,
            "exec": {"binary": self.exec.binary}, "limits": self.limits, "annotations": self.annotations,
            "updated": self.updated,
        })
    }

    /// The longest that a run of it may take.
    pub(super) fn timeout(&self) -> std::time::Duration {
        std::time::Duration::from_millis(self.limits.timeout)
    }
}

#[cfg(test)]
mod tests {
    use super::super::kinds::RuntimeKinds;
    use super::*;

    fn put(body: Value) -> Result<Put> {
        let js = RuntimeKinds::new("js", &["nodejs:20"]);
        Put::read(&body, "guest", &Kinds::new(vec![js]), &Ranges::default())
    }

    fn created(body: Value) -> Action {
        let name = ActionName { namespace: "guest".into(), package: None, name: "hello".into() };
        put(body).unwrap().create(name, &Ranges::default(), 1).unwrap().0
    }

    fn hello() -> Action {
        created(json!({
            "exec": {"kind": "nodejs:20", "code": "a"},
            "parameters": [{"key": "p", "value": 1}],
            "annotations": [{"key": "web-export", "value": true}, {"key": "exec", "value": "forged"}],
            "limits": {"timeout": 1000},
        }))
    }

    #[test]
    fn a_new_one_has_openwhisks_defaults() {
        let shown = hello().as_json(&Parameters::default(), Some(b"a"));
        let expected = json!({
            "namespace": "guest", "name": "hello", "version": "0.0.1", "publish": false, "parameters": [],
            "exec": {"kind": "nodejs:20", "binary": false, "code": "a"}, "updated": 1,
            "limits": {"timeout": 1000, "memory": 256, "logs": 10, "concurrency": 1},
            "annotations": [
                {"key": "web-export", "value": true}, {"key": "exec", "value": "nodejs:20"},
                {"key": "provide-api-key", "value": false},
            ],
        });
        assert_eq!(shown, expected);
    }

    #[test]
    fn an_update_goes_up_a_patch_and_keeps_what_it_doesnt_name() {
        let body =
            json!({"annotations": [{"key": "final", "value": true}], "delAnnotations": ["web-export"]});
        let (updated, code) = put(body).unwrap().update(&hello(), &Ranges::default(), 2).unwrap();
        assert_eq!((updated.version.to_string().as_str(), updated.updated, code), ("0.0.2", 2, None));
        assert_eq!((updated.limits.timeout, updated.parameters.get("p")), (1000, Some(&json!(1))));
        assert!(updated.annotations.flag("final") && updated.annotations.get("web-export").is_none());
        assert_eq!(updated.annotations.get("exec"), Some(&json!("nodejs:20")));
        let body = json!({"parameters": [], "version": "1.0.0", "publish": true});
        let (updated, _) = put(body).unwrap().update(&updated, &Ranges::default(), 3).unwrap();
        assert_eq!((updated.version.to_string().as_str(), updated.publish), ("1.0.0", true));
        assert_eq!(updated.parameters, Parameters::default());
    }

    #[test]
    fn it_is_read_as_it_was_kept() {
        let action = hello();
        let kept = serde_json::to_vec(&action).unwrap();
        assert_eq!(serde_json::from_slice::<Action>(&kept).unwrap(), action);
    }

    #[test]
    fn what_cannot_be_is_refused() {
        let name = ActionName { namespace: "guest".into(), package: None, name: "x".into() };
        let none = put(json!({})).unwrap().create(name, &Ranges::default(), 1).unwrap_err();
        assert_eq!((none.status, &*none.text), (400, "exec undefined"));
        for bad in [json!([]), json!({"version": "x"}), json!({"publish": "yes"}), json!({"parameters": {}})]
        {
            assert_eq!(put(bad.clone()).unwrap_err().status, 400, "{bad}");
        }
        let large = json!({"parameters": [{"key": "p", "value": "x".repeat(1 << 20)}]});
        let refusal = put(large).unwrap_err();
        assert_eq!(refusal.status, 413);
        assert!(
            refusal.text.starts_with("parameters larger than allowed: 1048579 > 1048576 bytes"),
            "{refusal:?}"
        );
    }
}
