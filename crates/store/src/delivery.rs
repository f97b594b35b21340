//! Deliveries: what became of each attempt. One writer, the reports of sessions; written in batches, fenced by the session.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use lockstep_core::delivery::{DeliveryStatus, Outcome};
use lockstep_core::digest::Digest;
use lockstep_core::id::{BindingId, ClusterId, SessionId};
use lockstep_core::revision::{Epoch, Revision};
use sqlx::{Connection, PgConnection};
use uuid::Uuid;

use crate::meta::{seq, stored};
use crate::page::{self, Page, cut};
use crate::{Result, StoreError};

/// One report about one placement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// The session that it came through.
    pub session: SessionId,
    /// Where.
    pub cluster: ClusterId,
    /// What.
    pub binding: BindingId,
    /// The revision that was attempted.
    pub revision: Revision,
    /// What became of it.
    pub outcome: Outcome,
    /// Why, and what to do.
    pub cause: Option<String>,
    /// Of what is there now. `Applied` without one: the binding was given up.
    pub digest: Option<Digest>,
    /// Targets that hold it, of all.
    pub targets: (u32, u32),
}

/// The newest attempt of each placement in a batch, and apart from it the newest confirmation: an agent may confirm an older
/// revision after a newer one was sent, and then the one is how it stands and the other what it holds. Reports through a session
/// that is no longer its cluster's are left out before any is chosen. The last report of a revision counts.
const WRITE: &str = "with report as ( \
        select r.* from unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::bigint[], $5::bigint[], $6::text[], $7::text[], $8::text[], \
            $9::bytea[], $10::int[], $11::int[]) with ordinality \
            as r(session, cluster, binding, epoch, seq, outcome, cause, key, digest, applied, total, place) \
        join session n on n.id = r.session and n.cluster_id = r.cluster \
        join placement p on p.binding_id = r.binding and p.cluster_id = r.cluster), \
    attempt as (select distinct on (cluster, binding) * from report order by cluster, binding, epoch desc, seq desc, place desc), \
    confirmation as (select distinct on (cluster, binding) * from report where outcome = 'Applied' \
        order by cluster, binding, epoch desc, seq desc, place desc) \
    insert into delivery as d (binding_id, cluster_id, epoch, seq, outcome, cause, at, \
        applied_epoch, applied_seq, applied_key, applied_digest, applied_at, targets_applied, targets_total) \
    select a.binding, a.cluster, a.epoch, a.seq, a.outcome, a.cause, clock_timestamp(), \
        c.epoch, c.seq, c.key, c.digest, case when c.seq is not null then clock_timestamp() end, \
        coalesce(c.applied, a.applied), coalesce(c.total, a.total) \
    from attempt a left join confirmation c using (cluster, binding) order by a.cluster, a.binding \
    on conflict (binding_id, cluster_id) do update set ";

/// Each half of the row moves only forward.
const FORWARD: &str = "where (excluded.epoch, excluded.seq) >= (d.epoch, d.seq) or (excluded.applied_epoch, excluded.applied_seq) \
    >= (coalesce(d.applied_epoch, 0), coalesce(d.applied_seq, 0))";

/// What a report updates of its row.
fn update() -> String {
    let attempt = ["epoch", "seq", "outcome", "cause", "at"]
        .map(|c| format!("{c} = case when (excluded.epoch, excluded.seq) >= (d.epoch, d.seq) then excluded.{c} else d.{c} end"));
    let confirmation =
        ["applied_epoch", "applied_seq", "applied_key", "applied_digest", "applied_at", "targets_applied", "targets_total"].map(
            |c| {
                format!(
                    "{c} = case when (excluded.applied_epoch, excluded.applied_seq) >= (coalesce(d.applied_epoch, 0), \
                     coalesce(d.applied_seq, 0)) then excluded.{c} else d.{c} end"
                )
            },
        );
    [attempt.as_slice(), &confirmation].concat().join(", ")
}

/// Writes a batch. Reports of sessions that are no longer their cluster's are ignored; returns how many placements were written.
///
/// An acked tombstone goes, and with a deleted binding's last one the binding.
pub async fn write(connection: &mut PgConnection, reports: &[Report]) -> Result<u64> {
    if reports.is_empty() {
        return Ok(0);
    }
    let mut transaction = connection.begin().await?;
    let column = |f: fn(&Report) -> i64| reports.iter().map(f).collect::<Vec<_>>();
    let written = sqlx::query(sqlx::AssertSqlSafe(format!("{WRITE} {} {FORWARD}", update())))
        .bind(reports.iter().map(|r| r.session.uuid()).collect::<Vec<_>>())
        .bind(reports.iter().map(|r| r.cluster.uuid()).collect::<Vec<_>>())
        .bind(reports.iter().map(|r| r.binding.uuid()).collect::<Vec<_>>())
        .bind(column(|r| r.revision.epoch.get().cast_signed()))
        .bind(column(|r| stored(r.revision.seq)))
        .bind(reports.iter().map(|r| r.outcome.as_str()).collect::<Vec<_>>())
        .bind(reports.iter().map(|r| r.cause.as_deref().map(without_nul)).collect::<Vec<_>>())
        .bind(reports.iter().map(|r| r.digest.as_ref().map(|d| d.key.as_str().to_owned())).collect::<Vec<_>>())
        .bind(reports.iter().map(|r| r.digest.as_ref().map(|d| d.hmac.to_vec())).collect::<Vec<_>>())
        .bind(reports.iter().map(|r| r.targets.0.cast_signed()).collect::<Vec<_>>())
        .bind(reports.iter().map(|r| r.targets.1.cast_signed()).collect::<Vec<_>>())
        .execute(&mut *transaction)
        .await?
        .rows_affected();
    if reports.iter().any(|r| r.outcome == Outcome::Applied && r.digest.is_none()) {
        bury(&mut transaction, reports).await?;
    }
    transaction.commit().await?;
    Ok(written)
}

/// Postgres' text holds no NUL. A cause may be an agent's words, and one that cannot be written would hold up all that come with it.
fn without_nul(text: &str) -> String {
    text.replace('\0', "")
}

/// Takes away tombstones that were acked.
async fn bury(connection: &mut PgConnection, reports: &[Report]) -> Result<()> {
    sqlx::query(
        "delete from placement p using delivery l, unnest($1::uuid[], $2::uuid[]) as r(binding, cluster) \
         where p.answer = 'Removed' and p.binding_id = r.binding and p.cluster_id = r.cluster \
           and l.binding_id = p.binding_id and l.cluster_id = p.cluster_id and l.applied_seq = p.seq and l.applied_digest is null",
    )
    .bind(reports.iter().map(|r| r.binding.uuid()).collect::<Vec<_>>())
    .bind(reports.iter().map(|r| r.cluster.uuid()).collect::<Vec<_>>())
    .execute(&mut *connection)
    .await?;
    sqlx::query(
        "delete from binding b where deleted_at is not null and id = any($1) \
         and not exists (select from placement p where p.binding_id = b.id)",
    )
    .bind(reports.iter().map(|r| r.binding.uuid()).collect::<Vec<_>>())
    .execute(connection)
    .await?;
    Ok(())
}

/// Deletes bindings that were deleted and have no tombstone to wait for: never placed, their last cluster deleted, or their last two
/// tombstones acked in the same moment through two replicas. Called after deletions and by a timer.
pub async fn bury_unplaced(connection: &mut PgConnection) -> Result<()> {
    sqlx::query(
        "delete from binding b where deleted_at is not null and not exists (select from placement p where p.binding_id = b.id)",
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// A delivery as listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// The cluster's name.
    pub cluster: String,
    /// The binding's name.
    pub binding: String,
    /// The project's name.
    pub project: String,
    /// How it stands.
    pub status: DeliveryStatus,
    /// Why.
    pub cause: Option<String>,
    /// What the cluster should hold.
    pub desired: Revision,
    /// What it confirmed.
    pub applied: Option<Revision>,
    /// When.
    pub applied_at: Option<DateTime<Utc>>,
    /// Targets that hold it, of all.
    pub targets: (u32, u32),
}

/// What to list.
#[derive(Debug, Clone, Copy, Default)]
pub struct Filter<'a> {
    /// Of this cluster.
    pub cluster: Option<&'a str>,
    /// Of this binding.
    pub binding: Option<&'a str>,
    /// In this status.
    pub status: Option<DeliveryStatus>,
}

#[derive(sqlx::FromRow)]
struct Row {
    cluster: String,
    binding: String,
    project: String,
    status: String,
    cause: Option<String>,
    desired_epoch: i64,
    desired_seq: i64,
    applied_epoch: Option<i64>,
    applied_seq: Option<i64>,
    applied_at: Option<DateTime<Utc>>,
    targets_applied: i32,
    targets_total: i32,
}

fn revision(epoch: i64, at: i64) -> Revision {
    Revision { epoch: Epoch::new(epoch.cast_unsigned()), seq: seq(at) }
}

impl TryFrom<Row> for Listed {
    type Error = StoreError;
    fn try_from(row: Row) -> Result<Self> {
        Ok(Self {
            status: row.status.parse().map_err(|e| StoreError::corrupt("delivery_status")(&e))?,
            cluster: row.cluster,
            binding: row.binding,
            project: row.project,
            cause: row.cause,
            desired: revision(row.desired_epoch, row.desired_seq),
            applied: row.applied_epoch.zip(row.applied_seq).map(|(e, s)| revision(e, s)),
            applied_at: row.applied_at,
            targets: (row.targets_applied.cast_unsigned(), row.targets_total.cast_unsigned()),
        })
    }
}

/// One page, by cluster and binding name.
pub async fn list(connection: &mut PgConnection, filter: Filter<'_>, page: &Page) -> Result<(Vec<Listed>, Option<String>)> {
    let [cluster, binding] = page::parts(page.after());
    let rows: Vec<Row> = sqlx::query_as(
        "select * from delivery_status where ($1::text is null or cluster = $1) and ($2::text is null or binding = $2) \
         and ($3::text is null or status = $3) and cluster >= $4 and (cluster, binding) > ($4, $5) \
         order by cluster, binding limit $6",
    )
    .bind(filter.cluster)
    .bind(filter.binding)
    .bind(filter.status.map(DeliveryStatus::as_str))
    .bind(cluster)
    .bind(binding)
    .bind(page.rows())
    .fetch_all(connection)
    .await?;
    let listed = rows.into_iter().map(TryInto::try_into).collect::<Result<_>>()?;
    Ok(cut(listed, page.size(), |l: &Listed| format!("{}/{}", l.cluster, l.binding)))
}

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
