//! What is changed in a cluster by hand is put right again, soon.

use std::time::Instant;

use anyhow::Result;
use lockstep_testbed::fleet::NAMESPACE;
use lockstep_testbed::wait;
use serde_json::json;

use crate::shop::{CLUSTER, STORY_LIMIT, await_password, deliver, fleet, kubernetes, path};

#[tokio::test]
async fn a_secret_that_was_edited_or_deleted_in_the_cluster_is_restored_and_counted() -> Result<()> {
    let fleet = fleet().await?;
    for name in ["edited", "emptied", "deleted"] {
        deliver(&fleet, name, "", "restart: {policy: None}").await?;
    }
    let api = kubernetes(&fleet)?;
    let edited = json!({ "stringData": { "password": "wrong" } });
    let began = Instant::now();
    api.request("PATCH", &path("edited"), Some(edited)).await?;
    api.request("PATCH", &path("emptied"), Some(json!({ "data": { "password": null } }))).await?;
    api.request("DELETE", &path("deleted"), None).await?;
    for name in ["edited", "emptied", "deleted"] {
        await_password(&fleet, name, "first").await?;
        println!("{name}: restored {:.2} s after all three were changed", began.elapsed().as_secs_f64());
        fleet.await_delivery(CLUSTER, name, "InSync").await?;
    }
    wait::until("the drift to be counted", STORY_LIMIT, async || {
        let metrics = fleet.agents[0].metrics().await?;
        anyhow::ensure!(metrics.lines().any(|line| line == "lockstep_agent_drift_total 3"), "{metrics}");
        anyhow::Ok(())
    })
    .await?;
    // What somebody else adds to it is none of our business.
    api.request("PATCH", &path("edited"), Some(json!({ "stringData": { "theirs": "x" } }))).await?;
    tokio::time::sleep(std::time::Duration::from_secs(2)).await;
    let data = api.secret(NAMESPACE, "edited").await?.unwrap_or_default();
    assert_eq!(data.keys().map(String::as_str).collect::<Vec<_>>(), ["password", "theirs", "username"]);
    Ok(())
}

#[tokio::test]
async fn a_secret_that_was_deleted_while_nobody_can_give_its_bytes_is_stale_and_restored_when_somebody_can() -> Result<()> {
    let mut fleet = fleet().await?;
    deliver(&fleet, "db", "", "restart: {policy: None}").await?;
    // What was read for the delivery is kept for a while, but not by a replica that starts.
    fleet.replicas[0].process()?.stop().await?;
    fleet.start_replica(0).await?;
    fleet.await_linked().await?;
    fleet.await_delivery(CLUSTER, "db", "InSync").await?;
    fleet.bao.seal().await?;
    kubernetes(&fleet)?.request("DELETE", &path("db"), None).await?;
    wait::until("the agent to see it", STORY_LIMIT, async || {
        let metrics = fleet.agents[0].metrics().await?;
        anyhow::ensure!(metrics.lines().any(|line| line == "lockstep_agent_drift_total 1"), "{metrics}");
        anyhow::Ok(())
    })
    .await?;
    let delivery = fleet.await_delivery(CLUSTER, "db", "Stale").await?;
    let cause = delivery["cause"].as_str().unwrap_or_default().to_owned();
    println!("{cause}");
    assert!(cause.contains("sealed"), "{delivery}");
    assert!(kubernetes(&fleet)?.secret(NAMESPACE, "db").await?.is_none(), "there is nobody to restore it from");
    let began = Instant::now();
    fleet.bao.unseal().await?;
    await_password(&fleet, "db", "first").await?;
    println!("restored {:.2} s after the unsealing", began.elapsed().as_secs_f64());
    fleet.await_delivery(CLUSTER, "db", "InSync").await.map(drop)
}
