//! Role assignments: what callers with a token of an OIDC issuer may do.

use lockstep_core::access::{Access, Assignment, Permissions};
use lockstep_core::name::IssuerName;
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
    spec: Json<Assignment>,
}

impl From<Row> for Registered<Assignment> {
    fn from(row: Row) -> Self {
        row.meta.with(row.spec.0)
    }
}

/// The role assignment of that name.
pub async fn get(connection: &mut PgConnection, name: &str) -> Result<Registered<Assignment>> {
    let row: Option<Row> =
        sqlx::query_as("select * from role_assignment where name = $1").bind(name).fetch_optional(connection).await?;
    row.map(Into::into).ok_or_else(|| StoreError::NotFound { kind: "roleassignment", name: name.to_owned() })
}

/// One page: of those at a scope that is within the page's reach.
pub async fn list(connection: &mut PgConnection, page: &Page) -> Result<(Vec<Registered<Assignment>>, Option<String>)> {
    let rows: Vec<Row> = sqlx::query_as(
        "select * from role_assignment where name > $1 and selected(labels, $2) \
         and scope_reached($3, spec -> 'access' -> 'scope') order by name limit $4",
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
pub async fn put(connection: &mut PgConnection, written: &Written, assignment: &Assignment, seq: Seq) -> Result<()> {
    sqlx::query(
        "insert into role_assignment (name, labels, annotations, spec, seq) values ($1, $2, $3, $4, $5) \
         on conflict (name) do update set labels = $2, annotations = $3, spec = $4, seq = $5",
    )
    .bind(&written.name)
    .bind(Json(&written.labels))
    .bind(Json(&written.annotations))
    .bind(Json(assignment))
    .bind(stored(seq))
    .execute(connection)
    .await?;
    Ok(())
}

/// Deletes it.
pub async fn delete(connection: &mut PgConnection, name: &str) -> Result<()> {
    sqlx::query("delete from role_assignment where name = $1").bind(name).execute(connection).await?;
    Ok(())
}

/// What a caller of an issuer may do, by all assignments that mean it.
pub async fn permissions(
    connection: &mut PgConnection,
    issuer: &IssuerName,
    user: &str,
    groups: &[String],
) -> Result<Permissions> {
    let rows: Vec<Json<Access>> = sqlx::query_scalar(
        "select spec -> 'access' from role_assignment where exists ( \
             select from jsonb_array_elements(spec -> 'subjects') as s \
             where s ->> 'issuer' = $1 and (s -> 'who' ->> 'User' = $2 or s -> 'who' ->> 'Group' = any($3))) order by name",
    )
    .bind(issuer.as_str())
    .bind(user)
    .bind(groups)
    .fetch_all(connection)
    .await?;
    Ok(rows.into_iter().map(|access| access.0).collect::<Vec<_>>().into())
}

/// The selectors of clusters at which somebody has a role, by token or assignment.
pub async fn cluster_selectors(connection: &mut PgConnection) -> Result<Vec<Selector>> {
    let rows: Vec<Json<Selector>> = sqlx::query_scalar(
        "select spec -> 'access' -> 'scope' -> 'Clusters' from role_assignment where spec -> 'access' -> 'scope' ? 'Clusters' \
         union all select a -> 'scope' -> 'Clusters' from api_token, jsonb_array_elements(access) as a \
             where a -> 'scope' ? 'Clusters' and revoked_at is null and (expires_at is null or expires_at > now())",
    )
    .fetch_all(connection)
    .await?;
    Ok(rows.into_iter().map(|selector| selector.0).collect())
}
