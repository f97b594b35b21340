//! A bad value is taken back: the earlier version in every cluster, pinned until somebody unpins it.

use anyhow::{Context as _, Result};
use lockstep_testbed::Fleet;
use lockstep_testbed::fleet::{KV, Settings};
use serde_json::{Value, json};

const CLUSTERS: [&str; 2] = ["cluster-1", "cluster-2"];
const PATH: &str = "shop/db";

async fn put(fleet: &Fleet, text: &str) -> Result<u64> {
    fleet.bao.kv_put(KV, PATH, &json!({ "password": text })).await
}

/// Every cluster has this text; the newest revision of them.
async fn all_have(fleet: &Fleet, text: &str) -> Result<(u64, u64)> {
    let mut newest = (0, 0);
    for cluster in CLUSTERS {
        fleet.await_file(cluster, "db", "password", Some(text)).await?;
        newest = newest.max(revision(&fleet.await_delivery(cluster, "db", "InSync").await?)?);
    }
    Ok(newest)
}

fn revision(delivery: &Value) -> Result<(u64, u64)> {
    let text = delivery["appliedRevision"].as_str().context("a revision")?;
    let (epoch, seq) = text.split_once('.').with_context(|| text.to_owned())?;
    Ok((epoch.parse()?, seq.parse()?))
}

/// What the command prints.
async fn told(fleet: &Fleet, arguments: &[&str]) -> Result<String> {
    Ok(fleet.cli(arguments).await?.stdout)
}

#[tokio::test]
async fn a_rollback_holds_the_earlier_version_in_every_cluster_until_it_is_unpinned() -> Result<()> {
    let fleet = Fleet::start(Settings { replicas: 1, clusters: 2, ..Settings::default() }).await?;
    put(&fleet, "one").await?;
    fleet.apply(&format!("{}---\n{}", fleet.basics(), Fleet::binding("db"))).await?;
    all_have(&fleet, "one").await?;
    let only = fleet.cli_any(&["rollback", "db"]).await?;
    assert!(only.code != 0 && only.stderr.contains("no version before 1"), "{}", only.stderr);
    put(&fleet, "two").await?;
    let second = all_have(&fleet, "two").await?;

    let said = told(&fleet, &["rollback", "db"]).await?;
    let line = format!("corp/{KV}/{PATH} is pinned to 1; 2 waits");
    assert!(said.contains(&format!("binding/db configured: {line}")), "{said}");
    let back = all_have(&fleet, "one").await?;
    assert!(back > second, "{back:?} after {second:?}");
    for command in [["get", "bindings"].as_slice(), &["describe", "binding", "db"], &["status"]] {
        let said = told(&fleet, command).await?;
        assert!(said.contains("pinned to 1"), "{said}");
    }
    let changes = told(&fleet, &["get", "changes", "--subject", "binding/db"]).await?;
    assert!(changes.contains("BindingRolledBack"), "{changes}");

    put(&fleet, "three").await?;
    fleet.await_secret(PATH, "Live", 3).await?;
    fleet.await_sweeps(2).await?;
    assert_eq!(all_have(&fleet, "one").await?, back, "nothing moves");
    let status = told(&fleet, &["status"]).await?;
    assert!(status.contains("is pinned to 1; 3 waits"), "{status}");

    told(&fleet, &["unpin", "db"]).await?;
    let freed = all_have(&fleet, "three").await?;
    assert!(freed > back, "{freed:?} after {back:?}");
    assert!(!told(&fleet, &["status"]).await?.contains("pinned"));
    Ok(())
}
