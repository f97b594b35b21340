//! One binding with `{cluster}` in its path: each cluster gets what is at its own.

use anyhow::{Context as _, Result, ensure};
use lockstep_testbed::Fleet;
use lockstep_testbed::fleet::{KV, STORY_LIMIT, Settings};
use serde_json::{Value, json};

/// Writes what is at a cluster's path.
async fn put(fleet: &Fleet, cluster: &str, text: &str) -> Result<()> {
    fleet.bao.kv_put(KV, &format!("shop/{cluster}/db"), &json!({ "password": text })).await.map(drop)
}

/// Three clusters and their binding `db`; the third one's path is not there.
async fn fleet() -> Result<Fleet> {
    let fleet = Fleet::start(Settings { replicas: 1, clusters: 3, ..Settings::default() }).await?;
    for (cluster, text) in [("cluster-1", "one"), ("cluster-2", "two")] {
        put(&fleet, cluster, text).await?;
    }
    fleet.apply(&format!("{}---\n{}", fleet.basics(), binding())).await?;
    Ok(fleet)
}

fn binding() -> String {
    Fleet::bound("db", "\"shop/{cluster}/db\"", "deletionPolicy: Retain")
}

async fn have(fleet: &Fleet, wanted: &[(&str, &str)]) -> Result<()> {
    for (cluster, text) in wanted {
        fleet.await_file(cluster, "db", "password", Some(text)).await?;
        fleet.await_delivery(cluster, "db", "InSync").await?;
    }
    Ok(())
}

/// `cluster revision version` of every delivery.
async fn revisions(fleet: &Fleet) -> Result<Vec<(String, Value, Value)>> {
    let text = |d: &Value| d["cluster"].as_str().unwrap_or_default().to_owned();
    let one = |d: Value| (text(&d), d["appliedRevision"].clone(), d["versions"].clone());
    Ok(fleet.deliveries().await?.into_iter().map(one).collect())
}

fn cause(delivery: &Value) -> &str {
    delivery["cause"].as_str().unwrap_or_default()
}

#[tokio::test]
async fn one_binding_brings_each_cluster_its_own_and_a_write_reaches_one_cluster_only() -> Result<()> {
    let mut fleet = fleet().await?;
    have(&fleet, &[("cluster-1", "one"), ("cluster-2", "two")]).await?;
    let lacking = fleet.await_delivery("cluster-3", "db", "Failed").await?;
    assert!(cause(&lacking).contains("kv/shop/cluster-3/db"), "{lacking}");
    put(&fleet, "cluster-3", "three").await?;
    have(&fleet, &[("cluster-3", "three")]).await?;

    // One write: one read, one delivery, and nothing moves elsewhere.
    let (before, reads) = (revisions(&fleet).await?, fleet.data_reads()?);
    put(&fleet, "cluster-2", "again").await?;
    have(&fleet, &[("cluster-1", "one"), ("cluster-2", "again"), ("cluster-3", "three")]).await?;
    fleet.await_sweeps(2).await?;
    let after = revisions(&fleet).await?;
    let moved: Vec<_> = after.iter().filter(|now| !before.contains(now)).map(|(cluster, ..)| cluster.as_str()).collect();
    assert_eq!((before.len(), moved), (3, vec!["cluster-2"]), "{before:?} {after:?}");
    assert_eq!(fleet.data_reads()? - reads, 1, "reads of data for one write");

    // A cluster that comes later has its own from the beginning.
    put(&fleet, "cluster-4", "four").await?;
    fleet.add_cluster("cluster-4", &["env=prod"]).await?;
    have(&fleet, &[("cluster-4", "four")]).await?;
    let unmoved = revisions(&fleet).await?;
    assert!(after.iter().all(|one| unmoved.contains(one)), "{after:?} {unmoved:?}");

    let table = fleet.cli(&["get", "bindings", "-o", "wide"]).await?.stdout;
    assert!(table.contains("corp/kv/shop/{cluster}/db") && table.contains("4/4"), "{table}");
    let described = fleet.cli(&["describe", "secret", "corp/kv/shop/cluster-4/db"]).await?.stdout;
    assert!(described.contains("shop/cluster-4/db") && described.contains("4/4"), "{described}");
    let why = fleet.cli_any(&["why", "cluster-1", "corp/kv/shop/cluster-4/db"]).await?.stdout;
    assert!(why.contains("no binding uses corp/kv/shop/cluster-4/db"), "{why}");
    let back = fleet.cli_any(&["rollback", "db"]).await?;
    assert!(back.code != 0 && back.stderr.contains("a path of its own"), "{}", back.stderr);
    fleet.cli(&["source", "check", "corp"]).await.map(drop)
}

#[tokio::test]
async fn a_grant_for_one_clusters_paths_denies_the_others_by_name_and_they_keep_what_they_have() -> Result<()> {
    let fleet = fleet().await?;
    put(&fleet, "cluster-3", "three").await?;
    have(&fleet, &[("cluster-1", "one"), ("cluster-2", "two"), ("cluster-3", "three")]).await?;
    fleet.apply(&fleet.basics().replace("shop/**", "shop/cluster-1/*")).await?;
    for (cluster, text) in [("cluster-2", "two"), ("cluster-3", "three")] {
        let denied = fleet.await_delivery(cluster, "db", "Denied").await?;
        assert!(cause(&denied).contains(&format!("path shop/{cluster}/db")), "{denied}");
        fleet.await_file(cluster, "db", "password", Some(text)).await?;
    }
    put(&fleet, "cluster-2", "unseen").await?;
    put(&fleet, "cluster-1", "seen").await?;
    have(&fleet, &[("cluster-1", "seen")]).await?;
    assert_eq!(fleet.file("cluster-2", "db", "password")?.as_deref(), Some("two"));
    fleet.apply(&fleet.basics()).await?;
    have(&fleet, &[("cluster-2", "unseen"), ("cluster-3", "three")]).await?;

    // KV version 1 as well; elsewhere it is refused, with the reason.
    fleet.bao.enable_kv1("old").await?;
    for cluster in ["cluster-1", "cluster-2", "cluster-3"] {
        fleet.bao.kv1_put("old", &format!("shop/{cluster}"), &json!({ "key": cluster })).await?;
    }
    let grant = fleet.basics().rsplit("---\n").next().context("the grant")?.replace("mount: kv", "mount: old");
    let licence = Fleet::binding("licence")
        .replace(&format!("mount: {KV}, path: shop/licence"), "mount: old, path: \"shop/{cluster}\", engine: KvV1");
    fleet.apply(&format!("{}\n---\n{licence}", grant.replace("shop-prod", "shop-old"))).await?;
    let policy = fleet.cli(&["source", "policy", "corp"]).await?.stdout;
    ensure!(policy.contains("old/shop/cluster-3"), "{policy}");
    fleet.bao.extend_policy("lockstep", &policy).await?;
    fleet.await_deliveries("InSync", 6, STORY_LIMIT).await?;
    for cluster in ["cluster-1", "cluster-2", "cluster-3"] {
        fleet.await_file(cluster, "licence", "key", Some(cluster)).await?;
    }
    let refused = fleet.apply(&licence.replace("mount: old", "mount: \"{cluster}\"")).await.err().context("it is refused")?;
    assert!(format!("{refused:#}").contains("path of a KV engine only"), "{refused:#}");
    Ok(())
}
