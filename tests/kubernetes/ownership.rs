//! Secrets that another tool wrote: keys are added to them, and taken over only where that was asked for.

use anyhow::{Context as _, Result};
use lockstep_testbed::fleet::NAMESPACE;
use lockstep_testbed::wait;
use serde_json::json;

use crate::shop::{CLUSTER, STORY_LIMIT, apply_as, await_password, binding, deliver, fleet, kubernetes, path, write};

#[tokio::test]
async fn keys_of_another_tool_stay_its_own_until_they_are_adopted() -> Result<()> {
    let fleet = fleet().await?;
    let api = kubernetes(&fleet)?;
    // One tool applies, kubectl edit updates: both are owners.
    apply_as(&fleet, "external-secrets", "applied", json!({ "password": "theirs", "other": "kept" })).await?;
    let edited = json!({ "metadata": { "name": "edited" }, "stringData": { "password": "theirs" } });
    api.request("POST", &format!("/api/v1/namespaces/{NAMESPACE}/secrets?fieldManager=kubectl-edit"), Some(edited)).await?;
    for (name, owner) in [("applied", "external-secrets"), ("edited", "kubectl-edit")] {
        write(&fleet, name, "ours").await?;
        fleet.apply(&binding(name, "", "restart: {policy: None}")).await?;
        let delivery = fleet.await_delivery(CLUSTER, name, "Conflict").await?;
        let cause = delivery["cause"].as_str().unwrap_or_default();
        assert!(
            cause.contains(owner) && cause.contains("password") && cause.contains("adopt") && !cause.contains("theirs"),
            "{cause}"
        );
        assert_eq!(api.secret(NAMESPACE, name).await?.and_then(|mut d| d.remove("password")), Some(b"theirs".to_vec()));
        fleet.apply(&binding(name, ", adopt: true", "restart: {policy: None}")).await?;
        await_password(&fleet, name, "ours").await?;
        fleet.await_delivery(CLUSTER, name, "InSync").await?;
    }
    assert_eq!(api.secret(NAMESPACE, "applied").await?.and_then(|mut d| d.remove("other")), Some(b"kept".to_vec()));
    Ok(())
}

#[tokio::test]
async fn a_binding_that_goes_takes_its_own_keys_and_leaves_the_rest() -> Result<()> {
    let fleet = fleet().await?;
    let api = kubernetes(&fleet)?;
    apply_as(&fleet, "helm", "shared", json!({ "theirs": "kept" })).await?;
    for name in ["shared", "alone"] {
        deliver(&fleet, name, "", "deletionPolicy: Delete").await?;
    }
    assert_eq!(await_password(&fleet, "shared", "first").await?.len(), 3);
    for name in ["shared", "alone"] {
        fleet.cli(&["delete", "binding", name]).await?;
    }
    // Both of two are more than the delete guard lets go unasked.
    fleet.cli(&["confirm", CLUSTER]).await?;
    wait::until("what was delivered to be gone", STORY_LIMIT, async || {
        let shared = api.secret(NAMESPACE, "shared").await?.context("the whole Secret was taken")?;
        anyhow::ensure!(shared.keys().eq(["theirs"]), "it has {:?}", shared.keys());
        anyhow::ensure!(api.secret(NAMESPACE, "alone").await?.is_none(), "the other is still there");
        Ok(())
    })
    .await?;
    let left = api.request("GET", &path("shared"), None).await?.to_string();
    assert!(!left.contains("lockstep.dev"), "marks are left: {left}");
    Ok(())
}
