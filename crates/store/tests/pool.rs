//! Connecting, the limits of a connection, and what happens when Postgres goes.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use lockstep_store::StoreError;
use lockstep_store::change::Writing;
use lockstep_store::notify::{Listener, Woken};
use lockstep_store::pool::{self, Prompt};
use lockstep_testbed::{Postgres, Relay, wait};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use crate::fixture::{LIMIT, Registry, entry};

/// The url with another address, without TLS so that a proxy can read along.
fn through(url: &str, addr: SocketAddr) -> Result<String> {
    let (credentials, rest) = url.split_once('@').context("a URL with credentials")?;
    let (_, database) = rest.split_once('/').context("a URL with a database")?;
    Ok(format!("{credentials}@{addr}/{database}?sslmode=disable"))
}

fn address(url: &str) -> Result<SocketAddr> {
    let host = url.split_once('@').and_then(|(_, rest)| rest.split_once('/')).context("a URL with a database")?.0;
    Ok(host.parse()?)
}

#[tokio::test(flavor = "multi_thread")]
async fn any_number_of_replicas_may_migrate_at_once_and_again() -> Result<()> {
    let database = Postgres::shared().await?.create_database().await?;
    for _ in 0..2 {
        let mut replicas = JoinSet::new();
        for _ in 0..6 {
            let url = database.url().to_owned();
            replicas.spawn(async move { pool::migrate(&url).await });
        }
        for migrated in replicas.join_all().await {
            migrated?;
        }
    }
    let rows: i64 =
        sqlx::query_scalar("select count(*) from registry").fetch_one(&pool::connect(database.url(), 1).await?).await?;
    assert_eq!(rows, 1);
    Ok(())
}

/// What a proxy does with a message of the server's, by its type and body. `false`: it is kept back.
type Meddle = Arc<dyn Fn(u8, &mut [u8]) -> bool + Send + Sync>;

/// Passes everything, but for what it is told to do with the server's messages.
async fn proxy(target: SocketAddr, meddle: Meddle) -> Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let addr = listener.local_addr()?;
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let Ok(server) = TcpStream::connect(target).await else { return };
            let ((mut from_client, to_client), (from_server, mut to_server)) = (client.into_split(), server.into_split());
            tokio::spawn(async move { tokio::io::copy(&mut from_client, &mut to_server).await });
            tokio::spawn(meddled(from_server, to_client, meddle.clone()));
        }
    });
    Ok(addr)
}

/// A message of the server is a type byte and a length that counts itself.
async fn meddled(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, meddle: Meddle) -> Result<()> {
    loop {
        let mut head = [0; 5];
        from.read_exact(&mut head).await?;
        let mut body = vec![0; u32::from_be_bytes([head[1], head[2], head[3], head[4]]) as usize - 4];
        from.read_exact(&mut body).await?;
        if meddle(head[0], &mut body) {
            to.write_all(&head).await?;
            to.write_all(&body).await?;
        }
    }
}

#[tokio::test]
async fn a_url_over_which_no_notification_arrives_is_refused() -> Result<()> {
    let registry = Registry::new().await?;
    // What a transaction-pooling proxy does to a LISTEN: `A` is NotificationResponse.
    let deaf = proxy(address(&registry.url)?, Arc::new(|kind, _| kind != b'A')).await?;
    let url = through(&registry.url, deaf)?;
    let refused = pool::connect(&url, 2).await.map(drop);
    assert!(matches!(refused, Err(StoreError::NoSession)), "{refused:?}");
    Ok(())
}

#[tokio::test]
async fn a_postgres_that_is_too_old_is_refused_before_the_schema_is_touched() -> Result<()> {
    let database = Postgres::shared().await?.create_database().await?;
    let direct = pool::connect(database.url(), 1).await?;
    let real: String = sqlx::query_scalar("show server_version_num").fetch_one(&direct).await?;
    // The same Postgres, but for the number that it gives as its version. `D` is DataRow.
    let pretend: Meddle = Arc::new(move |kind, body| {
        if let (b'D', Some(at)) = (kind, body.windows(real.len()).position(|part| part == real.as_bytes())) {
            body[at..at + real.len()].copy_from_slice(b"140012");
        }
        true
    });
    let url = through(database.url(), proxy(address(database.url())?, pretend).await?)?;
    for refused in [pool::migrate(&url).await, pool::connect(&url, 1).await.map(drop)] {
        let said = refused.expect_err("it is too old").to_string();
        assert_eq!(said, "Postgres 14.12 is too old: Lockstep needs 15 or newer");
    }
    let tables: i64 = sqlx::query_scalar("select count(*) from pg_tables where schemaname = 'public'").fetch_one(&direct).await?;
    assert_eq!(tables, 0);
    Ok(())
}

#[tokio::test]
async fn a_writer_that_vanishes_within_a_change_does_not_stop_the_others() -> Result<()> {
    let registry = Registry::new().await?;
    let relay = Relay::start(address(&registry.url)?).await?;
    let far = pool::connect(&through(&registry.url, relay.addr())?, 1).await?;
    let _vanishing = Writing::begin(&far).await?;
    relay.half_open();
    let began = Instant::now();
    let writing = tokio::time::timeout(LIMIT, Writing::begin(&registry.pool)).await.context("the row stayed locked")??;
    writing.commit(&entry("written")).await?;
    println!("the next writer waited {:.1} s", began.elapsed().as_secs_f64());
    Ok(())
}

#[tokio::test]
async fn a_listener_whose_connection_falls_silent_finds_out_and_says_when_it_is_back() -> Result<()> {
    let registry = Registry::new().await?;
    let relay = Relay::start(address(&registry.url)?).await?;
    let mut listener = Listener::connect(&through(&registry.url, relay.addr())?).await?;
    relay.half_open();
    registry.cluster("eu", "").await?;
    let began = Instant::now();
    let lost = tokio::time::timeout(LIMIT, listener.woken()).await.context("it waits for ever")?;
    assert!(matches!(&lost, Err(error) if error.is_unavailable()), "{lost:?}");
    println!("found out after {:.1} s", began.elapsed().as_secs_f64());
    relay.heal();
    assert_eq!(listener.woken().await?, Woken::Reconnected);
    registry.cluster("us", "").await?;
    assert_eq!(tokio::time::timeout(LIMIT, listener.woken()).await??, Woken::Changed);
    Ok(())
}

#[tokio::test]
async fn postgres_that_is_gone_is_told_from_postgres_that_refuses_and_everything_goes_on_when_it_is_back() -> Result<()> {
    let postgres = Postgres::start().await?;
    let database = postgres.create_database().await?;
    pool::migrate(database.url()).await?;
    let connections = pool::connect(database.url(), 3).await?;
    let mut listener = Listener::connect(database.url()).await?;
    let writing = Writing::begin(&connections).await?;
    let refused: lockstep_store::StoreError =
        sqlx::query("select * from nothing").execute(&connections).await.expect_err("no such table").into();
    assert!(!refused.is_unavailable(), "{refused:?}");

    postgres.stop().await?;
    for error in [
        writing.commit(&entry("cut")).await.expect_err("its connection is gone"),
        Writing::begin(&connections).await.map(drop).expect_err("Postgres is gone"),
        listener.woken().await.map(|w| panic!("{w:?}")).expect_err("Postgres is gone"),
        listener.woken().await.map(|w| panic!("{w:?}")).expect_err("Postgres is still gone"),
    ] {
        assert!(error.is_unavailable(), "{error:?}");
    }
    postgres.start_again().await?;
    assert_eq!(listener.woken().await?, Woken::Reconnected);
    let mark = wait::until("the next change", LIMIT, async || match Writing::begin(&connections).await {
        Ok(writing) => writing.commit(&entry("after")).await,
        Err(error) => Err(error),
    })
    .await?;
    assert_eq!(mark.seq.get(), 1, "what was cut off never happened");
    assert_eq!(tokio::time::timeout(Duration::from_secs(10), listener.woken()).await??, Woken::Changed);
    Ok(())
}

#[tokio::test]
async fn a_batch_of_reports_ends_in_postgres_before_whoever_sent_it_gives_it_up() -> Result<()> {
    let registry = Registry::new().await?;
    let reports = pool::connect_prompt(&registry.url, Prompt::Reports).await?;
    let limit: String = sqlx::query_scalar("show statement_timeout").fetch_one(&reports).await?;
    assert_eq!(limit, format!("{}s", pool::REPORTS_LIMIT.as_secs()));
    Ok(())
}
