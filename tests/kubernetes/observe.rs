//! Beside the tool that delivers now, and then in its place.

use anyhow::{Context as _, Result};
use lockstep_testbed::fleet::NAMESPACE;
use lockstep_testbed::{Fleet, wait};
use serde_json::{Value, json};

use crate::shop::{CLUSTER, STORY_LIMIT, apply_as, await_password, binding, fleet, kubernetes, path, write};
use crate::workload::{QUIET, await_replica_sets, deploy, replica_sets};

/// What the tool writes.
const OTHER_TOOL: &str = "external-secrets";

/// Waits until the comparison came to this.
pub(crate) async fn await_observed(fleet: &Fleet, text: &str) -> Result<Value> {
    wait::until(text, STORY_LIMIT, async || {
        let deliveries = fleet.deliveries().await?;
        let found = deliveries.into_iter().find(|delivery| delivery["cause"].as_str().is_some_and(|cause| cause.contains(text)));
        found.context("no delivery says so")
    })
    .await
}

#[tokio::test]
async fn what_another_tool_wrote_is_compared_and_then_taken_over_without_a_restart() -> Result<()> {
    let mut fleet = fleet().await?;
    fleet.agents[0].kubernetes_mut()?.start_workloads().await?;
    write(&fleet, "env", "same").await?;
    apply_as(&fleet, OTHER_TOOL, "env", json!({ "username": "app", "password": "same" })).await?;
    deploy(&fleet, "web", "env").await?;
    let before = kubernetes(&fleet)?.request("GET", &path("env"), None).await?;

    fleet.apply(&binding("env", "", "mode: Observe")).await?;
    let same = await_observed(&fleet, "would change 0 of 2 keys in 1 Secret").await?;
    assert_eq!((&same["status"], &same["targetsApplied"], &same["targetsTotal"]), (&json!("InSync"), &json!(1), &json!(1)));
    write(&fleet, "env", "newer").await?;
    let differs = await_observed(&fleet, "would change 1 of 2 keys in 1 Secret").await?;
    assert_eq!((&differs["status"], &differs["targetsApplied"]), (&json!("Pending"), &json!(0)));
    assert_eq!(kubernetes(&fleet)?.request("GET", &path("env"), None).await?, before, "nothing was written");

    // The other tool is late, but it comes; then it can go.
    apply_as(&fleet, OTHER_TOOL, "env", json!({ "username": "app", "password": "newer" })).await?;
    await_observed(&fleet, "would change 0 of 2 keys in 1 Secret").await?;
    fleet.apply(&binding("env", ", adopt: true", "restart: {policy: Auto}")).await?;
    let taken = fleet.await_delivery(CLUSTER, "env", "InSync").await?;
    assert!(taken["cause"].is_null(), "{taken}");
    tokio::time::sleep(QUIET).await;
    assert_eq!(replica_sets(&fleet, "web").await?, 1, "the content is what it was");

    write(&fleet, "env", "next").await?;
    await_password(&fleet, "env", "next").await?;
    await_replica_sets(&fleet, "web", 2).await?;
    kubernetes(&fleet)?.await_rollout(NAMESPACE, "web", STORY_LIMIT).await
}
