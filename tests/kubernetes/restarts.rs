//! Live refresh: new content, new pods, once.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use lockstep_testbed::fleet::NAMESPACE;
use lockstep_testbed::{Fleet, wait};
use serde_json::{Value, json};

use crate::shop::{CLUSTER, STORY_LIMIT, await_password, binding, deliver, fleet, kubernetes, write};
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

/// What a dry run says of restarts: in how many clusters, by policy Auto, of how many workloads as last reported, and how often nothing was.
async fn foretold(fleet: &Fleet, manifest: &str) -> Result<[u64; 4]> {
    let path = fleet.folder().join("tried.yaml");
    std::fs::write(&path, manifest)?;
    let tried = fleet.cli(&["apply", "-f", &path.to_string_lossy(), "--dry-run=server", "-o", "json"]).await?.json()?;
    let radius = &tried["status"]["blastRadius"];
    assert_eq!(radius["rewrite"], json!({"targets": 1, "clusters": {"count": 1, "names": [CLUSTER]}}));
    let restarts = &radius["restarts"];
    let numbers =
        [&restarts["clusters"]["count"], &restarts["auto"], &restarts["workloadsLastReported"], &restarts["unreported"]];
    Ok(numbers.map(|number| number.as_u64().unwrap_or(u64::MAX)))
}

/// How many workloads its agent says are restarted for the newest change, once all are.
async fn reported(fleet: &Fleet) -> Result<u64> {
    wait::until("the agent to report the restarts", STORY_LIMIT, async || {
        let deliveries = fleet.deliveries().await?;
        let restart = &deliveries[0]["restart"];
        let (revision, applied) = (&restart["revision"], &deliveries[0]["appliedRevision"]);
        ensure!(revision == applied && restart["healthy"] == restart["total"], "{}", deliveries[0]);
        restart["restarted"].as_u64().context("no number")
    })
    .await
}

#[tokio::test]
async fn restarts_that_are_foretold_are_those_that_agents_report() -> Result<()> {
    let mut fleet = fleet().await?;
    fleet.agents[0].kubernetes_mut()?.start_workloads().await?;
    deliver(&fleet, "env", "", "restart: {policy: Auto}").await?;
    for name in ["web", "worker"] {
        deploy(&fleet, name, "env").await?;
    }
    // As above.
    tokio::time::sleep(Duration::from_secs(2)).await;
    let templated = |text: &str| binding("env", "", &format!("restart: {{policy: Auto}}\n  templates: {{url: \"{text}\"}}"));
    assert_eq!(foretold(&fleet, &templated("one")).await?, [1, 1, 0, 1], "nothing was restarted yet, so nobody knows");
    fleet.apply(&templated("one")).await?;
    assert_eq!(reported(&fleet).await?, 2);

    let foreseen = foretold(&fleet, &templated("two")).await?;
    fleet.apply(&templated("two")).await?;
    assert_eq!((foreseen, reported(&fleet).await?), ([1, 1, 2, 0], 2));
    assert_eq!(replica_sets(&fleet, "web").await?, 3);

    // The Secret is written, with the same bytes.
    let labelled = templated("two").replace("name: env}}", "name: env, labels: {team: shop}}}");
    assert_eq!(foretold(&fleet, &labelled).await?, [0, 0, 0, 0]);
    fleet.apply(&labelled).await?;
    wait::until("the label to be there", STORY_LIMIT, async || {
        let secret = kubernetes(&fleet)?.request("GET", &crate::shop::path("env"), None).await?;
        ensure!(secret["metadata"]["labels"]["team"] == "shop", "{}", secret["metadata"]);
        anyhow::Ok(())
    })
    .await?;
    tokio::time::sleep(QUIET).await;
    assert_eq!((replica_sets(&fleet, "web").await?, replica_sets(&fleet, "worker").await?), (3, 3));
    Ok(())
}
