//! Rotations, and when each is to be looked at. One that has a secret for each cluster has a row of its own for each: see [`own`].

pub mod own;

use chrono::{DateTime, Utc};
use lockstep_core::id::{ClusterId, ProjectId, RotationId};
use lockstep_core::name::{ClusterName, ProjectName};
use lockstep_core::revision::Seq;
use lockstep_core::rotation::{Kind, RotationSpec};
use sqlx::PgConnection;
use sqlx::types::Json;
use uuid::Uuid;

use crate::meta::{MetaRow, Registered, Written, stored};
use crate::page::{Page, cut};
use crate::{Result, StoreError};

/// How late a run may begin before it is overdue, beside its jitter, in seconds.
pub const OVERDUE_GRACE_S: i64 = 60;

/// A rotation as written, and how its schedule stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RotationRecord {
    /// Whose it is.
    pub project: ProjectName,
    /// Its id.
    pub project_id: ProjectId,
    /// What and when.
    pub spec: RotationSpec,
    /// Its schedule.
    pub timetable: Timetable,
    /// Since when what it rotates is what it is.
    pub kind_at: DateTime<Utc>,
    /// Of one cluster's own: which, and of which rotation.
    pub own: Option<Own>,
}

/// That a rotation is one cluster's own part of another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Own {
    /// The rotation that people wrote.
    pub parent: RotationId,
    /// The cluster.
    pub cluster: ClusterId,
    /// The cluster's name.
    pub name: ClusterName,
}

/// How a rotation's schedule stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timetable {
    /// Up to here every due time had its run, or was skipped.
    pub settled_at: DateTime<Utc>,
    /// The next one; none: nothing comes.
    pub due_at: Option<DateTime<Utc>>,
    /// When to look at it next.
    pub look_at: DateTime<Utc>,
    /// Why a run that is due does not begin.
    pub waits_for: Option<String>,
}

#[derive(sqlx::FromRow)]
struct Row {
    #[sqlx(flatten)]
    meta: MetaRow,
    project: String,
    project_id: Uuid,
    spec: Json<RotationSpec>,
    settled_at: DateTime<Utc>,
    due_at: Option<DateTime<Utc>>,
    look_at: DateTime<Utc>,
    waits_for: Option<String>,
    kind_at: DateTime<Utc>,
    parent_id: Option<Uuid>,
    cluster_id: Option<Uuid>,
    cluster: Option<String>,
}

impl TryFrom<Row> for Registered<RotationRecord> {
    type Error = StoreError;
    fn try_from(row: Row) -> Result<Self> {
        let project = row.project.parse().map_err(|e| StoreError::corrupt("project")(&e))?;
        let timetable =
            Timetable { settled_at: row.settled_at, due_at: row.due_at, look_at: row.look_at, waits_for: row.waits_for };
        let (project_id, kind_at) = (row.project_id.into(), row.kind_at);
        let own = match (row.parent_id, row.cluster_id, row.cluster) {
            (Some(parent), Some(cluster), Some(name)) => {
                let name = name.parse().map_err(|e| StoreError::corrupt("cluster")(&e))?;
                Some(Own { parent: parent.into(), cluster: cluster.into(), name })
            }
            _ => None,
        };
        Ok(row.meta.with(RotationRecord { project, project_id, spec: row.spec.0, timetable, kind_at, own }))
    }
}

const SELECT: &str = "select r.*, p.name as project, c.name as cluster \
    from rotation r join project p on p.id = r.project_id left join cluster c on c.id = r.cluster_id";

/// The rotation of that name. One cluster's own part of another is none that people can name.
pub async fn get(connection: &mut PgConnection, name: &str) -> Result<Registered<RotationRecord>> {
    let row: Option<Row> = sqlx::query_as(sqlx::AssertSqlSafe(format!("{SELECT} where r.name = $1 and r.parent_id is null")))
        .bind(name)
        .fetch_optional(connection)
        .await?;
    row.ok_or_else(|| StoreError::NotFound { kind: "rotation", name: name.to_owned() })?.try_into()
}

/// The rotation of that id, if it is still there.
pub async fn by_id(connection: &mut PgConnection, id: RotationId) -> Result<Option<Registered<RotationRecord>>> {
    let row: Option<Row> = sqlx::query_as(sqlx::AssertSqlSafe(format!("{SELECT} where r.id = $1")))
        .bind(id.uuid())
        .fetch_optional(connection)
        .await?;
    row.map(TryInto::try_into).transpose()
}

/// One page.
pub async fn list(connection: &mut PgConnection, page: &Page) -> Result<(Vec<Registered<RotationRecord>>, Option<String>)> {
    let rows: Vec<Row> = sqlx::query_as(sqlx::AssertSqlSafe(format!(
        "{SELECT} where r.parent_id is null and r.name > $1 and selected(r.labels, $2) and reached($4, p.name, null) order by r.name limit $3"
    )))
    .bind(page.after())
    .bind(Json(&page.selector))
    .bind(page.rows())
    .bind(Json(&page.reach))
    .fetch_all(connection)
    .await?;
    let rotations = rows.into_iter().map(TryInto::try_into).collect::<Result<_>>()?;
    Ok(cut(rotations, page.size(), |r: &Registered<_>| r.name.clone()))
}

/// All that people wrote, to see whether two would rotate the same thing.
pub async fn all(connection: &mut PgConnection) -> Result<Vec<Registered<RotationRecord>>> {
    let rows: Vec<Row> = sqlx::query_as(sqlx::AssertSqlSafe(format!("{SELECT} where r.parent_id is null order by r.name")))
        .fetch_all(connection)
        .await?;
    rows.into_iter().map(TryInto::try_into).collect()
}

/// Those that are to be looked at by now, the most urgent first.
pub async fn to_look_at(connection: &mut PgConnection, limit: u32) -> Result<Vec<RotationId>> {
    let ids: Vec<Uuid> =
        sqlx::query_scalar("select id from rotation where look_at <= clock_timestamp() order by look_at limit $1")
            .bind(i64::from(limit))
            .fetch_all(connection)
            .await?;
    Ok(ids.into_iter().map(Into::into).collect())
}

/// Creates or replaces it. It is looked at at once.
pub async fn put(
    connection: &mut PgConnection,
    written: &Written,
    project: ProjectId,
    spec: &RotationSpec,
    timetable: &Timetable,
    seq: Seq,
) -> Result<()> {
    sqlx::query(
        "insert into rotation (name, labels, annotations, project_id, spec, seq, settled_at, due_at, look_at, waits_for) \
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) \
         on conflict (name) do update set labels = $2, annotations = $3, project_id = $4, spec = $5, seq = $6, \
             settled_at = $7, due_at = $8, look_at = $9, waits_for = $10, \
             kind_at = case when rotation.spec -> 'kind' = excluded.spec -> 'kind' then rotation.kind_at else clock_timestamp() end",
    )
    .bind(&written.name)
    .bind(Json(&written.labels))
    .bind(Json(&written.annotations))
    .bind(project.uuid())
    .bind(Json(spec))
    .bind(stored(seq))
    .bind(timetable.settled_at)
    .bind(timetable.due_at)
    .bind(timetable.look_at)
    .bind(&timetable.waits_for)
    .execute(&mut *connection)
    .await?;
    if !matches!(spec.kind, Kind::PkiPerCluster { .. }) {
        // It may have been one until now.
        sqlx::query("delete from rotation where parent_id = (select id from rotation where name = $1)")
            .bind(&written.name)
            .execute(connection)
            .await?;
    }
    Ok(())
}

/// Notes how its schedule stands, if it still stands as it did `before`: another replica may have been faster. Whether it did.
pub async fn note(connection: &mut PgConnection, id: RotationId, before: &Timetable, timetable: &Timetable) -> Result<bool> {
    let noted = sqlx::query(
        "update rotation set settled_at = $3, due_at = $4, look_at = $5, waits_for = $6 where id = $1 and settled_at = $2",
    )
    .bind(id.uuid())
    .bind(before.settled_at)
    .bind(timetable.settled_at)
    .bind(timetable.due_at)
    .bind(timetable.look_at)
    .bind(&timetable.waits_for)
    .execute(connection)
    .await?;
    Ok(noted.rows_affected() == 1)
}

/// How many rotations there are in each state, by its word: the first that holds, as people are shown it. One with a part for each cluster is as the
/// worst of them.
pub async fn count_by_state(connection: &mut PgConnection) -> Result<Vec<(String, u64)>> {
    let rows: Vec<(String, i64)> = sqlx::query_as(
        "select case \
             when part.held then 'Held' \
             when part.overdue then 'Overdue' \
             when part.running then 'Running' \
             when part.failed then 'Failed' \
             when (r.spec ->> 'suspend')::boolean then 'Suspended' \
             else 'Waiting' end as state, count(*) \
         from rotation r \
         cross join lateral (select bool_or(open.held is not null) as held, bool_or(open.id is not null) as running, \
                 bool_or(open.id is null and m.due_at < clock_timestamp() \
                     - make_interval(secs => $1 + (m.spec -> 'timing' -> 'jitter' ->> 'secs')::bigint)) as overdue, \
                 bool_or(last.stage ? 'Failed') as failed \
             from rotation m \
             left join rotation_run open on open.rotation_id = m.id and open.ended_at is null \
             left join lateral (select stage from rotation_run l where l.rotation_id = m.id and l.ended_at is not null \
                 order by l.ended_at desc limit 1) last on true \
             where m.id = r.id or m.parent_id = r.id) part \
         where r.parent_id is null group by 1 order by 1",
    )
    .bind(OVERDUE_GRACE_S)
    .fetch_all(connection)
    .await?;
    Ok(rows.into_iter().map(|(state, count)| (state, count.cast_unsigned())).collect())
}

/// Deletes it with its parts and runs; the history keeps what they did.
pub async fn delete(connection: &mut PgConnection, id: RotationId) -> Result<()> {
    sqlx::query("delete from rotation where id = $1").bind(id.uuid()).execute(connection).await?;
    Ok(())
}

/// What is due, for the metrics.
#[derive(Debug, Clone, PartialEq, sqlx::FromRow)]
pub struct Dues {
    /// When the next one is due.
    pub next: Option<DateTime<Utc>>,
    /// For how many seconds the one that waits longest is overdue; 0: none is.
    pub overdue_s: f64,
    /// How many seconds ago the oldest run that has not ended began; 0: there is none.
    pub oldest_run_s: f64,
}

/// What is due. Overdue is what [`count_by_state`] calls so.
pub async fn dues(connection: &mut PgConnection) -> Result<Dues> {
    Ok(sqlx::query_as(
        "select min(due_at) filter (where due_at > clock_timestamp()) as next, \
            coalesce(max(extract(epoch from clock_timestamp() - r.due_at)) filter (where \
                r.due_at < clock_timestamp() - make_interval(secs => $1 + (r.spec -> 'timing' -> 'jitter' ->> 'secs')::bigint) \
                and not exists (select from rotation_run o where o.rotation_id = r.id and o.ended_at is null)), 0)::float8 as overdue_s, \
            coalesce((select max(extract(epoch from clock_timestamp() - o.started_at)) from rotation_run o \
                where o.ended_at is null), 0)::float8 as oldest_run_s \
         from rotation r",
    )
    .bind(OVERDUE_GRACE_S)
    .fetch_one(connection)
    .await?)
}
