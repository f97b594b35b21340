//! What one replica counts. Injected, never global; labels are constant or clusters and sources, never paths or bindings. What each means is
//! said where it is [`declared`].

mod declared;

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use lockstep_telemetry::catalogue::Catalogue;
use lockstep_telemetry::loops::Loops;
use lockstep_telemetry::metric::Metric;
use prometheus::{Gauge, GaugeVec, Histogram, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Registry, TextEncoder};

use tokio::time::Instant;

use crate::clock;
use crate::propagation::Propagation;
use crate::schedule::HYGIENE_INTERVAL;

/// What comes from the registry is shown until it was not read for so many turns. A turn that succeeds may take half a minute, and an alert that waits
/// should outlast a failover of Postgres; after two minutes `LockstepRegistryUnreachable` says why it is absent.
const TURNS_UNREAD_MAX: u32 = 6;

/// All of one replica's metrics and the registry they are in.
#[expect(missing_docs, reason = "each is declared, with its meaning, under the same name")]
pub struct Metrics {
    registry: Registry,
    declared: Vec<Metric>,
    declared_by_vault: Vec<Metric>,
    pub versions_observed: IntCounterVec,
    pub propagation: Propagation,
    pub oldest_undelivered: GaugeVec,
    pub watch_sweeps: IntCounterVec,
    pub watch_interval: Gauge,
    pub source_swept: IntGaugeVec,
    pub source_failing: IntGaugeVec,
    source_state: IntGaugeVec,
    /// Of each source the one state that is shown.
    source_states_shown: Mutex<BTreeMap<String, &'static str>>,
    pub lease_held: IntGaugeVec,
    pub fenced: IntCounter,
    pub agents_connected: IntGauge,
    pub cluster_connected: IntGaugeVec,
    pub cluster_heard: IntGaugeVec,
    pub cluster_certificate: IntGaugeVec,
    pub cluster_certificate_life: IntGaugeVec,
    pub sent: IntCounterVec,
    pub answered: IntCounterVec,
    pub round_trip: Histogram,
    pub reads: IntCounterVec,
    pub limit_hits: IntCounterVec,
    queue: IntGaugeVec,
    queue_max: IntGaugeVec,
    pub deliveries: IntGaugeVec,
    pub deletions_held: IntGaugeVec,
    pub joins: IntCounterVec,
    pub http_requests: IntCounterVec,
    pub rotation_runs: IntCounterVec,
    pub rotations: IntGaugeVec,
    /// Without labels, and yet absent while nothing is due.
    pub rotation_next_due: IntGaugeVec,
    pub rotation_overdue: Gauge,
    pub rotation_run_age: Gauge,
    pub unexpected_rotations: IntCounterVec,
    pub certificate: IntGauge,
    pub certificate_life: IntGauge,
    pub pool: IntGaugeVec,
    pub pool_max: IntGauge,
    pub pool_wait: Histogram,
    pub history_held: IntGauge,
    pub history_seq: IntGauge,
    pub history_verified: IntGauge,
    pub history_verified_at: IntGauge,
    pub history_broken: IntGauge,
    pub loops: Loops,
    /// When the gauges of what the registry says were last set.
    registry_read: Mutex<Option<Instant>>,
}

impl Metrics {
    /// Registers all of them, and the Vault client's, in a fresh registry.
    pub fn new(vault: &lockstep_vault::Metrics) -> prometheus::Result<Self> {
        let registry = Registry::new();
        let mut own = Catalogue::of(&registry);
        let metrics = Self {
            declared: Vec::new(),
            declared_by_vault: Vec::new(),
            versions_observed: own.add(declared::VERSIONS_OBSERVED)?,
            propagation: Propagation::new(own.add(declared::PROPAGATION_SECONDS)?),
            oldest_undelivered: own.add(declared::OLDEST_UNDELIVERED)?,
            watch_sweeps: own.add(declared::WATCH_SWEEPS)?,
            watch_interval: own.add(declared::WATCH_INTERVAL)?,
            source_swept: own.add(declared::SOURCE_SWEPT)?,
            source_failing: own.add(declared::SOURCE_FAILING)?,
            source_state: own.add(declared::SOURCE_STATE)?,
            source_states_shown: Mutex::default(),
            lease_held: own.add(declared::LEASE_HELD)?,
            fenced: own.add(declared::FENCED)?,
            agents_connected: own.add(declared::AGENTS_CONNECTED)?,
            cluster_connected: own.add(declared::CLUSTER_CONNECTED)?,
            cluster_heard: own.add(declared::CLUSTER_HEARD)?,
            cluster_certificate: own.add(declared::CLUSTER_CERTIFICATE)?,
            cluster_certificate_life: own.add(declared::CLUSTER_CERTIFICATE_LIFE)?,
            sent: own.add(declared::SENT)?,
            answered: own.add(declared::ANSWERED)?,
            round_trip: own.add(declared::ROUND_TRIP)?,
            reads: own.add(declared::READS)?,
            limit_hits: own.add(declared::LIMIT_HITS)?,
            queue: own.add(declared::QUEUE)?,
            queue_max: own.add(declared::QUEUE_MAX)?,
            deliveries: own.add(declared::DELIVERIES)?,
            deletions_held: own.add(declared::DELETIONS_HELD)?,
            joins: own.add(declared::JOINS)?,
            http_requests: own.add(declared::HTTP_REQUESTS)?,
            rotation_runs: own.add(declared::ROTATION_RUNS)?,
            rotations: own.add(declared::ROTATIONS)?,
            rotation_next_due: own.add(declared::ROTATION_NEXT_DUE)?,
            rotation_overdue: own.add(declared::ROTATION_OVERDUE)?,
            rotation_run_age: own.add(declared::ROTATION_RUN_AGE)?,
            unexpected_rotations: own.add(declared::UNEXPECTED_ROTATIONS)?,
            certificate: own.add(declared::CERTIFICATE)?,
            certificate_life: own.add(declared::CERTIFICATE_LIFE)?,
            pool: own.add(declared::POOL)?,
            pool_max: own.add(declared::POOL_MAX)?,
            pool_wait: own.add(declared::POOL_WAIT)?,
            history_held: own.add(declared::HISTORY_HELD)?,
            history_seq: own.add(declared::HISTORY_SEQ)?,
            history_verified: own.add(declared::HISTORY_VERIFIED)?,
            history_verified_at: own.add(declared::HISTORY_VERIFIED_AT)?,
            history_broken: own.add(declared::HISTORY_BROKEN)?,
            loops: Loops::new(
                own.add(declared::LOOP_PROGRESS)?,
                own.add(declared::LOOP_TURNED)?,
                own.add(declared::LOOP_LIMIT)?,
                || clock::now().timestamp(),
            ),
            registry_read: Mutex::default(),
            registry: registry.clone(),
        };
        let declared = own.metrics();
        let mut of_vault = Catalogue::of(&registry);
        vault.register(&mut of_vault)?;
        Ok(Self { declared, declared_by_vault: of_vault.metrics(), ..metrics })
    }

    /// What is registered here, but for the Vault client's.
    pub fn declared(&self) -> &[Metric] {
        &self.declared
    }

    /// What of the Vault client's is.
    pub fn declared_by_vault(&self) -> &[Metric] {
        &self.declared_by_vault
    }

    /// In Prometheus' text format.
    pub fn text(&self) -> anyhow::Result<String> {
        self.text_at(Instant::now())
    }

    fn text_at(&self, now: Instant) -> anyhow::Result<String> {
        let mut families = self.registry.gather();
        let read = *self.registry_read.lock().unwrap_or_else(PoisonError::into_inner);
        if read.is_none_or(|read| now.saturating_duration_since(read) > HYGIENE_INTERVAL * TURNS_UNREAD_MAX) {
            families.retain(|family| declared::AS_IN_REGISTRY.iter().all(|metric| metric.name != family.name()));
        }
        Ok(TextEncoder::new().encode_to_string(&families)?)
    }

    /// The gauges of what the registry says were just set.
    pub fn registry_was_read(&self) {
        *self.registry_read.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }

    /// Notes that a background loop finished a round that did what it is for.
    pub fn progressed(&self, name: &str) {
        self.loops.progressed(name);
    }

    /// How the last look at a source ended, as seen here; `None`: this replica does not watch it.
    pub fn source_is(&self, source: &str, state: Option<&'static str>) {
        let mut shown = self.source_states_shown.lock().unwrap_or_else(PoisonError::into_inner);
        let before = match state {
            Some(state) => shown.insert(source.to_owned(), state),
            None => shown.remove(source),
        };
        if let Some(before) = before.filter(|before| state != Some(*before)) {
            let _ = self.source_state.remove_label_values(&[source, before]);
        }
        if let Some(state) = state {
            self.source_state.with_label_values(&[source, state]).set(1);
        }
    }

    /// How much waits in a queue, and how much may.
    pub fn queued(&self, queue: &str, length: usize, max: usize) {
        self.queue.with_label_values(&[queue]).set(i64::try_from(length).unwrap_or(i64::MAX));
        self.queue_max.with_label_values(&[queue]).set(i64::try_from(max).unwrap_or(i64::MAX));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_registry_says_is_shown_until_it_was_not_read_for_a_minute_and_again_once_it_is() {
        let metrics = Metrics::new(&lockstep_vault::Metrics::new()).unwrap();
        metrics.deliveries.with_label_values(&["eu", "InSync"]).set(7);
        metrics.agents_connected.set(1);
        let shown = |now| {
            let text = metrics.text_at(now).unwrap();
            assert!(text.contains("lockstep_agents_connected 1"), "what is this replica's own stays: {text}");
            ["lockstep_deliveries{", "lockstep_rotation_overdue_age_seconds "].map(|name| text.contains(name))
        };
        assert_eq!(shown(Instant::now()), [false, false], "it was never read");
        metrics.registry_was_read();
        let read = Instant::now();
        assert_eq!(shown(read + HYGIENE_INTERVAL * 5), [true, true], "it was not read for five turns");
        assert_eq!(shown(read + HYGIENE_INTERVAL * 7), [false, false], "nor for seven");
        metrics.registry_was_read();
        assert_eq!(shown(Instant::now()), [true, true]);
    }

    #[test]
    fn a_metric_is_said_to_be_as_in_the_registry_if_and_only_if_it_is_absent_while_that_is_not_read() {
        let metrics = Metrics::new(&lockstep_vault::Metrics::new()).unwrap();
        for metric in metrics.declared() {
            let help = metric.help.to_lowercase();
            let said = help.contains("as in the registry") || help.contains("knows from the registry");
            assert_eq!(said, declared::AS_IN_REGISTRY.iter().any(|known| known.name == metric.name), "{}", metric.name);
        }
    }
}
