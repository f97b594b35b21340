//! Connecting, and bringing the schema up to date.

use std::time::Duration;

use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgListener, PgPoolOptions};
use sqlx::{Connection, Executor as _, PgConnection, PgPool, Postgres};
use tokio::time::timeout;

use crate::{Result, StoreError};

/// The oldest Postgres that the schema is tested against, as `server_version_num`.
const OLDEST_VERSION: i32 = 150_000;
/// How long a NOTIFY of our own may take before the connection is judged to be no session.
const PROBE_LIMIT: Duration = Duration::from_secs(5);
/// How long a statement waits for a connection of the pool.
const ACQUIRE_LIMIT: Duration = Duration::from_secs(5);

/// How long a batch of reports may take in Postgres. Whoever gives one up later than that knows that it will not be written any more, over what
/// was reported since.
pub const REPORTS_LIMIT: Duration = Duration::from_secs(10);
/// Of all pools of [`connect_prompt`], one for each [`Prompt`].
pub const PROMPT_CONNECTIONS: u32 = 2;
/// How long a connection that answered is taken to be good.
const TRUSTED_FOR: Duration = Duration::from_secs(1);

/// How long a transaction may rest between two statements. A replica that is cut off or frozen inside a change holds the registry row,
/// and with it every other writer, until Postgres ends its connection.
const IDLE_IN_TRANSACTION_LIMIT: Duration = Duration::from_secs(10);
/// How long one statement may take; the longest is planning every placement anew.
const STATEMENT_LIMIT: Duration = Duration::from_mins(1);

/// A pool of at most `connections`, after the server has been found fit.
pub async fn connect(url: &str, connections: u32) -> Result<PgPool> {
    let pool = options(connections).after_connect(|connection, _| Box::pin(limit(connection))).connect(url).await?;
    check_version(&mut *acquire(&pool).await?).await?;
    probe_session(url, &pool).await?;
    Ok(pool)
}

/// What deliveries wait for, each with one statement that finds a few rows by their keys, whatever the values are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Prompt {
    /// Finding what a commit changed: [`crate::desired::read`].
    Dispatch,
    /// Reports, with which leave to send is asked: [`crate::delivery::write`].
    Reports,
}

/// A pool of one connection. [`connect`] has found the server fit.
///
/// The statement is planned once. Postgres would plan it anew each time, for the values at hand, and that takes longer than the work: 3.8 of 5
/// ms for leave.
pub async fn connect_prompt(url: &str, prompt: Prompt) -> Result<PgPool> {
    Ok(options(1).after_connect(move |connection, _| Box::pin(plan_once(connection, prompt))).connect(url).await?)
}

fn options(connections: u32) -> PgPoolOptions {
    PgPoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(ACQUIRE_LIMIT)
        // Each exchange with Postgres is waited for by a delivery, and one that is busy is tried by its work.
        .test_before_acquire(false)
        .before_acquire(|connection, state| {
            Box::pin(async move { if state.idle_for > TRUSTED_FOR { connection.ping().await.map(|()| true) } else { Ok(true) } })
        })
        .after_release(|connection, _| Box::pin(answers(connection)))
}

async fn check_version(connection: &mut PgConnection) -> Result<()> {
    let said: String = sqlx::query_scalar("show server_version_num").fetch_one(connection).await?;
    match said.parse::<i32>() {
        // Since version 10 the number is of two parts: 140012 is 14.12.
        Ok(version) if version < OLDEST_VERSION => {
            Err(StoreError::TooOld { version: format!("{}.{}", version / 10_000, version % 10_000) })
        }
        _ => Ok(()),
    }
}

/// A connection of a pool.
pub type Pooled = PoolConnection<Postgres>;

/// A connection of the pool.
pub async fn acquire(pool: &PgPool) -> Result<Pooled> {
    Ok(pool.acquire().await?)
}

/// How many connections of a pool there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// Open, and nobody uses them.
    pub idle: u32,
    /// In use.
    pub used: u32,
    /// The most that may be open.
    pub max: u32,
}

/// How the pool stands.
pub fn standing(pool: &PgPool) -> Standing {
    let (size, idle) = (pool.size(), u32::try_from(pool.num_idle()).unwrap_or(u32::MAX));
    Standing { idle, used: size.saturating_sub(idle), max: pool.options().get_max_connections() }
}

/// `work`, given up after `limit`: a connection whose other end vanished, as in a failover, says nothing by itself for many minutes.
pub async fn within<T>(limit: Duration, work: impl Future<Output = Result<T>>) -> Result<T> {
    timeout(limit, work).await.unwrap_or(Err(StoreError::Silent { after: limit }))
}

/// The pool asks a connection that comes back whether it is good, and waits for the answer without a limit: connections that fell silent
/// would use the pool up.
async fn answers(connection: &mut PgConnection) -> std::result::Result<bool, sqlx::Error> {
    Ok(timeout(ACQUIRE_LIMIT, connection.ping()).await.is_ok_and(|answer| answer.is_ok()))
}

/// Not as start-up parameters, which session-pooling proxies refuse.
///
/// No just-in-time compilation: on tables that Postgres has no statistics of yet it took 1.4 to 2.5 s for a look at the statuses of two
/// clusters, which runs in 1 ms.
async fn limit(connection: &mut PgConnection) -> std::result::Result<(), sqlx::Error> {
    sqlx::query(
        "select set_config('idle_in_transaction_session_timeout', $1, false), set_config('statement_timeout', $2, false), \
            set_config('jit', 'off', false)",
    )
    .bind(IDLE_IN_TRANSACTION_LIMIT.as_millis().to_string())
    .bind(STATEMENT_LIMIT.as_millis().to_string())
    .execute(connection)
    .await?;
    Ok(())
}

async fn plan_once(connection: &mut PgConnection, prompt: Prompt) -> std::result::Result<(), sqlx::Error> {
    limit(connection).await?;
    // The plan may be made while the tables are empty: even then it must not read them whole.
    connection.execute("set plan_cache_mode = force_generic_plan; set enable_seqscan = off").await?;
    match prompt {
        // For any number, a third of a table is expected to be newer than that, and then joining all of it would be right.
        Prompt::Dispatch => connection.execute("set enable_hashjoin = off; set enable_mergejoin = off").await?,
        Prompt::Reports => {
            let ends = format!("set statement_timeout = {}", REPORTS_LIMIT.as_millis());
            connection.execute(sqlx::AssertSqlSafe(ends)).await?
        }
    };
    Ok(())
}

/// A transaction-pooling proxy accepts LISTEN and never delivers: so listen, notify from elsewhere, and see whether it arrives.
async fn probe_session(url: &str, pool: &PgPool) -> Result<()> {
    let mut listener = PgListener::connect(url).await?;
    let channel = format!("lockstep_probe_{}", uuid::Uuid::new_v4().simple());
    listener.listen(&channel).await?;
    // Several rounds through the pool give a pooling proxy the chance to hand the listener's backend to somebody else.
    for _ in 0..3 {
        sqlx::query("select pg_notify($1, '')").bind(&channel).execute(pool).await?;
    }
    timeout(PROBE_LIMIT, listener.recv()).await.map_err(|_| StoreError::NoSession)??;
    Ok(())
}

/// Applies the migrations that are missing. Safe on any number of replicas at once: sqlx takes an advisory lock. A Postgres that is too
/// old is refused before: it would fail in the middle of a migration, with a syntax error.
pub async fn migrate(url: &str) -> Result<()> {
    let mut connection = PgConnection::connect(url).await?;
    check_version(&mut connection).await?;
    // Not `run`: its future is not Send in the compiler's eyes, so that no caller could spawn this.
    sqlx::migrate!("../../migrations").run_direct(None, &mut connection, false).await?;
    Ok(())
}
