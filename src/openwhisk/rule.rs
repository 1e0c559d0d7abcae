//! A rule: ties an action to a trigger of its namespace, and may be switched off.

use super::action::Common;
use super::limits::Ranges;
use super::name::ActionName;
use super::named::Entity;
use super::params::Parameters;
use super::refusal::{Refusal, Result};
use super::version::Version;
use super::words;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// A rule, as it is kept.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Rule {
    pub(super) namespace: String,
    pub(super) name: String,
    /// The trigger's name; it is of the rule's namespace.
    pub(super) trigger: String,
    pub(super) action: ActionName,
    pub(super) active: bool,
    /// Whether the trigger is the one that it was tied to, and not one that came after that.
    pub(super) tied: bool,
    pub(super) version: Version,
    pub(super) publish: bool,
    pub(super) annotations: Parameters,
    /// Milliseconds since the epoch.
    pub(super) updated: u64,
}

impl Entity for Rule {
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
    pub(super) trigger: Option<String>,
    pub(super) action: Option<ActionName>,
}

impl Put {
    /// `own` is the caller's namespace: a rule's trigger must be of it.
    pub(super) fn read(body: &Value, own: &str, ranges: &Ranges) -> Result<Self> {
        let common = Common::read(body, ranges)?;
        let named = |key: &str| match body.get(key) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(name)) => ActionName::read(name, own).map(Some),
            Some(Value::Object(fields)) => {
                let field = |key: &str| fields.get(key).and_then(Value::as_str);
                let (Some(path), Some(name)) = (field("path"), field("name")) else {
                    return Err(Refusal::malformed(words::NOT_QUALIFIED));
                };
                ActionName::read(&format!("{path}/{name}"), own).map(Some)
            }
            Some(_) => Err(Refusal::malformed(words::NOT_QUALIFIED)),
        };
        let trigger = named("trigger")?;
        if let Some(other) = trigger.as_ref().filter(|name| name.namespace != own) {
            return Err(Refusal::forbidden(&other.to_string()));
        }
        Ok(Self { common, trigger: trigger.map(|name| name.name), action: named("action")? })
    }

    pub(super) fn create(self, namespace: &str, name: &str, now: u64) -> Result<Rule> {
        let Self { common, trigger, action } = self;
        let (Some(trigger), Some(action)) = (trigger, action) else {
            return Err(Refusal::bad(words::RULE_INCOMPLETE));
        };
        Ok(Rule {
            namespace: namespace.into(),
            name: name.into(),
            trigger,
            action,
            active: true,
            tied: true,
            version: common.version.unwrap_or_default(),
            publish: common.publish.unwrap_or_default(),
            annotations: common.annotations.unwrap_or_default(),
            updated: now,
        })
    }

    pub(super) fn update(self, old: &Rule, now: u64) -> Rule {
        let Self { common, trigger, action } = self;
        Rule {
            namespace: old.namespace.clone(),
            name: old.name.clone(),
            trigger: trigger.unwrap_or_else(|| old.trigger.clone()),
            action: action.unwrap_or_else(|| old.action.clone()),
            active: old.is_active(),
            tied: true,
            version: common.version.unwrap_or(old.version.up()),
            publish: common.publish.unwrap_or(old.publish),
            annotations: common.annotations.unwrap_or_else(|| old.annotations.clone()),
            updated: now,
        }
    }
}

impl Rule {
    /// Whether its action is run when its trigger is fired.
    pub(super) fn is_active(&self) -> bool {
        self.active && self.tied
    }

    /// `namespace/name`.
    pub(super) fn full_name(&self) -> String {
        format!("{}/{}", self.namespace, self.name)
    }

    fn status(&self) -> &'static str {
        if self.is_active() { "active" } else { "inactive" }
    }

    /// As clients get it.
    pub(super) fn as_json(&self) -> Value {
        json!({
            "namespace": self.namespace, "name": self.name, "status": self.status(), "version": self.version,
            "trigger": {"path": self.namespace, "name": self.trigger}, "action": action(&self.action),
            "publish": self.publish, "annotations": self.annotations, "updated": self.updated,
        })
    }

    /// As its trigger shows it.
    pub(super) fn reduced(&self) -> Value {
        json!({"action": action(&self.action), "status": self.status()})
    }
}

fn action(name: &ActionName) -> Value {
    json!({"path": name.path(), "name": name.name})
}

/// Reads whether a rule is to be active.
pub(super) fn wanted(body: &Value) -> Result<bool> {
    match body.get("status").and_then(Value::as_str).map(str::to_lowercase).as_deref() {
        Some("active") => Ok(true),
        Some("inactive") => Ok(false),
        other => {
            let given = other.unwrap_or_default();
            let why =
                format!("'{given}' is not a recognized rule state, must be one of ['active', 'inactive']");
            Err(Refusal::malformed(why))
        }
    }
}
