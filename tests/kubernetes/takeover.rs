//! Two replicas of one agent: one leads, the other takes over; no workload is restarted for that.

use anyhow::Result;
use lockstep_testbed::fleet::{AGENT_NAMESPACE, NAMESPACE};
use lockstep_testbed::{Fleet, wait};

use crate::shop::{STORY_LIMIT, await_password, deliver, fleet, kubernetes, write};
use crate::workload::{QUIET, await_replica_sets, deploy, replica_sets};

/// A cluster whose Deployment `web` uses the Secret `env`.
async fn opened() -> Result<Fleet> {
    let mut fleet = fleet().await?;
    fleet.agents[0].kubernetes_mut()?.start_workloads().await?;
    deliver(&fleet, "env", "", "restart: {policy: Auto}").await?;
    deploy(&fleet, "web", "env").await?;
    Ok(fleet)
}

/// Changes `env`, and waits until `web` was restarted for it.
async fn rotate(fleet: &Fleet) -> Result<()> {
    // Workloads' times are in whole seconds: what is made in the second of a change counts as older.
    tokio::time::sleep(std::time::Duration::from_secs(2)).await;
    write(fleet, "env", "second").await?;
    await_replica_sets(fleet, "web", 2).await?;
    kubernetes(fleet)?.await_rollout(NAMESPACE, "web", STORY_LIMIT).await.map(drop)
}

/// Waits until the replica that began as the second one leads.
async fn await_second(fleet: &Fleet) -> Result<()> {
    let path = format!("/apis/coordination.k8s.io/v1/namespaces/{AGENT_NAMESPACE}/leases/lockstep-agent");
    wait::until("the second replica to lead", STORY_LIMIT * 2, async || {
        let lease = kubernetes(fleet)?.request("GET", &path, None).await?;
        let holder = lease["spec"]["holderIdentity"].as_str().unwrap_or_default().to_owned();
        anyhow::ensure!(holder.contains("-second_"), "{holder:?} does");
        anyhow::Ok(())
    })
    .await
}

#[tokio::test]
async fn a_sleeping_leader_is_followed_without_a_restart_and_overwrites_nothing_when_it_wakes() -> Result<()> {
    let fleet = opened().await?;
    rotate(&fleet).await?;
    // It uses the content there is, and no annotation tells so.
    deploy(&fleet, "late", "env").await?;

    let second = fleet.agents[0].start_second()?;
    second.until("it to stand by", STORY_LIMIT, async || second.log().contains("standing by")).await?;
    let first = fleet.agents[0].process()?;
    first.pause()?;
    // On its way to the sleeper.
    write(&fleet, "env", "third").await?;
    await_second(&fleet).await?;
    await_password(&fleet, "env", "third").await?;
    await_replica_sets(&fleet, "web", 3).await?;
    await_replica_sets(&fleet, "late", 2).await?;
    kubernetes(&fleet)?.await_rollout(NAMESPACE, "web", STORY_LIMIT).await?;
    write(&fleet, "env", "fourth").await?;
    await_password(&fleet, "env", "fourth").await?;
    await_replica_sets(&fleet, "web", 4).await?;
    first.resume()?;
    assert_eq!(first.exit_within(STORY_LIMIT).await?, 1, "it knows that it does not lead any more");
    tokio::time::sleep(QUIET).await;
    await_password(&fleet, "env", "fourth").await?;
    assert_eq!((replica_sets(&fleet, "web").await?, replica_sets(&fleet, "late").await?), (4, 3));
    Ok(())
}

#[tokio::test]
async fn a_killed_leader_is_followed_and_no_workload_is_restarted() -> Result<()> {
    let fleet = opened().await?;
    deploy(&fleet, "late", "other").await?;
    rotate(&fleet).await?;
    // Older than the change, with pods that are newer: it uses the Secret only now.
    deploy(&fleet, "late", "env").await?;

    let second = fleet.agents[0].start_second()?;
    second.until("it to stand by", STORY_LIMIT, async || second.log().contains("standing by")).await?;
    fleet.agents[0].process()?.kill9()?;
    await_second(&fleet).await?;
    second.until("it to be linked", STORY_LIMIT, async || second.log().contains("\"linked\"")).await?;
    tokio::time::sleep(QUIET).await;
    assert_eq!((replica_sets(&fleet, "web").await?, replica_sets(&fleet, "late").await?), (2, 2));
    Ok(())
}
