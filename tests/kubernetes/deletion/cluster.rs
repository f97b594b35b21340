//! A cluster that is removed or revoked: what it holds is kept or deleted as its operator said, whatever its bindings say.

use anyhow::{Context as _, Result};
use lockstep_testbed::Fleet;
use lockstep_testbed::fleet::{AGENT_NAMESPACE, STORY_LIMIT};
use serde_json::json;

use super::{await_left, await_theirs, make_foreign, secrets};
use crate::shop::{binding, fleet_of, write};

const KEPT: &str = "cluster-1";
const PURGED: &str = "cluster-2";

/// A binding of one key to the Secret `both`.
fn one_of_both(name: &str) -> String {
    let binding = binding(name, "", "restart: {policy: None}").replace(&format!("name: {name}}}}}"), "name: both}}");
    binding.replace(&format!("path: shop/{name}}}"), &format!("path: shop/{name}, keys: {{password: {name}}}}}"))
}

async fn remove(fleet: &Fleet, cluster: &str, secrets: &str) -> Result<()> {
    fleet.cli(&["cluster", "remove", cluster, &format!("--secrets={secrets}")]).await?;
    fleet.cli(&["wait", "--for=delete", &format!("cluster/{cluster}"), "--timeout", "30s"]).await.map(drop)
}

/// Two clusters that have the same: a Secret of a binding that keeps and one of a binding that deletes, two bindings in one, one beside
/// another tool's keys, and those of `more`. The second is purged, then the first is forgotten.
async fn remove_both(fleet: Fleet, more: &[(&str, &str)]) -> Result<()> {
    let (kept, purged) = (fleet.agents[0].kubernetes()?, fleet.agents[1].kubernetes()?);
    make_foreign(kept, "shared").await?;
    let theirs = make_foreign(purged, "shared").await?;
    let alone = [("keeping", ""), ("deleting", ""), ("shared", "")];
    let policy = |name: &str| if name == "deleting" { "deletionPolicy: Delete" } else { "deletionPolicy: Retain" };
    let alone = alone.iter().chain(more).map(|(name, target)| (*name, binding(name, target, policy(name))));
    let all: Vec<_> = alone.chain(["one", "two"].map(|name| (name, one_of_both(name)))).collect();
    for (name, _) in &all {
        write(&fleet, name, "first").await?;
    }
    fleet.apply(&all.iter().map(|(_, binding)| binding.as_str()).collect::<String>()).await?;
    fleet.await_deliveries("InSync", 2 * all.len(), STORY_LIMIT).await?;
    let before = secrets(kept).await?;
    assert_eq!((before.len(), secrets(purged).await?.len()), (4 + more.len(), 4 + more.len()));

    remove(&fleet, PURGED, "purge").await?;
    await_left(purged, &["shared"]).await?;
    await_theirs(purged, "shared", &theirs).await?;

    remove(&fleet, KEPT, "retain").await?;
    // Marks included, so that the same binding can come back over it: nothing at all was written.
    assert_eq!(secrets(kept).await?, before);
    for secret in &before {
        assert_eq!(secret["metadata"]["labels"]["lockstep.dev/managed"], "true");
    }
    assert_eq!(fleet.cli(&["get", "clusters", "-o", "json"]).await?.json()?["items"], json!([]));
    Ok(())
}

#[tokio::test]
async fn a_removed_cluster_keeps_every_secret_as_it_is_or_loses_all_that_is_ours() -> Result<()> {
    remove_both(fleet_of(2, &[]).await?, &[("fixed", ", immutable: true")]).await
}

#[tokio::test]
async fn the_same_holds_where_the_agent_may_touch_secrets_by_name_only() -> Result<()> {
    remove_both(fleet_of(2, &["keeping", "deleting", "shared", "both"]).await?, &[]).await
}

#[tokio::test]
async fn a_revoked_cluster_that_is_purged_loses_all_that_is_ours_and_gets_it_again_once_it_is_joined_anew() -> Result<()> {
    let mut fleet = fleet_of(1, &[]).await?;
    let theirs = make_foreign(fleet.agents[0].kubernetes()?, "shared").await?;
    let bindings = [("keeping", ""), ("shared", ""), ("fixed", ", immutable: true")];
    let bindings = bindings.map(|(name, target)| (name, binding(name, target, "deletionPolicy: Retain")));
    for (name, _) in &bindings {
        write(&fleet, name, "first").await?;
    }
    fleet.apply(&bindings.iter().map(|(_, binding)| binding.as_str()).collect::<String>()).await?;
    fleet.await_deliveries("InSync", bindings.len(), STORY_LIMIT).await?;

    fleet.cli(&["cluster", "revoke", KEPT, "--purge"]).await?;
    fleet.cli(&["wait", "--for=condition=Purged", &format!("cluster/{KEPT}"), "--timeout", "30s"]).await?;
    let api = fleet.agents[0].kubernetes()?;
    await_left(api, &["shared"]).await?;
    await_theirs(api, "shared", &theirs).await?;
    assert_ne!(fleet.agents[0].process()?.exit_within(STORY_LIMIT).await?, 0);

    // Without what the agent before kept: it begins anew.
    let rejoin = fleet.cli(&["cluster", "rejoin", KEPT, "-o", "json"]).await?.json()?;
    for secret in ["lockstep-agent", "lockstep-agent-held"] {
        api.request("DELETE", &format!("/api/v1/namespaces/{AGENT_NAMESPACE}/secrets/{secret}"), None).await?;
    }
    let token = rejoin["token"].as_str().context("the answer has no token")?;
    std::fs::write(fleet.folder().join(KEPT).join("join.token"), token)?;
    fleet.agents[0].start()?;
    fleet.await_deliveries("InSync", bindings.len(), STORY_LIMIT).await?;
    assert_eq!(secrets(fleet.agents[0].kubernetes()?).await?.len(), bindings.len());
    Ok(())
}
