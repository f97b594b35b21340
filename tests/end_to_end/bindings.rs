//! Bindings, grants, labels and pins decide what is where, and what is taken away leaves a tombstone until the agent has followed.

use anyhow::{Result, ensure};
use lockstep_testbed::fleet::{KV, STORY_LIMIT, Settings};
use lockstep_testbed::{Fleet, wait};
use serde_json::json;

const ONE: &str = "cluster-1";
const TWO: &str = "cluster-2";

async fn fleet() -> Result<Fleet> {
    let fleet = Fleet::start(Settings { replicas: 1, clusters: 2, ..Settings::default() }).await?;
    fleet.bao.kv_put(KV, "shop/db", &json!({ "password": "one" })).await?;
    fleet.apply(&fleet.basics()).await?;
    Ok(fleet)
}

fn kept_and_dropped() -> String {
    ["kept", "dropped"]
        .map(|name| {
            let policy = if name == "kept" { "Retain" } else { "Delete" };
            Fleet::bound(name, "shop/db", &format!("deletionPolicy: {policy}"))
        })
        .concat()
}

fn cluster(name: &str, env: &str) -> String {
    format!("apiVersion: lockstep.dev/v1\nkind: Cluster\nmetadata: {{name: {name}, labels: {{env: {env}}}}}\nspec: {{}}\n")
}

/// How many placements have this answer.
async fn placements(fleet: &Fleet, answer: &str) -> Result<usize> {
    let list = fleet.cli(&["get", "placements", "-o", "json"]).await?.json()?;
    Ok(list["items"].as_array().map_or(0, |items| items.iter().filter(|p| p["answer"] == answer).count()))
}

async fn await_no_tombstone(fleet: &Fleet) -> Result<()> {
    wait::until("no tombstone to be left", STORY_LIMIT, async || {
        let left = placements(fleet, "Removed").await?;
        ensure!(left == 0, "{left} are left");
        anyhow::Ok(())
    })
    .await
}

#[tokio::test]
async fn labels_and_deletions_place_and_take_back_also_from_a_cluster_that_was_away() -> Result<()> {
    let mut fleet = fleet().await?;
    fleet.apply(&kept_and_dropped()).await?;
    fleet.await_deliveries("InSync", 4, STORY_LIMIT).await?;

    fleet.apply(&cluster(TWO, "dev")).await?;
    fleet.await_file(TWO, "dropped", "password", None).await?;
    await_no_tombstone(&fleet).await?;
    assert_eq!(fleet.file(TWO, "kept", "password")?.as_deref(), Some("one"), "deletionPolicy Retain");
    assert_eq!(fleet.deliveries().await?.len(), 2);

    fleet.bao.kv_put(KV, "shop/db", &json!({ "password": "two" })).await?;
    fleet.await_file(ONE, "kept", "password", Some("two")).await?;
    assert_eq!(fleet.file(TWO, "kept", "password")?.as_deref(), Some("one"), "it is not this cluster's any more");

    fleet.apply(&cluster(TWO, "prod")).await?;
    for target in ["kept", "dropped"] {
        fleet.await_file(TWO, target, "password", Some("two")).await?;
    }
    fleet.await_deliveries("InSync", 4, STORY_LIMIT).await?;

    // Away while both bindings are deleted: the tombstones wait.
    fleet.agents[1].process()?.stop().await?;
    fleet.cli(&["delete", "binding", "kept", "dropped"]).await?;
    fleet.await_file(ONE, "dropped", "password", None).await?;
    wait::until("the tombstones of the cluster that is there to go", STORY_LIMIT, async || {
        let left = placements(&fleet, "Removed").await?;
        ensure!(left == 2, "{left} are left");
        anyhow::Ok(())
    })
    .await?;
    assert_eq!(fleet.file(ONE, "kept", "password")?.as_deref(), Some("two"));
    assert_eq!(fleet.file(TWO, "dropped", "password")?.as_deref(), Some("two"), "it was not told yet");
    let project = fleet.cli_any(&["delete", "project", "shop"]).await?;
    assert!(project.stderr.contains("not every cluster has given up yet"), "{}", project.stderr);

    fleet.agents[1].start()?;
    fleet.await_file(TWO, "dropped", "password", None).await?;
    await_no_tombstone(&fleet).await?;
    assert_eq!(fleet.file(TWO, "kept", "password")?.as_deref(), Some("two"));
    // Nothing holds the rest any more.
    fleet.cli(&["delete", "grant/shop-prod", "source/corp", "project/shop"]).await?;
    Ok(())
}

#[tokio::test]
async fn a_grant_decides_a_pin_stays_and_a_target_has_one_owner() -> Result<()> {
    let fleet = fleet().await?;
    fleet.apply(&Fleet::binding("db")).await?;
    fleet.await_deliveries("InSync", 2, STORY_LIMIT).await?;

    fleet.cli(&["delete", "grant", "shop-prod"]).await?;
    let denied = fleet.await_deliveries("Denied", 2, STORY_LIMIT).await?;
    let cause = denied[0]["cause"].as_str().unwrap_or_default();
    assert!(cause.contains("no grant of the project allows source corp, mount kv, path shop/db"), "{cause}");
    fleet.bao.kv_put(KV, "shop/db", &json!({ "password": "two" })).await?;
    fleet.await_secret("shop/db", "Live", 2).await?;
    fleet.await_sweeps(4).await?;
    for cluster in [ONE, TWO] {
        assert_eq!(fleet.file(cluster, "db", "password")?.as_deref(), Some("one"), "the last good value is kept");
    }
    fleet.apply(&fleet.basics()).await?;
    fleet.await_deliveries("InSync", 2, STORY_LIMIT).await?;
    fleet.await_file(ONE, "db", "password", Some("two")).await?;

    let pinned = Fleet::bound("pinned", "shop/db, version: 1", "deletionPolicy: Retain");
    fleet.apply(&pinned).await?;
    fleet.await_file(ONE, "pinned", "password", Some("one")).await?;
    fleet.bao.kv_put(KV, "shop/db", &json!({ "password": "three" })).await?;
    fleet.await_file(ONE, "db", "password", Some("three")).await?;
    fleet.await_delivery(ONE, "pinned", "InSync").await?;
    assert_eq!(fleet.file(ONE, "pinned", "password")?.as_deref(), Some("one"));
    fleet.apply(&pinned.replace("version: 1", "version: 3")).await?;
    fleet.await_file(ONE, "pinned", "password", Some("three")).await?;
    fleet.apply(&pinned.replace("version: 1", "version: 9")).await?;
    let missing = fleet.await_delivery(ONE, "pinned", "Stale").await?;
    assert!(missing["cause"].as_str().unwrap_or_default().contains("shop/db"), "{missing}");
    assert_eq!(fleet.file(ONE, "pinned", "password")?.as_deref(), Some("three"), "the last good value is kept");

    let rival = Fleet::binding("rival").replace("path: shop/rival", "path: shop/db").replace("{name: rival}}", "{name: db}}");
    fleet.apply(&rival).await?;
    let conflict = fleet.await_delivery(ONE, "rival", "Conflict").await?;
    assert!(!conflict["cause"].as_str().unwrap_or_default().is_empty(), "{conflict}");
    fleet.await_delivery(ONE, "db", "InSync").await?;
    fleet.cli(&["delete", "binding", "rival"]).await?;
    await_no_tombstone(&fleet).await?;
    assert_eq!(fleet.file(ONE, "db", "password")?.as_deref(), Some("three"));
    Ok(())
}
