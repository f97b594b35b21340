//! Deletions that wait.

use lockstep_core::id::ClusterId;
use sqlx::PgConnection;

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
