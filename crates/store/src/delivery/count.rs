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

/// How many deliveries of each cluster have which status, for the metrics.
pub async fn count_by_cluster(connection: &mut PgConnection) -> Result<Vec<(String, String, u64)>> {
    let rows: Vec<(String, String, i64)> =
        sqlx::query_as("select cluster, status, count(*) from delivery_status group by cluster, status")
            .fetch_all(connection)
            .await?;
    Ok(rows.into_iter().map(|(cluster, status, n)| (cluster, status, n.cast_unsigned())).collect())
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

/// How many deliveries of each of these bindings have which status. One without any is absent.
pub async fn count_of_bindings(
    connection: &mut PgConnection,
    bindings: &[BindingId],
) -> Result<BTreeMap<BindingId, BTreeMap<String, u64>>> {
    let rows: Vec<(Uuid, String, i64)> = sqlx::query_as(
        "select binding_id, status, count(*) from delivery_status where binding_id = any($1) group by binding_id, status",
    )
    .bind(bindings.iter().map(|b| b.uuid()).collect::<Vec<_>>())
    .fetch_all(connection)
    .await?;
    Ok(grouped(rows))
}

fn grouped<T: From<Uuid> + Ord>(rows: Vec<(Uuid, String, i64)>) -> BTreeMap<T, BTreeMap<String, u64>> {
    let mut counts: BTreeMap<T, BTreeMap<String, u64>> = BTreeMap::new();
    for (id, status, n) in rows {
        counts.entry(id.into()).or_default().insert(status, n.cast_unsigned());
    }
    counts
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

/// What these bindings would change. One that does not observe, or was compared nowhere yet, is absent.
pub async fn observed_of_bindings(
    connection: &mut PgConnection,
    bindings: &[BindingId],
) -> Result<BTreeMap<BindingId, Observed>> {
    let rows: Vec<(Uuid, i64, i64, i64)> = sqlx::query_as(
        "select binding_id, sum(would_change)::bigint, sum(would_total)::bigint, count(*) from delivery_status \
         where binding_id = any($1) and would_total is not null group by binding_id",
    )
    .bind(bindings.iter().map(|b| b.uuid()).collect::<Vec<_>>())
    .fetch_all(connection)
    .await?;
    let one = |(id, would_change, total, clusters): (Uuid, i64, i64, i64)| {
        let [would_change, total, clusters] = [would_change, total, clusters].map(i64::cast_unsigned);
        (id.into(), Observed { would_change, total, clusters })
    };
    Ok(rows.into_iter().map(one).collect())
}
