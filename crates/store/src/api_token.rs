//! Callers' API tokens, stored hashed.

use std::time::Duration;

use chrono::{DateTime, Utc};
use lockstep_core::access::Permissions;
use lockstep_core::name::TokenName;
use sqlx::PgConnection;
use sqlx::postgres::types::PgInterval;
use sqlx::types::Json;

use crate::page::{Page, cut};
use crate::{Result, StoreError};

/// A token to be registered.
#[derive(Debug, Clone, Copy)]
pub struct NewToken<'a> {
    /// What changes that it makes are recorded under.
    pub name: &'a TokenName,
    /// SHA-256 of it.
    pub hash: &'a [u8],
    /// What it may do.
    pub permissions: &'a Permissions,
    /// What it is for.
    pub description: Option<&'a str>,
    /// How long it can be used, by Postgres' clock; `None`: until it is revoked.
    pub life: Option<Duration>,
}

/// A token as listed: nothing of it can be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Its name.
    pub name: String,
    /// What it may do.
    pub permissions: Permissions,
    /// What it is for.
    pub description: Option<String>,
    /// When it was minted.
    pub created_at: DateTime<Utc>,
    /// When it ends by itself.
    pub expires_at: Option<DateTime<Utc>>,
    /// When it was used last, to within a minute.
    pub last_used_at: Option<DateTime<Utc>>,
}

#[derive(sqlx::FromRow)]
struct Row {
    name: String,
    access: Json<Permissions>,
    description: Option<String>,
    created_at: DateTime<Utc>,
    expires_at: Option<DateTime<Utc>>,
    last_used_at: Option<DateTime<Utc>>,
}

impl From<Row> for Listed {
    fn from(row: Row) -> Self {
        let Row { name, access, description, created_at, expires_at, last_used_at } = row;
        Self { name, permissions: access.0, description, created_at, expires_at, last_used_at }
    }
}

/// A token that can be used. Postgres' clock says when it ends.
const LIVE: &str = "revoked_at is null and (expires_at is null or expires_at > now())";

/// Registers a token. Answers when it ends; `None`: a live one has that name.
pub async fn insert(connection: &mut PgConnection, token: NewToken<'_>) -> Result<Option<Option<DateTime<Utc>>>> {
    let life = token.life.map(PgInterval::try_from).transpose().map_err(|e| StoreError::Postgres(sqlx::Error::Encode(e)))?;
    Ok(sqlx::query_scalar(
        "insert into api_token as t (name, hash, access, description, expires_at) values ($1, $2, $3, $4, now() + $5) \
         on conflict (name) do update set hash = excluded.hash, access = excluded.access, description = excluded.description, \
             expires_at = excluded.expires_at, created_at = now(), last_used_at = null, revoked_at = null \
             where not (t.revoked_at is null and (t.expires_at is null or t.expires_at > now())) \
         returning expires_at",
    )
    .bind(token.name.as_str())
    .bind(token.hash)
    .bind(Json(token.permissions))
    .bind(token.description)
    .bind(life)
    .fetch_optional(connection)
    .await?)
}

/// Whether somebody can administer everything: by a live token, or by a role assignment.
pub async fn somebody_administers(connection: &mut PgConnection) -> Result<bool> {
    const ADMIN: &str = "'{\"role\": \"Admin\", \"scope\": \"Everything\"}'";
    let exists = format!(
        "select exists (select from api_token where {LIVE} and access @> jsonb_build_array({ADMIN}::jsonb)) \
             or exists (select from role_assignment where spec -> 'access' = {ADMIN}::jsonb)"
    );
    Ok(sqlx::query_scalar(sqlx::AssertSqlSafe(exists)).fetch_one(connection).await?)
}

/// Name and permissions of the token with that hash, if it can be used. Its use is noted at most once a minute, so that reads stay reads.
pub async fn find(connection: &mut PgConnection, hash: &[u8]) -> Result<Option<(String, Permissions)>> {
    let found: Option<(String, Json<Permissions>)> =
        sqlx::query_as(sqlx::AssertSqlSafe(format!("select name, access from api_token where hash = $1 and {LIVE}")))
            .bind(hash)
            .fetch_optional(&mut *connection)
            .await?;
    let Some((name, permissions)) = found else { return Ok(None) };
    sqlx::query(
        "update api_token set last_used_at = now() where hash = $1 \
         and (last_used_at is null or last_used_at < now() - interval '1 minute')",
    )
    .bind(hash)
    .execute(connection)
    .await?;
    Ok(Some((name, permissions.0)))
}

/// The live token of that name.
pub async fn get(connection: &mut PgConnection, name: &str) -> Result<Listed> {
    let row: Option<Row> = sqlx::query_as(sqlx::AssertSqlSafe(format!("select * from api_token where name = $1 and {LIVE}")))
        .bind(name)
        .fetch_optional(connection)
        .await?;
    row.map(Into::into).ok_or_else(|| StoreError::NotFound { kind: "token", name: name.to_owned() })
}

/// One page of the live ones, by name: those all of whose scopes are within the page's reach.
pub async fn list(connection: &mut PgConnection, page: &Page) -> Result<(Vec<Listed>, Option<String>)> {
    let rows: Vec<Row> = sqlx::query_as(sqlx::AssertSqlSafe(format!(
        "select * from api_token where name > $1 and {LIVE} and not exists ( \
             select from jsonb_array_elements(access) as a where not scope_reached($2, a -> 'scope')) order by name limit $3"
    )))
    .bind(page.after())
    .bind(Json(&page.reach))
    .bind(page.rows())
    .fetch_all(connection)
    .await?;
    Ok(cut(rows.into_iter().map(Into::into).collect(), page.size(), |l: &Listed| l.name.clone()))
}

/// Ends it.
pub async fn revoke(connection: &mut PgConnection, name: &str) -> Result<()> {
    sqlx::query("update api_token set revoked_at = now() where name = $1 and revoked_at is null")
        .bind(name)
        .execute(connection)
        .await?;
    Ok(())
}
