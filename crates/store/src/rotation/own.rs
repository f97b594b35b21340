//! The parts of a rotation that has a secret for each cluster: a rotation of its own for each, which follows from the one that people wrote and from what is
//! placed. Nobody writes them.

use lockstep_core::binding::SecretPattern;
use lockstep_core::id::{ClusterId, ProjectId, RotationId};
use lockstep_core::kv::CLUSTER;
use lockstep_core::name::ClusterName;
use lockstep_core::rotation::RotationSpec;
use sqlx::types::Json;
use sqlx::{Connection as _, PgConnection};
use uuid::Uuid;

use super::{RotationRecord, Row, SELECT};
use crate::meta::{Registered, stored};
use crate::{Result, StoreError, grant};

/// The parts of these rotations, by cluster.
pub async fn of(connection: &mut PgConnection, parents: &[RotationId]) -> Result<Vec<Registered<RotationRecord>>> {
    let ids: Vec<Uuid> = parents.iter().map(|id| id.uuid()).collect();
    let rows: Vec<Row> =
        sqlx::query_as(sqlx::AssertSqlSafe(format!("{SELECT} where r.parent_id = any($1) order by r.parent_id, c.name")))
            .bind(ids)
            .fetch_all(connection)
            .await?;
    rows.into_iter().map(TryInto::try_into).collect()
}

/// The clusters that are to have a part, of a rotation of that project: a binding of whatever project draws the cluster's own secret there, and a grant of this
/// one allows its path.
pub async fn wanted(
    connection: &mut PgConnection,
    project: ProjectId,
    secrets: &SecretPattern,
) -> Result<Vec<(ClusterId, ClusterName)>> {
    let mut clusters = placed(connection, secrets).await?;
    let grants = grant::of_project(connection, project).await?;
    clusters.retain(|(_, name)| grant::name(&grants, &secrets.resolve(name)));
    Ok(clusters)
}

/// Whether a grant of its project allows what a part writes. Which paths there would be was not known when the rotation was written.
pub async fn is_granted(connection: &mut PgConnection, part: &Registered<RotationRecord>) -> Result<bool> {
    let (Some(_), Some(secret)) = (&part.spec.own, part.spec.spec.kind.secret()) else { return Ok(true) };
    Ok(grant::name(&grant::of_project(connection, part.spec.project_id).await?, secret))
}

/// Whether a part is as its rotation was written last. One that is not has yet to follow it: by what is no longer wanted no run may begin. Under the registry's
/// lock it stays so.
pub async fn is_current(connection: &mut PgConnection, part: &Registered<RotationRecord>) -> Result<bool> {
    let Some(own) = &part.spec.own else { return Ok(true) };
    let current = sqlx::query_scalar("select exists (select from rotation where id = $1 and seq = $2)")
        .bind(own.parent.uuid())
        .bind(stored(part.seq))
        .fetch_one(connection)
        .await?;
    Ok(current)
}

/// The clusters in which a binding is placed that draws that cluster's own secret, and follows it.
async fn placed(connection: &mut PgConnection, secrets: &SecretPattern) -> Result<Vec<(ClusterId, ClusterName)>> {
    let rows: Vec<(Uuid, String)> = sqlx::query_as(
        "select distinct c.id, c.name from cluster c \
         join secret s on s.path = replace($3, $4, c.name) and s.mount = $2 and s.engine = 'KvV2' \
         join source so on so.id = s.source_id and so.name = $1 \
         join binding_item bi on bi.secret_id = s.id and bi.pin is null and (bi.cluster_id is null or bi.cluster_id = c.id) \
         join binding b on b.id = bi.binding_id and b.deleted_at is null \
             and b.spec -> 'delivered' ->> 'mode' is distinct from 'Observe' \
         join placement p on p.binding_id = b.id and p.cluster_id = c.id and p.answer = 'Placed' order by c.name",
    )
    .bind(secrets.source.as_str())
    .bind(secrets.mount.as_str())
    .bind(secrets.path.as_str())
    .bind(CLUSTER)
    .fetch_all(connection)
    .await?;
    let named = |(id, name): (Uuid, String)| Ok((id.into(), name.parse().map_err(|e| StoreError::corrupt("cluster")(&e))?));
    rows.into_iter().map(named).collect()
}

/// Has the parts of a rotation follow it: one for each cluster that wants it, as the rotation was written last. Nothing if it is not as `parent` any more:
/// whoever looks next does it.
pub async fn follow(connection: &mut PgConnection, parent: &Registered<RotationRecord>, secrets: &SecretPattern) -> Result<()> {
    let id = parent.id.into();
    let mut all = connection.begin().await?;
    let seq: Option<i64> =
        sqlx::query_scalar("select seq from rotation where id = $1 for update").bind(parent.id).fetch_optional(&mut *all).await?;
    if seq != Some(stored(parent.seq)) {
        return Ok(());
    }
    let clusters = placed(&mut all, secrets).await?;
    let grants = grant::of_project(&mut all, parent.spec.project_id).await?;
    let parts = of(&mut all, &[id]).await?;
    for (cluster, name) in &clusters {
        let kind = parent.spec.spec.kind.of(name);
        let is_its = |part: &&Registered<RotationRecord>| part.spec.own.as_ref().is_some_and(|own| own.cluster == *cluster);
        let follows = match parts.iter().find(is_its) {
            Some(part) => part.seq != parent.seq,
            // One whose grant was taken away is kept, and cannot begin: what it issued so far is known by it.
            None => kind.secret().is_some_and(|secret| grant::name(&grants, secret)),
        };
        if follows {
            put(&mut all, parent, (*cluster, name), &RotationSpec { kind, ..parent.spec.spec.clone() }).await?;
        }
    }
    let clusters: Vec<ClusterId> = clusters.into_iter().map(|(cluster, _)| cluster).collect();
    keep(&mut all, id, &clusters).await?;
    Ok(all.commit().await?)
}

/// Makes the part of a cluster, or has it follow its rotation: as [`super::put`] does with what people write. What a run under way rotates stays what it is until
/// that has ended, and is then followed; how it confirms may change, or nobody could have one that is held go on.
async fn put(
    connection: &mut PgConnection,
    parent: &Registered<RotationRecord>,
    cluster: (ClusterId, &ClusterName),
    spec: &RotationSpec,
) -> Result<()> {
    sqlx::query(
        "insert into rotation (name, parent_id, cluster_id, project_id, spec, seq) values ($1, $2, $3, $4, $5, $6) \
         on conflict (name) do update set project_id = $4, spec = $5, seq = $6, due_at = null, look_at = clock_timestamp(), waits_for = null, \
             settled_at = case when rotation.spec -> 'timing' = excluded.spec -> 'timing' \
                     and rotation.spec -> 'suspend' = excluded.spec -> 'suspend' then rotation.settled_at else clock_timestamp() end, \
             kind_at = case when rotation.spec -> 'kind' = excluded.spec -> 'kind' then rotation.kind_at else clock_timestamp() end \
         where rotation.spec -> 'kind' = excluded.spec -> 'kind' \
             or not exists (select from rotation_run u where u.rotation_id = rotation.id and u.ended_at is null)",
    )
    // No name that people can give has a slash.
    .bind(format!("{}/{}", parent.name, cluster.1))
    .bind(parent.id)
    .bind(cluster.0.uuid())
    .bind(parent.spec.project_id.uuid())
    .bind(Json(spec))
    .bind(stored(parent.seq))
    .execute(connection)
    .await?;
    Ok(())
}

/// Lets the parts of other clusters than these go, with their runs; not while a run is under way. What they made stays where it is.
async fn keep(connection: &mut PgConnection, parent: RotationId, clusters: &[ClusterId]) -> Result<()> {
    let ids: Vec<Uuid> = clusters.iter().map(|id| id.uuid()).collect();
    // Whoever begins a run now has its part's lock: only a statement that starts after that was waited for sees the run.
    sqlx::query("select id from rotation where parent_id = $1 and cluster_id <> all($2) order by id for update")
        .bind(parent.uuid())
        .bind(&ids)
        .execute(&mut *connection)
        .await?;
    sqlx::query(
        "delete from rotation r where r.parent_id = $1 and r.cluster_id <> all($2) \
         and not exists (select from rotation_run u where u.rotation_id = r.id and u.ended_at is null)",
    )
    .bind(parent.uuid())
    .bind(ids)
    .execute(connection)
    .await?;
    Ok(())
}
