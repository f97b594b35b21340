//! Clusters.

use std::collections::BTreeMap;

use lockstep_core::cluster::{ClusterFacts, ClusterState, Life, Purge, ServiceAccountIssuer};
use lockstep_core::id::{ClusterId, InstanceId, SessionId};
use lockstep_core::label::Labels;
use lockstep_core::revision::Seq;
use sqlx::PgConnection;
use sqlx::types::Json;
use uuid::Uuid;

use crate::binding::items::{self, Rows};
use crate::meta::{MetaRow, Registered, Written, stored};
use crate::page::{Page, cut};
use crate::{Result, StoreError};

/// A cluster with how it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClusterRecord {
    /// Where it is in its life.
    pub state: ClusterState,
    /// Whether its agent is to remove what was delivered, if it is revoked.
    pub purge: Purge,
    /// Why nothing is sent to it.
    pub held: Option<String>,
    /// The agent installation whose certificates are accepted.
    pub instance: Option<InstanceId>,
    /// Bindings its agent holds and the registry does not know.
    pub unknown_bindings: u64,
    /// Deletions that the guard holds back, as the cluster's session last counted.
    pub deletions_held: u64,
    /// Whose tokens its agent may join with, beside join tokens.
    pub service_account_issuer: Option<ServiceAccountIssuer>,
}

impl ClusterRecord {
    /// What decides whether its agent may have a stream.
    pub fn life(&self) -> Life {
        Life { state: self.state, purge: self.purge, instance: self.instance }
    }
}

#[derive(sqlx::FromRow)]
struct Row {
    #[sqlx(flatten)]
    meta: MetaRow,
    state: String,
    purge: String,
    held: Option<String>,
    instance_id: Option<Uuid>,
    unknown_bindings: i64,
    deletions_held: i64,
    service_account_issuer: Option<Json<ServiceAccountIssuer>>,
}

impl TryFrom<Row> for Registered<ClusterRecord> {
    type Error = StoreError;
    fn try_from(row: Row) -> Result<Self> {
        Ok(row.meta.with(ClusterRecord {
            state: row.state.parse().map_err(|e| StoreError::corrupt("cluster")(&e))?,
            purge: row.purge.parse().map_err(|e| StoreError::corrupt("cluster")(&e))?,
            held: row.held,
            instance: row.instance_id.map(Into::into),
            unknown_bindings: row.unknown_bindings.cast_unsigned(),
            deletions_held: row.deletions_held.cast_unsigned(),
            service_account_issuer: row.service_account_issuer.map(|issuer| issuer.0),
        }))
    }
}

/// The cluster of that name.
pub async fn get(connection: &mut PgConnection, name: &str) -> Result<Registered<ClusterRecord>> {
    let row: Option<Row> = sqlx::query_as("select * from cluster where name = $1").bind(name).fetch_optional(connection).await?;
    row.ok_or_else(|| StoreError::NotFound { kind: "cluster", name: name.to_owned() })?.try_into()
}

/// The cluster of that id.
pub async fn by_id(connection: &mut PgConnection, id: ClusterId) -> Result<Registered<ClusterRecord>> {
    let row: Option<Row> =
        sqlx::query_as("select * from cluster where id = $1").bind(id.uuid()).fetch_optional(connection).await?;
    row.ok_or_else(|| StoreError::NotFound { kind: "cluster", name: id.to_string() })?.try_into()
}

/// One page.
pub async fn list(connection: &mut PgConnection, page: &Page) -> Result<(Vec<Registered<ClusterRecord>>, Option<String>)> {
    let rows: Vec<Row> = sqlx::query_as("select * from cluster where name > $1 and selected(labels, $2) order by name limit $3")
        .bind(page.after())
        .bind(Json(&page.selector))
        .bind(page.rows())
        .fetch_all(connection)
        .await?;
    let clusters = rows.into_iter().map(TryInto::try_into).collect::<Result<_>>()?;
    Ok(cut(clusters, page.size(), |r: &Registered<_>| r.name.clone()))
}

/// All clusters, for the planner.
pub async fn facts(connection: &mut PgConnection) -> Result<Vec<ClusterFacts>> {
    let rows: Vec<(Uuid, String, Json<Labels>, String)> =
        sqlx::query_as("select id, name, labels, state from cluster").fetch_all(connection).await?;
    let one = |(id, name, labels, state): (Uuid, String, Json<Labels>, String)| {
        let name = name.parse().map_err(|e| StoreError::corrupt("cluster")(&e))?;
        let state = state.parse().map_err(|e| StoreError::corrupt("cluster")(&e))?;
        Ok(ClusterFacts { id: id.into(), name, labels: labels.0, state })
    };
    rows.into_iter().map(one).collect()
}

/// The labels of all clusters, by name.
pub async fn labels(connection: &mut PgConnection) -> Result<BTreeMap<String, Labels>> {
    let rows: Vec<(String, Json<Labels>)> = sqlx::query_as("select name, labels from cluster").fetch_all(connection).await?;
    Ok(rows.into_iter().map(|(name, labels)| (name, labels.0)).collect())
}

/// Creates it, `Pending`, or replaces its labels, its annotations, and whose tokens its agent may join with.
pub async fn put(
    connection: &mut PgConnection,
    written: &Written,
    issuer: Option<&ServiceAccountIssuer>,
    seq: Seq,
) -> Result<()> {
    sqlx::query(
        "insert into cluster (name, labels, annotations, seq, service_account_issuer) values ($1, $2, $3, $4, $5) \
         on conflict (name) do update set labels = $2, annotations = $3, seq = $4, service_account_issuer = $5",
    )
    .bind(&written.name)
    .bind(Json(&written.labels))
    .bind(Json(&written.annotations))
    .bind(stored(seq))
    .bind(issuer.map(Json))
    .execute(connection)
    .await?;
    Ok(())
}

/// Moves it to another state of its life.
pub async fn set_state(connection: &mut PgConnection, id: ClusterId, state: ClusterState, seq: Seq) -> Result<()> {
    sqlx::query("update cluster set state = $2, seq = $3 where id = $1")
        .bind(id.uuid())
        .bind(state.as_str())
        .bind(stored(seq))
        .execute(connection)
        .await?;
    Ok(())
}

/// Revokes it: its certificates are refused from now on, but for what `purge` asks of its agent.
pub async fn revoke(connection: &mut PgConnection, id: ClusterId, purge: Purge, seq: Seq) -> Result<()> {
    sqlx::query("update cluster set state = 'Revoked', purge = $2, seq = $3 where id = $1")
        .bind(id.uuid())
        .bind(purge.as_str())
        .bind(stored(seq))
        .execute(connection)
        .await?;
    Ok(())
}

/// Records that the agent of a revoked cluster has given up all that was delivered, and takes away what waited for its word: its stream ends
/// now, and reports that are not written yet with it. What bindings that were deleted left is then buried by
/// [`crate::delivery::bury_unplaced`].
pub async fn purged(connection: &mut PgConnection, id: ClusterId, seq: Seq) -> Result<()> {
    revoke(connection, id, Purge::Done, seq).await?;
    sqlx::query("update delivery set applied_key = null, applied_digest = null where cluster_id = $1")
        .bind(id.uuid())
        .execute(&mut *connection)
        .await?;
    sqlx::query("delete from placement where cluster_id = $1 and answer = 'Removed'").bind(id.uuid()).execute(connection).await?;
    Ok(())
}

/// Makes it ready for an agent that joins anew. Nothing is left of the one before: its certificates are of no installation that is known,
/// its stream is nobody's, and what it confirmed is evidence of nothing any more.
pub async fn begin_anew(connection: &mut PgConnection, id: ClusterId, state: ClusterState, seq: Seq) -> Result<()> {
    sqlx::query(
        "update cluster set state = $2, purge = 'NotAsked', instance_id = null, unknown_bindings = 0, deletions_held = 0, seq = $3 \
         where id = $1",
    )
    .bind(id.uuid())
    .bind(state.as_str())
    .bind(stored(seq))
    .execute(&mut *connection)
    .await?;
    for table in ["agent_certificate", "session", "delivery"] {
        sqlx::query(sqlx::AssertSqlSafe(format!("delete from {table} where cluster_id = $1")))
            .bind(id.uuid())
            .execute(&mut *connection)
            .await?;
    }
    Ok(())
}

/// Records that an agent joined: from now on only this installation's certificates are accepted.
pub async fn set_instance(connection: &mut PgConnection, id: ClusterId, instance: InstanceId) -> Result<()> {
    sqlx::query("update cluster set instance_id = $2 where id = $1")
        .bind(id.uuid())
        .bind(instance.uuid())
        .execute(connection)
        .await?;
    Ok(())
}

/// Holds one cluster.
pub async fn hold(connection: &mut PgConnection, id: ClusterId, reason: &str) -> Result<()> {
    sqlx::query("update cluster set held = $2 where id = $1").bind(id.uuid()).bind(reason).execute(connection).await?;
    Ok(())
}

/// Ends every hold: a new epoch was opened.
pub async fn release_all(connection: &mut PgConnection) -> Result<()> {
    sqlx::query("update cluster set held = null where held is not null").execute(connection).await?;
    Ok(())
}

/// How many clusters are held.
pub async fn count_held(connection: &mut PgConnection) -> Result<u64> {
    let count: i64 = sqlx::query_scalar("select count(*) from cluster where held is not null").fetch_one(connection).await?;
    Ok(count.cast_unsigned())
}

/// Notes how many bindings its agent holds that the registry does not know.
pub async fn note_unknown_bindings(connection: &mut PgConnection, id: ClusterId, count: usize) -> Result<()> {
    sqlx::query("update cluster set unknown_bindings = $2 where id = $1 and unknown_bindings <> $2")
        .bind(id.uuid())
        .bind(i64::try_from(count).unwrap_or(i64::MAX))
        .execute(connection)
        .await?;
    Ok(())
}

/// Notes how many deletions the guard holds back, unless another session is the cluster's by now.
pub async fn note_deletions_held(connection: &mut PgConnection, id: ClusterId, session: SessionId, count: usize) -> Result<()> {
    sqlx::query(
        "update cluster set deletions_held = $3 where id = $1 and deletions_held <> $3 \
         and exists (select from session where id = $2 and cluster_id = $1)",
    )
    .bind(id.uuid())
    .bind(session.uuid())
    .bind(i64::try_from(count).unwrap_or(i64::MAX))
    .execute(connection)
    .await?;
    Ok(())
}

/// Lets through every deletion that was decided up to now: change `seq` says so.
pub async fn confirm_deletions(connection: &mut PgConnection, id: ClusterId, at: Seq) -> Result<()> {
    sqlx::query("update cluster set deletions_confirmed_seq = $2, deletions_held = 0 where id = $1")
        .bind(id.uuid())
        .bind(stored(at))
        .execute(connection)
        .await?;
    Ok(())
}

/// How many deletions the guard holds back in each cluster, for the metrics.
pub async fn deletions_held(connection: &mut PgConnection) -> Result<Vec<(String, u64)>> {
    let rows: Vec<(String, i64)> = sqlx::query_as("select name, deletions_held from cluster").fetch_all(connection).await?;
    Ok(rows.into_iter().map(|(name, held)| (name, held.cast_unsigned())).collect())
}

/// Clusters being removed whose last placement is gone, or that never had an agent.
pub async fn removable(connection: &mut PgConnection) -> Result<Vec<(ClusterId, String)>> {
    let rows: Vec<(Uuid, String)> = sqlx::query_as(
        "select id, name from cluster c where state = 'Removing' \
         and (instance_id is null or not exists (select from placement p where p.cluster_id = c.id))",
    )
    .fetch_all(connection)
    .await?;
    Ok(rows.into_iter().map(|(id, name)| (id.into(), name)).collect())
}

/// Deletes the row of a removed cluster. What only it drew is not watched any more.
pub async fn delete(connection: &mut PgConnection, id: ClusterId) -> Result<()> {
    items::draw(connection, Rows::Cluster(id), Vec::new()).await?;
    sqlx::query("delete from cluster where id = $1").bind(id.uuid()).execute(connection).await?;
    Ok(())
}
