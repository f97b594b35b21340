//! Replicas that die.

use anyhow::{Context as _, Result};
use lockstep_testbed::Fleet;
use lockstep_testbed::fleet::Settings;
use sqlx::Connection as _;
use sqlx::postgres::PgConnection;

use crate::shop;

#[tokio::test]
async fn a_write_arrives_everywhere_although_the_replica_that_watched_was_killed() -> Result<()> {
    let mut fleet = shop::open(Settings { clusters: 3, ..Settings::default() }).await?;
    let watching = shop::watching(&fleet).await?;
    let other = 1 - watching;
    for agent in 0..fleet.agents.len() {
        shop::redial(&mut fleet, agent, &[other])?;
    }
    shop::connected(&fleet.replicas[other], 3, shop::LIMIT).await?;
    fleet.use_replica(other).await?;

    fleet.replicas[watching].process()?.kill9()?;
    shop::set(&fleet, "db", "two").await?;
    let began = std::time::Instant::now();
    shop::arrives_everywhere(&fleet, "db", "two", shop::LIMIT).await?;
    println!("a write arrived {:?} after the replica that watched was killed", began.elapsed());
    fleet.await_deliveries("InSync", 3, shop::LIMIT).await?;
    assert_eq!(fleet.lease_holder(shop::LEASE).await?, other);
    Ok(())
}

#[tokio::test]
async fn every_agent_of_a_killed_replica_goes_to_another_and_gets_later_writes() -> Result<()> {
    let mut fleet = shop::open(Settings { clusters: 3, ..Settings::default() }).await?;
    let (crowded, other) = if agents_on(&fleet, 0).await? >= 2.0 { (0, 1) } else { (1, 0) };
    fleet.use_replica(other).await?;
    fleet.replicas[crowded].process()?.kill9()?;
    let began = std::time::Instant::now();
    shop::connected(&fleet.replicas[other], 3, shop::LIMIT).await?;
    println!("all agents were on the other replica after {:?}", began.elapsed());
    shop::set(&fleet, "db", "two").await?;
    shop::arrives_everywhere(&fleet, "db", "two", shop::LIMIT).await?;

    // The dead one comes back, the other dies: nobody needs to do anything.
    fleet.start_replica(crowded).await?;
    fleet.use_replica(crowded).await?;
    fleet.replicas[other].process()?.kill9()?;
    shop::connected(&fleet.replicas[crowded], 3, shop::LIMIT).await?;
    shop::set(&fleet, "db", "three").await?;
    shop::arrives_everywhere(&fleet, "db", "three", shop::LIMIT).await?;
    fleet.await_deliveries("InSync", 3, shop::LIMIT).await?;
    Ok(())
}

#[tokio::test]
async fn a_replica_that_was_killed_and_started_again_goes_on_at_once() -> Result<()> {
    // It must neither wait for its end nor take its predecessor's looks for later ones.
    let settings = Settings { replicas: 1, clusters: 1, lease_ms: 60_000, ..Settings::default() };
    let mut fleet = shop::open(settings).await?;
    for name in ["mail", "queue"] {
        shop::set(&fleet, name, "one").await?;
        fleet.apply(&Fleet::binding(name)).await?;
    }
    fleet.await_deliveries("InSync", 3, shop::LIMIT).await?;
    shop::set(&fleet, "db", "two").await?;
    shop::arrives_everywhere(&fleet, "db", "two", shop::LIMIT).await?;
    let mut registry = PgConnection::connect(fleet.database.url()).await?;
    // As if it had watched for weeks before that write: so many requests of its went before.
    sqlx::query("update secret set began_ordinal = began_ordinal + 10000000").execute(&mut registry).await?;

    fleet.replicas[0].process()?.kill9()?;
    shop::set(&fleet, "mail", "two").await?;
    fleet.start_replica(0).await?;
    shop::set(&fleet, "db", "three").await?;
    for (name, password) in [("mail", "two"), ("db", "three"), ("queue", "one")] {
        shop::arrives_everywhere(&fleet, name, password, shop::LIMIT).await?;
    }
    fleet.await_deliveries("InSync", 3, shop::LIMIT).await?;
    Ok(())
}

async fn agents_on(fleet: &Fleet, replica: usize) -> Result<f64> {
    fleet.replicas[replica].metric("lockstep_agents_connected").await?.context("the replica counts no agents")
}
