//! Statements of the superuser.

use anyhow::{Context as _, Result};
use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, Connection as _, Executor as _, PgConnection};

pub(super) async fn connect(url: &str) -> Result<PgConnection> {
    crate::http::install_crypto_provider();
    PgConnection::connect(url).await.context("connecting to Postgres")
}

/// Whether the server that `url` names lets this user in. The password is in no error: sqlx quotes none.
pub(super) async fn lets_in(url: &str, user: &str, password: &str) -> Result<bool> {
    const WRONG_PASSWORD: &str = "28P01";
    crate::http::install_crypto_provider();
    let options: PgConnectOptions = url.parse().context("the database's URL")?;
    match PgConnection::connect_with(&options.username(user).password(password)).await {
        Ok(connection) => connection.close().await.map(|()| true).context("closing a login"),
        Err(sqlx::Error::Database(error)) if error.code().as_deref() == Some(WRONG_PASSWORD) => Ok(false),
        Err(error) => Err(error).context("logging in to Postgres"),
    }
}

/// Runs one statement on a connection of its own. The statements are ours, and the names in them too.
pub(super) async fn execute(url: &str, statement: &str) -> Result<()> {
    let mut connection = connect(url).await?;
    connection.execute(AssertSqlSafe(statement)).await.with_context(|| format!("running {statement}"))?;
    connection.close().await?;
    Ok(())
}
