//! Grants.

use lockstep_core::access::Reach;
use lockstep_core::binding::SecretRef;
use lockstep_core::grant::{Grant, GrantSpec};
use lockstep_core::id::ProjectId;
use lockstep_core::name::ProjectName;
use lockstep_core::revision::Seq;
use lockstep_core::selector::Selector;
use sqlx::PgConnection;
use sqlx::types::Json;
use uuid::Uuid;

use crate::meta::{MetaRow, Registered, Written, stored};
use crate::page::{Page, cut};
use crate::{Result, StoreError};

/// A grant as written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GrantRecord {
    /// Who.
    pub project: ProjectName,
    /// Its id.
    pub project_id: ProjectId,
    /// What and where.
    pub spec: GrantSpec,
}

#[derive(sqlx::FromRow)]
struct Row {
    #[sqlx(flatten)]
    meta: MetaRow,
    project: String,
    project_id: Uuid,
    spec: Json<GrantSpec>,
}

impl TryFrom<Row> for Registered<GrantRecord> {
    type Error = StoreError;
    fn try_from(row: Row) -> Result<Self> {
        let project = row.project.parse().map_err(|e| StoreError::corrupt("project")(&e))?;
        Ok(row.meta.with(GrantRecord { project, project_id: row.project_id.into(), spec: row.spec.0 }))
    }
}

const SELECT: &str = "select g.*, p.name as project from \"grant\" g join project p on p.id = g.project_id";

/// The grant of that name.
pub async fn get(connection: &mut PgConnection, name: &str) -> Result<Registered<GrantRecord>> {
    let row: Option<Row> =
        sqlx::query_as(sqlx::AssertSqlSafe(format!("{SELECT} where g.name = $1"))).bind(name).fetch_optional(connection).await?;
    row.ok_or_else(|| StoreError::NotFound { kind: "grant", name: name.to_owned() })?.try_into()
}

/// One page.
pub async fn list(connection: &mut PgConnection, page: &Page) -> Result<(Vec<Registered<GrantRecord>>, Option<String>)> {
    let rows: Vec<Row> = sqlx::query_as(sqlx::AssertSqlSafe(format!(
        "{SELECT} where g.name > $1 and selected(g.labels, $2) and reached($4, p.name, null) order by g.name limit $3"
    )))
    .bind(page.after())
    .bind(Json(&page.selector))
    .bind(page.rows())
    .bind(Json(&page.reach))
    .fetch_all(connection)
    .await?;
    let grants = rows.into_iter().map(TryInto::try_into).collect::<Result<_>>()?;
    Ok(cut(grants, page.size(), |r: &Registered<_>| r.name.clone()))
}

/// All that are within reach, by name.
pub async fn all(connection: &mut PgConnection, reach: &Reach) -> Result<Vec<Registered<GrantRecord>>> {
    let rows: Vec<Row> = sqlx::query_as(sqlx::AssertSqlSafe(format!("{SELECT} where reached($1, p.name, null) order by g.name")))
        .bind(Json(reach))
        .fetch_all(connection)
        .await?;
    rows.into_iter().map(TryInto::try_into).collect()
}

/// The grants of a project, for the planner.
pub async fn of_project(connection: &mut PgConnection, project: ProjectId) -> Result<Vec<Grant>> {
    let rows: Vec<(Uuid, Json<GrantSpec>)> =
        sqlx::query_as("select id, spec from \"grant\" where project_id = $1").bind(project.uuid()).fetch_all(connection).await?;
    Ok(rows.into_iter().map(|(id, spec)| Grant { id: id.into(), project, spec: spec.0 }).collect())
}

/// Whether one of them allows this secret, wherever it is delivered.
pub fn name(grants: &[Grant], secret: &SecretRef) -> bool {
    grants.iter().any(|grant| grant.spec.names(&secret.source, &secret.mount, &secret.path))
}

/// The selectors of clusters that grants use.
pub async fn cluster_selectors(connection: &mut PgConnection) -> Result<Vec<Selector>> {
    let rows: Vec<Json<Selector>> = sqlx::query_scalar("select spec -> 'clusters' from \"grant\"").fetch_all(connection).await?;
    Ok(rows.into_iter().map(|selector| selector.0).collect())
}

/// Creates or replaces it.
pub async fn put(connection: &mut PgConnection, written: &Written, project: ProjectId, spec: &GrantSpec, seq: Seq) -> Result<()> {
    sqlx::query(
        "insert into \"grant\" (name, labels, annotations, project_id, spec, seq) values ($1, $2, $3, $4, $5, $6) \
         on conflict (name) do update set labels = $2, annotations = $3, project_id = $4, spec = $5, seq = $6",
    )
    .bind(&written.name)
    .bind(Json(&written.labels))
    .bind(Json(&written.annotations))
    .bind(project.uuid())
    .bind(Json(spec))
    .bind(stored(seq))
    .execute(connection)
    .await?;
    Ok(())
}

/// Deletes it.
pub async fn delete(connection: &mut PgConnection, name: &str) -> Result<()> {
    sqlx::query("delete from \"grant\" where name = $1").bind(name).execute(connection).await?;
    Ok(())
}
