//! `/namespaces/{ns}/rules`: declare, show, list, switch on and off, take away.

use super::Asking;
use crate::openwhisk::answer::{self, Answer};
use crate::openwhisk::name::ActionName;
use crate::openwhisk::refusal::{Refusal, Result};
use crate::openwhisk::route::Collection;
use crate::openwhisk::rule::{self, Put, Rule};
use crate::openwhisk::run::now;
use crate::openwhisk::words;
use http::StatusCode;

impl Asking<'_> {
    pub(super) async fn put_rule(&self, namespace: &str, name: &str) -> Result<Answer> {
        let overwrite = self.query.flag("overwrite", false)?;
        let put = Put::read(&self.json()?, self.own, &self.shared.ranges)?;
        let catalog = &self.shared.catalog;
        let _one = self.shared.declaring.lock().await;
        let rule = match catalog.rules.get(namespace, name) {
            Some(_) if !overwrite => return Err(Refusal::conflict(words::EXISTS)),
            Some(old) => put.update(&old, now()),
            None => put.create(namespace, name, now())?,
        };
        if catalog.triggers.get(namespace, &rule.trigger).is_none() {
            return Err(Refusal::bad(format!("trigger /{namespace}/{} does not exist", rule.trigger)));
        }
        self.check_action(&rule.action)?;
        let rule = catalog.rules.put(rule).await?;
        Ok(answer::json(200, &rule.as_json()))
    }

    fn check_action(&self, name: &ActionName) -> Result<()> {
        let found = self.shared.catalog.resolve(self.own, name);
        found.map(drop).map_err(|refusal| match refusal.status {
            404 => Refusal::bad(format!("action /{name} does not exist")),
            _ => refusal,
        })
    }

    pub(super) fn rule(&self, namespace: &str, name: &str) -> Result<Answer> {
        let rule = self.shared.catalog.rules.get(namespace, name).ok_or_else(Refusal::missing)?;
        Ok(answer::json(200, &rule.as_json()))
    }

    pub(super) fn rules(&self, namespace: &str) -> Result<Answer> {
        let rules = self.shared.catalog.rules.of(self.mine(namespace)?);
        self.list(Collection::Rules, rules.iter().map(|rule| rule.as_json()))
    }

    pub(super) async fn delete_rule(&self, namespace: &str, name: &str) -> Result<Answer> {
        let catalog = &self.shared.catalog;
        let _one = self.shared.declaring.lock().await;
        let rule = catalog.rules.get(namespace, name).ok_or_else(Refusal::missing)?;
        catalog.rules.delete(&rule).await?;
        let gone = Rule { active: false, ..(*rule).clone() };
        Ok(answer::json(200, &gone.as_json()))
    }

    /// Switches a rule on or off. Switched on, it is tied to the trigger that has the name now.
    pub(super) async fn switch_rule(&self, namespace: &str, name: &str) -> Result<Answer> {
        let active = rule::wanted(&self.json()?)?;
        let catalog = &self.shared.catalog;
        let _one = self.shared.declaring.lock().await;
        let rule = catalog.rules.get(namespace, name).ok_or_else(Refusal::missing)?;
        if active != rule.is_active() {
            if catalog.triggers.get(namespace, &rule.trigger).is_none() {
                return Err(Refusal::new(404, words::RULE_WITHOUT_TRIGGER));
            }
            catalog.rules.put(Rule { active, tied: true, ..(*rule).clone() }).await?;
        }
        Ok(answer::empty(StatusCode::OK))
    }
}
