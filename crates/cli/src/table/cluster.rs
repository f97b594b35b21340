//! A cluster's columns.

use std::collections::BTreeMap;

use lockstep_api::cluster::{AgentStatus, Cluster};
use lockstep_api::manifest::Condition;
use lockstep_core::delivery::DeliveryStatus;

use super::cell::{Cell, NOTHING};
use super::column::Column;
use super::condition;

pub(super) const COLUMNS: &[Column<Cluster>] = &[
    Column::usual("NAME", |c| Cell::text(&c.metadata.name)),
    Column::usual("STATE", |c| Cell::word(c.status.as_ref().map_or("", |s| s.state.as_str()))),
    Column::usual("READY", |c| condition::status(conditions(c), "Ready")),
    Column::usual("AGENT", |c| Cell::word(agent(c).map_or("", |_| "Connected"))),
    Column::usual("HEARD", |c| Cell::Age(agent(c).map(|a| a.heard_at))),
    Column::usual("DELIVERIES", |c| Cell::text(&c.status.as_ref().map_or(NOTHING.to_owned(), |s| in_sync(&s.deliveries)))),
    Column::usual("AGE", |c| Cell::Age(c.metadata.creation_timestamp)),
    Column::wide("LABELS", |c| Cell::text(&labels(&c.metadata.labels))),
    Column::wide("VERSION", |c| Cell::optional(agent(c).map(|a| a.version.as_str()))),
    Column::wide("REPLICA", |c| Cell::optional(agent(c).map(|a| a.replica.as_str()))),
    Column::wide("CERTIFICATE-ENDS", |c| agent(c).map_or(Cell::Age(None), |a| Cell::Until(a.certificate_expires_at))),
    Column::wide("UNKNOWN", |c| Cell::optional(c.status.as_ref().map(|s| s.unknown_bindings))),
    Column::wide("DELETIONS-HELD", |c| Cell::optional(c.status.as_ref().map(|s| s.deletions_held))),
    Column::wide("HELD", |c| Cell::optional(c.status.as_ref().and_then(|s| s.held.as_ref()))),
    Column::wide("REASON", |c| condition::message(conditions(c), "Ready")),
];

fn agent(cluster: &Cluster) -> Option<&AgentStatus> {
    cluster.status.as_ref()?.agent.as_ref()
}

fn conditions(cluster: &Cluster) -> Option<&[Condition]> {
    cluster.status.as_ref().map(|s| s.conditions.as_slice())
}

/// As in `3/4`: deliveries in sync, of all.
pub(super) fn in_sync(deliveries: &BTreeMap<String, u64>) -> String {
    let good = deliveries.get(DeliveryStatus::InSync.as_str()).copied().unwrap_or_default();
    format!("{good}/{}", deliveries.values().sum::<u64>())
}

/// As in `env=prod,region=eu`.
pub(super) fn labels(labels: &BTreeMap<String, String>) -> String {
    labels.iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join(",")
}
