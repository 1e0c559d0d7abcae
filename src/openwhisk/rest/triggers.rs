//! `/namespaces/{ns}/triggers`: declare, show, list, take away, fire.

use super::Asking;
use crate::invocation::InvocationId;
use crate::openwhisk::activation::{About, Activation, milliseconds};
use crate::openwhisk::answer::{self, Answer, about};
use crate::openwhisk::params::Parameters;
use crate::openwhisk::refusal::{Refusal, Result};
use crate::openwhisk::response::{Response, Status};
use crate::openwhisk::route::Collection;
use crate::openwhisk::rule::Rule;
use crate::openwhisk::run::{self, Run, now};
use crate::openwhisk::trigger::{Put, Trigger};
use crate::openwhisk::{web, words};
use crate::store;
use http::StatusCode;
use serde_json::{Map, Value, json};
use std::time::SystemTime;

/// What an action is told of the request that fired its trigger.
const HEADERS: &str = "__ow_headers";

impl Asking<'_> {
    pub(super) async fn put_trigger(&self, namespace: &str, name: &str) -> Result<Answer> {
        let overwrite = self.query.flag("overwrite", false)?;
        let put = Put::read(&self.json()?, &self.shared.ranges)?;
        let catalog = &self.shared.catalog;
        let _one = self.shared.declaring.lock().await;
        let trigger = match catalog.triggers.get(namespace, name) {
            Some(_) if !overwrite => return Err(Refusal::conflict(words::EXISTS)),
            Some(old) => put.update(&old, now()),
            None => put.create(namespace, name, now())?,
        };
        let trigger = catalog.triggers.put(trigger).await?;
        Ok(answer::json(200, &catalog.shown(&trigger)))
    }

    pub(super) fn trigger(&self, namespace: &str, name: &str) -> Result<Answer> {
        let catalog = &self.shared.catalog;
        let trigger = catalog.triggers.get(namespace, name).ok_or_else(Refusal::missing)?;
        Ok(answer::json(200, &catalog.shown(&trigger)))
    }

    pub(super) fn triggers(&self, namespace: &str) -> Result<Answer> {
        let catalog = &self.shared.catalog;
        let triggers = catalog.triggers.of(self.mine(namespace)?);
        self.list(Collection::Triggers, triggers.iter().map(|trigger| catalog.shown(trigger)))
    }

    /// A trigger goes, and its rules stay: a trigger of that name that comes later is another one, which they aren't tied to.
    pub(super) async fn delete_trigger(&self, namespace: &str, name: &str) -> Result<Answer> {
        let catalog = &self.shared.catalog;
        let _one = self.shared.declaring.lock().await;
        let trigger = catalog.triggers.get(namespace, name).ok_or_else(Refusal::missing)?;
        let shown = catalog.shown(&trigger);
        for rule in catalog.rules.of(namespace) {
            if rule.trigger == name && rule.tied {
                catalog.rules.put(Rule { tied: false, ..(*rule).clone() }).await?;
            }
        }
        catalog.triggers.delete(&trigger).await?;
        Ok(answer::json(200, &shown))
    }

    /// Fires a trigger: the action of each of its active rules is accepted, with the trigger's parameters under those that
    /// are given. 204 where there is none.
    pub(super) async fn fire(&self, namespace: &str, name: &str) -> Result<Answer> {
        let catalog = &self.shared.catalog;
        let given = match self.json()? {
            Value::Object(given) => given,
            Value::Null => Map::new(),
            _ => return Err(Refusal::malformed("JSON object expected")),
        };
        let trigger = catalog.triggers.get(namespace, name).ok_or_else(Refusal::missing)?;
        let mut rules = catalog.rules.of(namespace);
        rules.retain(|rule| rule.trigger == name && rule.tied);
        if !rules.iter().any(|rule| rule.active) {
            return Ok(answer::empty(StatusCode::NO_CONTENT));
        }
        let began = SystemTime::now();
        let mut arguments = trigger.parameters.arguments(Map::new());
        arguments.insert(HEADERS.into(), web::told_headers(self.headers));
        arguments.extend(given.clone());
        let mut logs = Vec::with_capacity(rules.len());
        for rule in &rules {
            logs.push(self.run_rule(rule, arguments.clone()).await.to_string());
        }
        let id = InvocationId::new();
        let record = self.fired(&trigger, id, began, given, logs).map_err(Refusal::internal)?;
        self.shared.store.record(record).await.map_err(Refusal::internal)?;
        let id = id.to_string();
        Ok(about(answer::json(202, &json!({ "activationId": id })), &id))
    }

    /// Has a rule's action run, and says what came of that.
    async fn run_rule(&self, rule: &Rule, arguments: Map<String, Value>) -> Value {
        let name = &rule.action;
        let said = |status: Status, key: &str, what: String| {
            json!({
                "rule": rule.full_name(), "action": name.to_string(), "statusCode": u8::from(status),
                "success": status == Status::Success, key: what,
            })
        };
        if !rule.active {
            let why = format!("Rule '{}' is inactive, action '{name}' was not activated.", rule.full_name());
            return said(Status::ApplicationError, "error", why);
        }
        let accepted = async {
            let resolved = self.shared.catalog.resolve(self.own, name)?;
            if arguments.keys().any(|key| resolved.is_immutable(key)) {
                return Err(Refusal::bad(words::RESERVED));
            }
            let action = &resolved.kept.action;
            let sequence = action.exec.is_sequence();
            let arguments = if sequence { arguments } else { resolved.parameters.arguments(arguments) };
            let id = InvocationId::new();
            let about = About::new(self.own, action, resolved.binding, self.transaction);
            self.shared.accept(Run::new(id, about, arguments)).await.map(|()| id)
        };
        match accepted.await {
            Ok(id) => said(Status::Success, "activationId", id.to_string()),
            Err(refusal) => {
                let status =
                    if refusal.status >= 500 { Status::WhiskError } else { Status::ApplicationError };
                said(status, "error", refusal.text.into_owned())
            }
        }
    }

    /// The trigger's own record.
    fn fired(
        &self,
        trigger: &Trigger,
        id: InvocationId,
        began: SystemTime,
        given: Map<String, Value>,
        logs: Vec<String>,
    ) -> crate::Result<store::Activation> {
        let activation = Activation {
            namespace: self.own.to_owned(),
            name: trigger.name.clone(),
            version: trigger.version,
            subject: self.own.to_owned(),
            activation_id: id.to_string(),
            cause: None,
            start: milliseconds(began),
            end: milliseconds(began),
            duration: 0,
            response: Response { status: Status::Success, result: Value::Object(given), size: None },
            logs,
            annotations: Parameters::default(),
            publish: false,
        };
        run::kept(id, self.own, &trigger.name, activation)
    }
}
