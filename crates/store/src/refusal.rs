//! What callers were refused. Beside the history, which whoever is refused could otherwise fill.

use std::time::Duration;

use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use sqlx::postgres::types::PgInterval;

use crate::page::PAGE_MAX;
use crate::{Result, StoreError};

/// The most rows that are kept.
pub const KEPT_MAX: u32 = 10_000;
/// How long a row is kept after it was last tried.
pub const KEPT_FOR: Duration = Duration::from_hours(90 * 24);

/// A refused request.
#[derive(Debug, Clone, Copy)]
pub struct Refused<'a> {
    /// Who asked.
    pub actor: &'a str,
    /// Method and path template.
    pub action: &'a str,
    /// The path.
    pub subject: &'a str,
    /// The problem's code.
    pub code: &'a str,
    /// In words; never quotes a body.
    pub reason: &'a str,
}

/// A refusal as listed.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct Listed {
    /// Who asked.
    pub actor: String,
    /// Method and path template.
    pub action: String,
    /// The path.
    pub subject: String,
    /// The last time's problem.
    pub code: String,
    /// In words.
    pub reason: String,
    /// How often it was tried.
    pub times: i64,
    /// When first.
    pub first_at: DateTime<Utc>,
    /// When last.
    pub last_at: DateTime<Utc>,
}

/// Notes one.
pub async fn note(connection: &mut PgConnection, refused: Refused<'_>) -> Result<()> {
    sqlx::query(
        "insert into refusal as r (actor, action, subject, code, reason) values ($1, $2, $3, $4, $5) \
         on conflict (actor, action, subject) do update set code = $4, reason = $5, times = r.times + 1, last_at = now()",
    )
    .bind(refused.actor)
    .bind(refused.action)
    .bind(refused.subject)
    .bind(refused.code)
    .bind(refused.reason)
    .execute(connection)
    .await?;
    Ok(())
}

/// The newest, by when they were last tried.
pub async fn list(connection: &mut PgConnection, actor: Option<&str>, limit: usize) -> Result<Vec<Listed>> {
    Ok(sqlx::query_as(
        "select actor, action, subject, code, reason, times, first_at, last_at from refusal \
         where ($1::text is null or actor = $1) order by last_at desc, actor, action, subject limit $2",
    )
    .bind(actor)
    .bind(i64::try_from(limit.clamp(1, PAGE_MAX)).unwrap_or(i64::MAX))
    .fetch_all(connection)
    .await?)
}

/// Forgets the oldest, by age and beyond [`KEPT_MAX`].
pub async fn tidy(connection: &mut PgConnection) -> Result<u64> {
    let age = PgInterval::try_from(KEPT_FOR).map_err(|e| StoreError::Postgres(sqlx::Error::Encode(e)))?;
    let done = sqlx::query(
        "delete from refusal where last_at < now() - $1 \
         or last_at < (select last_at from refusal order by last_at desc offset $2 limit 1)",
    )
    .bind(age)
    .bind(i64::from(KEPT_MAX - 1))
    .execute(connection)
    .await?;
    Ok(done.rows_affected())
}
