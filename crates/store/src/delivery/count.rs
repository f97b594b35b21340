//! How many deliveries have which status.

use std::collections::BTreeMap;

use lockstep_core::id::{BindingId, ClusterId};
use sqlx::PgConnection;
use uuid::Uuid;

use super::Filter;
use crate::Result;

/// How many deliveries have which status, for a cluster, for a binding, or for all.
pub async fn count(connection: &mut PgConnection, filter: Filter<'_>) -> Result<BTreeMap<String, u64>> {
    let rows: Vec<(String, i64)> = sqlx::query_as(
        "select status, count(*) from delivery_status \
         where ($1::text is null or cluster = $1) and ($2::text is null or binding = $2) group by status",
    )
    .bind(filter.cluster)
    .bind(filter.binding)
    .fetch_all(connection)
    .await?;
    Ok(rows.into_iter().map(|(status, n)| (status, n.cast_unsigned())).collect())
}

/// How many deliveries of each of these clusters have which status. One without any is absent.
pub async fn count_of_clusters(
    connection: &mut PgConnection,
    clusters: &[ClusterId],
) -> Result<BTreeMap<ClusterId, BTreeMap<String, u64>>> {
    let rows: Vec<(Uuid, String, i64)> = sqlx::query_as(
        "select cluster_id, status, count(*) from delivery_status where cluster_id = any($1) group by cluster_id, status",
    )
    .bind(clusters.iter().map(|c| c.uuid()).collect::<Vec<_>>())
    .fetch_all(connection)
    .await?;
    Ok(grouped(rows))
}

/// How the deliveries of one binding stand.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OfBinding {
    /// How many have which status.
    pub statuses: BTreeMap<String, u64>,
    /// What it would change, if it only observes and was compared somewhere.
    pub observed: Option<Observed>,
}

/// What a binding that only observes would change, over all clusters.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Observed {
    /// Keys that delivering would change.
    pub would_change: u64,
    /// Of how many.
    pub total: u64,
    /// In how many clusters they were compared.
    pub clusters: u64,
}

#[derive(sqlx::FromRow)]
struct OfBindingRow {
    binding_id: Uuid,
    status: String,
    deliveries: i64,
    would_change: i64,
    would_total: i64,
    compared: i64,
}

/// How the deliveries of each of these bindings stand. One without any is absent.
///
/// `offset 0` keeps the view apart, so that it is asked for each binding by its key. Joined, it adds up the secrets of every binding there is: each
/// write of a binding, which shows its status, would take longer with each one that is registered.
pub async fn of_bindings(connection: &mut PgConnection, bindings: &[BindingId]) -> Result<BTreeMap<BindingId, OfBinding>> {
    let rows: Vec<OfBindingRow> = sqlx::query_as(
        "select asked.binding_id, status, count(*) as deliveries, count(would_total) as compared, \
            coalesce(sum(would_total), 0)::bigint as would_total, \
            coalesce(sum(would_change) filter (where would_total is not null), 0)::bigint as would_change \
         from unnest($1::uuid[]) as asked(binding_id) cross join lateral ( \
            select status, would_change, would_total from delivery_status d where d.binding_id = asked.binding_id offset 0 \
         ) d group by asked.binding_id, status",
    )
    .bind(bindings.iter().map(|b| b.uuid()).collect::<Vec<_>>())
    .fetch_all(connection)
    .await?;
    let mut of_bindings: BTreeMap<BindingId, OfBinding> = BTreeMap::new();
    for row in rows {
        let of_binding = of_bindings.entry(row.binding_id.into()).or_default();
        of_binding.statuses.insert(row.status, row.deliveries.cast_unsigned());
        if row.compared > 0 {
            let observed = of_binding.observed.get_or_insert_default();
            observed.would_change += row.would_change.cast_unsigned();
            observed.total += row.would_total.cast_unsigned();
            observed.clusters += row.compared.cast_unsigned();
        }
    }
    Ok(of_bindings)
}

fn grouped<T: From<Uuid> + Ord>(rows: Vec<(Uuid, String, i64)>) -> BTreeMap<T, BTreeMap<String, u64>> {
    let mut counts: BTreeMap<T, BTreeMap<String, u64>> = BTreeMap::new();
    for (id, status, n) in rows {
        counts.entry(id.into()).or_default().insert(status, n.cast_unsigned());
    }
    counts
}
