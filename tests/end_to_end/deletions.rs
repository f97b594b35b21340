//! What is deleted goes where it should, never too much of it at once, and also where nobody was at home.

use anyhow::{Result, ensure};
use lockstep_testbed::fleet::{KV, STORY_LIMIT, Settings};
use lockstep_testbed::{Fleet, wait};
use serde_json::json;

const ONE: &str = "cluster-1";
const TWO: &str = "cluster-2";
const BOTH: [&str; 2] = [ONE, TWO];

/// Ten bindings in two clusters: seven that delete what they delivered, two that follow their source, one that keeps.
async fn fleet() -> Result<Fleet> {
    let fleet = Fleet::start(Settings { replicas: 1, clusters: 2, ..Settings::default() }).await?;
    for path in ["shop/db", "shop/gone"] {
        fleet.bao.kv_put(KV, path, &json!({ "password": "one" })).await?;
    }
    fleet.apply(&fleet.basics()).await?;
    let deleting = (0..7).map(|n| Fleet::bound(&format!("b{n}"), "shop/db", "deletionPolicy: Delete"));
    let following = (0..2).map(|n| Fleet::bound(&format!("g{n}"), "shop/gone", "sourceDeletionPolicy: Delete"));
    let all: String = deleting.chain(following).chain([Fleet::binding("kept").replace("shop/kept", "shop/db")]).collect();
    fleet.apply(&all).await?;
    fleet.await_deliveries("InSync", 20, STORY_LIMIT).await?;
    Ok(fleet)
}

async fn await_held(fleet: &Fleet, cluster: &str, count: u64) -> Result<()> {
    wait::until(&format!("{count} deletions to be held back in {cluster}"), STORY_LIMIT, async || {
        let status = &fleet.cli(&["get", "cluster", cluster, "-o", "json"]).await?.json()?["status"];
        ensure!(status["deletionsHeld"] == count, "{status}");
        let condition = status["conditions"].as_array().into_iter().flatten().find(|c| c["type"] == "DeletionsHeld");
        let shown = condition.is_some_and(|c| c["message"].as_str().unwrap_or_default().contains("lockstep confirm"));
        ensure!(shown == (count > 0), "{status}");
        anyhow::Ok(())
    })
    .await
}

/// Whether a cluster has each of these.
fn has(fleet: &Fleet, cluster: &str, bindings: &[&str]) -> Result<Vec<bool>> {
    bindings.iter().map(|binding| Ok(fleet.file(cluster, binding, "password")?.is_some())).collect()
}

async fn await_gone(fleet: &Fleet, cluster: &str, bindings: &[&str]) -> Result<()> {
    for binding in bindings {
        fleet.await_file(cluster, binding, "password", None).await?;
    }
    Ok(())
}

#[tokio::test]
async fn more_than_a_cluster_s_share_is_deleted_only_once_it_is_confirmed_there() -> Result<()> {
    let mut fleet = fleet().await?;
    // Three of ten are more than 20 %.
    fleet.cli(&["delete", "binding", "b0", "b1", "b2"]).await?;
    for cluster in BOTH {
        await_held(&fleet, cluster, 3).await?;
        assert_eq!(has(&fleet, cluster, &["b0", "b1", "b2"])?, [true; 3], "{cluster}");
    }
    wait::until("the metric to tell", STORY_LIMIT, async || {
        let held = fleet.replicas[0].metric("lockstep_deletions_held{cluster=\"cluster-1\"}").await?;
        ensure!(held == Some(3.0), "{held:?}");
        anyhow::Ok(())
    })
    .await?;
    let tried = fleet.cli(&["confirm", ONE, "--dry-run=server"]).await?;
    assert_eq!(tried.stdout, "cluster/cluster-1 3 deletions confirmed (server dry run)\n");
    assert_eq!(tried.stderr, "3 deletions wait in cluster/cluster-1: b0, b1, b2\n");
    // What changes otherwise goes on.
    fleet.bao.kv_put(KV, "shop/db", &json!({ "password": "two" })).await?;
    fleet.await_file(ONE, "b3", "password", Some("two")).await?;
    assert_eq!(has(&fleet, ONE, &["b0", "b1", "b2"])?, [true; 3]);

    assert_eq!(fleet.cli(&["confirm", ONE]).await?.stdout, "cluster/cluster-1 3 deletions confirmed\n");
    await_gone(&fleet, ONE, &["b0", "b1", "b2"]).await?;
    await_held(&fleet, ONE, 0).await?;
    assert_eq!(has(&fleet, TWO, &["b0", "b1", "b2"])?, [true; 3], "that was for the other cluster");
    // Also what is confirmed while the agent is away.
    fleet.agents[1].process()?.stop().await?;
    fleet.cli(&["confirm", TWO]).await?;
    fleet.agents[1].start()?;
    await_gone(&fleet, TWO, &["b0", "b1", "b2"]).await?;
    assert_eq!(fleet.cli(&["confirm", TWO]).await?.stdout, "cluster/cluster-2 unchanged\n");

    // One goes without asking.
    fleet.cli(&["delete", "binding", "b3"]).await?;
    for cluster in BOTH {
        await_gone(&fleet, cluster, &["b3"]).await?;
    }
    Ok(())
}

#[tokio::test]
async fn the_guard_holds_for_a_cluster_that_was_away_and_for_a_source_and_a_purge_asks_nobody() -> Result<()> {
    let mut fleet = fleet().await?;
    fleet.agents[1].process()?.stop().await?;
    fleet.cli(&["delete", "binding", "b0", "b1", "b2", "b3"]).await?;
    await_held(&fleet, ONE, 4).await?;
    fleet.cli(&["confirm", ONE]).await?;
    await_gone(&fleet, ONE, &["b0", "b1", "b2", "b3"]).await?;
    fleet.agents[1].start()?;
    await_held(&fleet, TWO, 4).await?;
    assert_eq!(has(&fleet, TWO, &["b0", "b3"])?, [true; 2], "it was confirmed for the other cluster only");

    // Both that follow their source, of six.
    fleet.bao.kv_delete_metadata(KV, "shop/gone").await?;
    let held = fleet.await_delivery(ONE, "g0", "Held").await?;
    let cause = held["cause"].as_str().unwrap_or_default();
    assert!(cause.contains("holds back 2 deletions") && cause.ends_with("lockstep confirm cluster-1"), "{cause}");
    assert_eq!(has(&fleet, ONE, &["g0", "g1"])?, [true; 2]);
    fleet.cli(&["confirm", ONE]).await?;
    await_gone(&fleet, ONE, &["g0", "g1"]).await?;
    let removed = fleet.await_delivery(ONE, "g0", "InSync").await?;
    assert!(removed["cause"].as_str().unwrap_or_default().contains("removed from the cluster"), "{removed}");
    await_held(&fleet, TWO, 6).await?;

    fleet.cli(&["cluster", "remove", TWO, "--secrets=purge"]).await?;
    await_gone(&fleet, TWO, &["b0", "b1", "b2", "b3", "b4", "b5", "b6", "g0", "g1", "kept"]).await?;
    fleet.cli(&["wait", "--for=delete", "cluster/cluster-2", "--timeout", "30s"]).await?;
    assert_eq!(has(&fleet, ONE, &["b4", "b5", "b6", "kept"])?, [true; 4]);
    Ok(())
}

#[tokio::test]
async fn a_grant_that_goes_takes_what_it_allowed_with_it_as_bindings_say_and_under_the_guard() -> Result<()> {
    let fleet = fleet().await?;
    let (deleting, keeping) = (["b0", "b1", "b2", "b3", "b4", "b5", "b6"], ["g0", "g1", "kept"]);
    let refused = fleet.cli_any(&["delete", "grant", "shop-prod"]).await?;
    let want = "grant/shop-prod would delete 14 directories in 2 clusters (cluster-1, cluster-2), stop updating and keep 6 directories in 2 \
                clusters (cluster-1, cluster-2)\nerror: this deletes what was delivered; nothing was changed: nobody is here to be asked, so \
                pass --yes if it is meant\n";
    assert_eq!((refused.code, refused.stdout.as_str(), refused.stderr.as_str()), (1, "", want));
    fleet.await_deliveries("InSync", 20, STORY_LIMIT).await?;
    assert_eq!(fleet.cli(&["delete", "grant", "shop-prod", "--yes"]).await?.stderr, "");
    let denied = fleet.await_deliveries("Denied", 20, STORY_LIMIT).await?;
    let cause = |binding: &str| {
        let of = denied.iter().find(|d| d["binding"] == binding);
        of.and_then(|d| d["cause"].as_str()).unwrap_or_default().to_owned()
    };
    assert!(cause("b0").ends_with("what it has of it is deleted, as deletionPolicy says"), "{}", cause("b0"));
    assert!(cause("kept").ends_with("what it has of it stays, as deletionPolicy says"), "{}", cause("kept"));
    for cluster in BOTH {
        await_held(&fleet, cluster, 7).await?;
        assert_eq!(has(&fleet, cluster, &deleting)?, [true; 7], "{cluster}");
    }
    fleet.cli(&["confirm", ONE]).await?;
    await_gone(&fleet, ONE, &deleting).await?;
    assert_eq!(has(&fleet, ONE, &keeping)?, [true; 3]);
    fleet.await_deliveries("Denied", 20, STORY_LIMIT).await?;
    // What changes at the source is none of theirs.
    fleet.bao.kv_put(KV, "shop/db", &json!({ "password": "two" })).await?;
    fleet.await_secret("shop/db", "Live", 2).await?;
    fleet.await_sweeps(4).await?;
    await_held(&fleet, TWO, 7).await?;
    assert_eq!(fleet.file(ONE, "kept", "password")?.as_deref(), Some("one"));

    // Given again, everything is where it was.
    fleet.apply(&fleet.basics()).await?;
    fleet.await_deliveries("InSync", 20, STORY_LIMIT).await?;
    for cluster in BOTH {
        fleet.await_file(cluster, "b0", "password", Some("two")).await?;
        await_held(&fleet, cluster, 0).await?;
    }
    Ok(())
}

#[tokio::test]
async fn everybody_sees_which_version_a_cluster_has() -> Result<()> {
    let fleet = Fleet::start(Settings { replicas: 1, clusters: 2, ..Settings::default() }).await?;
    fleet.bao.kv_put(KV, "shop/db", &json!({ "password": "one" })).await?;
    fleet.apply(&fleet.basics()).await?;
    fleet.apply(&Fleet::binding("db")).await?;
    fleet.await_deliveries("InSync", 2, STORY_LIMIT).await?;
    fleet.agents[1].process()?.stop().await?;
    fleet.bao.kv_put(KV, "shop/db", &json!({ "password": "two" })).await?;
    fleet.await_file(ONE, "db", "password", Some("two")).await?;
    fleet.await_delivery(ONE, "db", "InSync").await?;
    let behind = fleet.await_delivery(TWO, "db", "Pending").await?;
    assert_eq!((&behind["versions"][0]["applied"], &behind["versions"][0]["desired"]), (&json!(1), &json!(2)));
    for command in [&["get", "deliveries"][..], &["describe", "binding", "db"]] {
        let table = fleet.cli(command).await?.stdout;
        let line = |cluster: &str| table.lines().find(|l| l.trim_start().starts_with(cluster)).unwrap_or_default().to_owned();
        assert!(line(ONE).contains("InSync") && line(ONE).contains("   v2   "), "{table}");
        assert!(line(TWO).contains("   v1 (v2 wanted)   "), "{table}");
    }
    let status = fleet.cli(&["status"]).await?.stdout;
    assert!(status.lines().any(|l| l.contains(TWO) && l.ends_with("v1 (v2 wanted)")), "{status}");
    Ok(())
}
