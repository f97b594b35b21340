//! Projects.

use lockstep_core::id::ProjectId;
use lockstep_core::name::ProjectName;
use lockstep_core::revision::Seq;
use sqlx::PgConnection;
use sqlx::types::Json;

use crate::meta::{MetaRow, Registered, Written, stored};
use crate::page::{Page, cut};
use crate::{Result, StoreError};

/// A project with its description and how much it has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProjectRecord {
    /// For people.
    pub description: Option<String>,
    /// How many bindings it has.
    pub bindings: u64,
    /// How many grants it has.
    pub grants: u64,
}

#[derive(sqlx::FromRow)]
struct Row {
    #[sqlx(flatten)]
    meta: MetaRow,
    description: Option<String>,
    bindings: i64,
    grants: i64,
}

impl From<Row> for Registered<ProjectRecord> {
    fn from(row: Row) -> Self {
        row.meta.with(ProjectRecord {
            description: row.description,
            bindings: row.bindings.cast_unsigned(),
            grants: row.grants.cast_unsigned(),
        })
    }
}

const SELECT: &str = "select p.*, \
    (select count(*) from binding b where b.project_id = p.id and b.deleted_at is null) as bindings, \
    (select count(*) from \"grant\" g where g.project_id = p.id) as grants from project p";

/// The project of that name.
pub async fn get(connection: &mut PgConnection, name: &str) -> Result<Registered<ProjectRecord>> {
    let row: Option<Row> =
        sqlx::query_as(sqlx::AssertSqlSafe(format!("{SELECT} where name = $1"))).bind(name).fetch_optional(connection).await?;
    row.map(Into::into).ok_or_else(|| StoreError::NotFound { kind: "project", name: name.to_owned() })
}

/// The id of the project of that name.
pub async fn id(connection: &mut PgConnection, name: &ProjectName) -> Result<ProjectId> {
    Ok(get(connection, name.as_str()).await?.id.into())
}

/// One page.
pub async fn list(connection: &mut PgConnection, page: &Page) -> Result<(Vec<Registered<ProjectRecord>>, Option<String>)> {
    let rows: Vec<Row> = sqlx::query_as(sqlx::AssertSqlSafe(format!(
        "{SELECT} where name > $1 and selected(labels, $2) and reached($4, name, null) order by name limit $3"
    )))
    .bind(page.after())
    .bind(Json(&page.selector))
    .bind(page.rows())
    .bind(Json(&page.reach))
    .fetch_all(connection)
    .await?;
    Ok(cut(rows.into_iter().map(Into::into).collect(), page.size(), |r: &Registered<_>| r.name.clone()))
}

/// Creates or replaces it.
pub async fn put(connection: &mut PgConnection, written: &Written, description: Option<&str>, seq: Seq) -> Result<()> {
    sqlx::query(
        "insert into project (name, labels, annotations, description, seq) values ($1, $2, $3, $4, $5) \
         on conflict (name) do update set labels = $2, annotations = $3, description = $4, seq = $5",
    )
    .bind(&written.name)
    .bind(Json(&written.labels))
    .bind(Json(&written.annotations))
    .bind(description)
    .bind(stored(seq))
    .execute(connection)
    .await?;
    Ok(())
}

/// Deletes it; refused while bindings or grants belong to it.
pub async fn delete(connection: &mut PgConnection, name: &str) -> Result<()> {
    let Registered { id, spec: ProjectRecord { bindings, grants, .. }, .. } = get(connection, name).await?;
    // Deleted bindings stay until their tombstones were acked, and still belong to it.
    let deleted: i64 = sqlx::query_scalar("select count(*) from binding where project_id = $1 and deleted_at is not null")
        .bind(id)
        .fetch_one(&mut *connection)
        .await?;
    let roles: i64 = sqlx::query_scalar(
        "select (select count(*) from role_assignment where spec -> 'access' -> 'scope' ->> 'Project' = $1) \
              + (select count(*) from api_token where revoked_at is null and (expires_at is null or expires_at > now()) \
                     and exists (select from jsonb_array_elements(access) as a where a -> 'scope' ->> 'Project' = $1))",
    )
    .bind(name)
    .fetch_one(&mut *connection)
    .await?;
    let windows: i64 = sqlx::query_scalar("select count(*) from maintenance_window where spec -> 'scope' ->> 'project' = $1")
        .bind(name)
        .fetch_one(&mut *connection)
        .await?;
    let used: Vec<String> = [
        (bindings, "binding", ""),
        (grants, "grant", ""),
        (roles.cast_unsigned(), "role", " in role assignments or API tokens"),
        (windows.cast_unsigned(), "maintenance window", ""),
        (deleted.cast_unsigned(), "deleted binding", " that not every cluster has given up yet"),
    ]
    .into_iter()
    .filter(|(count, ..)| *count > 0)
    .map(|(count, what, more)| format!("{count} {what}{}{more}", if count == 1 { "" } else { "s" }))
    .collect();
    if !used.is_empty() {
        return Err(StoreError::InUse { subject: format!("project {name}"), by: used.join(" and ") });
    }
    sqlx::query("delete from project where id = $1").bind(id).execute(connection).await?;
    Ok(())
}
