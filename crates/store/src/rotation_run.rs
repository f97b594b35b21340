//! Runs of rotations: what is recorded before each step, and the one replica that works on each.

mod consumers;
mod issued;

use std::time::Duration;

use chrono::{DateTime, Utc};
use lockstep_core::id::{RotationId, RotationRunId};
use lockstep_core::rotation::stage::Stage;
use serde::{Deserialize, Serialize};
use sqlx::PgConnection;
use sqlx::types::Json;
use uuid::Uuid;

use crate::page::{Page, cut};
use crate::{Result, StoreError};

pub use consumers::consumers;
pub use issued::issued;

/// Who a run was asked for by that was due.
pub const SCHEDULE: &str = "schedule";

/// A run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// Its id.
    pub id: RotationRunId,
    /// Of which rotation.
    pub rotation: RotationId,
    /// Of which cluster's own secret, in a list.
    pub cluster: Option<String>,
    /// The due time that it is for; of one that somebody asked for, when he did.
    pub due_at: DateTime<Utc>,
    /// Who asked for it, or the schedule.
    pub actor: String,
    /// Where it is.
    pub stage: Stage,
    /// Since when.
    pub since: DateTime<Utc>,
    /// The stages it came through.
    pub passed: Vec<Passed>,
    /// Why it does not come to its end.
    pub held: Option<String>,
    /// Why what the stage is for did not work when it was tried last.
    pub trouble: Option<String>,
    /// How often it was tried.
    pub attempts: u32,
    /// When it began.
    pub started_at: DateTime<Utc>,
    /// When it ended.
    pub ended_at: Option<DateTime<Utc>>,
}

/// A stage that a run came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Passed {
    /// Its word.
    pub stage: String,
    /// When.
    pub at: DateTime<Utc>,
}

/// That this replica works on a run. Whoever takes it over has a greater token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hold {
    /// Which run.
    pub run: RotationRunId,
    token: i64,
}

#[derive(sqlx::FromRow)]
struct Row {
    id: Uuid,
    rotation_id: Uuid,
    #[sqlx(default)]
    cluster: Option<String>,
    due_at: DateTime<Utc>,
    actor: String,
    stage: Json<Stage>,
    since: DateTime<Utc>,
    passed: Json<Vec<Passed>>,
    held: Option<String>,
    trouble: Option<String>,
    attempts: i32,
    started_at: DateTime<Utc>,
    ended_at: Option<DateTime<Utc>>,
}

impl From<Row> for Run {
    fn from(row: Row) -> Self {
        Self {
            id: row.id.into(),
            rotation: row.rotation_id.into(),
            cluster: row.cluster,
            due_at: row.due_at,
            actor: row.actor,
            stage: row.stage.0,
            since: row.since,
            passed: row.passed.0,
            held: row.held,
            trouble: row.trouble,
            attempts: row.attempts.cast_unsigned(),
            started_at: row.started_at,
            ended_at: row.ended_at,
        }
    }
}

/// Begins the run of a due time. `None`: it has one already, or another run of the rotation is still open.
pub async fn begin(
    connection: &mut PgConnection,
    rotation: RotationId,
    due_at: DateTime<Utc>,
    actor: &str,
) -> Result<Option<RotationRunId>> {
    let stage = Stage::Preparing;
    let id: Option<Uuid> = sqlx::query_scalar(
        "insert into rotation_run (rotation_id, due_at, actor, stage, passed) \
         values ($1, $2, $3, $4, jsonb_build_array(jsonb_build_object('stage', $5::text, 'at', clock_timestamp()))) \
         on conflict do nothing returning id",
    )
    .bind(rotation.uuid())
    .bind(due_at)
    .bind(actor)
    .bind(Json(&stage))
    .bind(stage.as_str())
    .fetch_optional(connection)
    .await?;
    Ok(id.map(Into::into))
}

/// How many runs are under way, without those that only wait, for clusters or for people: they may do so for long, and nobody else's run should.
pub async fn count_open(connection: &mut PgConnection) -> Result<u64> {
    let count: i64 =
        sqlx::query_scalar("select count(*) from rotation_run where ended_at is null and held is null and not stage ?| $1")
            .bind(Stage::WAITING)
            .fetch_one(connection)
            .await?;
    Ok(count.cast_unsigned())
}

/// An open run of a rotation, or of any of its parts.
pub async fn open_of_any(connection: &mut PgConnection, rotation: RotationId) -> Result<Option<Run>> {
    let row: Option<Row> = sqlx::query_as(
        "select u.*, c.name as cluster from rotation r join rotation_run u on u.rotation_id = r.id and u.ended_at is null \
         left join cluster c on c.id = r.cluster_id where r.id = $1 or r.parent_id = $1 order by u.started_at limit 1",
    )
    .bind(rotation.uuid())
    .fetch_optional(connection)
    .await?;
    Ok(row.map(Into::into))
}

/// The open run of a rotation.
pub async fn open(connection: &mut PgConnection, rotation: RotationId) -> Result<Option<Run>> {
    let row: Option<Row> = sqlx::query_as("select * from rotation_run where rotation_id = $1 and ended_at is null")
        .bind(rotation.uuid())
        .fetch_optional(connection)
        .await?;
    Ok(row.map(Into::into))
}

/// The newest run of each of these rotations that came to its end.
pub async fn last(connection: &mut PgConnection, rotations: &[RotationId]) -> Result<Vec<Run>> {
    let ids: Vec<Uuid> = rotations.iter().map(|id| id.uuid()).collect();
    let rows: Vec<Row> = sqlx::query_as(
        "select distinct on (rotation_id) * from rotation_run where rotation_id = any($1) and ended_at is not null \
         order by rotation_id, ended_at desc",
    )
    .bind(ids)
    .fetch_all(connection)
    .await?;
    Ok(rows.into_iter().map(Into::into).collect())
}

/// The open runs of these rotations.
pub async fn all_open(connection: &mut PgConnection, rotations: &[RotationId]) -> Result<Vec<Run>> {
    let ids: Vec<Uuid> = rotations.iter().map(|id| id.uuid()).collect();
    let rows: Vec<Row> = sqlx::query_as("select * from rotation_run where rotation_id = any($1) and ended_at is null")
        .bind(ids)
        .fetch_all(connection)
        .await?;
    Ok(rows.into_iter().map(Into::into).collect())
}

/// One page of a rotation's runs, of all clusters, the newest first. The key is how many came before.
pub async fn list(connection: &mut PgConnection, rotation: RotationId, page: &Page) -> Result<(Vec<Run>, Option<String>)> {
    let skip: i64 = page.after.as_deref().and_then(|after| after.parse().ok()).unwrap_or(0);
    let rows: Vec<Row> = sqlx::query_as(
        "select u.*, c.name as cluster from rotation r join rotation_run u on u.rotation_id = r.id \
             left join cluster c on c.id = r.cluster_id \
             where r.id = $1 or r.parent_id = $1 order by u.started_at desc, u.id limit $2 offset $3",
    )
    .bind(rotation.uuid())
    .bind(page.rows())
    .bind(skip)
    .fetch_all(connection)
    .await?;
    let next = skip + i64::try_from(page.size()).unwrap_or(i64::MAX);
    Ok(cut(rows.into_iter().map(Into::into).collect(), page.size(), |_: &Run| next.to_string()))
}

/// Takes a run that nobody works on, so that only this replica does for `life`. The longest unattended comes first; `but` are not wanted.
pub async fn take(connection: &mut PgConnection, holder: &str, life: Duration, but: &[RotationRunId]) -> Result<Option<Hold>> {
    let but: Vec<Uuid> = but.iter().map(|id| id.uuid()).collect();
    let taken: Option<(Uuid, i64)> = sqlx::query_as(
        "update rotation_run set token = token + 1, holder = $1, wake_at = clock_timestamp() + make_interval(secs => $2) \
         where id = (select id from rotation_run where ended_at is null and wake_at <= clock_timestamp() and id <> all($3) \
             order by wake_at limit 1 for update skip locked) \
         returning id, token",
    )
    .bind(holder)
    .bind(life.as_secs_f64())
    .bind(but)
    .fetch_optional(connection)
    .await?;
    Ok(taken.map(|(run, token)| Hold { run: run.into(), token }))
}

/// Holds it for `life` from now on.
pub async fn renew(connection: &mut PgConnection, hold: &Hold, life: Duration) -> Result<()> {
    let renewed = sqlx::query(
        "update rotation_run set wake_at = clock_timestamp() + make_interval(secs => $3) \
         where id = $1 and token = $2 and ended_at is null",
    )
    .bind(hold.run.uuid())
    .bind(hold.token)
    .bind(life.as_secs_f64())
    .execute(connection)
    .await?;
    hold.fence(renewed.rows_affected())
}

/// The run, as far as it is still held.
pub async fn held(connection: &mut PgConnection, hold: &Hold) -> Result<Run> {
    let row: Option<Row> = sqlx::query_as("select * from rotation_run where id = $1 and token = $2 for share")
        .bind(hold.run.uuid())
        .bind(hold.token)
        .fetch_optional(connection)
        .await?;
    row.map(Into::into).ok_or_else(|| hold.lost())
}

/// Comes to another stage. At its end the rotation is looked at: when the next run is due may follow from this one.
pub async fn enter(connection: &mut PgConnection, hold: &Hold, stage: &Stage) -> Result<()> {
    let entered = sqlx::query(
        "update rotation_run set stage = $3, since = clock_timestamp(), held = null, trouble = null, attempts = 0, \
             passed = passed || jsonb_build_object('stage', $4::text, 'at', clock_timestamp()), \
             ended_at = case when $5 then clock_timestamp() end \
         where id = $1 and token = $2 and ended_at is null",
    )
    .bind(hold.run.uuid())
    .bind(hold.token)
    .bind(Json(stage))
    .bind(stage.as_str())
    .bind(stage.is_end())
    .execute(&mut *connection)
    .await?;
    hold.fence(entered.rows_affected())?;
    if stage.is_end() {
        sqlx::query(
            "update rotation set look_at = least(look_at, clock_timestamp()) \
             where id = (select rotation_id from rotation_run where id = $1)",
        )
        .bind(hold.run.uuid())
        .execute(connection)
        .await?;
    }
    Ok(())
}

/// Gives the run up until it is to be looked at again, and notes what it is held by and what did not work.
pub async fn rest(
    connection: &mut PgConnection,
    hold: &Hold,
    pause: Duration,
    because: Option<&str>,
    trouble: Option<&str>,
) -> Result<()> {
    let rested = sqlx::query(
        "update rotation_run set wake_at = clock_timestamp() + make_interval(secs => $3), holder = null, held = $4, trouble = $5, \
             attempts = case when $5::text is null then attempts else attempts + 1 end \
         where id = $1 and token = $2 and ended_at is null",
    )
    .bind(hold.run.uuid())
    .bind(hold.token)
    .bind(pause.as_secs_f64())
    .bind(because)
    .bind(trouble)
    .execute(connection)
    .await?;
    hold.fence(rested.rows_affected())
}

impl Hold {
    fn lost(&self) -> StoreError {
        StoreError::Fenced { name: format!("rotation run {}", self.run) }
    }

    fn fence(&self, rows: u64) -> Result<()> {
        if rows == 1 { Ok(()) } else { Err(self.lost()) }
    }
}
