//! `POST /namespaces/{ns}/actions/{name}`: runs an action.

use super::Asking;
use crate::invocation::InvocationId;
use crate::openwhisk::activation::{About, Activation};
use crate::openwhisk::answer::{self, Answer, about};
use crate::openwhisk::invoke::Waited;
use crate::openwhisk::name::ActionName;
use crate::openwhisk::refusal::{Refusal, Result};
use crate::openwhisk::run::Run;
use crate::openwhisk::words;
use serde_json::{Map, Value, json};
use std::time::Duration;

impl Asking<'_> {
    pub(super) async fn invoke(&self, name: ActionName) -> Result<Answer> {
        let (blocking, result) = (self.query.flag("blocking", false)?, self.query.flag("result", false)?);
        let wait = self.wait()?;
        let given = match self.json()? {
            Value::Object(given) => given,
            Value::Null => Map::new(),
            _ => return Err(Refusal::malformed("JSON object expected")),
        };
        let resolved = self.shared.catalog.resolve(self.own, &name)?;
        if given.keys().any(|key| resolved.is_immutable(key)) {
            return Err(Refusal::bad(words::RESERVED));
        }
        let action = &resolved.kept.action;
        // A sequence's own parameters are its actions, and theirs are merged as each is run.
        let arguments = if action.exec.is_sequence() { given } else { resolved.parameters.arguments(given) };
        let id = InvocationId::new();
        let run = Run::new(id, About::new(self.own, action, resolved.binding, self.transaction), arguments);
        if !blocking {
            self.shared.accept(run).await?;
            return Ok(accepted(id));
        }
        match self.shared.blocking(run, wait).await? {
            Waited::GoesOn => Ok(accepted(id)),
            Waited::Ended(activation) => Ok(ended(&activation, result)),
        }
    }

    /// How long a caller waits who waits.
    fn wait(&self) -> Result<Duration> {
        let longest = self.shared.ranges.max_wait;
        let Some(given) = self.query.get("timeout") else { return Ok(longest) };
        let given = given.parse().ok().filter(|millis| *millis > 0).map(Duration::from_millis);
        given.filter(|wait| *wait <= longest).ok_or_else(|| {
            let most = longest.as_millis();
            Refusal::query("timeout", format!("Timeout must be number of milliseconds up to {most}."))
        })
    }
}

fn accepted(id: InvocationId) -> Answer {
    let id = id.to_string();
    about(answer::json(202, &json!({ "activationId": id })), &id)
}

fn ended(activation: &Activation, result: bool) -> Answer {
    let response = &activation.response;
    let shown = match &response.result {
        list @ Value::Array(_) => list.clone(),
        bare if result => bare.clone(),
        _ => activation.as_json(),
    };
    about(answer::json(response.status.http(), &shown), &activation.activation_id)
}
