//! The source's load follows distinct secrets, never clusters times bindings.

use anyhow::Result;
use lockstep_testbed::Fleet;
use lockstep_testbed::fleet::{KV, STORY_LIMIT, Settings};
use serde_json::json;

/// More than fifty: then one look more or less, of a sweep under way at either end, is less than two per cent.
const SWEEPS: u64 = 60;
const BINDINGS: usize = 50;

#[tokio::test]
async fn watching_costs_the_same_for_more_clusters_and_more_bindings_and_a_version_is_read_once() -> Result<()> {
    let mut fleet = Fleet::start(Settings { clusters: 1, watch_interval_ms: 200, ..Settings::default() }).await?;
    fleet.bao.kv_put(KV, "shop/db", &json!({ "password": "v1" })).await?;
    let one = Fleet::bound("db-0", "shop/db", "deletionPolicy: Delete");
    fleet.apply(&format!("{}---\n{one}", fleet.basics())).await?;
    fleet.await_deliveries("InSync", 1, STORY_LIMIT).await?;
    let alone = looks_per_sweep(&fleet).await?;

    for number in 2..=5 {
        fleet.add_cluster(&format!("cluster-{number}"), &["env=prod"]).await?;
    }
    fleet.await_deliveries("InSync", 5, STORY_LIMIT).await?;
    let more_clusters = looks_per_sweep(&fleet).await?;

    let many: String = (1..BINDINGS).map(|i| Fleet::bound(&format!("db-{i}"), "shop/db", "deletionPolicy: Delete")).collect();
    fleet.apply(&many).await?;
    fleet.await_deliveries("InSync", 5 * BINDINGS, STORY_LIMIT * 2).await?;
    let more_bindings = looks_per_sweep(&fleet).await?;

    println!("looks per sweep: {alone} alone, {more_clusters} with 5 clusters, {more_bindings} with {BINDINGS} bindings too");
    for (what, looks) in [("5 clusters", more_clusters), ("50 bindings", more_bindings)] {
        assert!((looks / alone - 1.0).abs() <= 0.02, "{what}: {looks} looks per sweep instead of {alone}");
    }

    let before = fleet.data_reads()?;
    let versions = 3;
    for version in 2..2 + versions {
        let text = format!("v{version}");
        fleet.bao.kv_put(KV, "shop/db", &json!({ "password": &text })).await?;
        for number in 1..=5 {
            for index in [0, BINDINGS - 1] {
                fleet.await_file(&format!("cluster-{number}"), &format!("db-{index}"), "password", Some(&text)).await?;
            }
        }
    }
    fleet.await_deliveries("InSync", 5 * BINDINGS, STORY_LIMIT * 2).await?;
    let (reads, most) = (fleet.data_reads()? - before, versions * fleet.replicas.len());
    println!("{reads} data reads for {versions} versions in {} deliveries", versions * 5 * BINDINGS);
    assert!(
        (versions..=most).contains(&reads),
        "{reads} data reads for {versions} versions and {} replicas",
        fleet.replicas.len()
    );
    Ok(())
}

/// Requests for metadata in each sweep, both ends taken right after a sweep, when none is under way.
async fn looks_per_sweep(fleet: &Fleet) -> Result<f64> {
    let (first, from) = right_after_a_sweep(fleet).await?;
    fleet.await_sweeps(SWEEPS).await?;
    let (last, to) = right_after_a_sweep(fleet).await?;
    let looks = fleet.metadata_looks_since(from)? - fleet.metadata_looks_since(to)?;
    #[expect(clippy::cast_precision_loss, reason = "a few hundred")]
    Ok(looks as f64 / (last - first) as f64)
}

/// How many sweeps there were, and how long the audit log was then.
async fn right_after_a_sweep(fleet: &Fleet) -> Result<(u64, usize)> {
    loop {
        fleet.await_sweeps(1).await?;
        let sweeps = fleet.sweeps().await?;
        let size = fleet.bao.audit_size()?;
        if fleet.sweeps().await? == sweeps {
            return Ok((sweeps, size));
        }
    }
}
