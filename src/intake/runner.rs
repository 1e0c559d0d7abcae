//! Takes as much work as there is credit for, and sees each to its end.

use super::config::IntakeConfig;
use super::feed::{Feed, Taken};
use super::policy::{Verdict, judge};
use super::records::{Ended, Records, Why};
use crate::host::Host;
use crate::invocation::Outcome;
use crate::store::millis;
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

/// How long nothing is taken after the feed has failed.
const FEED_FAILED: Duration = Duration::from_secs(1);

pub(super) struct Runner {
    host: Host,
    pub(super) feed: Arc<dyn Feed>,
    records: Arc<dyn Records>,
    pub(super) config: IntakeConfig,
    /// A permit for each work that may be under way. It goes with the work, and comes back when that ends (`SEEDS.md D1`).
    credit: Arc<Semaphore>,
    stopping: watch::Sender<bool>,
}

impl Runner {
    pub(super) fn new(
        host: Host,
        feed: Arc<dyn Feed>,
        records: Arc<dyn Records>,
        config: IntakeConfig,
    ) -> Self {
        let credit = Arc::new(Semaphore::new(config.credit.min(Semaphore::MAX_PERMITS)));
        Self { host, feed, records, config, credit, stopping: watch::Sender::new(false) }
    }

    /// Takes work until it is told to stop.
    pub(super) async fn run(self: Arc<Self>) {
        let mut stopping = self.stopping.subscribe();
        loop {
            tokio::select! {
                biased;
                _ = stopping.wait_for(|stopping| *stopping) => return,
                () = self.clone().take() => {}
            }
        }
    }

    /// Takes work once there is credit, and begins it. Dropped in the middle, nothing was taken.
    async fn take(self: Arc<Self>) {
        let Ok(first) = self.credit.clone().acquire_owned().await else { return };
        let mut permits = vec![first];
        while let Ok(permit) = self.credit.clone().try_acquire_owned() {
            permits.push(permit);
        }
        match self.feed.take(permits.len()).await {
            Ok(taken) => {
                for (taken, permit) in taken.into_iter().zip(permits) {
                    tokio::spawn(self.clone().see_to(taken, permit));
                }
            }
            Err(error) => {
                tracing::error!("accepted work can't be read, and waits: {error}");
                tokio::time::sleep(FEED_FAILED).await;
            }
        }
    }

    /// Sees one work to its end, or hands it back.
    async fn see_to(self: Arc<Self>, taken: Taken, credit: OwnedSemaphorePermit) {
        let taken = Arc::new(taken);
        // On a task of its own, so that a panic in somebody's `Records` costs this attempt and not the work.
        let attempt = tokio::spawn(self.clone().attempt(taken.clone()));
        let handed_back = match attempt.await {
            Ok(None) => None,
            Ok(Some((pause, counts))) => Some((pause, counts)),
            Err(_) => {
                tracing::error!(invocation = %taken.work.invocation.id, "an attempt at accepted work did not end");
                Some((self.config.longest_pause, true))
            }
        };
        if let Some((pause, counts)) = handed_back
            && let Err(error) = self.feed.again(&taken, pause, counts).await
        {
            tracing::error!(invocation = %taken.work.invocation.id, "an attempt couldn't be written down: {error}");
        }
        drop(credit);
    }

    /// One attempt. It has ended, or is to be tried again after a pause, counted or not.
    async fn attempt(self: Arc<Self>, taken: Arc<Taken>) -> Option<(Duration, bool)> {
        let began = millis(SystemTime::now());
        if taken.work.is_too_old(began) {
            return self.end(&taken, Why::Age, None, began).await;
        }
        if taken.attempt > self.config.max_attempts {
            return self.end(&taken, Why::Attempts, None, began).await;
        }
        let outcome = self.records.invoke(&self.host, &taken.work).await;
        match judge(&outcome, taken.attempt, &self.config) {
            Verdict::End(why) => self.end(&taken, why, Some(&outcome), began).await,
            Verdict::Again { pause, counts } => {
                let error = outcome.result.as_ref().err().map(ToString::to_string).unwrap_or_default();
                let (invocation, attempt) = (taken.work.invocation.id, taken.attempt);
                tracing::warn!(%invocation, attempt, ?pause, "accepted work is tried again: {error}");
                Some((pause, counts))
            }
        }
    }

    /// Writes the record, and the work is forgotten. If that fails it is tried again: it has run, and will once more.
    async fn end(
        &self,
        taken: &Taken,
        why: Why,
        outcome: Option<&Outcome>,
        began: u64,
    ) -> Option<(Duration, bool)> {
        let ran = outcome.is_some();
        let attempts = if ran { taken.attempt } else { taken.attempt.saturating_sub(1) };
        let ended = millis(SystemTime::now());
        let record = self.records.record(&Ended { work: &taken.work, why, outcome, attempts, began, ended });
        match self.feed.done(taken, record).await {
            Ok(()) => None,
            Err(error) => {
                let invocation = taken.work.invocation.id;
                tracing::error!(%invocation, "a record couldn't be written: {error}");
                Some((self.config.longest_pause, ran))
            }
        }
    }

    pub(super) fn is_stopping(&self) -> bool {
        *self.stopping.borrow()
    }

    pub(super) fn stop(&self) {
        self.stopping.send_replace(true);
    }

    pub(super) async fn drain(&self) {
        self.stop();
        let all = u32::try_from(self.config.credit).unwrap_or(u32::MAX);
        // The semaphore is never closed; with all credit in hand nothing is under way.
        drop(self.credit.acquire_many(all).await);
    }
}
