//! What has not changed is not read again, whoever restarts.

use anyhow::Result;
use lockstep_testbed::fleet::{KV, STORY_LIMIT, Settings};
use lockstep_testbed::{Fleet, wait};
use serde_json::json;

#[tokio::test]
async fn a_reconnect_of_unchanged_clusters_reads_no_data_from_vault() -> Result<()> {
    let mut fleet = Fleet::start(Settings::default()).await?;
    let mut manifests = format!("{}---\n", fleet.basics());
    for name in ["one", "two", "three"] {
        fleet.bao.kv_put(KV, &format!("shop/{name}"), &json!({ "password": "first" })).await?;
        manifests.push_str(&Fleet::binding(name));
    }
    fleet.apply(&manifests).await?;
    fleet.await_deliveries("InSync", 15, STORY_LIMIT).await?;
    let before = fleet.data_reads()?;
    assert!(before > 0, "this check would not see a read");

    for agent in &mut fleet.agents {
        agent.process()?.stop().await?;
        agent.start()?;
    }
    fleet.await_linked().await?;
    fleet.await_sweeps(3).await?;
    assert_eq!(fleet.data_reads()?, before, "after a restart of all agents");

    for index in 0..fleet.replicas.len() {
        fleet.replicas[index].process()?.stop().await?;
        fleet.start_replica(index).await?;
    }
    fleet.await_linked().await?;
    let restarted = fleet.bao.audit_size()?;
    fleet.await_sweeps(3).await?;
    fleet.await_deliveries("InSync", 15, STORY_LIMIT).await?;
    assert!(fleet.metadata_looks_since(restarted)? > 0, "the source is looked at");
    assert_eq!(fleet.data_reads()?, before, "after a restart of all replicas");

    fleet.bao.kv_put(KV, "shop/one", &json!({ "password": "second" })).await?;
    wait::until("the control write's read", STORY_LIMIT, async || fleet.data_reads().is_ok_and(|reads| reads > before)).await?;
    for number in 1..=5 {
        fleet.await_file(&format!("cluster-{number}"), "one", "password", Some("second")).await?;
    }
    let reads = fleet.data_reads()? - before;
    assert!(reads <= fleet.replicas.len(), "one read for each replica at most, not {reads}");
    Ok(())
}

#[tokio::test]
async fn a_secret_that_no_connected_cluster_wants_any_more_is_read_ahead_once_at_most() -> Result<()> {
    let mut fleet = Fleet::start(Settings { replicas: 1, clusters: 1, ..Settings::default() }).await?;
    fleet.bao.kv_put(KV, "shop/db", &json!({ "password": "v1" })).await?;
    fleet.apply(&format!("{}---\n{}", fleet.basics(), Fleet::binding("db").replace("shop/kept", "shop/db"))).await?;
    for version in ["v1", "v2", "v3"] {
        fleet.bao.kv_put(KV, "shop/db", &json!({ "password": version })).await?;
        fleet.await_file("cluster-1", "db", "password", Some(version)).await?;
    }
    fleet.agents[0].process()?.stop().await?;
    wait::until("the stream to end", STORY_LIMIT, async || {
        let connected = fleet.replicas[0].metric("lockstep_agents_connected").await?;
        anyhow::ensure!(connected == Some(0.0), "{connected:?}");
        anyhow::Ok(())
    })
    .await?;
    let before = fleet.data_reads()?;
    for version in ["v4", "v5", "v6"] {
        fleet.bao.kv_put(KV, "shop/db", &json!({ "password": version })).await?;
        fleet.await_sweeps(3).await?;
    }
    let reads = fleet.data_reads()? - before;
    assert!(reads <= 1, "{reads} reads for nobody");
    fleet.agents[0].start()?;
    fleet.await_file("cluster-1", "db", "password", Some("v6")).await
}
