//! `/namespaces/{ns}/packages`: declare, bind, show, list, take away.

use super::Asking;
use crate::openwhisk::answer::{self, Answer};
use crate::openwhisk::name::{self, ActionName, NO_PACKAGE};
use crate::openwhisk::package::{Binding, Package, Put};
use crate::openwhisk::refusal::{Refusal, Result};
use crate::openwhisk::resolve::readable;
use crate::openwhisk::route::Collection;
use crate::openwhisk::run::now;
use crate::openwhisk::words;

impl Asking<'_> {
    pub(super) async fn put_package(&self, namespace: &str, name: &str) -> Result<Answer> {
        let namespace = self.mine_with(namespace, name)?;
        if name == NO_PACKAGE {
            return Err(Refusal::bad(format!("Package name '{name}' is reserved.")));
        }
        let overwrite = self.query.flag("overwrite", false)?;
        let put = Put::read(&self.json()?, self.own, &self.shared.ranges)?;
        let catalog = &self.shared.catalog;
        let _one = self.shared.declaring.lock().await;
        if let Some(binding) = &put.binding {
            self.check(binding)?;
        }
        let package = match catalog.package(namespace, name) {
            Some(_) if !overwrite => return Err(Refusal::conflict(words::EXISTS)),
            Some(old) => put.update(&old, now())?,
            None => put.create(namespace, name, now()),
        };
        let package = catalog.put_package(package).await?;
        Ok(answer::json(200, &package.as_json()))
    }

    /// What a binding refers to must be there, be shared with the caller, and be no binding itself.
    fn check(&self, binding: &Binding) -> Result<()> {
        let provider = self.shared.catalog.package(&binding.namespace, &binding.name);
        match provider {
            Some(provider) if !readable(self.own, &provider) => {
                Err(Refusal::forbidden(&format!("{}/{}", binding.namespace, binding.name)))
            }
            Some(provider) if provider.binding.is_some() => Err(Refusal::bad(words::BINDING_OF_BINDING)),
            Some(_) => Ok(()),
            None => Err(Refusal::bad(words::BINDING_MISSING)),
        }
    }

    /// Shows a package with its actions; a binding with those of what it refers to, and with the parameters of both.
    pub(super) fn package(&self, namespace: &str, name: &str) -> Result<Answer> {
        let (package, parameters, _) = self.shared.catalog.package_of(self.own, namespace, name)?;
        let actions = self.shared.catalog.actions(&package.namespace, Some(&package.name));
        let actions = actions.iter().map(|kept| Package::action(&kept.action)).collect();
        Ok(answer::json(200, &package.whole(&parameters, actions)))
    }

    /// A package goes when it is empty, or with all that is in it where `force` says so.
    pub(super) async fn delete_package(&self, namespace: &str, name: &str) -> Result<Answer> {
        let namespace = self.mine_with(namespace, name)?;
        let force = self.query.flag("force", false)?;
        let shared = self.shared;
        let _one = shared.declaring.lock().await;
        let package = shared.catalog.package(namespace, name).ok_or_else(Refusal::missing)?;
        let actions = shared.catalog.actions(namespace, Some(name));
        if !actions.is_empty() {
            if !force {
                let count = actions.len();
                let plural = if count == 1 { "entity" } else { "entities" };
                return Err(Refusal::conflict(format!(
                    "Package not empty (contains {count} {plural}). Set force param or delete package contents."
                )));
            }
            let names: Vec<ActionName> = actions.iter().map(|kept| kept.action.name.clone()).collect();
            shared.catalog.delete_actions(&names).await?;
            for name in &names {
                shared.host.undeploy(&name.namespace, &name.function());
            }
        }
        shared.catalog.delete_package(&package).await?;
        Ok(answer::json(200, &package.as_json()))
    }

    /// The packages of a namespace; of another's, those that it shares.
    pub(super) fn packages(&self, namespace: &str) -> Result<Answer> {
        let namespace = if namespace == name::OWN { self.own } else { namespace };
        let mut packages = self.shared.catalog.packages(namespace);
        packages.retain(|package| readable(self.own, package));
        self.list(Collection::Packages, packages.iter().map(|package| package.summary()))
    }

    fn mine_with<'b>(&'b self, namespace: &'b str, name: &str) -> Result<&'b str> {
        self.mine(namespace).map_err(|_| Refusal::forbidden(&format!("{namespace}/{name}")))
    }
}
