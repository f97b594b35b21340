//! Workloads that use a Secret, and how often they were restarted.

use std::time::Duration;

use anyhow::Result;
use lockstep_testbed::fleet::NAMESPACE;
use lockstep_testbed::{Fleet, Kubernetes, wait};
use serde_json::json;

use crate::shop::{STORY_LIMIT, kubernetes};

/// Longer than changes settle before something is restarted.
pub(crate) const QUIET: Duration = Duration::from_secs(6);

/// A Deployment with one pod that uses a Secret by envFrom.
pub(crate) async fn deploy(fleet: &Fleet, name: &str, secret: &str) -> Result<()> {
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
pub(crate) async fn replica_sets(fleet: &Fleet, deployment: &str) -> Result<usize> {
    let path = format!("/apis/apps/v1/namespaces/{NAMESPACE}/replicasets?labelSelector=app%3D{deployment}");
    let list = kubernetes(fleet)?.request("GET", &path, None).await?;
    Ok(list["items"].as_array().map_or(0, Vec::len))
}

/// Waits until it has had so many.
pub(crate) async fn await_replica_sets(fleet: &Fleet, deployment: &str, count: usize) -> Result<()> {
    wait::until(&format!("{deployment} to have {count} ReplicaSets"), STORY_LIMIT, async || {
        let there = replica_sets(fleet, deployment).await?;
        anyhow::ensure!(there == count, "it has {there}");
        anyhow::Ok(())
    })
    .await
}
