//! Content that changes again while a workload still rolls out.

use std::time::Duration;

use anyhow::Result;
use serde_json::json;

use super::fixture::{Agent, Shop, settings, workload};
use crate::restart::Settings;

#[tokio::test]
async fn a_change_during_a_rollout_waits_a_while_and_takes_the_slot_that_is_there() -> Result<()> {
    let shop = Shop::new("again").await?;
    let mut manifest = workload("Deployment", "checkout", &["db"]);
    manifest["spec"]["template"]["spec"]["nodeName"] = json!("again-node");
    shop.apply("deployments", &manifest).await?;
    shop.await_pod("checkout").await?;
    let again_after = Duration::from_secs(2);
    let agent = Agent::start(Settings { budget: 1, again_after, ..settings() }).await?;
    agent.restarts.want(shop.due(1, "db", 10));
    agent.report(1, "the first restart", |report| report.restarted == 1).await?;
    let first = shop.restarted_at("checkout").await?;
    agent.restarts.want(shop.due(1, "db", 20));
    agent.report(1, "the second restart", |report| report.revision.seq.get() == 20 && report.restarted == 1).await?;
    let second = shop.restarted_at("checkout").await?;
    assert!((second - first).to_std()? >= again_after, "{first} and {second}");
    assert_eq!((shop.replica_sets("checkout").await?, agent.metrics.restarts_in_motion.get()), (3, 1));

    // The node's kubelet is there at last.
    let node = json!({ "metadata": { "name": "again-node" } });
    shop.cluster.request("POST", "/api/v1/nodes", Some(node)).await?;
    agent.healthy(1, 20).await?;
    assert_eq!(agent.outcomes("healthy")?, 1);
    agent.stop().await
}
