//! Without Postgres a replica keeps its streams and sends nothing new; with it again everything catches up by itself.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use lockstep_testbed::fleet::Settings;
use lockstep_testbed::{Fleet, Relay, wait};
use reqwest::{Certificate, Client, StatusCode, Url};
use serde_json::Value;

use crate::shop;

/// Longer than three of the fleet's heartbeats: a stream that is not looked after for that long ends.
const OUTAGE: Duration = Duration::from_secs(12);

#[tokio::test]
async fn everything_catches_up_after_postgres_was_away() -> Result<()> {
    let fleet = shop::open(Settings { clusters: 2, ..Settings::default() }).await?;
    let links = links(&fleet)?;
    let sent = shop::sent(&fleet, "cluster-1").await?;

    fleet.postgres.stop().await?;
    shop::set(&fleet, "db", "two").await?;
    rest_is_unavailable(&fleet).await?;
    shop::holds_for("streams stay and nothing is sent", OUTAGE, async || {
        ensure!(streams(&fleet).await? == Some(2.0), "{:?} streams", streams(&fleet).await?);
        let now = shop::sent(&fleet, "cluster-1").await?;
        ensure!(now <= sent, "{now} deliveries were sent, after {sent}");
        ensure!(shop::password(&fleet.agents[0], "db").as_deref() == Some("one"), "the last good value is gone");
        Ok(())
    })
    .await?;
    fleet.postgres.start_again().await?;
    shop::arrives_everywhere(&fleet, "db", "two", shop::LIMIT).await?;
    fleet.await_deliveries("InSync", 2, shop::LIMIT).await?;

    fleet.postgres.restart().await?;
    shop::set(&fleet, "db", "three").await?;
    shop::arrives_everywhere(&fleet, "db", "three", shop::LIMIT).await?;
    fleet.await_deliveries("InSync", 2, shop::LIMIT).await?;

    // As after a crash: what was committed is there.
    fleet.postgres.kill()?;
    shop::set(&fleet, "db", "four").await?;
    fleet.postgres.start_again().await?;
    shop::arrives_everywhere(&fleet, "db", "four", shop::LIMIT).await?;
    fleet.await_deliveries("InSync", 2, shop::LIMIT).await?;
    assert_eq!(self::links(&fleet)?, links, "no stream ended");
    Ok(())
}

#[tokio::test]
async fn streams_stay_while_postgres_hangs() -> Result<()> {
    let mut fleet = shop::open(Settings { replicas: 1, clusters: 2, ..Settings::default() }).await?;
    let relay = behind_relay(&mut fleet).await?;
    let links = links(&fleet)?;
    relay.half_open();
    shop::set(&fleet, "db", "two").await?;
    // The agent asks for this again, so that its session has something to ask the registry too.
    std::fs::remove_dir_all(fleet.agents[0].targets().join("db"))?;
    shop::holds_for("streams stay", OUTAGE, async || {
        ensure!(streams(&fleet).await? == Some(2.0), "{:?} streams", streams(&fleet).await?);
        Ok(())
    })
    .await?;
    rest_is_unavailable(&fleet).await?;
    relay.heal();
    shop::arrives_everywhere(&fleet, "db", "two", shop::LIMIT).await?;
    fleet.await_deliveries("InSync", 2, shop::LIMIT).await?;
    assert_eq!(self::links(&fleet)?, links, "no stream ended");
    Ok(())
}

#[tokio::test]
async fn a_replica_whose_connections_to_postgres_vanished_finds_out() -> Result<()> {
    let mut fleet = shop::open(Settings { replicas: 1, clusters: 1, ..Settings::default() }).await?;
    let relay = behind_relay(&mut fleet).await?;
    // What a failover behind a firewall looks like: the old connections are silent for ever, new ones are good.
    relay.abandon();
    shop::set(&fleet, "db", "two").await?;
    shop::arrives_everywhere(&fleet, "db", "two", 2 * shop::LIMIT).await?;
    fleet.await_deliveries("InSync", 1, shop::LIMIT).await?;
    Ok(())
}

/// Puts a relay between the one replica and Postgres.
async fn behind_relay(fleet: &mut Fleet) -> Result<Relay> {
    let mut url = Url::parse(fleet.database.url())?;
    let relay = Relay::start(([127, 0, 0, 1], url.port().context("the database URL has no port")?).into()).await?;
    url.set_port(Some(relay.addr().port())).ok().context("setting the port")?;
    std::fs::write(fleet.folder().join(fleet.replicas[0].database_file()), url.as_str())?;
    fleet.replicas[0].process()?.stop().await?;
    fleet.start_replica(0).await?;
    shop::connected(&fleet.replicas[0], fleet.agents.len(), shop::LIMIT).await?;
    Ok(relay)
}

fn links(fleet: &Fleet) -> Result<Vec<usize>> {
    fleet.agents.iter().map(shop::links).collect()
}

async fn streams(fleet: &Fleet) -> Result<Option<f64>> {
    let mut sum = 0.0;
    for replica in &fleet.replicas {
        sum += replica.metric("lockstep_agents_connected").await?.unwrap_or_default();
    }
    Ok(Some(sum))
}

/// Waits until REST says, in a problem, that it cannot reach Postgres.
async fn rest_is_unavailable(fleet: &Fleet) -> Result<()> {
    let root = Certificate::from_pem(&std::fs::read(fleet.root_file())?)?;
    let client = Client::builder().tls_certs_only([root]).build()?;
    let token = std::fs::read_to_string(fleet.folder().join("admin.token"))?;
    wait::until("REST to say that it cannot reach Postgres", shop::LIMIT, async || {
        let url = format!("{}/v1/clusters", fleet.replicas[0].rest_url());
        let answer = client.get(url).bearer_auth(token.trim()).timeout(shop::LIMIT).send().await?;
        ensure!(answer.status() == StatusCode::SERVICE_UNAVAILABLE, "status {}", answer.status());
        ensure!(answer.headers()["content-type"] == "application/problem+json", "{:?}", answer.headers());
        ensure!(answer.headers().contains_key("retry-after"), "{:?}", answer.headers());
        let problem: Value = answer.json().await?;
        ensure!(problem["detail"].as_str().is_some_and(|d| d.contains("again")), "{problem}");
        anyhow::Ok(())
    })
    .await
}
