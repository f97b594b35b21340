//! A few at a time; one that does not come up blocks nobody.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use futures::future::try_join_all;
use lockstep_testbed::wait;
use serde_json::{Value, json};

use super::fixture::{Agent, LIMIT, Shop, settings, workload};
use crate::restart::Settings;

const WORKLOADS: usize = 20;
const BUDGET: usize = 3;

/// Judged here by itself, not by the code under test.
fn is_moving(deployment: &Value) -> bool {
    let (generation, status) = (&deployment["metadata"]["generation"], &deployment["status"]);
    let is = |count: &str| status[count].as_u64().unwrap_or(0) == deployment["spec"]["replicas"].as_u64().unwrap_or(1);
    status["observedGeneration"] != *generation || !["replicas", "updatedReplicas", "availableReplicas"].into_iter().all(is)
}

#[tokio::test]
async fn of_twenty_deployments_three_at_a_time_are_in_motion_and_all_finish() -> Result<()> {
    let shop = Shop::new("budget").await?;
    let names: Vec<String> = (0..WORKLOADS).map(|i| format!("w{i:02}")).collect();
    try_join_all(names.iter().map(|name| shop.deploy(name, &["db"]))).await?;
    let agent = Agent::start(Settings { budget: BUDGET, ..settings() }).await?;
    let (mut most, mut most_by_gauge, mut looks) = (0, 0, 0_u32);
    let begun = Instant::now();
    agent.restarts.want(shop.due(1, "db", 10));
    let watching = async {
        loop {
            let deployments = shop.get("deployments", "").await?;
            let items = deployments["items"].as_array().context("no items")?;
            most = most.max(items.iter().filter(|deployment| is_moving(deployment)).count());
            most_by_gauge = most_by_gauge.max(agent.metrics.restarts_in_motion.get());
            looks += 1;
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let report = tokio::select! {
        report = agent.healthy(1, 10) => report?,
        error = watching => { let error: Result<()> = error; error?; unreachable!("it looks for ever") }
    };
    eprintln!(
        "{WORKLOADS} restarted in {:?}; at most {most} in motion in {looks} looks, {most_by_gauge} by the gauge",
        begun.elapsed()
    );
    assert_eq!((report.restarted, report.total, report.healthy), (20, 20, 20));
    assert_eq!((most, most_by_gauge), (BUDGET, 3));
    for name in &names {
        assert_eq!(shop.replica_sets(name).await?, 2, "{name}");
    }
    agent.await_idle().await?;
    assert_eq!(agent.outcomes("healthy")?, 20);
    agent.stop().await
}

#[tokio::test]
async fn an_agent_that_is_restarted_amid_a_rollout_keeps_its_slots() -> Result<()> {
    let shop = Shop::new("slots").await?;
    let mut slow = workload("Deployment", "a-slow", &["db"]);
    slow["spec"]["template"]["spec"]["nodeName"] = json!("slots-node");
    shop.apply("deployments", &slow).await?;
    shop.await_pod("a-slow").await?;
    shop.deploy("b", &["db"]).await?;
    let agent = Agent::start(Settings { budget: 1, ..settings() }).await?;
    let change = shop.due(1, "db", 10);
    agent.restarts.want(change.clone());
    agent.report(1, "the slow one to begin", |report| report.restarted == 1).await?;
    agent.stop().await?;

    let agent = Agent::start(Settings { budget: 1, ..settings() }).await?;
    agent.restarts.want(change);
    let report = agent.has_looked(1, 10).await?;
    assert_eq!((report.restarted, report.total, report.healthy), (1, 2, 0));
    assert_eq!(agent.metrics.restarts_in_motion.get(), 1);
    assert_eq!(shop.restarted_for("deployments", "b").await?, None, "its slot is taken");
    // The node's kubelet is there at last.
    let node = json!({ "metadata": { "name": "slots-node" } });
    shop.cluster.request("POST", "/api/v1/nodes", Some(node)).await?;
    agent.report(1, "both to be healthy", |report| report.healthy == 2).await?;
    assert_eq!((shop.replica_sets("a-slow").await?, shop.replica_sets("b").await?), (2, 2));
    agent.stop().await
}

#[tokio::test]
async fn one_that_does_not_come_up_reads_stuck_blocks_nobody_and_recovers() -> Result<()> {
    let shop = Shop::new("stuck").await?;
    let node = json!({ "metadata": { "name": "stuck-node" } });
    // kwok plays the kubelet of nodes that exist: without the node, its pods stay as they are.
    shop.cluster.request("POST", "/api/v1/nodes", Some(node.clone())).await?;
    let mut manifest = workload("Deployment", "a-stuck", &["db"]);
    manifest["spec"]["template"]["spec"]["nodeName"] = json!("stuck-node");
    manifest["spec"]["progressDeadlineSeconds"] = json!(3);
    shop.apply("deployments", &manifest).await?;
    shop.cluster.await_rollout(shop.namespace, "a-stuck", LIMIT).await?;
    for name in ["b", "c", "d"] {
        shop.deploy(name, &["db"]).await?;
    }
    shop.cluster.request("DELETE", "/api/v1/nodes/stuck-node", None).await?;

    let agent = Agent::start(Settings { budget: 1, ..settings() }).await?;
    agent.restarts.want(shop.due(1, "db", 10));
    let stuck = agent.report(1, "the others to be healthy", |report| report.healthy == 3).await?;
    eprintln!("stuck: {:?}", stuck.stuck);
    assert_eq!((stuck.restarted, stuck.total, stuck.stuck.len()), (4, 4, 1));
    // The one that is available is the old one.
    assert_eq!(stuck.stuck, ["Deployment stuck/a-stuck: ProgressDeadlineExceeded: 1 of 1 pods updated, 1 available"]);

    assert_eq!((agent.outcomes("healthy")?, agent.outcomes("stuck")?), (3, 1));

    // An agent that is restarted finds it so, and notices that it recovers.
    agent.stop().await?;
    let agent = Agent::start(settings()).await?;
    agent.restarts.want(shop.due(1, "db", 10));
    agent.report(1, "the same again", |report| report.healthy == 3 && report.stuck == stuck.stuck).await?;
    shop.cluster.request("POST", "/api/v1/nodes", Some(node)).await?;
    let report = agent.report(1, "it to recover", |report| report.healthy == 4).await?;
    assert!(report.stuck.is_empty(), "{report:?}");
    assert_eq!(shop.replica_sets("a-stuck").await?, 2);
    agent.stop().await
}

#[tokio::test]
async fn a_rollout_that_takes_too_long_is_stuck_whatever_its_controller_says() -> Result<()> {
    let shop = Shop::new("slow").await?;
    let mut manifest = workload("StatefulSet", "a-slow", &["db"]);
    manifest["spec"]["template"]["spec"]["nodeName"] = json!("no-such-node");
    shop.apply("statefulsets", &manifest).await?;
    shop.await_pod("a-slow").await?;
    shop.deploy("b", &["db"]).await?;
    let agent = Agent::start(Settings { budget: 1, stuck_after: Duration::from_secs(2), ..settings() }).await?;
    agent.restarts.want(shop.due(1, "db", 10));
    let report = agent.report(1, "the other to be healthy", |report| report.healthy == 1 && report.stuck.len() == 1).await?;
    assert_eq!(report.stuck, ["StatefulSet slow/a-slow: still not rolled out: 0 of 1 pods ready, 0 updated"]);
    wait::until("no slot to be taken", LIMIT, async || agent.metrics.restarts_in_motion.get() == 0).await?;
    agent.stop().await
}
