//! Statements of the superuser.

use anyhow::{Context as _, Result};
use sqlx::{AssertSqlSafe, Connection as _, Executor as _, PgConnection};

pub(super) async fn connect(url: &str) -> Result<PgConnection> {
    crate::http::install_crypto_provider();
    PgConnection::connect(url).await.context("connecting to Postgres")
}

/// Runs one statement on a connection of its own. The statements are ours, and the names in them too.
pub(super) async fn execute(url: &str, statement: &str) -> Result<()> {
    let mut connection = connect(url).await?;
    connection.execute(AssertSqlSafe(statement)).await.with_context(|| format!("running {statement}"))?;
    connection.close().await?;
    Ok(())
}
