//! What agents notice by themselves: targets that were changed in the cluster, and how restarts go. Fenced by the session, as reports are.

use lockstep_core::delivery::RestartProgress;
use lockstep_core::id::{BindingId, ClusterId, SessionId};
use lockstep_core::revision::Revision;
use serde_json::json;
use sqlx::{Connection, PgConnection};
use uuid::Uuid;

use crate::Result;
use crate::meta::stored;

/// Something that an agent noticed about one of its placements.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// The session that it came through.
    pub session: SessionId,
    /// Where.
    pub cluster: ClusterId,
    /// Of which binding.
    pub binding: BindingId,
    /// What.
    pub noticed: Noticed,
}

/// What was noticed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Noticed {
    /// Its targets were found changed or missing.
    Drifted,
    /// How the restarts go that follow from this revision.
    Restarts(Revision, RestartProgress),
}

/// The columns that every notice has: session, cluster, binding.
const WHOSE: &str = "join session n on n.id = r.session and n.cluster_id = r.cluster";

/// Writes a batch. What is said of a placement that was never delivered to is ignored; so are sessions that are no longer their cluster's.
pub async fn note(connection: &mut PgConnection, notices: &[Notice]) -> Result<()> {
    if notices.is_empty() {
        return Ok(());
    }
    let mut transaction = connection.begin().await?;
    let of = |wanted: fn(&Noticed) -> bool| notices.iter().filter(|n| wanted(&n.noticed)).collect::<Vec<_>>();
    drifted(&mut transaction, &of(|n| matches!(n, Noticed::Drifted))).await?;
    restarts(&mut transaction, &of(|n| matches!(n, Noticed::Restarts(..)))).await?;
    transaction.commit().await?;
    Ok(())
}

fn column<T>(notices: &[&Notice], one: impl Fn(&Notice) -> T) -> Vec<T> {
    notices.iter().map(|n| one(n)).collect()
}

fn whose(notices: &[&Notice]) -> [Vec<Uuid>; 3] {
    [column(notices, |n| n.session.uuid()), column(notices, |n| n.cluster.uuid()), column(notices, |n| n.binding.uuid())]
}

async fn drifted(connection: &mut PgConnection, notices: &[&Notice]) -> Result<()> {
    if notices.is_empty() {
        return Ok(());
    }
    let [sessions, clusters, bindings] = whose(notices);
    sqlx::query(sqlx::AssertSqlSafe(format!(
        "update delivery d set drifted_total = d.drifted_total + x.times, last_drift_at = clock_timestamp() from ( \
             select r.cluster, r.binding, count(*) as times from unnest($1::uuid[], $2::uuid[], $3::uuid[]) \
                 as r(session, cluster, binding) {WHOSE} group by r.cluster, r.binding \
         ) x where d.cluster_id = x.cluster and d.binding_id = x.binding"
    )))
    .bind(sessions)
    .bind(clusters)
    .bind(bindings)
    .execute(connection)
    .await?;
    Ok(())
}

/// The newest revision's progress counts, and of one revision the last.
async fn restarts(connection: &mut PgConnection, notices: &[&Notice]) -> Result<()> {
    let rows: Vec<(&Notice, Revision, &RestartProgress)> = notices
        .iter()
        .filter_map(|n| match &n.noticed {
            Noticed::Restarts(revision, progress) => Some((*n, *revision, progress)),
            Noticed::Drifted => None,
        })
        .collect();
    if rows.is_empty() {
        return Ok(());
    }
    let [sessions, clusters, bindings] = whose(notices);
    let number = |one: fn(&RestartProgress) -> u32| rows.iter().map(|(_, _, p)| one(p).cast_signed()).collect::<Vec<_>>();
    // Sentences as JSON: rows of a batch have different numbers of them, which no array of arrays can hold.
    let texts = |one: fn(&RestartProgress) -> &[String]| rows.iter().map(|(_, _, p)| json!(one(p))).collect::<Vec<_>>();
    sqlx::query(sqlx::AssertSqlSafe(format!(
        "update delivery d set restart_epoch = x.epoch, restart_seq = x.seq, restarted = x.restarted, restart_total = x.total, \
             restart_healthy = x.healthy, restart_stuck = array(select jsonb_array_elements_text(x.stuck)), \
             restart_skipped = array(select jsonb_array_elements_text(x.skipped)) \
         from ( \
             select distinct on (r.cluster, r.binding) r.* from unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::bigint[], $5::bigint[], \
                     $6::int[], $7::int[], $8::int[], $9::jsonb[], $10::jsonb[]) with ordinality \
                 as r(session, cluster, binding, epoch, seq, restarted, total, healthy, stuck, skipped, place) {WHOSE} \
             order by r.cluster, r.binding, r.epoch desc, r.seq desc, r.place desc \
         ) x where d.cluster_id = x.cluster and d.binding_id = x.binding \
           and (x.epoch, x.seq) >= (coalesce(d.restart_epoch, 0), coalesce(d.restart_seq, 0))"
    )))
    .bind(sessions)
    .bind(clusters)
    .bind(bindings)
    .bind(rows.iter().map(|(_, r, _)| r.epoch.get().cast_signed()).collect::<Vec<_>>())
    .bind(rows.iter().map(|(_, r, _)| stored(r.seq)).collect::<Vec<_>>())
    .bind(number(|p| p.restarted))
    .bind(number(|p| p.total))
    .bind(number(|p| p.healthy))
    .bind(texts(|p| &p.stuck))
    .bind(texts(|p| &p.skipped))
    .execute(connection)
    .await?;
    Ok(())
}
