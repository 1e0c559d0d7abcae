//! `/namespaces/{ns}/actions`: declare, show, list, take away.

use super::Asking;
use crate::openwhisk::action::{Action, Put};
use crate::openwhisk::answer::{self, Answer};
use crate::openwhisk::catalog::Kept;
use crate::openwhisk::deploy;
use crate::openwhisk::name::{ActionName, OWN};
use crate::openwhisk::refusal::{Refusal, Result};
use crate::openwhisk::route::Collection;
use crate::openwhisk::run::now;
use crate::openwhisk::sequence::MOST;
use crate::openwhisk::words;
use bytes::Bytes;

impl Asking<'_> {
    /// Declares an action, or changes one where `overwrite` says so. It is deployed before it is kept: one that can't run
    /// is refused, and what was there goes on.
    pub(super) async fn put_action(&self, name: ActionName) -> Result<Answer> {
        let name = self.to_change(name)?;
        let overwrite = self.query.flag("overwrite", false)?;
        let shared = self.shared;
        let put = Put::read(&self.json()?, self.own, &shared.kinds, &shared.ranges)?;
        let _one = shared.declaring.lock().await;
        let old = shared.catalog.action(&name);
        let ((action, given), old) = match old {
            Some(_) if !overwrite => return Err(Refusal::conflict(words::EXISTS)),
            Some(old) => (put.update(&old.action, &shared.ranges, now())?, Some(old)),
            None => (put.create(name, &shared.ranges, now())?, None),
        };
        let same = |old: &&std::sync::Arc<Kept>| given.is_none() && action.exec == old.action.exec;
        let kept_code = old.as_ref().filter(same);
        let code = match (&given, kept_code) {
            (Some(code), _) => Some(code.clone()),
            (None, Some(old)) => shared.catalog.code(old).await.map_err(Refusal::internal)?,
            (None, None) => None,
        };
        match action.exec.is_sequence() {
            true => self.check_components(&action)?,
            false => {
                let function = deploy::function(&action, code.clone(), shared.setting())?;
                shared.host.deploy(function).await.map_err(|error| deploy::refused(&error))?;
            }
        }
        let digest = kept_code.and_then(|old| old.code);
        let function = action.name.function();
        match shared.catalog.put_action(action, given, digest).await {
            Ok(kept) => {
                if kept.action.exec.is_sequence() {
                    // It may have been an action.
                    shared.host.undeploy(self.own, &function);
                }
                Ok(whole(&kept.action, code))
            }
            Err(refusal) => {
                // What runs is what is kept.
                match old {
                    Some(old) => drop(shared.redeploy(&old).await),
                    None => drop(shared.host.undeploy(self.own, &function)),
                }
                Err(refusal)
            }
        }
    }

    /// The actions of a sequence must be there for its author to call, not too many, and never the sequence itself.
    fn check_components(&self, sequence: &Action) -> Result<()> {
        if sequence.exec.components.is_empty() {
            return Err(Refusal::bad(words::NO_COMPONENTS));
        }
        let mut count = 0;
        let mut left: Vec<_> = sequence.exec.components.iter().rev().cloned().collect();
        while let Some(name) = left.pop() {
            count += 1;
            if count > MOST {
                return Err(Refusal::bad(words::TOO_MANY_COMPONENTS));
            }
            if name == sequence.name {
                return Err(Refusal::bad(words::CYCLE));
            }
            let found =
                self.shared.catalog.resolve(self.own, &name).map_err(|refusal| match refusal.status {
                    404 => Refusal::bad(words::COMPONENT_MISSING),
                    _ => refusal,
                })?;
            let action = &found.kept.action;
            if action.name == sequence.name {
                return Err(Refusal::bad(words::CYCLE));
            }
            if action.exec.is_sequence() {
                count = count.saturating_sub(1);
                left.extend(action.exec.components.iter().cloned());
            }
        }
        Ok(())
    }

    /// Shows an action, with the parameters that it is called with; and its code, unless that isn't wanted.
    pub(super) async fn action(&self, name: ActionName) -> Result<Answer> {
        let code = self.query.flag("code", true)?;
        let resolved = self.shared.catalog.resolve(self.own, &name)?;
        let kept = &resolved.kept;
        let code = match code {
            true => self.shared.catalog.code(kept).await.map_err(Refusal::internal)?,
            false => None,
        };
        Ok(answer::json(200, &kept.action.as_json(&resolved.parameters, code.as_deref())))
    }

    pub(super) async fn delete_action(&self, name: ActionName) -> Result<Answer> {
        let name = self.to_change(name)?;
        let shared = self.shared;
        let _one = shared.declaring.lock().await;
        let kept = shared.catalog.action(&name).ok_or_else(Refusal::missing)?;
        let code = shared.catalog.code(&kept).await.ok().flatten();
        shared.catalog.delete_actions(std::slice::from_ref(&name)).await?;
        shared.host.undeploy(&name.namespace, &name.function());
        Ok(whole(&kept.action, code))
    }

    pub(super) fn actions(&self, namespace: &str) -> Result<Answer> {
        let namespace = self.mine(namespace)?;
        let actions = self.shared.catalog.actions(namespace, None);
        self.list(Collection::Actions, actions.iter().map(|kept| kept.action.summary()))
    }

    /// Actions of a package, or of what a binding refers to.
    pub(super) fn package_actions(&self, namespace: &str, package: &str) -> Result<Answer> {
        let (package, ..) = self.shared.catalog.package_of(self.own, namespace, package)?;
        let actions = self.shared.catalog.actions(&package.namespace, Some(&package.name));
        self.list(Collection::Actions, actions.iter().map(|kept| kept.action.summary()))
    }

    /// The full name of an action that the caller may declare or take away: its own, not through a binding.
    fn to_change(&self, mut name: ActionName) -> Result<ActionName> {
        if name.namespace == OWN {
            name.namespace = self.own.to_owned();
        }
        if name.namespace != self.own {
            return Err(Refusal::forbidden(&name.to_string()));
        }
        if let Some(package) = &name.package {
            let package = self.shared.catalog.package(self.own, package).ok_or_else(Refusal::missing)?;
            if package.binding.is_some() {
                return Err(Refusal::bad(words::NOT_ON_BINDING));
            }
        }
        Ok(name)
    }
}

fn whole(action: &Action, code: Option<Bytes>) -> Answer {
    answer::json(200, &action.as_json(&action.parameters, code.as_deref()))
}
