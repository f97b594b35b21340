//! The agent's metrics. They are registered in the registry that is handed in; there is none that is global.

use prometheus::{IntCounter, IntCounterVec, IntGauge, Opts, Registry};

use crate::delivery::RefusalKind;

/// Counters and gauges, shared by all parts.
#[derive(Debug, Clone)]
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
    /// Workloads that were restarted and are not rolled out yet.
    pub(crate) restarts_in_motion: IntGauge,
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
    pub(crate) fn register(registry: &Registry) -> prometheus::Result<Self> {
        let rejected =
            IntCounterVec::new(Opts::new("lockstep_agent_rejected_total", "Deliveries rejected, by kind."), &["kind"])?;
        let restarts =
            IntCounterVec::new(Opts::new("lockstep_agent_restarts_total", "Restarts of workloads, by outcome."), &["outcome"])?;
        let metrics = Self {
            connected: IntGauge::new("lockstep_agent_connected", "1 while linked to a server.")?,
            applied: IntCounter::new("lockstep_agent_applied_total", "Deliveries applied.")?,
            rejected,
            bindings: IntGauge::new("lockstep_agent_bindings", "Bindings that have content here.")?,
            drift: IntCounter::new("lockstep_agent_drift_total", "Targets found changed or missing.")?,
            reconnects: IntCounter::new("lockstep_agent_reconnects_total", "Times a link was lost and dialed again.")?,
            secrets: IntGauge::new("lockstep_agent_secrets", "Kubernetes Secrets that hold content of ours.")?,
            kubernetes_requests: IntCounterVec::new(
                Opts::new("lockstep_agent_kubernetes_requests_total", "Requests to the Kubernetes API, by verb and answer."),
                &["verb", "code"],
            )?,
            last_heard: IntGauge::new("lockstep_agent_last_heard_timestamp_seconds", "When a server was last heard.")?,
            certificate_expiry: IntGauge::new(
                "lockstep_agent_certificate_expiry_timestamp_seconds",
                "When the agent's certificate expires.",
            )?,
            leader: IntGauge::new("lockstep_agent_leader", "1 while this agent is the one of its cluster that works.")?,
            state_bytes: IntGauge::new("lockstep_agent_state_bytes", "Size of what is held, as kept in its Secret.")?,
            state_oversize: IntCounter::new(
                "lockstep_agent_state_oversize_total",
                "Times that what is held did not fit into its Secret.",
            )?,
            restarts,
            restarts_in_motion: IntGauge::new(
                "lockstep_agent_restarts_in_motion",
                "Workloads that were restarted and are not rolled out yet.",
            )?,
        };
        for outcome in RestartOutcome::ALL {
            metrics.restarts.with_label_values(&[outcome.as_str()]);
        }
        for kind in RefusalKind::ALL {
            metrics.rejected.with_label_values(&[kind.as_str()]);
        }
        registry.register(Box::new(metrics.connected.clone()))?;
        registry.register(Box::new(metrics.applied.clone()))?;
        registry.register(Box::new(metrics.rejected.clone()))?;
        registry.register(Box::new(metrics.bindings.clone()))?;
        registry.register(Box::new(metrics.drift.clone()))?;
        registry.register(Box::new(metrics.reconnects.clone()))?;
        registry.register(Box::new(metrics.secrets.clone()))?;
        registry.register(Box::new(metrics.kubernetes_requests.clone()))?;
        registry.register(Box::new(metrics.last_heard.clone()))?;
        registry.register(Box::new(metrics.certificate_expiry.clone()))?;
        registry.register(Box::new(metrics.leader.clone()))?;
        registry.register(Box::new(metrics.state_bytes.clone()))?;
        registry.register(Box::new(metrics.state_oversize.clone()))?;
        registry.register(Box::new(metrics.restarts.clone()))?;
        registry.register(Box::new(metrics.restarts_in_motion.clone()))?;
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
