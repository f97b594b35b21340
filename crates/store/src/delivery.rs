//! Deliveries: what became of each attempt. One writer, the reports of sessions; written in batches, fenced by the session.

mod count;
mod listed;
mod noticed;
mod purge;

use lockstep_core::delivery::Outcome;
use lockstep_core::digest::Digest;
use lockstep_core::id::{BindingId, ClusterId, SecretId, SessionId};
use lockstep_core::revision::Revision;
use lockstep_core::version::VersionNumber;
use sqlx::{Connection, PgConnection};

use crate::Result;
use crate::meta::stored;

pub use count::{Observed, count, count_by_cluster, count_of_bindings, count_of_clusters, observed_of_bindings};
pub use listed::{Filter, ItemVersion, Listed, list};
pub use noticed::{Notice, Noticed, note};
pub use purge::purges_waiting;

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
    /// Of what is there now: the version of each item, in the binding's order; `None` for one that is gone.
    pub versions: Vec<(SecretId, Option<VersionNumber>)>,
    /// Of a binding that only observes: how many keys delivering would change, of how many.
    pub observed: Option<(u32, u32)>,
}

/// The newest attempt of each placement in a batch, and apart from it the newest confirmation: an agent may confirm an older
/// revision after a newer one was sent, and then the one is how it stands and the other what it holds. Reports through a session
/// that is no longer its cluster's are left out before any is chosen. The last report of a revision counts.
const WRITE: &str = "with report as ( \
        select r.* from unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::bigint[], $5::bigint[], $6::text[], $7::text[], $8::text[], \
            $9::bytea[], $10::int[], $11::int[], $12::text[], $13::text[], $14::int[], $15::int[]) with ordinality \
            as r(session, cluster, binding, epoch, seq, outcome, cause, key, digest, applied, total, secrets, versions, would_change, \
            would_total, place) \
        join session n on n.id = r.session and n.cluster_id = r.cluster \
        join placement p on p.binding_id = r.binding and p.cluster_id = r.cluster), \
    attempt as (select distinct on (cluster, binding) * from report order by cluster, binding, epoch desc, seq desc, place desc), \
    confirmation as (select distinct on (cluster, binding) * from report where outcome = 'Applied' \
        order by cluster, binding, epoch desc, seq desc, place desc) \
    insert into delivery as d (binding_id, cluster_id, epoch, seq, outcome, cause, at, \
        applied_epoch, applied_seq, applied_key, applied_digest, applied_at, targets_applied, targets_total, applied_secrets, \
        applied_versions, would_change, would_total) \
    select a.binding, a.cluster, a.epoch, a.seq, a.outcome, a.cause, clock_timestamp(), \
        c.epoch, c.seq, c.key, c.digest, case when c.seq is not null then clock_timestamp() end, \
        coalesce(c.applied, a.applied), coalesce(c.total, a.total), c.secrets::uuid[], c.versions::bigint[], c.would_change, \
        c.would_total \
    from attempt a left join confirmation c using (cluster, binding) order by a.cluster, a.binding \
    on conflict (binding_id, cluster_id) do update set ";

/// Each half of the row moves only forward.
const FORWARD: &str = "where (excluded.epoch, excluded.seq) >= (d.epoch, d.seq) or (excluded.applied_epoch, excluded.applied_seq) \
    >= (coalesce(d.applied_epoch, 0), coalesce(d.applied_seq, 0))";

/// What a confirmation says.
const CONFIRMATION: [&str; 11] = [
    "applied_epoch",
    "applied_seq",
    "applied_key",
    "applied_digest",
    "applied_at",
    "targets_applied",
    "targets_total",
    "applied_secrets",
    "applied_versions",
    "would_change",
    "would_total",
];

/// What a report updates of its row.
fn update() -> String {
    let attempt = ["epoch", "seq", "outcome", "cause", "at"]
        .map(|c| format!("{c} = case when (excluded.epoch, excluded.seq) >= (d.epoch, d.seq) then excluded.{c} else d.{c} end"));
    let confirmation = CONFIRMATION.map(|c| {
        format!(
            "{c} = case when (excluded.applied_epoch, excluded.applied_seq) >= (coalesce(d.applied_epoch, 0), \
             coalesce(d.applied_seq, 0)) then excluded.{c} else d.{c} end"
        )
    });
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
        .bind(reports.iter().map(|r| array(&r.versions, |(secret, _)| secret.to_string())).collect::<Vec<_>>())
        .bind(reports.iter().map(|r| array(&r.versions, |(_, number)| number_text(*number))).collect::<Vec<_>>())
        .bind(reports.iter().map(|r| r.observed.map(|(change, _)| change.cast_signed())).collect::<Vec<_>>())
        .bind(reports.iter().map(|r| r.observed.map(|(_, total)| total.cast_signed())).collect::<Vec<_>>())
        .execute(&mut *transaction)
        .await?
        .rows_affected();
    if reports.iter().any(|r| r.outcome == Outcome::Applied && r.digest.is_none()) {
        bury(&mut transaction, reports).await?;
    }
    transaction.commit().await?;
    Ok(written)
}

/// An array as Postgres writes it: rows of a batch have arrays of different lengths, which no array of arrays can hold. Neither ids nor
/// numbers need quotes.
fn array<T>(items: &[T], one: impl Fn(&T) -> String) -> Option<String> {
    (!items.is_empty()).then(|| format!("{{{}}}", items.iter().map(one).collect::<Vec<_>>().join(",")))
}

fn number_text(number: Option<VersionNumber>) -> String {
    number.map_or_else(|| "NULL".to_owned(), |number| number.get().to_string())
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

/// The bindings that a cluster has content of, by the registry's own evidence.
pub async fn holds(connection: &mut PgConnection, cluster: ClusterId) -> Result<Vec<String>> {
    Ok(sqlx::query_scalar(
        "select b.name from delivery l join binding b on b.id = l.binding_id where l.cluster_id = $1 and l.applied_digest is not null \
         order by b.name",
    )
    .bind(cluster.uuid())
    .fetch_all(connection)
    .await?)
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
