//! Pods start while neither Lockstep's servers nor Vault are there, and never after a revocation.

use std::fs;

use anyhow::{Context as _, Result, ensure};
use lockstep_testbed::wait;
use serde_json::json;

use lockstep_testbed::fleet::STORY_LIMIT;

use crate::world::{ACCOUNT, CLUSTER, World};

const OBJECTS: &str = "- {objectName: password, binding: db, secretKey: password}";

/// The files of the agent's cache.
fn cached(world: &World) -> Result<Vec<(String, Vec<u8>)>> {
    let folder = world.fleet.agents[0].cache(0);
    let file = |entry: std::io::Result<fs::DirEntry>| {
        let entry = entry?;
        Ok((entry.file_name().to_string_lossy().into_owned(), fs::read(entry.path())?))
    };
    fs::read_dir(folder)?.map(file).collect()
}

/// How many reads the agent answered with what it could not ask about.
async fn stale_reads(world: &World) -> Result<f64> {
    let text = world.fleet.agents[0].metrics().await?;
    let value = text.lines().find_map(|line| line.strip_prefix("lockstep_agent_volume_stale_reads_total ")?.parse().ok());
    value.context("the agent does not count stale reads")
}

#[tokio::test]
async fn an_agent_that_starts_without_server_and_vault_gives_what_it_had_and_a_revoked_one_nothing() -> Result<()> {
    let mut world = World::start().await?;
    world.write("db", json!({ "password": "canary-of-an-outage" })).await?;
    world.bind("db").await?;
    world.class("db", OBJECTS).await?;
    let first = world.pod("checkout-0", ACCOUNT, "db").await?;
    world.driver.publish(&first).await?;
    let versions = world.versions(&first).await?;

    world.fleet.replicas[0].process()?.stop().await?;
    world.fleet.bao.stop().await?;
    world.fleet.agents[0].process()?.kill9()?;
    world.fleet.agents[0].start()?;
    let second = world.pod("checkout-1", ACCOUNT, "db").await?;
    wait::until("a pod to start in the outage", STORY_LIMIT, async || world.driver.publish(&second).await).await?;
    assert_eq!(world.files(&second)?["password"].1, "canary-of-an-outage");
    assert_eq!(world.versions(&second).await?, versions);
    ensure!(stale_reads(&world).await? > 0.0, "what was given is not counted as stale");

    for (name, bytes) in cached(&world)? {
        ensure!(!bytes.windows(6).any(|window| window == b"canary"), "{name} shows it");
    }
    // The server is back and revokes the cluster: nothing is given any more, and nothing is left.
    world.fleet.bao.start_again().await?;
    world.fleet.start_replica(0).await?;
    world.fleet.await_cluster(CLUSTER, "Ready", STORY_LIMIT).await?;
    world.fleet.cli(&["cluster", "revoke", CLUSTER]).await?;
    wait::until("the agent to end", STORY_LIMIT, async || {
        ensure!(!world.fleet.agents[0].process()?.is_running(), "it runs");
        anyhow::Ok(())
    })
    .await?;
    assert_eq!(cached(&world)?, []);
    world.fleet.agents[0].start()?;
    let third = world.pod("checkout-2", ACCOUNT, "db").await?;
    wait::until("the agent to serve again, without it", STORY_LIMIT, async || {
        let error = world.driver.publish(&third).await.err().context("a revoked cluster's pod has it")?;
        ensure!(format!("{error:#}").contains("is not linked to a server, and does not have it"), "{error:#}");
        anyhow::Ok(())
    })
    .await
}
