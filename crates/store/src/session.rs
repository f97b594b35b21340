//! Sessions: the one accepted stream of each cluster. The highest lease term wins; among equal terms the newest stream.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{DateTime, Utc};
use lockstep_core::cluster::Life;
use lockstep_core::id::{ClusterId, InstanceId, SessionId};
use sqlx::types::Json;
use sqlx::{AssertSqlSafe, PgConnection};
use uuid::Uuid;

use crate::Result;

/// A stream that wants to be its cluster's.
#[derive(Debug, Clone)]
pub struct Session {
    /// Chosen by the replica.
    pub id: SessionId,
    /// From the certificate.
    pub cluster: ClusterId,
    /// From the certificate.
    pub instance: InstanceId,
    /// The replica that serves it.
    pub replica: String,
    /// From Hello.
    pub lease_term: u64,
    /// From Hello.
    pub agent_version: String,
    /// From the certificate.
    pub certificate_not_after: DateTime<Utc>,
}

/// An accepted stream as shown.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct Shown {
    /// The replica that serves it.
    pub replica: String,
    /// Of the agent's software.
    pub agent_version: String,
    /// Since when.
    pub connected_at: DateTime<Utc>,
    /// When it was last heard.
    pub heard_at: DateTime<Utc>,
    /// When its newest certificate ends.
    pub certificate_not_after: DateTime<Utc>,
    /// How long it lives from when it was signed, in seconds, if that was noted.
    pub certificate_life_s: Option<i64>,
}

/// The columns of [`Shown`], of a session `s` and its agent's certificate `a`.
const SHOWN: &str = "s.replica, s.agent_version, s.connected_at, s.heard_at, s.certificate_not_after, \
    extract(epoch from a.not_after - a.signed_at)::bigint as certificate_life_s \
    from session s left join agent_certificate a on a.instance_id = s.instance_id";

/// Accepts the stream, unless one with a higher lease term is there. An older one is superseded: its replica finds out by [`touch`].
///
/// Terms compare within one installation only: a new one begins to count anew, and the stream of the one before it has no say.
pub async fn open(connection: &mut PgConnection, session: &Session) -> Result<bool> {
    let accepted = sqlx::query(
        "insert into session as s (cluster_id, id, replica, instance_id, lease_term, agent_version, certificate_not_after) \
         values ($1, $2, $3, $4, $5, $6, $7) \
         on conflict (cluster_id) do update set id = $2, replica = $3, instance_id = $4, lease_term = $5, agent_version = $6, \
             certificate_not_after = $7, connected_at = now(), heard_at = now() \
         where s.lease_term <= $5 or s.heard_at < now() - interval '1 minute' \
            or s.instance_id is distinct from (select instance_id from cluster where id = $1)",
    )
    .bind(session.cluster.uuid())
    .bind(session.id.uuid())
    .bind(&session.replica)
    .bind(session.instance.uuid())
    .bind(session.lease_term.cast_signed())
    .bind(&session.agent_version)
    .bind(session.certificate_not_after)
    .execute(connection)
    .await?;
    Ok(accepted.rows_affected() == 1)
}

/// The stream's agent got a new certificate over it.
pub async fn renewed(connection: &mut PgConnection, session: SessionId, not_after: DateTime<Utc>) -> Result<()> {
    sqlx::query("update session set certificate_not_after = $2 where id = $1")
        .bind(session.uuid())
        .bind(not_after)
        .execute(connection)
        .await?;
    Ok(())
}

/// Notes that these were heard of; answers those that are still their cluster's, with their cluster's life.
pub async fn touch(connection: &mut PgConnection, sessions: &[SessionId]) -> Result<Vec<(SessionId, Life)>> {
    let ids: Vec<Uuid> = sessions.iter().map(|s| s.uuid()).collect();
    let rows: Vec<(Uuid, Json<Life>)> = sqlx::query_as(
        "update session s set heard_at = now() from cluster c where s.id = any($1) and c.id = s.cluster_id \
         returning s.id, json_build_object('state', c.state, 'purge', c.purge, 'instance', c.instance_id)",
    )
    .bind(ids)
    .fetch_all(connection)
    .await?;
    Ok(rows.into_iter().map(|(id, life)| (id.into(), life.0)).collect())
}

/// The stream ended.
pub async fn close(connection: &mut PgConnection, session: SessionId) -> Result<()> {
    sqlx::query("delete from session where id = $1").bind(session.uuid()).execute(connection).await?;
    Ok(())
}

/// A stream that no replica noted for this long has died with its replica.
pub const SILENCE_LIMIT: Duration = Duration::from_mins(1);

/// Forgets streams whose replica died with them.
pub async fn forget_silent(connection: &mut PgConnection) -> Result<u64> {
    let gone = sqlx::query("delete from session where heard_at < now() - make_interval(secs => $1)")
        .bind(SILENCE_LIMIT.as_secs_f64())
        .execute(connection)
        .await?;
    Ok(gone.rows_affected())
}

/// A cluster's stream, if it has one.
pub async fn of_cluster(connection: &mut PgConnection, cluster: ClusterId) -> Result<Option<Shown>> {
    let query = sqlx::query_as(AssertSqlSafe(format!("select {SHOWN} where s.cluster_id = $1")));
    Ok(query.bind(cluster.uuid()).fetch_optional(connection).await?)
}

#[derive(sqlx::FromRow)]
struct ShownRow {
    cluster_id: Uuid,
    #[sqlx(flatten)]
    shown: Shown,
}

/// The streams of these clusters. One that has none is absent.
pub async fn of_clusters(connection: &mut PgConnection, clusters: &[ClusterId]) -> Result<BTreeMap<ClusterId, Shown>> {
    let query = sqlx::query_as(AssertSqlSafe(format!("select s.cluster_id, {SHOWN} where s.cluster_id = any($1)")));
    let rows: Vec<ShownRow> = query.bind(clusters.iter().map(|c| c.uuid()).collect::<Vec<_>>()).fetch_all(connection).await?;
    Ok(rows.into_iter().map(|row| (row.cluster_id.into(), row.shown)).collect())
}

/// How one cluster's agent is, for the metrics.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct OfCluster {
    /// Which.
    pub cluster: String,
    /// Whether it is to have a stream: it joined, and was neither revoked nor removed.
    pub is_expected: bool,
    /// When it was last heard; `None`: it has no stream.
    pub heard_at: Option<DateTime<Utc>>,
    /// When its newest certificate ends, if it has joined.
    pub certificate_not_after: Option<DateTime<Utc>>,
    /// How long it lives from when it was signed, in seconds, if that was noted.
    pub certificate_life_s: Option<i64>,
}

/// Of all clusters.
pub async fn of_all_clusters(connection: &mut PgConnection) -> Result<Vec<OfCluster>> {
    Ok(sqlx::query_as(
        "select c.name as cluster, c.state in ('Active', 'Paused') as is_expected, s.heard_at, \
            coalesce(s.certificate_not_after, a.not_after) as certificate_not_after, \
            extract(epoch from a.not_after - a.signed_at)::bigint as certificate_life_s \
         from cluster c left join session s on s.cluster_id = c.id left join agent_certificate a on a.instance_id = c.instance_id",
    )
    .fetch_all(connection)
    .await?)
}
