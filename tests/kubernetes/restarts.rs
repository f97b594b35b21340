//! Live refresh: new content, new pods, once.

use std::time::Duration;

use anyhow::{Context as _, Result};
use lockstep_testbed::fleet::NAMESPACE;
use lockstep_testbed::{Fleet, Kubernetes, wait};
use serde_json::{Value, json};

use crate::shop::{CLUSTER, STORY_LIMIT, await_password, deliver, fleet, kubernetes, write};

/// Longer than changes settle before something is restarted.
const QUIET: Duration = Duration::from_secs(6);

/// A Deployment with one pod that uses a Secret by envFrom.
async fn deploy(fleet: &Fleet, name: &str, secret: &str) -> Result<()> {
    let pod = json!({
        "nodeName": Kubernetes::NODE,
        "containers": [{ "name": "app", "image": "app", "envFrom": [{ "secretRef": { "name": secret } }] }],
    });
    let labels = json!({ "app": name });
    let deployment = json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "name": name },
        "spec": { "replicas": 1, "selector": { "matchLabels": labels }, "template": { "metadata": { "labels": labels }, "spec": pod } },
    });
    let api = kubernetes(fleet)?;
    api.apply(&format!("/apis/apps/v1/namespaces/{NAMESPACE}/deployments/{name}"), deployment).await?;
    api.await_rollout(NAMESPACE, name, STORY_LIMIT).await
}

/// How many ReplicaSets a Deployment has had.
async fn replica_sets(fleet: &Fleet, deployment: &str) -> Result<usize> {
    let path = format!("/apis/apps/v1/namespaces/{NAMESPACE}/replicasets?labelSelector=app%3D{deployment}");
    let list = kubernetes(fleet)?.request("GET", &path, None).await?;
    Ok(list["items"].as_array().map_or(0, Vec::len))
}

async fn await_replica_sets(fleet: &Fleet, deployment: &str, count: usize) -> Result<()> {
    wait::until(&format!("{deployment} to have {count} ReplicaSets"), STORY_LIMIT, async || {
        let there = replica_sets(fleet, deployment).await?;
        anyhow::ensure!(there == count, "it has {there}");
        anyhow::Ok(())
    })
    .await
}

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
