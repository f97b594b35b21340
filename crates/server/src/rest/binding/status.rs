//! How bindings are: in how many clusters, and how far they are in step.

use std::collections::BTreeMap;

use lockstep_api::binding::{BindingStatus, ObservedStatus, Pinned};
use lockstep_api::manifest::Condition;
use lockstep_core::cluster::ClusterState;
use lockstep_core::delivery::DeliveryStatus;
use lockstep_core::id::BindingId;
use lockstep_store::binding::BindingRecord;
use lockstep_store::delivery::OfBinding;
use lockstep_store::meta::Registered;
use lockstep_store::pin::{self, Pin};
use lockstep_store::{PgConnection, cluster, delivery};

use crate::rest::condition;
use crate::rest::problem::ApiError;

/// In three queries, however many they are.
pub(super) async fn statuses(
    connection: &mut PgConnection,
    records: &[Registered<BindingRecord>],
) -> Result<Vec<BindingStatus>, ApiError> {
    let ids: Vec<BindingId> = records.iter().map(|r| r.spec.binding.id).collect();
    let mut of_bindings = delivery::of_bindings(connection, &ids).await?;
    let mut pins = pin::of_bindings(connection, &ids).await?;
    let mut clusters = cluster::facts(connection).await?;
    clusters.retain(|c| c.state != ClusterState::Removing);
    let one = |r: &Registered<BindingRecord>| {
        let selected = clusters.iter().filter(|c| r.spec.binding.spec.clusters.matches(&c.labels)).count();
        let OfBinding { statuses, observed } = of_bindings.remove(&r.spec.binding.id).unwrap_or_default();
        let observed = observed.map(|o| ObservedStatus { would_change: o.would_change, total: o.total, clusters: o.clusters });
        BindingStatus {
            clusters: selected as u64,
            conditions: vec![in_sync(selected, &statuses)],
            deliveries: statuses,
            observed,
            pinned: pins.remove(&r.spec.binding.id).unwrap_or_default().into_iter().map(pinned).collect(),
        }
    };
    Ok(records.iter().map(one).collect())
}

fn pinned(pin: Pin) -> Pinned {
    Pinned { secret: pin.secret, version: pin.version, newest: pin.newest }
}

fn in_sync(selected: usize, deliveries: &BTreeMap<String, u64>) -> Condition {
    let all: u64 = deliveries.values().sum();
    let good = deliveries.get(DeliveryStatus::InSync.as_str()).copied().unwrap_or_default();
    if selected == 0 || all == 0 {
        return condition::fails("InSync", "NoClusters", "no cluster has the labels that spec.clusters asks for");
    }
    if good == all {
        return condition::holds("InSync", "AllInSync", format!("{good} of {all} clusters hold the newest version"));
    }
    let others: Vec<String> = deliveries
        .iter()
        .filter(|(status, _)| *status != DeliveryStatus::InSync.as_str())
        .map(|(status, n)| format!("{n} {status}"))
        .collect();
    let message = format!("{good} of {all} clusters hold the newest version; {}", others.join(", "));
    condition::fails("InSync", "NotInSync", message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_binding_is_in_sync_when_every_delivery_is_and_there_is_one() {
        for (selected, deliveries, status, reason) in [
            (0, vec![], "False", "NoClusters"),
            (2, vec![("InSync", 2)], "True", "AllInSync"),
            (3, vec![("InSync", 2), ("Failed", 1)], "False", "NotInSync"),
            (1, vec![("Pending", 1)], "False", "NotInSync"),
        ] {
            let deliveries = deliveries.into_iter().map(|(s, n)| (s.to_owned(), n)).collect();
            let condition = in_sync(selected, &deliveries);
            assert_eq!((condition.status.as_str(), condition.reason.as_str()), (status, reason), "{deliveries:?}");
        }
    }
}
