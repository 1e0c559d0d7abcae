//! `/`, `/api/v1`, `/namespaces/...`: what the platform says of itself and of a namespace.

use super::Asking;
use crate::openwhisk::answer::{self, Answer};
use crate::openwhisk::refusal::Result;
use serde_json::{Map, json};

impl Asking<'_> {
    /// What OpenWhisk's controller says at `/`: `wsk property get` shows some of it.
    pub(super) fn controller(&self) -> Answer {
        let ranges = &self.shared.ranges;
        let mut runtimes = Map::new();
        for runtime in self.shared.kinds.runtimes() {
            let kinds = runtime.kinds.iter().map(|kind| {
                json!({
                    "kind": kind, "image": runtime.runtime, "deprecated": false, "default": kind.ends_with(":default"),
                    "attached": false, "requireMain": false,
                })
            });
            runtimes.insert(runtime.runtime.clone(), kinds.collect());
        }
        let said = json!({
            "description": "OpenWhisk",
            "support": {"github": "https://github.com/kiln-run/kiln/issues"},
            "api_paths": ["/api/v1"],
            "limits": {
                "default_min_action_duration": ranges.timeout.min, "default_max_action_duration": ranges.timeout.max,
                "min_action_duration": ranges.timeout.min, "max_action_duration": ranges.timeout.max,
                "default_min_action_memory": ranges.memory.min << 20, "default_max_action_memory": ranges.memory.max << 20,
                "min_action_memory": ranges.memory.min << 20, "max_action_memory": ranges.memory.max << 20,
                "default_min_action_logs": ranges.logs.min << 20, "default_max_action_logs": ranges.logs.max << 20,
                "min_action_logs": ranges.logs.min << 20, "max_action_logs": ranges.logs.max << 20,
            },
            "runtimes": runtimes,
        });
        answer::json(200, &said)
    }

    /// What OpenWhisk's controller says at `/api/v1`.
    pub(super) fn api(&self) -> Answer {
        let version = env!("CARGO_PKG_VERSION");
        let said = json!({
            "description": "OpenWhisk API", "api_version": "1.0.0", "api_version_path": "v1",
            "build": format!("kiln {version}"), "buildno": version,
            "swagger_paths": {"ui": "/docs", "api-docs": "/api-docs"},
        });
        answer::json(200, &said)
    }

    /// All that a namespace has.
    pub(super) fn namespace(&self, namespace: &str) -> Result<Answer> {
        let namespace = self.mine(namespace)?;
        let catalog = &self.shared.catalog;
        let actions = catalog.actions(namespace, None);
        let actions: Vec<_> = actions.iter().map(|kept| kept.action.summary()).collect();
        let packages: Vec<_> = catalog.packages(namespace).iter().map(|package| package.summary()).collect();
        let triggers: Vec<_> = catalog.triggers.of(namespace).iter().map(|one| catalog.shown(one)).collect();
        let rules: Vec<_> = catalog.rules.of(namespace).iter().map(|rule| rule.as_json()).collect();
        let said = json!({"actions": actions, "packages": packages, "triggers": triggers, "rules": rules});
        Ok(answer::json(200, &said))
    }

    pub(super) fn limits(&self, namespace: &str) -> Result<Answer> {
        self.mine(namespace)?;
        Ok(answer::json(200, &self.shared.ranges.as_json()))
    }
}
