//! Postgres: starting, restarting, snapshots.

use std::time::Duration;

use anyhow::Result;
use lockstep_testbed::Postgres;
use nix::sys::signal::{self, Signal};
use nix::unistd::Pid;
use sqlx::{Connection as _, Executor as _, PgConnection};

async fn write(url: &str, value: i32) -> Result<()> {
    let mut connection = PgConnection::connect(url).await?;
    connection.execute("CREATE TABLE IF NOT EXISTS seen (value int)").await?;
    sqlx::query("INSERT INTO seen VALUES ($1)").bind(value).execute(&mut connection).await?;
    Ok(())
}

async fn read(url: &str) -> Result<Vec<i32>> {
    let mut connection = PgConnection::connect(url).await?;
    Ok(sqlx::query_scalar("SELECT value FROM seen ORDER BY value").fetch_all(&mut connection).await?)
}

#[tokio::test]
async fn databases_of_the_shared_server_are_apart() -> Result<()> {
    let postgres = Postgres::shared().await?;
    let (one, two) = (postgres.create_database().await?, postgres.create_database().await?);
    write(one.url(), 1).await?;
    write(two.url(), 2).await?;
    assert_eq!(read(one.url()).await?, [1]);
    assert_eq!(read(two.url()).await?, [2]);
    Ok(())
}

#[tokio::test]
async fn a_restart_keeps_data_and_address_and_a_snapshot_can_be_put_back() -> Result<()> {
    let postgres = Postgres::start().await?;
    stop_and_restore(&postgres).await
}

#[tokio::test]
async fn the_fetched_postgres_does_the_same() -> Result<()> {
    let postgres = Postgres::start_fetched().await?;
    stop_and_restore(&postgres).await
}

async fn stop_and_restore(postgres: &Postgres) -> Result<()> {
    let database = postgres.create_database().await?;
    write(database.url(), 1).await?;
    postgres.restart().await?;
    assert_eq!(read(database.url()).await?, [1]);

    let snapshot = postgres.dump(&database).await?;
    write(database.url(), 2).await?;
    postgres.kill()?;
    assert!(PgConnection::connect(database.url()).await.is_err());
    postgres.start_again().await?;
    assert_eq!(read(database.url()).await?, [1, 2]);

    let mut client = PgConnection::connect(database.url()).await?;
    postgres.restore(&database, &snapshot).await?;
    assert!(client.ping().await.is_err(), "clients are disconnected");
    assert_eq!(read(database.url()).await?, [1]);
    Ok(())
}

#[tokio::test]
async fn it_starts_again_once_the_last_backend_of_the_killed_one_has_ended() -> Result<()> {
    let postgres = Postgres::start().await?;
    let database = postgres.create_database().await?;
    write(database.url(), 1).await?;
    let mut client = PgConnection::connect(database.url()).await?;
    let backend = Pid::from_raw(sqlx::query_scalar("select pg_backend_pid()").fetch_one(&mut client).await?);
    signal::kill(backend, Signal::SIGSTOP)?;
    postgres.kill()?;
    let mut starting = Box::pin(postgres.start_again());
    let early = tokio::time::timeout(Duration::from_secs(1), &mut starting).await;
    signal::kill(backend, Signal::SIGCONT)?;
    assert!(early.is_err(), "it came up beside a backend of the killed one, or gave up: {early:?}");
    starting.await?;
    assert_eq!(read(database.url()).await?, [1]);
    Ok(())
}

#[tokio::test]
async fn a_wrong_password_is_refused() -> Result<()> {
    let database = Postgres::shared().await?.create_database().await?;
    let url = database.url().replacen(":lockstep@", ":wrong@", 1);
    let external = std::env::var_os("DATABASE_URL").is_some();
    assert!(external || PgConnection::connect(&url).await.is_err());
    Ok(())
}
