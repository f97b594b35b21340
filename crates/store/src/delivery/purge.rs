//! Deletions that wait, and removals that were refused.

use std::collections::BTreeMap;

use lockstep_core::id::{BindingId, ClusterId};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::Result;

/// The bindings whose content is to be deleted in a cluster that still has it, without those that a person confirmed: what the delete guard
/// counts, by the registry's own evidence.
pub async fn purges_waiting(connection: &mut PgConnection, cluster: ClusterId) -> Result<Vec<String>> {
    Ok(sqlx::query_scalar(
        "select b.name from desired d join binding b on b.id = d.binding_id join cluster c on c.id = d.cluster_id \
         join delivery l on l.binding_id = d.binding_id and l.cluster_id = d.cluster_id \
         where d.cluster_id = $1 and d.purges and l.applied_digest is not null and d.seq > c.deletions_confirmed_seq order by b.name",
    )
    .bind(cluster.uuid())
    .fetch_all(connection)
    .await?)
}

/// What an agent would not remove, of one cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// How many placements.
    pub count: u64,
    /// The binding of the first of them, by name.
    pub binding: String,
    /// What the agent said of that one.
    pub cause: String,
}

/// The placements of these clusters that are to be given up, and whose last attempt failed. They are no deliveries any more, so no list has them.
pub async fn removals_refused(connection: &mut PgConnection, clusters: &[ClusterId]) -> Result<BTreeMap<ClusterId, Refused>> {
    let rows: Vec<(Uuid, String, Option<String>, i64)> = sqlx::query_as(
        "select distinct on (p.cluster_id) p.cluster_id, b.name, l.cause, count(*) over (partition by p.cluster_id) \
         from placement p join delivery l using (binding_id, cluster_id) join binding b on b.id = p.binding_id \
         where p.cluster_id = any($1) and p.answer = 'Removed' and l.seq = p.seq and l.outcome in ('Conflict', 'Failed') \
         order by p.cluster_id, b.name",
    )
    .bind(clusters.iter().map(|c| c.uuid()).collect::<Vec<_>>())
    .fetch_all(connection)
    .await?;
    let one = |(cluster, binding, cause, count): (Uuid, String, Option<String>, i64)| {
        let refused = Refused { count: count.cast_unsigned(), binding, cause: cause.unwrap_or_default() };
        (cluster.into(), refused)
    };
    Ok(rows.into_iter().map(one).collect())
}

/// The bindings that a cluster has content of, by the registry's own evidence.
pub async fn held(connection: &mut PgConnection, cluster: ClusterId) -> Result<Vec<BindingId>> {
    let ids: Vec<Uuid> = sqlx::query_scalar(
        "select binding_id from delivery where cluster_id = $1 and applied_digest is not null order by binding_id",
    )
    .bind(cluster.uuid())
    .fetch_all(connection)
    .await?;
    Ok(ids.into_iter().map(Into::into).collect())
}

/// What a revoked cluster still has that its agent is asked to remove.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Left {
    /// How many bindings' content, by the registry's evidence.
    pub count: u64,
    /// The first binding, by name, that the agent would not remove since it was asked, and why.
    pub refused: Option<(String, String)>,
}

/// The same for these clusters. One that has nothing may be absent.
pub async fn left(connection: &mut PgConnection, clusters: &[ClusterId]) -> Result<BTreeMap<ClusterId, Left>> {
    let rows: Vec<(Uuid, i64, Option<String>, Option<String>)> = sqlx::query_as(
        "select l.cluster_id, count(*), min(b.name) filter (where x.refused), \
            (array_agg(l.cause order by b.name) filter (where x.refused))[1] \
         from delivery l join cluster c on c.id = l.cluster_id join binding b on b.id = l.binding_id \
         cross join lateral (select l.seq >= c.seq and l.outcome in ('Conflict', 'Failed') as refused) x \
         where l.cluster_id = any($1) and l.applied_digest is not null group by l.cluster_id",
    )
    .bind(clusters.iter().map(|c| c.uuid()).collect::<Vec<_>>())
    .fetch_all(connection)
    .await?;
    let one = |(cluster, count, binding, cause): (Uuid, i64, Option<String>, Option<String>)| {
        let refused = binding.map(|binding| (binding, cause.unwrap_or_default()));
        (cluster.into(), Left { count: count.cast_unsigned(), refused })
    };
    Ok(rows.into_iter().map(one).collect())
}
