//! Runs actions that nobody waits for: what was accepted is on disk, and ends in a record whatever dies in between.

use super::activation::{About, Activation, Ran};
use super::limits::Ranges;
use super::refusal::{Refusal, Result};
use super::response::Response;
use super::run::{self, Run};
use super::sequence::Performed;
use super::{Shared, words};
use crate::error::ErrorKind;
use crate::host::Host;
use crate::intake::{Ended, Records, Why, Work};
use crate::invocation::{Invocation, InvocationId, Outcome};
use crate::store;
use async_trait::async_trait;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::{Arc, OnceLock, Weak};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

impl Shared {
    /// Accepts a run. When this returns it is on disk.
    pub(super) async fn accept(&self, run: Run) -> Result<()> {
        let context = serde_json::to_string(&run.about).map_err(Refusal::internal)?;
        let mut invocation = Invocation::new(run.arguments);
        invocation.id = run.id;
        let mut work = Work::new(&run.about.action.namespace, run.about.action.function(), invocation);
        work.context = context;
        match self.intake.accept(work).await {
            Ok(_) => Ok(()),
            Err(error) => Err(match error.kind() {
                ErrorKind::Overloaded => Refusal::new(429, words::OVERLOADED),
                ErrorKind::Unavailable => Refusal::new(503, error.message().to_owned()),
                _ => Refusal::internal(error),
            }),
        }
    }
}

/// Runs accepted work as actions, and records it as activations.
pub(super) struct ActivationRecords {
    ranges: Ranges,
    /// Whose API they are of; known before anything is run.
    shared: OnceLock<Weak<Shared>>,
    /// Runs that have ended and whose record is about to be made.
    ended: Mutex<HashMap<InvocationId, (Performed, Vec<String>)>>,
}

impl ActivationRecords {
    pub(super) fn new(ranges: Ranges) -> Self {
        Self { ranges, shared: OnceLock::new(), ended: Mutex::default() }
    }

    /// Says whose they are, once.
    pub(super) fn belong_to(&self, shared: &Arc<Shared>) {
        let _ = self.shared.set(Arc::downgrade(shared));
    }

    fn activation(&self, ended: &Ended<'_>, about: &About) -> Activation {
        let id = ended.work.invocation.id;
        let ran = self.ended.lock().remove(&id).filter(|_| ended.why == Why::Answered);
        if let Some((ran, logs)) = ran {
            let mut activation = ran.activation(about, &self.ranges);
            activation.logs.extend(logs);
            return activation;
        }
        let why = match ended.why {
            Why::Attempts => {
                format!("The action was interrupted {} times and is not tried again.", ended.attempts)
            }
            Why::Age | Why::Answered => words::NO_RESOURCES.to_owned(),
        };
        let moment = |millis| UNIX_EPOCH + Duration::from_millis(millis);
        Activation::new(Ran {
            id: id.to_string(),
            about,
            began: moment(ended.began),
            ended: moment(ended.ended),
            outcome: None,
            response: Response::whisk_error(why),
            logs: Vec::new(),
        })
    }
}

#[async_trait]
impl Records for ActivationRecords {
    async fn invoke(&self, host: &Host, work: &Work) -> Outcome {
        let shared = self.shared.get().and_then(Weak::upgrade);
        let (Ok(about), Some(shared)) = (serde_json::from_str(&work.context), shared) else {
            return host.invoke_in(&work.namespace, &work.function, work.invocation.clone()).await;
        };
        let id = work.invocation.id;
        let run = Run { id, about, arguments: work.invocation.body.clone() };
        let ended = shared.perform(&run).await;
        let logs = ended.late_logs().await;
        let outcome = ended.outcome().clone();
        self.ended.lock().insert(id, (ended, logs));
        outcome
    }

    fn record(&self, ended: &Ended<'_>) -> store::Activation {
        let (work, id) = (ended.work, ended.work.invocation.id);
        let record = serde_json::from_str::<About>(&work.context)
            .map_err(|error| crate::Error::internal(error.to_string()))
            .and_then(|about| run::stored(id, &about, self.activation(ended, &about)));
        record.unwrap_or_else(|error| {
            // A record that says nothing is still one: the work has ended.
            tracing::error!(activation = %id, %error, "a record can't be written whole");
            let start = super::activation::milliseconds(SystemTime::now());
            let (namespace, name) = (work.namespace.clone(), work.function.clone());
            store::Activation { id, namespace, name, start, record: "{}".into(), logs: "[]".into() }
        })
    }
}
