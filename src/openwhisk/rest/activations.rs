//! `/namespaces/{ns}/activations`: the records.

use super::{Asking, counted};
use crate::invocation::InvocationId;
use crate::openwhisk::answer::{self, Answer};
use crate::openwhisk::name::is_name;
use crate::openwhisk::refusal::{Refusal, Result};
use crate::openwhisk::route::{Collection, Part};
use crate::openwhisk::{run, words};
use crate::store;
use serde_json::json;

impl Asking<'_> {
    /// Lists records, the newest first; or says how many there are.
    pub(super) async fn activations(&self, namespace: &str) -> Result<Answer> {
        let namespace = self.mine(namespace)?;
        let window = self.query.window(Collection::Activations.as_str())?;
        let (count, docs) = (self.query.flag("count", false)?, self.query.flag("docs", false)?);
        let [skip, limit] =
            [window.skip, window.limit].map(|number| usize::try_from(number).unwrap_or(usize::MAX));
        let query = store::Query {
            name: self.name()?,
            since: self.query.moment("since")?.unwrap_or_default(),
            upto: self.query.moment("upto")?.unwrap_or(u64::MAX),
            skip,
            limit,
            ..store::Query::of(namespace)
        };
        if count && docs {
            return Err(Refusal::bad(words::DOCS_WITH_COUNT));
        }
        self.shared.pending.settled().await;
        let store = &self.shared.store;
        if count {
            let count = store.count_activations(query).await.map_err(Refusal::internal)?;
            return Ok(counted(Collection::Activations, (count as u64).saturating_sub(window.skip)));
        }
        let mut rows = Vec::new();
        for kept in store.activations(query).await.map_err(Refusal::internal)? {
            // Logs aren't in a list's rows, and are read one by one where whole records are asked for.
            let kept = match docs {
                true => store.activation(kept.id).await.map_err(Refusal::internal)?,
                false => Some(kept),
            };
            let Some(kept) = kept else { continue };
            match run::read(&kept) {
                Ok(activation) if docs => rows.push(activation.as_json()),
                Ok(activation) => rows.push(activation.summary()),
                Err(error) => tracing::error!(%error, "left out of a list"),
            }
        }
        Ok(answer::json(200, &rows))
    }

    /// The action whose records are wanted: `name` or `package/name`.
    fn name(&self) -> Result<Option<String>> {
        let Some(given) = self.query.get("name").filter(|name| !name.trim().is_empty()) else {
            return Ok(None);
        };
        let segments: Vec<_> = given.split('/').filter(|segment| !segment.is_empty()).collect();
        if segments.len() > 2 || !segments.iter().all(|segment| is_name(segment)) {
            let why = format!("Parameter may be a 'simple' name or 'package-name/simple' name: {given}");
            return Err(Refusal::query("name", why));
        }
        Ok(Some(segments.join("/")))
    }

    /// One record, its log or its result.
    pub(super) async fn activation(&self, namespace: &str, id: &str, part: Part) -> Result<Answer> {
        let namespace = self.mine(namespace)?;
        let id = u128::from_str_radix(id, 16).map_err(|_| Refusal::bad(words::ID_ILLEGAL))?;
        let id = InvocationId::from_u128(id);
        self.shared.pending.recorded(id).await;
        let kept = self.shared.store.activation(id).await.map_err(Refusal::internal)?;
        let kept = kept.filter(|kept| kept.namespace == namespace).ok_or_else(Refusal::missing)?;
        let activation = run::read(&kept).map_err(Refusal::internal)?;
        Ok(match part {
            Part::Whole => answer::json(200, &activation.as_json()),
            Part::Logs => answer::json(200, &json!({"logs": activation.logs})),
            Part::Result => answer::json(200, &activation.response.as_json()),
        })
    }
}
