//! Leases with fencing tokens: singleton work among any number of replicas. Postgres' clock decides.

use std::time::Duration;

use sqlx::{PgConnection, PgPool, Postgres, Transaction};

use crate::{Result, StoreError};

/// A lease that was held when it was taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// What it is for, such as `watch/corp`.
    pub name: String,
    /// Grows each time that another process takes it.
    pub token: u64,
}

/// What the one who asks for a lease has to do with it. It is about a process, not about its name: two may have been given the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Claim {
    /// It has not held the lease since it began. One that runs under its own name is that of its predecessor, which was killed: it need
    /// not wait for its end.
    Fresh,
    /// It holds the lease, as far as it knows, under this token.
    Held(u64),
    /// It has lost the lease. One that runs under its own name is that of a twin, which lives: it waits like anybody else. So two
    /// replicas that share a name by mistake take the lease from each other once at a start, and not for ever.
    Lost,
}

/// Takes or renews the lease for `holder`; `None` while another holds it.
///
/// Only who shows the token keeps it: with any other claim the lease comes with a token that nobody had, which fences all earlier
/// holders, and under which nothing was observed.
pub async fn acquire(
    connection: &mut PgConnection,
    name: &str,
    holder: &str,
    claim: Claim,
    life: Duration,
) -> Result<Option<Lease>> {
    let held = match claim {
        Claim::Held(token) => Some(token.cast_signed()),
        Claim::Fresh | Claim::Lost => None,
    };
    let token: Option<i64> = sqlx::query_scalar(
        "insert into lease as l (name, holder, token, expires_at) values ($1, $2, 1, clock_timestamp() + make_interval(secs => $3)) \
         on conflict (name) do update set \
             holder = $2, expires_at = clock_timestamp() + make_interval(secs => $3), \
             token = case when l.token = $4 and l.expires_at > clock_timestamp() then l.token else l.token + 1 end \
         where l.token = $4 or l.expires_at <= clock_timestamp() or ($5 and l.holder = $2) \
         returning token",
    )
    .bind(name)
    .bind(holder)
    .bind(life.as_secs_f64())
    .bind(held)
    .bind(claim == Claim::Fresh)
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
