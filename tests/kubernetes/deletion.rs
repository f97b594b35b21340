//! What becomes of Secrets when their binding, their source or their cluster goes: the policies, whose defaults keep.

mod away;
mod binding;
mod cluster;
mod guard;
mod namespace;
mod source;

use anyhow::{Result, ensure};
use lockstep_testbed::fleet::{KV, NAMESPACE};
use lockstep_testbed::{Kubernetes, wait};
use serde_json::{Value, json};

use crate::shop::{CLUSTER, STORY_LIMIT, await_password, deliver, fleet, path};

/// Another tool makes a Secret; what it wrote.
async fn make_foreign(api: &Kubernetes, name: &str) -> Result<Value> {
    let object = json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": { "name": name, "labels": { "app": "theirs" }, "annotations": { "note": "theirs" } },
        "stringData": { "theirs": "kept" },
    });
    api.request("PATCH", &format!("{}?fieldManager=helm", path(name)), Some(object)).await?;
    written(api, name).await
}

/// What is in a Secret, without what only the API server keeps.
async fn written(api: &Kubernetes, name: &str) -> Result<Value> {
    let secret = api.request("GET", &path(name), None).await?;
    let metadata = &secret["metadata"];
    Ok(json!({ "labels": metadata["labels"], "annotations": metadata["annotations"], "data": secret["data"] }))
}

/// All Secrets of the shop's namespace, as they are.
async fn secrets(api: &Kubernetes) -> Result<Vec<Value>> {
    let list = api.request("GET", &format!("/api/v1/namespaces/{NAMESPACE}/secrets"), None).await?;
    Ok(list["items"].as_array().cloned().unwrap_or_default())
}

/// Waits until the shop's namespace has just these Secrets, which are in order.
async fn await_left(api: &Kubernetes, names: &[&str]) -> Result<()> {
    wait::until(&format!("just {names:?} to be left"), STORY_LIMIT, async || {
        let secrets = secrets(api).await?;
        let there: Vec<_> = secrets.iter().filter_map(|secret| secret["metadata"]["name"].as_str()).collect();
        ensure!(there == names, "{there:?} are there");
        anyhow::Ok(())
    })
    .await
}

/// Waits until a Secret has again what another tool wrote, and nothing but that. Our field manager may stay on record for its type, which
/// nobody can give up.
async fn await_theirs(api: &Kubernetes, name: &str, theirs: &Value) -> Result<()> {
    wait::until(&format!("{name} to be its other owner's alone"), STORY_LIMIT, async || {
        let left = written(api, name).await?;
        ensure!(left == *theirs, "it has {left}");
        let whole = api.request("GET", &path(name), None).await?.to_string();
        ensure!(!whole.contains("lockstep.dev"), "marks are left: {whole}");
        anyhow::Ok(())
    })
    .await
}

#[tokio::test]
async fn by_default_a_secret_outlives_its_binding_and_its_source() -> Result<()> {
    let fleet = fleet().await?;
    for name in ["unbound", "deleted", "destroyed", "gone"] {
        deliver(&fleet, name, "", "restart: {policy: None}").await?;
    }
    fleet.cli(&["delete", "binding", "unbound"]).await?;
    fleet.bao.kv_soft_delete(KV, "shop/deleted", &[1]).await?;
    fleet.bao.kv_destroy(KV, "shop/destroyed", &[1]).await?;
    fleet.bao.kv_delete_metadata(KV, "shop/gone").await?;
    for name in ["deleted", "destroyed", "gone"] {
        fleet.await_delivery(CLUSTER, name, "Stale").await?;
    }
    for name in ["unbound", "deleted", "destroyed", "gone"] {
        await_password(&fleet, name, "first").await?;
    }
    Ok(())
}
