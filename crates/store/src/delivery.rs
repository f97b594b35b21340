//! Deliveries: what became of each attempt. One writer, the reports of sessions; written in batches, fenced by the session.

mod by_cluster;
mod count;
mod holders;
mod leave;
mod listed;
mod noticed;
mod purge;
mod read_as_cluster;

use lockstep_core::delivery::Outcome;
use lockstep_core::digest::Digest;
use lockstep_core::id::{BindingId, ClusterId, SecretId, SessionId};
use lockstep_core::revision::Revision;
use lockstep_core::version::VersionNumber;
use sqlx::{Connection, PgConnection};

use crate::Result;
use crate::meta::stored;

use leave::LEAVE;

pub use by_cluster::{ByCluster, by_cluster};
pub use count::{Observed, OfBinding, count, count_of_clusters, of_bindings};
pub use holders::{Holder, holders};
pub use listed::{Filter, ItemVersion, Listed, list};
pub use noticed::{Notice, Noticed, note};
pub use purge::{Left, Refused, held, left, purges_waiting, removals_refused};
pub use read_as_cluster::{ReadAsCluster, read_as_cluster};

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

/// What became of a batch.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Written {
    /// How many placements were written.
    pub placements: u64,
    /// For each report, whether it may be sent: of one that does not ask, no.
    pub leave: Vec<bool>,
}

/// The newest attempt of each placement in a batch, and apart from it the newest confirmation: an agent may confirm an older
/// revision after a newer one was sent, and then the one is how it stands and the other what it holds. Reports through a session
/// that is no longer its cluster's are left out before any is chosen, and so is what asks leave and does not get it. The last report of a
/// revision counts.
const WRITE: &str = "counted as ( \
        select r.* from report r join placement p on p.binding_id = r.binding and p.cluster_id = r.cluster \
        where r.outcome <> 'Sent' or r.place in (select place from leave)), \
    attempt as (select distinct on (cluster, binding) * from counted order by cluster, binding, epoch desc, seq desc, place desc), \
    confirmation as (select distinct on (cluster, binding) * from counted where outcome = 'Applied' \
        order by cluster, binding, epoch desc, seq desc, place desc), \
    written as (insert into delivery as d (binding_id, cluster_id, epoch, seq, outcome, cause, at, \
        applied_epoch, applied_seq, applied_key, applied_digest, applied_at, targets_applied, targets_total, applied_secrets, \
        applied_versions, would_change, would_total) \
    select a.binding, a.cluster, a.epoch, a.seq, a.outcome, a.cause, clock_timestamp(), \
        c.epoch, c.seq, c.key, c.digest, case when c.seq is not null then clock_timestamp() end, \
        coalesce(c.applied, a.applied), coalesce(c.total, a.total), c.secrets::uuid[], c.versions::bigint[], c.would_change, \
        c.would_total \
    from attempt a left join confirmation c using (cluster, binding) order by a.cluster, a.binding \
    on conflict (binding_id, cluster_id) do update set ";

/// A batch as it came, but for sessions that are no longer their cluster's.
const REPORTS: &str = "report as materialized ( \
        select r.* from unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::bigint[], $5::bigint[], $6::text[], $7::text[], $8::text[], \
            $9::bytea[], $10::int[], $11::int[], $12::text[], $13::text[], $14::int[], $15::int[]) with ordinality \
            as r(session, cluster, binding, epoch, seq, outcome, cause, key, digest, applied, total, secrets, versions, would_change, \
            would_total, place) \
        join session n on n.id = r.session and n.cluster_id = r.cluster)";

/// What the statement answers, in one row.
const ANSWER: &str = "select (select count(*) from written), array(select place from leave)";

/// Each half of the row moves only forward.
const FORWARD: &str = " where (excluded.epoch, excluded.seq) >= (d.epoch, d.seq) or (excluded.applied_epoch, excluded.applied_seq) \
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

/// Writes a batch. Reports of sessions that are no longer their cluster's are ignored. One that says `Sent` asks leave to send ([`leave`]), and
/// is written only if that is given.
///
/// An acked tombstone goes, and with a deleted binding's last one the binding.
pub async fn write(connection: &mut PgConnection, reports: &[Report]) -> Result<Written> {
    if reports.is_empty() {
        return Ok(Written::default());
    }
    let gives_up = |report: &Report| report.outcome == Outcome::Applied && report.digest.is_none();
    if !reports.iter().any(gives_up) {
        // The usual case, for which deliveries wait: a statement by itself is a transaction.
        return record(connection, reports).await;
    }
    let mut transaction = connection.begin().await?;
    let written = record(&mut transaction, reports).await?;
    bury(&mut transaction, reports).await?;
    transaction.commit().await?;
    Ok(written)
}

async fn record(connection: &mut PgConnection, reports: &[Report]) -> Result<Written> {
    let column = |f: fn(&Report) -> i64| reports.iter().map(f).collect::<Vec<_>>();
    let statement = format!("with {REPORTS}, {LEAVE}, {WRITE}{}{FORWARD} returning 1) {ANSWER}", update());
    let (placements, places): (i64, Vec<i64>) = sqlx::query_as(sqlx::AssertSqlSafe(statement))
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
        .fetch_one(connection)
        .await?;
    let mut leave = vec![false; reports.len()];
    for place in places {
        // They are counted from one.
        if let Some(given) = usize::try_from(place - 1).ok().and_then(|at| leave.get_mut(at)) {
            *given = true;
        }
    }
    Ok(Written { placements: placements.cast_unsigned(), leave })
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
