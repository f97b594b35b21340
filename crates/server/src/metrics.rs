//! What one replica counts. Injected, never global; labels are constant or clusters and sources, never paths or bindings.

use crate::clock;
use prometheus::{Histogram, HistogramOpts, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry, TextEncoder};

/// All of one replica's metrics and the registry they are in.
pub struct Metrics {
    registry: Registry,
    /// `lockstep_versions_observed_total{source}`: versions and states recorded.
    pub versions_observed: IntCounterVec,
    /// `lockstep_watch_sweeps_total{source,outcome}`.
    pub watch_sweeps: IntCounterVec,
    /// `lockstep_lease_held{lease}`: 1 while this replica holds it.
    pub lease_held: IntGaugeVec,
    /// `lockstep_lease_fenced_total`: writes refused because the lease had passed on.
    pub fenced: IntCounter,
    /// `lockstep_agents_connected`: streams on this replica.
    pub agents_connected: IntGauge,
    /// `lockstep_deliveries_sent_total{cluster}`.
    pub sent: IntCounterVec,
    /// `lockstep_deliveries_answered_total{cluster,outcome}`.
    pub answered: IntCounterVec,
    /// `lockstep_delivery_round_trip_seconds`: from beginning to prepare it to the agent's answer.
    pub round_trip: Histogram,
    /// `lockstep_reads_total{outcome}`: data reads, and those saved by the cache or a flight under way.
    pub reads: IntCounterVec,
    /// `lockstep_limit_hits_total{limit}`: how often a limit was hit.
    pub limit_hits: IntCounterVec,
    /// `lockstep_deliveries{cluster,status}`: as in the registry.
    pub deliveries: IntGaugeVec,
    /// `lockstep_deletions_held{cluster}`: as in the registry.
    pub deletions_held: IntGaugeVec,
    /// `lockstep_joins_total{outcome}`.
    pub joins: IntCounterVec,
    /// `lockstep_http_requests_total{method,status}`.
    pub http_requests: IntCounterVec,
    /// `lockstep_rotation_runs_total{kind,result}`: runs that came to their end.
    pub rotation_runs: IntCounterVec,
    /// `lockstep_rotations{state}`: as in the registry.
    pub rotations: IntGaugeVec,
    /// `lockstep_unexpected_rotations_total{source}`: passwords that a Vault changed by itself, of roles that a rotation turns.
    pub unexpected_rotations: IntCounterVec,
    /// `lockstep_history_held`: 1 while the whole registry is held.
    pub history_held: IntGauge,
    /// `lockstep_loop_progress_timestamp_seconds{loop}`: when each background loop last finished a round.
    pub loop_progress: IntGaugeVec,
}

impl Metrics {
    /// Registers all of them, and the Vault client's, in a fresh registry.
    pub fn new(vault: &lockstep_vault::Metrics) -> prometheus::Result<Self> {
        let registry = Registry::new();
        vault.register(&registry)?;
        let register = Register(&registry);
        Ok(Self {
            versions_observed: register.counters(
                "lockstep_versions_observed_total",
                "Changes of secrets recorded",
                &["source"],
            )?,
            watch_sweeps: register.counters(
                "lockstep_watch_sweeps_total",
                "Sweeps over a source's bound secrets",
                &["source", "outcome"],
            )?,
            lease_held: register.gauges("lockstep_lease_held", "1 while this replica holds the lease", &["lease"])?,
            fenced: register.counter("lockstep_lease_fenced_total", "Writes refused because the lease had passed on")?,
            agents_connected: register.gauge("lockstep_agents_connected", "Agent streams on this replica")?,
            sent: register.counters("lockstep_deliveries_sent_total", "Deliveries handed to an agent's stream", &["cluster"])?,
            answered: register.counters(
                "lockstep_deliveries_answered_total",
                "Agents' answers to deliveries",
                &["cluster", "outcome"],
            )?,
            round_trip: register.histogram(
                "lockstep_delivery_round_trip_seconds",
                "From beginning to prepare a delivery (read, render, leave to send) to the agent's answer",
            )?,
            reads: register.counters("lockstep_reads_total", "Data reads, and reads saved", &["outcome"])?,
            limit_hits: register.counters("lockstep_limit_hits_total", "How often a limit was hit", &["limit"])?,
            deliveries: register.gauges(
                "lockstep_deliveries",
                "Deliveries by cluster and status, as in the registry",
                &["cluster", "status"],
            )?,
            deletions_held: register.gauges(
                "lockstep_deletions_held",
                "Deletions that the delete guard holds back by cluster, as in the registry",
                &["cluster"],
            )?,
            joins: register.counters("lockstep_joins_total", "Uses of join tokens and renewals", &["outcome"])?,
            http_requests: register.counters("lockstep_http_requests_total", "REST requests", &["method", "status"])?,
            rotation_runs: register.counters(
                "lockstep_rotation_runs_total",
                "Runs of rotations that came to their end",
                &["kind", "result"],
            )?,
            rotations: register.gauges("lockstep_rotations", "Rotations by state, as in the registry", &["state"])?,
            unexpected_rotations: register.counters(
                "lockstep_unexpected_rotations_total",
                "Passwords that a source changed by itself, of a role of a pair that clusters use",
                &["source"],
            )?,
            history_held: register.gauge("lockstep_history_held", "1 while the whole registry is held")?,
            loop_progress: register.gauges(
                "lockstep_loop_progress_timestamp_seconds",
                "When each background loop last finished a round",
                &["loop"],
            )?,
            registry,
        })
    }

    /// In Prometheus' text format.
    pub fn text(&self) -> anyhow::Result<String> {
        Ok(TextEncoder::new().encode_to_string(&self.registry.gather())?)
    }

    /// Notes that a background loop finished a round.
    pub fn progressed(&self, name: &str) {
        self.loop_progress.with_label_values(&[name]).set(clock::now().timestamp());
    }
}

struct Register<'a>(&'a Registry);

impl Register<'_> {
    fn counter(&self, name: &str, help: &str) -> prometheus::Result<IntCounter> {
        let metric = IntCounter::new(name, help)?;
        self.0.register(Box::new(metric.clone()))?;
        Ok(metric)
    }

    fn counters(&self, name: &str, help: &str, labels: &[&str]) -> prometheus::Result<IntCounterVec> {
        let metric = IntCounterVec::new(Opts::new(name, help), labels)?;
        self.0.register(Box::new(metric.clone()))?;
        Ok(metric)
    }

    fn gauge(&self, name: &str, help: &str) -> prometheus::Result<IntGauge> {
        let metric = IntGauge::new(name, help)?;
        self.0.register(Box::new(metric.clone()))?;
        Ok(metric)
    }

    fn gauges(&self, name: &str, help: &str, labels: &[&str]) -> prometheus::Result<IntGaugeVec> {
        let metric = IntGaugeVec::new(Opts::new(name, help), labels)?;
        self.0.register(Box::new(metric.clone()))?;
        Ok(metric)
    }

    fn histogram(&self, name: &str, help: &str) -> prometheus::Result<Histogram> {
        let metric = Histogram::with_opts(HistogramOpts::new(name, help))?;
        self.0.register(Box::new(metric.clone()))?;
        Ok(metric)
    }
}
