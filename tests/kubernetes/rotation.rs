//! A rotation that waits for workloads: done when their new pods are.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use lockstep_testbed::fleet::KV;
use lockstep_testbed::{Fleet, wait};
use serde_json::Value;

use crate::shop::{STORY_LIMIT, deliver, fleet};
use crate::workload::{deploy, replica_sets};

/// The newest run, once it is done.
async fn done(fleet: &Fleet, name: &str) -> Result<Value> {
    wait::until("the run to be done", STORY_LIMIT * 3, async || {
        let runs = fleet.cli(&["rotation", "history", name, "-o", "json"]).await?.json()?;
        let run = runs["items"].get(0).cloned().context("no run")?;
        ensure!(run["state"] == "Done", "{run}");
        anyhow::Ok(run)
    })
    .await
}

#[tokio::test]
async fn a_run_that_asks_for_health_is_done_when_the_new_pods_are_ready() -> Result<()> {
    let mut fleet = fleet().await?;
    fleet.agents[0].kubernetes_mut()?.start_workloads().await?;
    fleet
        .bao
        .extend_policy("lockstep", &format!("path \"{KV}/data/shop/*\" {{ capabilities = [\"create\", \"read\", \"update\"] }}"))
        .await?;
    deliver(&fleet, "env", "", "restart: {policy: Auto}").await?;
    deploy(&fleet, "web", "env").await?;
    // The workload was made within the same second as the Secret may have been: let that pass.
    tokio::time::sleep(Duration::from_secs(2)).await;
    fleet
        .apply(&format!(
            "apiVersion: lockstep.dev/v1\nkind: Rotation\nmetadata: {{name: env}}\nspec:\n  project: shop\n  schedule: \"@monthly\"\n  \
             generate: {{source: corp, mount: {KV}, path: shop/env, keys: {{password: {{random: {{}}}}}}}}\n  confirm: {{when: Healthy}}\n"
        ))
        .await?;
    fleet.cli(&["rotation", "run", "env"]).await?;
    let run = done(&fleet, "env").await?;
    assert_eq!(replica_sets(&fleet, "web").await?, 2, "its pods were made anew before the run was done");
    let delivery = &fleet.deliveries().await?[0];
    let restart = &delivery["restart"];
    assert_eq!(restart["revision"], delivery["appliedRevision"]);
    assert_eq!((restart["healthy"].as_u64(), restart["total"].as_u64()), (Some(1), Some(1)), "{run}");
    Ok(())
}
