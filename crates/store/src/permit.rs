//! The last check before bytes leave: whether a placement may be sent now, and that this session may send it.

use std::collections::BTreeSet;

use lockstep_core::id::{BindingId, ClusterId};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::Result;
use crate::delivery::Report;

/// Which of these may be sent now: the planner's answer still stands (so a grant allows it, or its tombstone is open), neither the
/// registry nor the cluster is held or paused, and the session is still its cluster's.
///
/// The placements are locked until the caller's transaction ends, in which it records that they are sent.
pub async fn permitted(connection: &mut PgConnection, reports: &[Report]) -> Result<BTreeSet<(ClusterId, BindingId)>> {
    let rows: Vec<(Uuid, Uuid)> = sqlx::query_as(
        "select p.cluster_id, p.binding_id from unnest($1::uuid[], $2::uuid[], $3::uuid[]) as r(session, cluster, binding) \
         join session n on n.id = r.session and n.cluster_id = r.cluster \
         join cluster c on c.id = r.cluster and c.held is null and c.state not in ('Paused', 'Revoked') \
         join registry g on g.held is null \
         join placement p on p.binding_id = r.binding and p.cluster_id = r.cluster and p.answer <> 'Denied' \
         for share of p",
    )
    .bind(reports.iter().map(|r| r.session.uuid()).collect::<Vec<_>>())
    .bind(reports.iter().map(|r| r.cluster.uuid()).collect::<Vec<_>>())
    .bind(reports.iter().map(|r| r.binding.uuid()).collect::<Vec<_>>())
    .fetch_all(connection)
    .await?;
    Ok(rows.into_iter().map(|(cluster, binding)| (cluster.into(), binding.into())).collect())
}
