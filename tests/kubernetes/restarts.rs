//! Live refresh: new content, new pods, once.

use std::time::Duration;

use anyhow::{Context as _, Result};
use lockstep_testbed::fleet::NAMESPACE;
use serde_json::Value;

use crate::shop::{CLUSTER, STORY_LIMIT, await_password, deliver, fleet, kubernetes, write};
use crate::workload::{QUIET, await_replica_sets, deploy, replica_sets};

#[tokio::test]
async fn a_changed_version_restarts_its_users_once_and_nothing_else_does() -> Result<()> {
    let mut fleet = fleet().await?;
    fleet.agents[0].kubernetes_mut()?.start_workloads().await?;
    deliver(&fleet, "env", "", "restart: {policy: Auto}").await?;
    deploy(&fleet, "web", "env").await?;
    deploy(&fleet, "bystander", "other-secret").await?;
    assert_eq!(replica_sets(&fleet, "web").await?, 1);
    // The workload was made within the same second as the Secret may have been: let that pass.
    tokio::time::sleep(Duration::from_secs(2)).await;

    write(&fleet, "env", "second").await?;
    await_password(&fleet, "env", "second").await?;
    await_replica_sets(&fleet, "web", 2).await?;
    kubernetes(&fleet)?.await_rollout(NAMESPACE, "web", STORY_LIMIT).await?;
    // The same content again is a new version in Vault, and no change here.
    write(&fleet, "env", "second").await?;
    fleet.await_secret("shop/env", "Live", 3).await?;
    fleet.await_delivery(CLUSTER, "env", "InSync").await?;
    fleet.agents[0].start()?;
    fleet.await_linked().await?;
    tokio::time::sleep(QUIET).await;
    assert_eq!((replica_sets(&fleet, "web").await?, replica_sets(&fleet, "bystander").await?), (2, 1));

    write(&fleet, "env", "third").await?;
    await_replica_sets(&fleet, "web", 3).await?;
    // Somebody applies the workload's own manifest again, as Argo CD does when it heals: that takes no restart back and makes none.
    deploy(&fleet, "web", "env").await?;
    tokio::time::sleep(QUIET).await;
    assert_eq!(replica_sets(&fleet, "web").await?, 3);
    let web: Value =
        kubernetes(&fleet)?.request("GET", &format!("/apis/apps/v1/namespaces/{NAMESPACE}/deployments/web"), None).await?;
    let annotations = &web["spec"]["template"]["metadata"]["annotations"];
    annotations["lockstep.dev/restarted-for"].as_str().context("the annotation is gone")?;
    Ok(())
}
