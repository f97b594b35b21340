//! Placements that could not be drawn: another binding drew the same path from another engine.

use std::collections::{BTreeMap, BTreeSet};

use lockstep_core::revision::Seq;
use sqlx::PgConnection;
use uuid::Uuid;

use super::{drawn, recorded};
use crate::binding::items::{self, Rows};
use crate::meta::stored;
use crate::{Result, binding, cluster};

/// Draws them where that is over, and gives them this change's number: what they get now is another content than they may have had. Asked after
/// every change of a binding, whichever it is, so that none has to be written again to be drawn. Returns how many.
pub(super) async fn settle(connection: &mut PgConnection, at: Seq) -> Result<u64> {
    let unsettled: Vec<(Uuid, Uuid)> = sqlx::query_as(
        "select p.binding_id, p.cluster_id from binding b join placement p on p.binding_id = b.id and p.answer = 'Placed' \
         where b.by_cluster and b.deleted_at is null and not exists ( \
             select from binding_item i where i.binding_id = b.id and i.cluster_id = p.cluster_id)",
    )
    .fetch_all(&mut *connection)
    .await?;
    if unsettled.is_empty() {
        return Ok(0);
    }
    let (bindings, clusters): (Vec<Uuid>, Vec<Uuid>) = unsettled.into_iter().unzip();
    let wanted: BTreeSet<&Uuid> = bindings.iter().collect();
    let facts = cluster::facts(connection).await?;
    for binding in binding::of_project(connection, None).await?.iter().filter(|b| wanted.contains(&b.id.uuid())) {
        let recorded = recorded(connection, binding.id).await?;
        let drawn = drawn(binding, &facts, &recorded, &BTreeMap::new());
        items::draw(&mut *connection, Rows::Binding(binding.id), drawn).await?;
    }
    let settled = sqlx::query(
        "update placement p set seq = $3 from unnest($1::uuid[], $2::uuid[]) as n(binding, cluster) \
         where p.binding_id = n.binding and p.cluster_id = n.cluster and exists ( \
             select from binding_item i where i.binding_id = n.binding and i.cluster_id = n.cluster)",
    )
    .bind(&bindings)
    .bind(&clusters)
    .bind(stored(at))
    .execute(connection)
    .await?;
    Ok(settled.rows_affected())
}
