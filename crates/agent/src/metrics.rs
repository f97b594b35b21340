//! The agent's metrics. They are registered in the registry that is handed in; there is none that is global.

mod declared;
mod volumes;

use std::sync::Arc;

use lockstep_telemetry::catalogue::Catalogue;
use lockstep_telemetry::loops::Loops;
use lockstep_telemetry::metric::Metric;
use prometheus::{IntCounter, IntCounterVec, IntGauge, Registry};

use crate::clock::{Clock, SystemClock};
use crate::delivery::RefusalKind;
pub(crate) use volumes::{ReadOutcome, ReviewOutcome, VolumesMetrics};

/// Counters and gauges, shared by all parts.
#[derive(Clone)]
pub(crate) struct Metrics {
    /// 1 while a server has greeted this agent and the link lives.
    pub(crate) connected: IntGauge,
    /// Puts and deletes that were applied.
    pub(crate) applied: IntCounter,
    rejected: IntCounterVec,
    /// Bindings that have content.
    pub(crate) bindings: IntGauge,
    /// Targets found changed or missing.
    pub(crate) drift: IntCounter,
    /// Times a link was lost and dialed again.
    pub(crate) reconnects: IntCounter,
    /// Secrets that hold content of ours.
    pub(crate) secrets: IntGauge,
    kubernetes_requests: IntCounterVec,
    /// When a server was last heard.
    pub(crate) last_heard: IntGauge,
    /// When the agent's certificate expires.
    pub(crate) certificate_expiry: IntGauge,
    /// 1 while this agent is the one of its cluster that works.
    pub(crate) leader: IntGauge,
    /// Size of what is held in its Secret, compressed.
    pub(crate) state_bytes: IntGauge,
    /// Times that was too much for a Secret.
    pub(crate) state_oversize: IntCounter,
    restarts: IntCounterVec,
    /// Whether its loops come round.
    pub(crate) loops: Arc<Loops>,
    /// Spans that were not exported.
    pub(crate) spans_dropped: IntCounter,
    /// Workloads that were restarted and are not rolled out yet.
    pub(crate) restarts_in_motion: IntGauge,
    /// Secrets that came back from the cache.
    pub(crate) restored: IntCounter,
    /// Of what pods mount.
    pub(crate) volumes: VolumesMetrics,
}

/// What became of a workload's restart.
#[derive(Debug, Clone, Copy)]
pub(crate) enum RestartOutcome {
    /// It is rolled out.
    Healthy,
    /// It did not finish in time; it may become healthy later, and counts again then.
    Stuck,
    /// The API server would not take it.
    Refused,
}

impl RestartOutcome {
    const ALL: [Self; 3] = [Self::Healthy, Self::Stuck, Self::Refused];

    const fn as_str(self) -> &'static str {
        match self {
            Self::Healthy => "healthy",
            Self::Stuck => "stuck",
            Self::Refused => "refused",
        }
    }
}

impl Metrics {
    /// Makes and registers them.
    pub(crate) fn register(registry: &Registry, clock: Arc<dyn Clock>) -> prometheus::Result<Self> {
        Self::register_in(&mut Catalogue::of(registry), clock)
    }

    fn register_in(catalogue: &mut Catalogue<'_>, clock: Arc<dyn Clock>) -> prometheus::Result<Self> {
        let metrics = Self {
            connected: catalogue.add(declared::CONNECTED)?,
            applied: catalogue.add(declared::APPLIED)?,
            rejected: catalogue.add(declared::REJECTED)?,
            bindings: catalogue.add(declared::BINDINGS)?,
            drift: catalogue.add(declared::DRIFT)?,
            reconnects: catalogue.add(declared::RECONNECTS)?,
            last_heard: catalogue.add(declared::LAST_HEARD)?,
            certificate_expiry: catalogue.add(declared::CERTIFICATE_EXPIRY)?,
            leader: catalogue.add(declared::LEADER)?,
            state_bytes: catalogue.add(declared::STATE_BYTES)?,
            state_oversize: catalogue.add(declared::STATE_OVERSIZE)?,
            secrets: catalogue.add(declared::SECRETS)?,
            kubernetes_requests: catalogue.add(declared::KUBERNETES_REQUESTS)?,
            restarts: catalogue.add(declared::RESTARTS)?,
            loops: Arc::new(Loops::new(
                catalogue.add(declared::LOOP_PROGRESS)?,
                catalogue.add(declared::LOOP_TURNED)?,
                catalogue.add(declared::LOOP_LIMIT)?,
                move || clock.now().timestamp(),
            )),
            spans_dropped: catalogue.add(declared::SPANS_DROPPED)?,
            restarts_in_motion: catalogue.add(declared::RESTARTS_IN_MOTION)?,
            restored: catalogue.add(declared::RESTORED)?,
            volumes: VolumesMetrics::register_in(catalogue)?,
        };
        for outcome in RestartOutcome::ALL {
            metrics.restarts.with_label_values(&[outcome.as_str()]);
        }
        for kind in RefusalKind::ALL {
            metrics.rejected.with_label_values(&[kind.as_str()]);
        }
        Ok(metrics)
    }

    /// Counts a refusal.
    pub(crate) fn count_rejected(&self, kind: RefusalKind) {
        self.rejected.with_label_values(&[kind.as_str()]).inc();
    }

    /// Counts what became of a restart.
    pub(crate) fn count_restart(&self, outcome: RestartOutcome) {
        self.restarts.with_label_values(&[outcome.as_str()]).inc();
    }

    /// Counts a request to the Kubernetes API; `code` is HTTP's, or `none` where there was no answer.
    pub(crate) fn count_kubernetes_request(&self, verb: &str, code: &str) {
        self.kubernetes_requests.with_label_values(&[verb, code]).inc();
    }
}

/// What an agent shows, as it is declared.
pub fn all() -> prometheus::Result<Vec<Metric>> {
    let registry = Registry::new();
    let mut catalogue = Catalogue::of(&registry);
    Metrics::register_in(&mut catalogue, Arc::new(SystemClock::start()))?;
    Ok(catalogue.metrics())
}
