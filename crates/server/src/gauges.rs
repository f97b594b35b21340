//! Gauges of what the registry says, so the same on every replica, and of what this replica has left.

use std::time::Duration;

use chrono::{DateTime, Utc};
use lockstep_store::pool::{self, Standing};
use lockstep_store::{PgConnection, Result, cluster, delivery, registry, rotation, session, source};
use lockstep_telemetry::traces;
use prometheus::IntGaugeVec;
use tokio::time::Instant;

use crate::app::App;
use crate::config::Config;
use crate::metrics::Metrics;
use crate::propagation;

/// All that is read from the registry for them.
pub struct Read {
    by_cluster: Vec<delivery::ByCluster>,
    deletions_held: Vec<(String, u64)>,
    clusters: Vec<session::OfCluster>,
    sources: Vec<source::Watched>,
    rotations: Vec<(String, u64)>,
    dues: rotation::Dues,
    registry: registry::Registry,
}

/// Reads them.
pub async fn read(connection: &mut PgConnection) -> Result<Read> {
    Ok(Read {
        by_cluster: delivery::by_cluster(connection).await?,
        deletions_held: cluster::deletions_held(connection).await?,
        clusters: session::of_all_clusters(connection).await?,
        sources: source::watched(connection).await?,
        rotations: rotation::count_by_state(connection).await?,
        dues: rotation::dues(connection).await?,
        registry: registry::get(connection).await?,
    })
}

/// A connection, and how long it took to get it.
pub async fn acquire(app: &App) -> Result<pool::Pooled> {
    let began = Instant::now();
    let connection = pool::acquire(&app.pool).await;
    app.metrics.pool_wait.observe(began.elapsed().as_secs_f64());
    connection
}

impl Read {
    /// Shows them. Each is reset first: what is no more must not keep its last number.
    pub fn show(self, metrics: &Metrics, config: &Config) {
        let Self { by_cluster, deletions_held, clusters, sources, rotations, dues, registry } = self;
        metrics.deliveries.reset();
        metrics.oldest_undelivered.reset();
        for clusters in &clusters {
            metrics.oldest_undelivered.with_label_values(&[&clusters.cluster]).set(0.0);
        }
        for row in by_cluster {
            metrics.deliveries.with_label_values(&[&row.cluster, &row.status]).set(int(row.deliveries));
            let oldest = metrics.oldest_undelivered.with_label_values(&[&row.cluster]);
            oldest.set(oldest.get().max(row.oldest_s.unwrap_or_default()));
        }
        show(&metrics.deletions_held, deletions_held);
        show(&metrics.rotations, rotations);
        show_clusters(metrics, &clusters, config);
        show_sources(metrics, &sources);
        metrics.rotation_next_due.reset();
        if let Some(due) = dues.next {
            metrics.rotation_next_due.with_label_values::<&str>(&[]).set(due.timestamp());
        }
        metrics.rotation_overdue.set(dues.overdue_s);
        metrics.rotation_run_age.set(dues.oldest_run_s);
        metrics.history_held.set(i64::from(registry.held.is_some()));
        metrics.history_seq.set(int(registry.head.seq.get()));
        metrics.registry_was_read();
    }
}

fn show(gauge: &IntGaugeVec, counts: Vec<(String, u64)>) {
    gauge.reset();
    for (label, count) in counts {
        gauge.with_label_values(&[&label]).set(int(count));
    }
}

fn show_clusters(metrics: &Metrics, clusters: &[session::OfCluster], config: &Config) {
    // How long a cluster is silent is what its stream's end must not hide.
    let heard_before: Vec<i64> = clusters.iter().map(|c| metrics.cluster_heard.with_label_values(&[&c.cluster]).get()).collect();
    let Metrics { cluster_connected, cluster_heard, cluster_certificate, cluster_certificate_life, .. } = metrics;
    for gauge in [cluster_connected, cluster_heard, cluster_certificate, cluster_certificate_life] {
        gauge.reset();
    }
    for (cluster, before) in clusters.iter().zip(heard_before) {
        let name = [cluster.cluster.as_str()];
        if cluster.is_expected {
            metrics.cluster_connected.with_label_values(&name).set(i64::from(cluster.heard_at.is_some()));
        }
        let heard = cluster.heard_at.map_or(before, |at| at.timestamp());
        if heard > 0 {
            metrics.cluster_heard.with_label_values(&name).set(heard);
        }
        set_time(&metrics.cluster_certificate, &name, cluster.certificate_not_after);
        if cluster.certificate_not_after.is_some() {
            let life = cluster.certificate_life_s.unwrap_or_else(|| i64::from(config.agents.certificate_hours) * 3_600);
            metrics.cluster_certificate_life.with_label_values(&name).set(life);
        }
    }
}

fn show_sources(metrics: &Metrics, sources: &[source::Watched]) {
    metrics.source_swept.reset();
    metrics.source_failing.reset();
    for source in sources {
        let name = [source.name.as_str()];
        set_time(&metrics.source_swept, &name, source.swept_at);
        metrics.source_failing.with_label_values(&name).set(i64::from(source.is_failing));
    }
}

fn set_time(gauge: &IntGaugeVec, labels: &[&str], at: Option<DateTime<Utc>>) {
    if let Some(at) = at {
        gauge.with_label_values(labels).set(at.timestamp());
    }
}

/// What this replica has left, whether or not the registry answers.
pub fn show_own(app: &App) {
    let Standing { idle, used, max } = pool::standing(&app.pool);
    app.metrics.pool.with_label_values(&["idle"]).set(int(idle.into()));
    app.metrics.pool.with_label_values(&["used"]).set(int(used.into()));
    app.metrics.watch_interval.set(Duration::from_millis(app.config.watch.interval_ms).as_secs_f64());
    app.metrics.pool_max.set(int(max.into()));
    app.metrics.queued("propagation", app.metrics.propagation.waiting(), propagation::WAITING_MAX);
    app.metrics.queued("spans", app.traces.waiting(), traces::WAITING_MAX);
}

fn int(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
