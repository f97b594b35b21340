//! Metrics of all requests to Vaults. Injected, never global; labels are sources and operations, never paths.

use std::time::Duration;

use lockstep_telemetry::catalogue::Catalogue;
use lockstep_telemetry::metric::{Collects as _, Label, Metric};
use prometheus::{CounterVec, HistogramVec, IntCounterVec};

const SOURCE: Label = Label::of("source", "a source's name, or `home`");
const OPERATION: Label = Label::of("operation", "see below");
const REQUESTS: Metric = Metric::counter(
    "lockstep_vault_requests_total",
    "HTTP requests to a Vault, by how they ended; a call that tries another node or logs in is several",
    &[SOURCE, OPERATION, Label::of("outcome", "see below")],
);
const SECONDS: Metric = Metric::histogram(
    "lockstep_vault_request_duration_seconds",
    "of one HTTP request to a Vault",
    &[SOURCE, OPERATION],
    &[0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0],
);
const BUDGET_WAITS: Metric = Metric::counter(
    "lockstep_vault_budget_waits_total",
    "requests of the watcher that waited for their source's request budget",
    &[SOURCE],
);
const BUDGET_WAIT_SECONDS: Metric =
    Metric::counter("lockstep_vault_budget_wait_seconds_total", "time that they waited", &[SOURCE]);

/// Requests, their times, and waits for the request budget, of all sources. Cheap to clone.
#[derive(Clone)]
pub struct Metrics {
    requests: IntCounterVec,
    seconds: HistogramVec,
    budget_waits: IntCounterVec,
    budget_wait_seconds: CounterVec,
}

impl Metrics {
    /// Fresh metrics, not yet registered.
    pub fn new() -> Self {
        Self {
            requests: IntCounterVec::declared(&REQUESTS),
            seconds: HistogramVec::declared(&SECONDS),
            budget_waits: IntCounterVec::declared(&BUDGET_WAITS),
            budget_wait_seconds: CounterVec::declared(&BUDGET_WAIT_SECONDS),
        }
    }

    /// Shows them in `catalogue`. An error means that they were registered there before.
    pub fn register(&self, catalogue: &mut Catalogue<'_>) -> prometheus::Result<()> {
        catalogue.register(REQUESTS, &self.requests)?;
        catalogue.register(SECONDS, &self.seconds)?;
        catalogue.register(BUDGET_WAITS, &self.budget_waits)?;
        catalogue.register(BUDGET_WAIT_SECONDS, &self.budget_wait_seconds)
    }

    pub(crate) fn request(&self, source: &str, operation: &str, outcome: &str, took: Duration) {
        self.requests.with_label_values(&[source, operation, outcome]).inc();
        self.seconds.with_label_values(&[source, operation]).observe(took.as_secs_f64());
    }

    pub(crate) fn budget_wait(&self, source: &str, wait: Duration) {
        self.budget_waits.with_label_values(&[source]).inc();
        self.budget_wait_seconds.with_label_values(&[source]).inc_by(wait.as_secs_f64());
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}
