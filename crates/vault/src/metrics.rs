//! Metrics of all requests to Vaults. Injected, never global; labels are sources and operations, never paths.

use std::time::Duration;

use prometheus::{CounterVec, HistogramOpts, HistogramVec, IntCounterVec, Opts, Registry};

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
    ///
    /// # Panics
    /// Never: the names are constants that Prometheus accepts.
    pub fn new() -> Self {
        let valid = "the metric's constant name and labels are valid";
        let requests = Opts::new("lockstep_vault_requests_total", "HTTP requests to a Vault, by how they ended");
        let seconds = HistogramOpts::new("lockstep_vault_request_duration_seconds", "Time of one HTTP request to a Vault")
            .buckets(vec![0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0]);
        let waits = Opts::new("lockstep_vault_budget_waits_total", "Requests that waited for their source's request budget");
        let waited = Opts::new("lockstep_vault_budget_wait_seconds_total", "Time spent waiting for a source's request budget");
        Self {
            requests: IntCounterVec::new(requests, &["source", "operation", "outcome"]).expect(valid),
            seconds: HistogramVec::new(seconds, &["source", "operation"]).expect(valid),
            budget_waits: IntCounterVec::new(waits, &["source"]).expect(valid),
            budget_wait_seconds: CounterVec::new(waited, &["source"]).expect(valid),
        }
    }

    /// Shows them at `registry`. An error means that they were registered there before.
    pub fn register(&self, registry: &Registry) -> prometheus::Result<()> {
        registry.register(Box::new(self.requests.clone()))?;
        registry.register(Box::new(self.seconds.clone()))?;
        registry.register(Box::new(self.budget_waits.clone()))?;
        registry.register(Box::new(self.budget_wait_seconds.clone()))
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
