//! Runs actions for callers who wait, each on a task of its own: whoever asked may go away, and the record is made all the
//! same.

use super::activation::Activation;
use super::refusal::{Refusal, Result};
use super::run::{self, Run};
use super::sequence::Performed;
use super::{Shared, words};
use crate::error::ErrorKind;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;

/// What a caller who waits is told.
pub(super) enum Waited {
    /// It has ended.
    Ended(Box<Activation>),
    /// It goes on; its record will be there when it has ended.
    GoesOn,
}

impl Shared {
    /// Runs an action and waits so long for it. What nobody had room for is refused, and leaves no record.
    pub(super) async fn blocking(self: &Arc<Self>, run: Run, wait: Duration) -> Result<Waited> {
        let (done, ended) = oneshot::channel();
        tokio::spawn(self.clone().see_to(run, done));
        match tokio::time::timeout(wait, ended).await {
            Err(_) => Ok(Waited::GoesOn),
            Ok(Ok(ended)) => ended.map(Waited::Ended),
            Ok(Err(_)) => Err(Refusal::internal("a run did not end")),
        }
    }

    async fn see_to(self: Arc<Self>, run: Run, done: oneshot::Sender<Result<Box<Activation>>>) {
        let guard = self.pending.begin(run.id);
        let performed = self.perform(&run).await;
        let activation = performed.activation(&run.about, &self.ranges);
        let overloaded =
            matches!(&performed.outcome().result, Err(error) if error.kind() == ErrorKind::Overloaded);
        if overloaded {
            // Who was told that it goes on has been promised a record.
            if done.send(Err(Refusal::new(429, words::OVERLOADED))).is_ok() {
                return;
            }
        } else {
            guard.answered();
            // Nobody may be waiting any more.
            let _ = done.send(Ok(Box::new(activation.clone())));
        }
        self.record(&run, &performed, activation).await;
        drop(guard);
    }

    /// Keeps the record of a run, with what of its log has come late.
    pub(super) async fn record(&self, run: &Run, performed: &Performed, mut activation: Activation) {
        activation.logs.extend(performed.late_logs().await);
        let recorded = match run::stored(run.id, &run.about, activation) {
            Ok(record) => self.store.record(record).await,
            Err(error) => Err(error),
        };
        if let Err(error) = recorded {
            tracing::error!(activation = %run.id, %error, "a record is lost");
        }
    }
}
