//! Leases with fencing tokens: singleton work among any number of replicas. Postgres' clock decides.

use std::time::Duration;

use sqlx::{PgConnection, PgPool, Postgres, Transaction};

use crate::{Result, StoreError};

/// A lease that was held when it was taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// What it is for, such as `watch/corp`.
    pub name: String,
    /// Grows with every change of the holder.
    pub token: u64,
}

/// Takes or renews the lease for `holder`; `None` while another holds it.
pub async fn acquire(connection: &mut PgConnection, name: &str, holder: &str, life: Duration) -> Result<Option<Lease>> {
    let token: Option<i64> = sqlx::query_scalar(
        "insert into lease as l (name, holder, token, expires_at) values ($1, $2, 1, clock_timestamp() + make_interval(secs => $3)) \
         on conflict (name) do update set \
             holder = $2, expires_at = clock_timestamp() + make_interval(secs => $3), \
             token = case when l.holder = $2 and l.expires_at > clock_timestamp() then l.token else l.token + 1 end \
         where l.holder = $2 or l.expires_at <= clock_timestamp() \
         returning token",
    )
    .bind(name)
    .bind(holder)
    .bind(life.as_secs_f64())
    .fetch_optional(connection)
    .await?;
    Ok(token.map(|token| Lease { name: name.to_owned(), token: token.cast_unsigned() }))
}

/// Gives the lease up, so that another replica need not wait for its end.
pub async fn release(connection: &mut PgConnection, lease: &Lease) -> Result<()> {
    sqlx::query("update lease set expires_at = clock_timestamp() where name = $1 and token = $2")
        .bind(&lease.name)
        .bind(lease.token.cast_signed())
        .execute(connection)
        .await?;
    Ok(())
}

/// Fences a write: inside its transaction, the lease must still carry the token. Locks the row, so it cannot pass on before the commit.
pub async fn fence(connection: &mut PgConnection, lease: &Lease) -> Result<()> {
    let token: Option<i64> = sqlx::query_scalar("select token from lease where name = $1 for share")
        .bind(&lease.name)
        .fetch_optional(connection)
        .await?;
    if token == Some(lease.token.cast_signed()) { Ok(()) } else { Err(StoreError::Fenced { name: lease.name.clone() }) }
}

/// A transaction that is fenced from its beginning, for what is noted without being a change.
pub async fn begin_fenced(pool: &PgPool, lease: &Lease) -> Result<Transaction<'static, Postgres>> {
    let mut transaction = pool.begin().await?;
    fence(&mut transaction, lease).await?;
    Ok(transaction)
}

/// Who holds the lease now, if anybody.
pub async fn holder(connection: &mut PgConnection, name: &str) -> Result<Option<String>> {
    Ok(sqlx::query_scalar("select holder from lease where name = $1 and expires_at > clock_timestamp()")
        .bind(name)
        .fetch_optional(connection)
        .await?)
}
