//! A controller that writes a workload's whole template, and so takes our annotation away.

use std::time::Duration;

use anyhow::{Context as _, Result};
use chrono::{DateTime, Utc};
use lockstep_testbed::wait;
use serde_json::{Value, json};

use super::fixture::{Agent, LIMIT, Shop, settings, workload};
use crate::restart::Settings;

/// Puts the old template back as soon as it is another one; tells when each of our restarts was.
async fn put_back(shop: &Shop, name: &str, template: &Value, restarts: usize) -> Result<Vec<DateTime<Utc>>> {
    let mut seen: Vec<DateTime<Utc>> = Vec::new();
    wait::until("enough restarts", LIMIT, async || {
        let mut there = shop.get("deployments", name).await?;
        let at = &there["spec"]["template"]["metadata"]["annotations"]["lockstep.dev/restarted-at"];
        if let Some(at) = at.as_str().map(DateTime::parse_from_rfc3339) {
            let at = at?.to_utc();
            there["spec"]["template"] = template.clone();
            // It may have changed since it was read: then again.
            shop.cluster.request("PUT", &shop.path("deployments", name), Some(there)).await?;
            seen.push(at);
        }
        anyhow::ensure!(seen.len() >= restarts, "{seen:?}");
        Ok(())
    })
    .await?;
    Ok(seen)
}

#[tokio::test]
async fn a_controller_that_takes_the_annotation_away_is_named_and_restarts_pause_longer_each_time() -> Result<()> {
    let shop = Shop::new("taken").await?;
    let node = json!({ "metadata": { "name": "taken-node" } });
    shop.cluster.request("POST", "/api/v1/nodes", Some(node)).await?;
    let mut manifest = workload("Deployment", "checkout", &["db"]);
    manifest["spec"]["template"]["spec"]["nodeName"] = json!("taken-node");
    shop.apply("deployments", &manifest).await?;
    shop.cluster.await_rollout(shop.namespace, "checkout", LIMIT).await?;
    // Without the node nothing rolls out any more: the old pod stays.
    shop.cluster.request("DELETE", "/api/v1/nodes/taken-node", None).await?;
    let template = shop.get("deployments", "checkout").await?["spec"]["template"].clone();

    let again_after = Duration::from_secs(1);
    let agent = Agent::start(Settings { again_after, ..settings() }).await?;
    agent.restarts.want(shop.due(1, "db", 10));
    let (restarts, report) = tokio::join!(
        put_back(&shop, "checkout", &template, 4),
        agent.report(1, "the one who takes it away", |report| !report.stuck.is_empty()),
    );
    let (restarts, report) = (restarts?, report?);
    assert_eq!(
        report.stuck,
        ["Deployment taken/checkout: somebody takes the restart annotation away; testbed wrote the workload last"]
    );
    let pauses = restarts.windows(2).map(|pair| (pair[1] - pair[0]).to_std());
    let pauses = pauses.collect::<Result<Vec<_>, _>>().context("time went back")?;
    eprintln!("between restarts: {pauses:?}");
    for (pause, least) in pauses.iter().zip([1, 2, 4]) {
        assert!(*pause >= again_after * least, "{pauses:?}");
    }
    agent.stop().await
}
