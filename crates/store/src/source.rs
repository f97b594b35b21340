//! Sources, and how watching them goes.

use std::time::Duration;

use chrono::{DateTime, Utc};
use lockstep_core::id::SourceId;
use lockstep_core::name::SourceName;
use lockstep_core::revision::Seq;
use lockstep_core::source::SourceSpec;
use sqlx::PgConnection;
use sqlx::types::Json;
use uuid::Uuid;

use crate::meta::{MetaRow, Registered, Written, stored};
use crate::page::{Page, cut};
use crate::{Result, StoreError};

/// A source with how it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceRecord {
    /// What was written.
    pub spec: SourceSpec,
    /// When every bound secret had last been looked at.
    pub swept_at: Option<DateTime<Utc>>,
    /// How often its watcher looks, if that was noted.
    pub interval: Option<Duration>,
    /// Why it has not been for several intervals.
    pub failing: Option<String>,
    /// The replica that watches it.
    pub watched_by: Option<String>,
    /// How many secrets are watched.
    pub secrets: u64,
}

#[derive(sqlx::FromRow)]
struct Row {
    #[sqlx(flatten)]
    meta: MetaRow,
    spec: Json<SourceSpec>,
    swept_at: Option<DateTime<Utc>>,
    interval_ms: Option<i64>,
    failing: Option<String>,
    watched_by: Option<String>,
    secrets: i64,
}

impl From<Row> for Registered<SourceRecord> {
    fn from(row: Row) -> Self {
        row.meta.with(SourceRecord {
            spec: row.spec.0,
            swept_at: row.swept_at,
            interval: row.interval_ms.and_then(|ms| u64::try_from(ms).ok()).map(Duration::from_millis),
            failing: row.failing,
            watched_by: row.watched_by,
            secrets: row.secrets.cast_unsigned(),
        })
    }
}

const SELECT: &str = "select s.*, w.swept_at, w.interval_ms, w.failing, \
    (select holder from lease where lease.name = 'watch/' || s.name and expires_at > clock_timestamp()) as watched_by, \
    (select count(distinct x.id) from secret x join binding_item i on i.secret_id = x.id where x.source_id = s.id) as secrets \
    from source s left join source_watch w on w.source_id = s.id";

/// The source of that name.
pub async fn get(connection: &mut PgConnection, name: &str) -> Result<Registered<SourceRecord>> {
    let row: Option<Row> =
        sqlx::query_as(sqlx::AssertSqlSafe(format!("{SELECT} where s.name = $1"))).bind(name).fetch_optional(connection).await?;
    row.map(Into::into).ok_or_else(|| StoreError::NotFound { kind: "source", name: name.to_owned() })
}

/// What reading from a source takes. [`get`] also tells how it is, which counts all its secrets: too much for every single read.
pub async fn spec(connection: &mut PgConnection, name: &SourceName) -> Result<(SourceId, SourceSpec)> {
    let row: Option<(Uuid, Json<SourceSpec>)> =
        sqlx::query_as("select id, spec from source where name = $1").bind(name.as_str()).fetch_optional(connection).await?;
    let (id, Json(spec)) = row.ok_or_else(|| StoreError::NotFound { kind: "source", name: name.to_string() })?;
    Ok((id.into(), spec))
}

/// The names of all, in their order: what is to be watched. For the same reason not by way of [`list`].
pub async fn names(connection: &mut PgConnection) -> Result<Vec<SourceName>> {
    let names: Vec<String> = sqlx::query_scalar("select name from source order by name").fetch_all(connection).await?;
    names.iter().map(|name| name.parse().map_err(|e| StoreError::corrupt("source")(&e))).collect()
}

/// One page.
pub async fn list(connection: &mut PgConnection, page: &Page) -> Result<(Vec<Registered<SourceRecord>>, Option<String>)> {
    let rows: Vec<Row> = sqlx::query_as(sqlx::AssertSqlSafe(format!(
        "{SELECT} where s.name > $1 and selected(s.labels, $2) order by s.name limit $3"
    )))
    .bind(page.after())
    .bind(Json(&page.selector))
    .bind(page.rows())
    .fetch_all(connection)
    .await?;
    Ok(cut(rows.into_iter().map(Into::into).collect(), page.size(), |r: &Registered<_>| r.name.clone()))
}

/// Creates or replaces it.
pub async fn put(connection: &mut PgConnection, written: &Written, spec: &SourceSpec, seq: Seq) -> Result<()> {
    sqlx::query(
        "insert into source (name, labels, annotations, spec, seq) values ($1, $2, $3, $4, $5) \
         on conflict (name) do update set labels = $2, annotations = $3, spec = $4, seq = $5",
    )
    .bind(&written.name)
    .bind(Json(&written.labels))
    .bind(Json(&written.annotations))
    .bind(Json(spec))
    .bind(stored(seq))
    .execute(connection)
    .await?;
    Ok(())
}

/// Deletes it; refused while bindings use it. What is known of its secrets goes with it.
pub async fn delete(connection: &mut PgConnection, name: &SourceName) -> Result<()> {
    let source = get(connection, name.as_str()).await?;
    let bound: Option<String> = sqlx::query_scalar(
        // What differs by cluster is known to its spec only where it is placed in none.
        "select b.name from binding b where exists ( \
             select from binding_item i join secret s on s.id = i.secret_id where i.binding_id = b.id and s.source_id = $1) \
         or (b.by_cluster and b.deleted_at is null \
             and b.spec -> 'delivered' -> 'items' @> jsonb_build_array(jsonb_build_object('secret', jsonb_build_object('source', $2::text)))) \
         order by b.name limit 1",
    )
    .bind(source.id)
    .bind(name.as_str())
    .fetch_optional(&mut *connection)
    .await?;
    if let Some(binding) = bound {
        return Err(StoreError::InUse { subject: format!("source {name}"), by: format!("binding {binding}") });
    }
    sqlx::query("delete from secret where source_id = $1").bind(source.id).execute(&mut *connection).await?;
    sqlx::query("delete from source where id = $1").bind(source.id).execute(connection).await?;
    Ok(())
}

/// Notes how watching goes, which is done every `interval`: swept, or failing and why.
pub async fn note_watch(
    connection: &mut PgConnection,
    source: SourceId,
    interval: Duration,
    failing: Option<&str>,
) -> Result<()> {
    sqlx::query(
        "insert into source_watch as w (source_id, swept_at, failing, interval_ms) \
         values ($1, case when $2::text is null then clock_timestamp() end, $2, $3) \
         on conflict (source_id) do update set swept_at = coalesce(excluded.swept_at, w.swept_at), failing = excluded.failing, \
             interval_ms = excluded.interval_ms",
    )
    .bind(source.uuid())
    .bind(failing)
    .bind(i64::try_from(interval.as_millis()).unwrap_or(i64::MAX))
    .execute(connection)
    .await?;
    Ok(())
}

/// How watching a source goes, for the metrics.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct Watched {
    /// Which.
    pub name: String,
    /// When every bound secret had last been looked at.
    pub swept_at: Option<DateTime<Utc>>,
    /// Whether it could not be for several looks.
    pub is_failing: bool,
}

/// Of all sources.
pub async fn watched(connection: &mut PgConnection) -> Result<Vec<Watched>> {
    Ok(sqlx::query_as(
        "select s.name, w.swept_at, w.failing is not null as is_failing from source s left join source_watch w on w.source_id = s.id",
    )
    .fetch_all(connection)
    .await?)
}
