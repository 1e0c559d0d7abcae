//! The pool's figures (`SEEDS.md W19`), read at each scrape: what is only counted when asked costs nothing otherwise.

use crate::pool::Figures;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use std::fmt;

/// Writes the figures that it is given at each scrape.
pub(super) struct Pool {
    figures: Box<dyn Fn() -> Figures + Send + Sync>,
}

impl Pool {
    pub(super) fn new(figures: impl Fn() -> Figures + Send + Sync + 'static) -> Self {
        Self { figures: Box::new(figures) }
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool").finish_non_exhaustive()
    }
}

impl Collector for Pool {
    fn encode(&self, mut encoder: DescriptorEncoder) -> fmt::Result {
        let now = (self.figures)();
        let gauges = [
            ("pool_budget_bytes", "Bytes that all sandboxes together may be charged", now.budget),
            ("pool_charged_bytes", "Bytes that they are charged", now.charged),
            ("pool_waiting_jobs", "Jobs that wait for a sandbox", now.waiting as u64),
            ("pool_waiting_bytes", "Bytes that they need", now.waiting_memory),
            ("pool_active_sandboxes", "Sandboxes that run a job", now.active as u64),
            ("pool_active_bytes", "Bytes that they are charged", now.active_memory),
            ("pool_idle_sandboxes", "Warm sandboxes that run none", now.idle as u64),
            ("pool_idle_bytes", "Bytes that they are charged", now.idle_memory),
            ("pool_prewarmed_sandboxes", "Sandboxes started ahead and not taken yet", now.prewarmed as u64),
            ("pool_prewarmed_bytes", "Bytes that they are charged", now.prewarmed_memory),
            (
                "pool_prewarming_sandboxes",
                "Of the sandboxes started ahead, those still being started",
                now.prewarming as u64,
            ),
            ("pool_starting_sandboxes", "Sandboxes being started for a job", now.starting as u64),
            ("pool_starting_bytes", "Bytes that they are charged", now.starting_memory),
            ("pool_removing_sandboxes", "Sandboxes being removed", now.removing as u64),
            ("pool_removing_bytes", "Bytes that they are still charged", now.removing_memory),
        ];
        for (name, help, value) in gauges {
            let gauge = ConstGauge::new(i64::try_from(value).unwrap_or(i64::MAX));
            gauge.encode(encoder.encode_descriptor(name, help, None, gauge.metric_type())?)?;
        }
        let counters = [
            ("pool_waited_jobs", "Jobs that had to wait, each counted once", now.waited),
            ("pool_ended_jobs", "Jobs that have ended", now.ended),
            ("pool_evicted_sandboxes", "Sandboxes removed because room was needed", now.evicted),
        ];
        for (name, help, value) in counters {
            let counter = ConstCounter::new(value);
            counter.encode(encoder.encode_descriptor(name, help, None, counter.metric_type())?)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use prometheus_client::registry::Registry;

    #[test]
    fn w19_every_figure_has_its_name() {
        let figures = Figures {
            budget: 1,
            charged: 2,
            waiting: 3,
            waiting_memory: 4,
            active: 5,
            active_memory: 6,
            prewarmed: 7,
            prewarmed_memory: 8,
            prewarming: 18,
            idle: 9,
            idle_memory: 10,
            starting: 11,
            starting_memory: 12,
            removing: 13,
            removing_memory: 14,
            waited: 15,
            ended: 16,
            evicted: 17,
        };
        let mut registry = Registry::with_prefix("kiln");
        registry.register_collector(Box::new(Pool::new(move || figures)));
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
        for (name, value) in [
            ("budget_bytes", 1),
            ("charged_bytes", 2),
            ("waiting_jobs", 3),
            ("waiting_bytes", 4),
            ("active_sandboxes", 5),
            ("active_bytes", 6),
            ("prewarmed_sandboxes", 7),
            ("prewarmed_bytes", 8),
            ("prewarming_sandboxes", 18),
            ("idle_sandboxes", 9),
            ("idle_bytes", 10),
            ("starting_sandboxes", 11),
            ("starting_bytes", 12),
            ("removing_sandboxes", 13),
            ("removing_bytes", 14),
            ("waited_jobs_total", 15),
            ("ended_jobs_total", 16),
            ("evicted_sandboxes_total", 17),
        ] {
            let line = format!("kiln_pool_{name} {value}");
            assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
        }
    }
}
