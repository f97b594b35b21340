//! Maintenance windows and freezes: when rotations may act.

use lockstep_core::maintenance::{Named, Window};
use lockstep_core::revision::Seq;
use lockstep_core::selector::Selector;
use sqlx::PgConnection;
use sqlx::types::Json;

use crate::meta::{MetaRow, Registered, Written, stored};
use crate::page::{Page, cut};
use crate::{Result, StoreError};

#[derive(sqlx::FromRow)]
struct Row {
    #[sqlx(flatten)]
    meta: MetaRow,
    spec: Json<Window>,
}

impl From<Row> for Registered<Window> {
    fn from(row: Row) -> Self {
        row.meta.with(row.spec.0)
    }
}

/// The window of that name.
pub async fn get(connection: &mut PgConnection, name: &str) -> Result<Registered<Window>> {
    let row: Option<Row> =
        sqlx::query_as("select * from maintenance_window where name = $1").bind(name).fetch_optional(connection).await?;
    row.map(Into::into).ok_or_else(|| StoreError::NotFound { kind: "maintenancewindow", name: name.to_owned() })
}

/// All of them, in order of name, for whoever asks what may be done now.
pub async fn all(connection: &mut PgConnection) -> Result<Vec<Named>> {
    let rows: Vec<(String, Json<Window>)> =
        sqlx::query_as("select name, spec from maintenance_window order by name").fetch_all(connection).await?;
    rows.into_iter()
        .map(|(name, window)| {
            let name = name.parse().map_err(|e| sqlx::Error::Decode(Box::new(e)))?;
            Ok((name, window.0))
        })
        .collect()
}

/// One page: of those of projects as far as the page reaches, and of all others, which concern everybody.
pub async fn list(connection: &mut PgConnection, page: &Page) -> Result<(Vec<Registered<Window>>, Option<String>)> {
    let rows: Vec<Row> = sqlx::query_as(
        "select * from maintenance_window where name > $1 and selected(labels, $2) \
         and (spec -> 'scope' ->> 'project' is null or reached($3, spec -> 'scope' ->> 'project', null)) order by name limit $4",
    )
    .bind(page.after())
    .bind(Json(&page.selector))
    .bind(Json(&page.reach))
    .bind(page.rows())
    .fetch_all(connection)
    .await?;
    Ok(cut(rows.into_iter().map(Into::into).collect(), page.size(), |r: &Registered<_>| r.name.clone()))
}

/// Creates or replaces it.
pub async fn put(connection: &mut PgConnection, written: &Written, window: &Window, seq: Seq) -> Result<()> {
    sqlx::query(
        "insert into maintenance_window (name, labels, annotations, spec, seq) values ($1, $2, $3, $4, $5) \
         on conflict (name) do update set labels = $2, annotations = $3, spec = $4, seq = $5",
    )
    .bind(&written.name)
    .bind(Json(&written.labels))
    .bind(Json(&written.annotations))
    .bind(Json(window))
    .bind(stored(seq))
    .execute(&mut *connection)
    .await?;
    wake(connection).await
}

/// Deletes it.
pub async fn delete(connection: &mut PgConnection, name: &str) -> Result<()> {
    sqlx::query("delete from maintenance_window where name = $1").bind(name).execute(&mut *connection).await?;
    wake(connection).await
}

/// Has all rotations looked at that wait for something: it may have been for what was just changed, and they rest until that would have opened.
async fn wake(connection: &mut PgConnection) -> Result<()> {
    sqlx::query("update rotation set look_at = clock_timestamp() where waits_for is not null and look_at > clock_timestamp()")
        .execute(connection)
        .await?;
    Ok(())
}

/// The selectors of clusters that windows are for.
pub async fn cluster_selectors(connection: &mut PgConnection) -> Result<Vec<Selector>> {
    let rows: Vec<Json<Selector>> =
        sqlx::query_scalar("select spec -> 'scope' -> 'clusters' from maintenance_window where spec -> 'scope' ? 'clusters'")
            .fetch_all(connection)
            .await?;
    Ok(rows.into_iter().map(|selector| selector.0).collect())
}
