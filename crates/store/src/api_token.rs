//! Callers' API tokens, stored hashed.

use sqlx::PgConnection;

use crate::Result;

/// Registers a token by its hash, in place of an older one of that name.
pub async fn put(connection: &mut PgConnection, name: &str, hash: &[u8]) -> Result<()> {
    sqlx::query(
        "insert into api_token (name, hash) values ($1, $2) \
         on conflict (name) do update set hash = $2, created_at = now(), last_used_at = null, revoked_at = null",
    )
    .bind(name)
    .bind(hash)
    .execute(connection)
    .await?;
    Ok(())
}

/// Whether any token exists.
pub async fn any(connection: &mut PgConnection) -> Result<bool> {
    Ok(sqlx::query_scalar("select exists (select from api_token where revoked_at is null)").fetch_one(connection).await?)
}

/// The name of the token with that hash, if it is not revoked. Its use is noted at most once a minute, so that reads stay reads.
pub async fn find(connection: &mut PgConnection, hash: &[u8]) -> Result<Option<String>> {
    let name: Option<String> = sqlx::query_scalar("select name from api_token where hash = $1 and revoked_at is null")
        .bind(hash)
        .fetch_optional(&mut *connection)
        .await?;
    if name.is_some() {
        sqlx::query(
            "update api_token set last_used_at = now() where hash = $1 \
             and (last_used_at is null or last_used_at < now() - interval '1 minute')",
        )
        .bind(hash)
        .execute(connection)
        .await?;
    }
    Ok(name)
}
