//! Of two replicas of the agent either gives pods what they mount.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use lockstep_testbed::fleet::STORY_LIMIT;
use lockstep_testbed::wait;
use serde_json::json;

use crate::world::{ACCOUNT, CLUSTER, World};

const OBJECTS: &str = "- {objectName: password, binding: db, secretKey: password}";

/// The sealed entries of a cache, by name.
fn sealed(cache: &Path) -> Result<BTreeMap<String, Vec<u8>>> {
    let mut entries = BTreeMap::new();
    for file in std::fs::read_dir(cache)? {
        let file = file?;
        let name = file.file_name().to_string_lossy().into_owned();
        if name != "confirmed.sealed" {
            entries.insert(name, std::fs::read(file.path())?);
        }
    }
    Ok(entries)
}

#[tokio::test]
async fn a_replica_that_stands_by_has_the_same_ciphertext_and_serves_at_once_when_the_other_dies_in_an_outage() -> Result<()> {
    let mut world = World::start().await?;
    let agent = &world.fleet.agents[0];
    agent.project_peer_token().await?;
    let second = agent.start_second()?;
    world.write("db", json!({ "password": "first" })).await?;
    world.bind("db").await?;
    world.class("db", OBJECTS).await?;
    let caches = [agent.cache(0), agent.cache(1)];
    let same = async || {
        let both = [sealed(&caches[0])?, sealed(&caches[1])?];
        ensure!(
            both[0] == both[1] && both[0].len() == 1,
            "{} and {} entries: {}",
            both[0].len(),
            both[1].len(),
            second.log_tail()
        );
        anyhow::Ok(both[0].clone())
    };
    let before = wait::until("both replicas to have the same ciphertext", STORY_LIMIT, same).await?;
    world.write("db", json!({ "password": "second" })).await?;
    world.fleet.await_delivery(CLUSTER, "db", "InSync").await?;
    wait::until("the new one in both", STORY_LIMIT, async || {
        ensure!(same().await? != before, "it is the former one");
        anyhow::Ok(())
    })
    .await?;

    // Everything but one agent that stands by is gone.
    world.fleet.replicas[0].process()?.stop().await?;
    world.fleet.bao.stop().await?;
    world.fleet.agents[0].process()?.kill9()?;
    let volume = world.pod("checkout-0", ACCOUNT, "db").await?;
    let began = std::time::Instant::now();
    world.driver.publish(&volume).await.context("the replica that stands by does not give it")?;
    ensure!(began.elapsed() < Duration::from_secs(10), "only after {:?}, when the Lease was over", began.elapsed());
    assert_eq!(world.files(&volume)?["password"].1, "second");

    // It leads by now or will, and goes on giving it; then the cluster is revoked.
    wait::until("it to lead", STORY_LIMIT, async || {
        ensure!(second.log().contains("this agent leads"), "it stands by");
        anyhow::Ok(())
    })
    .await?;
    let another = world.pod("checkout-1", ACCOUNT, "db").await?;
    let given = async || world.driver.publish(&another).await.with_context(|| second.log_tail());
    wait::until("it to be given by the one that leads now", STORY_LIMIT, given).await?;
    assert_eq!(world.files(&another)?["password"].1, "second");
    world.fleet.bao.start_again().await?;
    world.fleet.start_replica(0).await?;
    world.fleet.cli(&["cluster", "revoke", CLUSTER]).await?;
    wait::until("its cache to be gone", STORY_LIMIT, async || {
        ensure!(sealed(&caches[1])?.is_empty(), "it is there");
        anyhow::Ok(())
    })
    .await
}
