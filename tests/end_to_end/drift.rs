//! What is changed in a cluster by hand is put right again.

use std::fs;

use anyhow::Result;
use lockstep_testbed::Fleet;
use lockstep_testbed::fleet::{KV, Settings};
use serde_json::json;

const CLUSTER: &str = "cluster-1";

#[tokio::test]
async fn a_target_that_was_edited_or_deleted_in_the_cluster_is_restored() -> Result<()> {
    let fleet = Fleet::start(Settings { replicas: 1, clusters: 1, ..Settings::default() }).await?;
    fleet.apply(&fleet.basics()).await?;
    for name in ["edited", "shortened", "deleted"] {
        fleet.bao.kv_put(KV, &format!("shop/{name}"), &json!({ "user": "app", "password": "right" })).await?;
        fleet.apply(&Fleet::binding(name)).await?;
        fleet.await_delivery(CLUSTER, name, "InSync").await?;
    }
    let targets = fleet.agents[0].targets();
    fs::write(targets.join("edited/password"), "wrong")?;
    fs::remove_file(targets.join("shortened/password"))?;
    fs::remove_dir_all(targets.join("deleted"))?;
    for name in ["edited", "shortened", "deleted"] {
        fleet.await_file(CLUSTER, name, "password", Some("right")).await?;
        fleet.await_file(CLUSTER, name, "user", Some("app")).await?;
        fleet.await_delivery(CLUSTER, name, "InSync").await?;
    }
    let metrics = fleet.agents[0].metrics().await?;
    assert!(metrics.lines().any(|l| l == "lockstep_agent_drift_total 3"), "{metrics}");
    assert!(fleet.replicas[0].process()?.log().contains("targets were changed in the cluster"));
    Ok(())
}
