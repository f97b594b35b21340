//! Whatever becomes of a secret at its source shows, and nothing good is lost unless the binding says so.

use anyhow::Result;
use lockstep_testbed::Fleet;
use lockstep_testbed::fleet::{KV, Settings};
use serde_json::{Value, json};

const CLUSTER: &str = "cluster-1";
const PATH: &str = "shop/a";

async fn fleet() -> Result<Fleet> {
    let fleet = Fleet::start(Settings { replicas: 1, clusters: 1, ..Settings::default() }).await?;
    fleet.apply(&fleet.basics()).await?;
    Ok(fleet)
}

async fn put(fleet: &Fleet, path: &str, text: &str) -> Result<u64> {
    fleet.bao.kv_put(KV, path, &json!({ "password": text })).await
}

/// The binding `kept` has this text, and `followed` too.
async fn both_have(fleet: &Fleet, text: &str) -> Result<()> {
    for binding in ["kept", "followed"] {
        fleet.await_file(CLUSTER, binding, "password", Some(text)).await?;
        let delivery = fleet.await_delivery(CLUSTER, binding, "InSync").await?;
        assert_eq!(delivery.get("cause"), None, "{delivery}");
    }
    Ok(())
}

/// The binding `kept` still has this text and says why, `followed` has given it up.
async fn only_kept_has(fleet: &Fleet, text: &str, word: &str) -> Result<()> {
    let stale = fleet.await_delivery(CLUSTER, "kept", "Stale").await?;
    let cause = stale["cause"].as_str().unwrap_or_default();
    assert!(cause.contains(word) && cause.contains("keeps the last good version"), "{cause}");
    fleet.await_file(CLUSTER, "followed", "password", None).await?;
    let followed = fleet.await_delivery(CLUSTER, "followed", "InSync").await?;
    assert!(followed["cause"].as_str().unwrap_or_default().contains("removed from the cluster"), "{followed}");
    assert_eq!(fleet.file(CLUSTER, "kept", "password")?.as_deref(), Some(text));
    Ok(())
}

#[tokio::test]
async fn a_secret_that_is_gone_is_kept_or_followed_as_the_binding_says_and_comes_back() -> Result<()> {
    let fleet = fleet().await?;
    put(&fleet, PATH, "one").await?;
    let bindings = ["Retain", "Delete"].map(|policy| {
        let name = if policy == "Retain" { "kept" } else { "followed" };
        Fleet::bound(name, PATH, &format!("sourceDeletionPolicy: {policy}"))
    });
    fleet.apply(&bindings.concat()).await?;
    both_have(&fleet, "one").await?;

    fleet.bao.kv_soft_delete(KV, PATH, &[1]).await?;
    fleet.await_secret(PATH, "Deleted", 1).await?;
    only_kept_has(&fleet, "one", "is deleted").await?;
    fleet.bao.kv_undelete(KV, PATH, &[1]).await?;
    both_have(&fleet, "one").await?;

    put(&fleet, PATH, "two").await?;
    both_have(&fleet, "two").await?;
    fleet.bao.kv_destroy(KV, PATH, &[2]).await?;
    fleet.await_secret(PATH, "Destroyed", 2).await?;
    only_kept_has(&fleet, "two", "is destroyed").await?;
    put(&fleet, PATH, "three").await?;
    both_have(&fleet, "three").await?;

    let first = fleet.await_secret(PATH, "Live", 3).await?;
    fleet.bao.kv_delete_metadata(KV, PATH).await?;
    fleet.await_secret(PATH, "Missing", 3).await?;
    only_kept_has(&fleet, "three", "is missing").await?;
    assert_eq!(put(&fleet, PATH, "one again").await?, 1, "numbering restarts");
    both_have(&fleet, "one again").await?;
    let second = fleet.await_secret(PATH, "Live", 1).await?;
    assert_ne!(first["incarnation"], second["incarnation"]);

    let table = fleet.cli(&["get", "secrets"]).await?.stdout;
    let row: Vec<&str> = table.lines().nth(1).unwrap_or_default().split_whitespace().collect();
    assert_eq!(row[..5], ["corp", KV, PATH, "Live", "1"], "{table}");
    Ok(())
}

#[tokio::test]
async fn a_deletion_time_in_the_future_is_live_until_then_and_a_restored_source_is_held() -> Result<()> {
    let fleet = fleet().await?;
    for (path, after) in [("shop/later", "1h"), ("shop/soon", "4s")] {
        fleet.bao.request("POST", &format!("{KV}/metadata/{path}"), Some(json!({ "delete_version_after": after }))).await?;
        put(&fleet, path, "one").await?;
    }
    fleet.apply(&["later", "soon"].map(Fleet::binding).concat()).await?;
    for binding in ["later", "soon"] {
        fleet.await_file(CLUSTER, binding, "password", Some("one")).await?;
    }
    let metadata = fleet.bao.kv_metadata(KV, "shop/later").await?;
    assert_ne!(metadata["versions"]["1"]["deletion_time"], "", "the version has one");
    fleet.await_delivery(CLUSTER, "later", "InSync").await?;
    fleet.await_delivery(CLUSTER, "soon", "Stale").await?;
    fleet.await_secret("shop/soon", "Deleted", 1).await?;
    fleet.await_secret("shop/later", "Live", 1).await?;

    restored_from_a_backup(&fleet).await
}

async fn restored_from_a_backup(fleet: &Fleet) -> Result<()> {
    put(fleet, PATH, "one").await?;
    fleet.apply(&Fleet::binding("a")).await?;
    fleet.await_file(CLUSTER, "a", "password", Some("one")).await?;
    let backup = fleet.bao.snapshot().await?;
    for text in ["two", "three"] {
        put(fleet, PATH, text).await?;
        fleet.await_file(CLUSTER, "a", "password", Some(text)).await?;
    }
    fleet.await_delivery(CLUSTER, "a", "InSync").await?;

    fleet.bao.restore(backup).await?;
    let held = fleet.await_delivery(CLUSTER, "a", "Held").await?;
    assert!(held["cause"].as_str().unwrap_or_default().contains("as it was before version 3"), "{held}");
    fleet.await_secret(PATH, "WentBack", 3).await?;
    fleet.await_sweeps(3).await?;
    assert_eq!(fleet.file(CLUSTER, "a", "password")?.as_deref(), Some("three"), "the last good value is kept");
    let later = fleet.await_delivery(CLUSTER, "later", "InSync").await?;
    assert_eq!(later.get("cause"), None::<&Value>, "what did not go back is not held");

    // Written there again until it is newer than what was delivered.
    while put(fleet, PATH, "newest").await? <= 3 {}
    fleet.await_file(CLUSTER, "a", "password", Some("newest")).await?;
    fleet.await_delivery(CLUSTER, "a", "InSync").await.map(drop)
}
