//! What a node agent shows of itself.

use lockstep_telemetry::catalogue::Catalogue;
use lockstep_telemetry::metric::{Label, Metric};
use prometheus::{Histogram, IntCounter, IntCounterVec, IntGauge, Registry};

const MOUNTS: Metric = Metric::counter(
    "lockstep_node_mounts_total",
    "mounts that the driver asked for: first ones, and each time it looks for new content",
    &[Label::of(
        "outcome",
        "`mounted`, `refused` (the class is wrong, or no binding gives it to the pod), `exhausted` (too many at once, or too large), `unavailable` (no agent \
         has it at hand), `failed`",
    )],
);
const MOUNT_SECONDS: Metric = Metric::histogram(
    "lockstep_node_mount_seconds",
    "from the driver's question to the answer, whatever it was",
    &[],
    &[0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0],
);
const MOUNTS_IN_FLIGHT: Metric =
    Metric::gauge("lockstep_node_mounts_in_flight", "mounts that are being answered, those that wait for their turn too", &[]);
const STALE_MOUNTS: Metric = Metric::counter(
    "lockstep_node_stale_mounts_total",
    "mounts with content of which the agent could not ask a server whether it is the newest",
    &[],
);

/// What became of a mount.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    Mounted,
    Refused,
    Exhausted,
    Unavailable,
    Failed,
}

impl Outcome {
    const ALL: [Self; 5] = [Self::Mounted, Self::Refused, Self::Exhausted, Self::Unavailable, Self::Failed];

    const fn as_str(self) -> &'static str {
        match self {
            Self::Mounted => "mounted",
            Self::Refused => "refused",
            Self::Exhausted => "exhausted",
            Self::Unavailable => "unavailable",
            Self::Failed => "failed",
        }
    }
}

/// Counters and gauges of a node agent.
#[derive(Clone)]
pub(super) struct NodeMetrics {
    mounts: IntCounterVec,
    /// From question to answer.
    pub(super) seconds: Histogram,
    in_flight: IntGauge,
    /// Mounts with content that may not be the newest.
    pub(super) stale: IntCounter,
}

/// A mount that is being answered, until this is dropped.
pub(super) struct InFlight(IntGauge);

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.dec();
    }
}

impl NodeMetrics {
    pub(super) fn register(registry: &Registry) -> prometheus::Result<Self> {
        Self::register_in(&mut Catalogue::of(registry))
    }

    fn register_in(catalogue: &mut Catalogue<'_>) -> prometheus::Result<Self> {
        let metrics = Self {
            mounts: catalogue.add(MOUNTS)?,
            seconds: catalogue.add(MOUNT_SECONDS)?,
            in_flight: catalogue.add(MOUNTS_IN_FLIGHT)?,
            stale: catalogue.add(STALE_MOUNTS)?,
        };
        for outcome in Outcome::ALL {
            metrics.mounts.with_label_values(&[outcome.as_str()]);
        }
        Ok(metrics)
    }

    /// Counts what became of one.
    pub(super) fn count(&self, outcome: Outcome) {
        self.mounts.with_label_values(&[outcome.as_str()]).inc();
    }

    /// One more, until what is returned is dropped; also when the driver does not wait for the answer.
    pub(super) fn begin(&self) -> InFlight {
        self.in_flight.inc();
        InFlight(self.in_flight.clone())
    }
}

/// What a node agent shows, as it is declared.
pub fn declared() -> prometheus::Result<Vec<Metric>> {
    let registry = Registry::new();
    let mut catalogue = Catalogue::of(&registry);
    NodeMetrics::register_in(&mut catalogue)?;
    Ok(catalogue.metrics())
}
