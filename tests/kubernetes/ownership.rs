//! Secrets that another tool wrote: keys are added to them, and taken over only where that was asked for.

use anyhow::Result;
use lockstep_testbed::fleet::NAMESPACE;
use serde_json::json;

use crate::shop::{CLUSTER, apply_as, await_password, binding, fleet, kubernetes, write};

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
