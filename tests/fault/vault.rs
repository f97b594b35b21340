//! A Vault that is sealed or away: everything delivered stays, everybody is told why, and it goes on by itself.

use anyhow::{Result, ensure};
use lockstep_testbed::fleet::Settings;
use lockstep_testbed::wait;

use crate::shop;

#[tokio::test]
async fn a_sealed_vault_takes_nothing_away_and_is_told_of() -> Result<()> {
    let fleet = shop::open(Settings { clusters: 2, ..Settings::default() }).await?;
    fleet.bao.seal().await?;
    shop::stands(&fleet, "db", "Stale", "the Vault is sealed: unseal it").await?;
    let source = fleet.cli(&["get", "source", "corp", "-o", "json"]).await?.json()?;
    assert!(source["status"]["conditions"].to_string().contains("sealed"), "{source}");
    for agent in &fleet.agents {
        assert_eq!(shop::password(agent, "db").as_deref(), Some("one"), "{}", agent.name());
    }
    fleet.bao.unseal().await?;
    shop::set(&fleet, "db", "two").await?;
    shop::arrives_everywhere(&fleet, "db", "two", shop::LIMIT).await?;
    fleet.await_deliveries("InSync", 2, shop::LIMIT).await?;

    fleet.bao.stop().await?;
    shop::stands(&fleet, "db", "Stale", "cannot be reached").await?;
    for agent in &fleet.agents {
        assert_eq!(shop::password(agent, "db").as_deref(), Some("two"), "{}", agent.name());
    }
    fleet.bao.start_again().await?;
    shop::set(&fleet, "db", "three").await?;
    shop::arrives_everywhere(&fleet, "db", "three", shop::LIMIT).await?;
    fleet.await_deliveries("InSync", 2, shop::LIMIT).await?;
    Ok(())
}

#[tokio::test]
async fn a_replica_that_starts_while_its_home_vault_is_sealed_waits_for_it() -> Result<()> {
    let mut fleet = shop::open(Settings { replicas: 1, clusters: 1, ..Settings::default() }).await?;
    fleet.bao.seal().await?;
    fleet.replicas[0].process()?.stop().await?;
    let logged = fleet.replicas[0].process()?.log().len();
    fleet.launch_replica(0)?;
    says(&fleet, logged, "the Vault is sealed: unseal it").await?;
    let probes = probes(&fleet).await?;
    assert!(probes.0, "a probe for life must not restart a replica that waits");
    assert!(!probes.1, "and none may send it requests");
    assert_eq!(shop::password(&fleet.agents[0], "db").as_deref(), Some("one"), "the last good value stays");
    fleet.bao.unseal().await?;
    fleet.replicas[0].ready(shop::LIMIT).await?;
    shop::set(&fleet, "db", "two").await?;
    shop::arrives_everywhere(&fleet, "db", "two", shop::LIMIT).await?;

    // The same without Postgres; and one that waits ends when it is told to.
    fleet.replicas[0].process()?.stop().await?;
    fleet.postgres.stop().await?;
    let logged = fleet.replicas[0].process()?.log().len();
    fleet.launch_replica(0)?;
    says(&fleet, logged, "Postgres").await?;
    let process = fleet.replicas[0].process()?;
    process.signal(nix::sys::signal::Signal::SIGTERM)?;
    assert_eq!(process.exit_within(shop::LIMIT).await?, 0);
    fleet.launch_replica(0)?;
    fleet.postgres.start_again().await?;
    fleet.replicas[0].ready(shop::LIMIT).await?;
    shop::set(&fleet, "db", "three").await?;
    shop::arrives_everywhere(&fleet, "db", "three", shop::LIMIT).await
}

/// Waits until the replica's log says this, after what it said before.
async fn says(fleet: &lockstep_testbed::Fleet, after: usize, text: &str) -> Result<()> {
    let process = fleet.replicas[0].process()?;
    process
        .until(&format!("say {text:?}"), shop::LIMIT, async || {
            let log = process.log();
            ensure!(log.get(after..).is_some_and(|new| new.contains(text) && new.contains("waiting")), "not yet");
            anyhow::Ok(())
        })
        .await
}

/// Whether it says that it lives, and that it is ready.
async fn probes(fleet: &lockstep_testbed::Fleet) -> Result<(bool, bool)> {
    let base = fleet.replicas[0].metrics_url().replace("/metrics", "");
    let ask = async |path: &str| anyhow::Ok(reqwest::get(format!("{base}{path}")).await?.status().is_success());
    wait::until("the probes to be answered", shop::LIMIT, async || anyhow::Ok((ask("/healthz").await?, ask("/readyz").await?)))
        .await
}
