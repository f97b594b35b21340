//! An agent joins with nothing but its own service account, as a real API server signs its tokens.

use anyhow::{Context as _, Result, ensure};
use lockstep_testbed::fleet::AGENT_NAMESPACE;
use lockstep_testbed::wait;
use serde_json::json;

use crate::shop::{CLUSTER, STORY_LIMIT, await_password, deliver, fleet, kubernetes, path};

#[tokio::test]
async fn a_rebuilt_cluster_joins_by_its_service_account_and_gets_everything_again() -> Result<()> {
    let mut fleet = fleet().await?;
    deliver(&fleet, "db", "", "restart: {policy: None}").await?;
    let api = kubernetes(&fleet)?;
    // What an operator looks up with kubectl.
    let keys = api.request("GET", "/openid/v1/jwks", None).await?;
    let discovery = api.request("GET", "/.well-known/openid-configuration", None).await?;
    let issuer = discovery["issuer"].as_str().context("the API server names no issuer")?;
    let spec = json!({ "serviceAccountIssuer": {
        "issuer": issuer, "subject": format!("system:serviceaccount:{AGENT_NAMESPACE}:lockstep-agent"), "jwks": keys,
    } });
    let labels = json!({ "env": "prod" });
    let manifest = json!({
        "apiVersion": "lockstep.dev/v1", "kind": "Cluster", "metadata": { "name": CLUSTER, "labels": labels }, "spec": spec,
    });
    fleet.apply(&manifest.to_string()).await?;

    // The cluster is rebuilt: neither the agent's state nor what it delivered is there, and nobody makes a join token.
    let before = api.request("GET", &state("lockstep-agent"), None).await?;
    fleet.agents[0].process()?.stop().await?;
    for path in [state("lockstep-agent"), state("lockstep-agent-held"), path("db")] {
        api.request("DELETE", &path, None).await?;
    }
    fleet.agents[0].join_by_service_account("lockstep").await?;
    fleet.agents[0].start()?;
    await_password(&fleet, "db", "first").await?;
    fleet.await_delivery(CLUSTER, "db", "InSync").await?;

    // Whoever still has the predecessor's key and certificate gets nothing for them.
    fleet.agents[0].process()?.stop().await?;
    let api = kubernetes(&fleet)?;
    let changed = json!({ "data": before["data"] });
    api.request("PATCH", &state("lockstep-agent"), Some(changed)).await?;
    fleet.agents[0].start()?;
    wait::until("the predecessor to be refused", STORY_LIMIT, async || {
        let log = fleet.agents[0].process()?.log();
        ensure!(log.contains("another agent installation has joined this cluster since"), "not yet");
        Ok(())
    })
    .await
}

/// The path of one of the agent's own Secrets.
fn state(name: &str) -> String {
    format!("/api/v1/namespaces/{AGENT_NAMESPACE}/secrets/{name}")
}
