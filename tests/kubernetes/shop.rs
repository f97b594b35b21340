//! What the stories are about: one cluster, a few secrets, the Secrets they become.

use anyhow::{Context as _, Result};
use lockstep_testbed::fleet::{KV, NAMESPACE, Settings, Sink};
use lockstep_testbed::kubernetes::SecretData;
use lockstep_testbed::{Fleet, Kubernetes, wait};
use serde_json::{Value, json};

pub(crate) use lockstep_testbed::fleet::STORY_LIMIT;

/// The one cluster.
pub(crate) const CLUSTER: &str = "cluster-1";

/// One replica, one cluster, the basics applied.
pub(crate) async fn fleet() -> Result<Fleet> {
    fleet_of(1, &[]).await
}

/// As [`fleet`], of so many clusters. Unless `strict` is empty, their agents may touch just the Secrets of these names.
pub(crate) async fn fleet_of(clusters: usize, strict: &'static [&'static str]) -> Result<Fleet> {
    let settings = Settings { replicas: 1, clusters, watch_interval_ms: 200, sink: Sink::Secret, strict, ..Settings::default() };
    let fleet = Fleet::start(settings).await?;
    fleet.apply(&fleet.basics()).await?;
    Ok(fleet)
}

/// Its cluster's API.
pub(crate) fn kubernetes(fleet: &Fleet) -> Result<&Kubernetes> {
    fleet.agents[0].kubernetes()
}

/// Writes a version.
pub(crate) async fn write(fleet: &Fleet, secret: &str, password: &str) -> Result<()> {
    fleet.bao.kv_put(KV, &format!("shop/{secret}"), &json!({ "username": "app", "password": password })).await.map(drop)
}

/// A manifest of a binding of that name, with more fields of its target and of its spec.
pub(crate) fn binding(name: &str, target: &str, more: &str) -> String {
    let binding = Fleet::binding_to_secret(name).replace(&format!("name: {name}}}}}"), &format!("name: {name}{target}}}}}"));
    binding.replace("\n---\n", &format!("\n  {more}\n---\n"))
}

/// Writes, binds, and waits until the cluster has it.
pub(crate) async fn deliver(fleet: &Fleet, name: &str, target: &str, more: &str) -> Result<()> {
    write(fleet, name, "first").await?;
    fleet.apply(&binding(name, target, more)).await?;
    fleet.await_delivery(CLUSTER, name, "InSync").await.map(drop)
}

/// Waits until a Secret has this password.
pub(crate) async fn await_password(fleet: &Fleet, secret: &str, password: &str) -> Result<SecretData> {
    let kubernetes = kubernetes(fleet)?;
    wait::until(&format!("Secret {secret} to have its password"), STORY_LIMIT, async || {
        let data = kubernetes.secret(NAMESPACE, secret).await?.context("it is not there")?;
        anyhow::ensure!(data.get("password").map(Vec::as_slice) == Some(password.as_bytes()), "it has another");
        Ok(data)
    })
    .await
}

/// The path of a Secret.
pub(crate) fn path(secret: &str) -> String {
    format!("/api/v1/namespaces/{NAMESPACE}/secrets/{secret}")
}

/// Makes or changes a Secret as another tool: one that applies.
pub(crate) async fn apply_as(fleet: &Fleet, manager: &str, secret: &str, data: Value) -> Result<Value> {
    let object = json!({ "apiVersion": "v1", "kind": "Secret", "metadata": { "name": secret }, "stringData": data });
    kubernetes(fleet)?.request("PATCH", &format!("{}?fieldManager={manager}&force=true", path(secret)), Some(object)).await
}
