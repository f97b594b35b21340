//! A replica that slept through the end of its lease.
//!
//! The test holds the registry row's lock, which every change takes first, so that the watching replica is caught just before its
//! write: where its decision is made and its lease not yet checked.

use std::time::Duration;

use anyhow::{Result, ensure};
use lockstep_testbed::fleet::Settings;
use lockstep_testbed::{Fleet, wait};
use sqlx::postgres::PgConnection;
use sqlx::{Connection as _, Transaction};

use crate::shop;

/// A third of the fleet's, so that the tests need not wait long for its end.
const LEASE_MS: u64 = 2_000;

#[tokio::test]
async fn what_a_replica_writes_after_its_lease_has_passed_on_is_fenced() -> Result<()> {
    let mut fleet = shop::open(Settings { clusters: 2, lease_ms: LEASE_MS, ..Settings::default() }).await?;
    let (sleeper, other) = caught_writing(&mut fleet).await?;
    let mut connection = PgConnection::connect(fleet.database.url()).await?;
    let lock = lock_registry(&mut connection).await?;
    shop::set(&fleet, "db", "two").await?;
    await_waiting_writers(&fleet, 1).await?;

    fleet.replicas[sleeper].process()?.pause()?;
    wait::until("the lease to pass on", shop::LIMIT, async || {
        ensure!(holds(&fleet, other).await?, "it has not yet");
        anyhow::Ok(())
    })
    .await?;
    await_waiting_writers(&fleet, 2).await?;
    // The sleeper was first to ask for the lock: it wakes, and its write goes first.
    fleet.replicas[sleeper].process()?.resume()?;
    lock.rollback().await?;
    drop(connection);

    shop::arrives_everywhere(&fleet, "db", "two", shop::LIMIT).await?;
    fleet.await_deliveries("InSync", 2, shop::LIMIT).await?;
    let fenced = async |replica: usize| fleet.replicas[replica].metric("lockstep_lease_fenced_total").await;
    wait::until("the sleeper's write to be fenced", shop::LIMIT, async || {
        let count = fenced(sleeper).await?;
        ensure!(count == Some(1.0), "{count:?}");
        anyhow::Ok(())
    })
    .await?;
    assert_eq!(fenced(other).await?, Some(0.0));
    assert!(holds(&fleet, other).await?, "the lease stays where it went");
    assert!(!holds(&fleet, sleeper).await?, "the sleeper knows that it lost it");
    let [token, recorded, observations] = registry(&fleet).await?;
    assert_eq!(recorded, token, "the registry has what was seen under the present lease");
    assert_eq!(observations, 2, "each version was recorded once");

    // And it goes on: the next write is the new holder's affair, and fences nobody.
    shop::set(&fleet, "db", "three").await?;
    shop::arrives_everywhere(&fleet, "db", "three", shop::LIMIT).await?;
    assert_eq!((fenced(sleeper).await?, fenced(other).await?), (Some(1.0), Some(0.0)));
    Ok(())
}

#[tokio::test]
async fn a_replica_that_sleeps_inside_a_change_holds_nobody_up_for_long() -> Result<()> {
    let mut fleet = shop::open(Settings { clusters: 2, lease_ms: LEASE_MS, ..Settings::default() }).await?;
    let (sleeper, other) = caught_writing(&mut fleet).await?;
    fleet.use_replica(other).await?;
    let mut connection = PgConnection::connect(fleet.database.url()).await?;
    let lock = lock_registry(&mut connection).await?;
    shop::set(&fleet, "db", "two").await?;
    await_waiting_writers(&fleet, 1).await?;
    fleet.replicas[sleeper].process()?.pause()?;
    // Now it is the sleeper's: Postgres gives it the lock that it waits for, and nobody is awake to use it.
    lock.rollback().await?;

    // Postgres ends its transaction after ten seconds without a word.
    let began = std::time::Instant::now();
    shop::arrives_everywhere(&fleet, "db", "two", 2 * shop::LIMIT).await?;
    println!("a write arrived {:?} after a replica fell asleep holding the registry", began.elapsed());
    shop::set(&fleet, "mail", "one").await?;
    fleet.apply(&Fleet::binding("mail")).await?;
    fleet.replicas[sleeper].process()?.resume()?;
    shop::set(&fleet, "db", "three").await?;
    shop::arrives_everywhere(&fleet, "db", "three", shop::LIMIT).await?;
    shop::arrives_everywhere(&fleet, "mail", "one", shop::LIMIT).await?;
    fleet.await_deliveries("InSync", 4, shop::LIMIT).await?;
    assert_eq!(registry(&fleet).await?[2], 4, "each version was recorded once");
    Ok(())
}

/// The replica that watches, and the other, which serves all agents: so that only the watching is at stake.
async fn caught_writing(fleet: &mut Fleet) -> Result<(usize, usize)> {
    let sleeper = shop::watching(fleet).await?;
    let other = 1 - sleeper;
    for agent in 0..fleet.agents.len() {
        shop::redial(fleet, agent, &[other])?;
    }
    shop::connected(&fleet.replicas[other], fleet.agents.len(), shop::LIMIT).await?;
    Ok((sleeper, other))
}

async fn lock_registry(connection: &mut PgConnection) -> Result<Transaction<'_, sqlx::Postgres>> {
    let mut transaction = connection.begin().await?;
    sqlx::query("select from registry for update").execute(&mut *transaction).await?;
    Ok(transaction)
}

/// Waits until these many changes wait for the registry's lock.
async fn await_waiting_writers(fleet: &Fleet, count: i64) -> Result<()> {
    let mut connection = PgConnection::connect(fleet.database.url()).await?;
    wait::until(&format!("{count} writers to wait for the registry"), shop::LIMIT, async || {
        let waiting: i64 = sqlx::query_scalar(
            "select count(*) from pg_stat_activity where wait_event_type = 'Lock' and query like 'update registry set seq%'",
        )
        .fetch_one(&mut connection)
        .await?;
        ensure!(waiting == count, "{waiting} wait");
        anyhow::Ok(())
    })
    .await
}

async fn holds(fleet: &Fleet, replica: usize) -> Result<bool> {
    let series = format!("lockstep_lease_held{{lease=\"{}\"}}", shop::LEASE);
    // A replica that sleeps answers nothing.
    let asked = tokio::time::timeout(Duration::from_secs(2), fleet.replicas[replica].metric(&series)).await;
    Ok(matches!(asked, Ok(Ok(Some(1.0)))))
}

/// The lease's token, the token that the newest observation was made under, and how many were recorded.
async fn registry(fleet: &Fleet) -> Result<[i64; 3]> {
    let mut connection = PgConnection::connect(fleet.database.url()).await?;
    let row: (i64, i64, i64) = sqlx::query_as(
        "select (select token from lease where name = $1), (select max(began_token) from secret), \
                (select count(*) from change where kind = 'VersionsObserved')",
    )
    .bind(shop::LEASE)
    .fetch_one(&mut connection)
    .await?;
    Ok([row.0, row.1, row.2])
}
