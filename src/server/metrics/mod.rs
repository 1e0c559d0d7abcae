//! `/metrics`: what happened to invocations, counted as they end, and the pool's figures, read when asked.
//!
//! | name | labels | |
//! | --- | --- | --- |
//! | `kiln_invocations_total` | function, backend, start, outcome | outcome: `ok` or the error's kind, `Cancelled` where the caller hung up; start: as `Kiln-Start`, or `none` |
//! | `kiln_invocation_duration_seconds` | function, backend, phase | phase: `wait`, `start`, `run`; invocations that had a sandbox |
//! | `kiln_pool_*` | | the gauges and counters of `SEEDS.md W19`; see [`pool`] |
//! | `kiln_build_info` | version | |
//!
//! The registry is this server's own: an embedder may have one too.

mod invocations;
mod pool;

use super::reply::{self, Answer};
use crate::host::Host;
use http::StatusCode;
use http::header::HeaderValue;
use invocations::Invocations;
use pool::Pool;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;

const OPEN_METRICS: HeaderValue =
    HeaderValue::from_static("application/openmetrics-text; version=1.0.0; charset=utf-8");

/// The metrics of one host.
pub(super) struct Metrics {
    registry: Registry,
}

impl Metrics {
    pub(super) fn new(host: &Host) -> Self {
        let mut registry = Registry::with_prefix("kiln");
        registry.register("build", "What runs here", Info::new([("version", env!("CARGO_PKG_VERSION"))]));
        // The host holds the observer, and the registry the host: were they one, neither would ever be freed.
        host.observe(Box::new(Invocations::new(&mut registry)));
        let host = host.clone();
        registry.register_collector(Box::new(Pool::new(move || host.figures())));
        Self { registry }
    }

    pub(super) fn answer(&self) -> Answer {
        let mut text = String::new();
        match encode(&mut text, &self.registry) {
            Ok(()) => reply::whole(StatusCode::OK, OPEN_METRICS, text),
            Err(error) => {
                tracing::error!(%error, "the metrics can't be written");
                reply::text(StatusCode::INTERNAL_SERVER_ERROR, "internal error\n")
            }
        }
    }
}
