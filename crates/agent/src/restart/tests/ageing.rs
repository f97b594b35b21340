//! What pods' ages tell: who has new content already is not restarted.

use std::time::Duration;

use anyhow::Result;
use chrono::{DateTime, TimeDelta, Utc};
use lockstep_core::revision::{Epoch, Revision, Seq};
use lockstep_testbed::wait;
use serde_json::{Value, json};

use super::fixture::{Agent, LIMIT, Shop, now, settings, workload};
use crate::restart::object::{Object, Pod};
use crate::restart::pods::{Content, Pods};
use crate::restart::rollout::Rollout;
use crate::restart::{Changed, Kind, Settings};

/// Seconds of a day of tests.
fn at(second: i64) -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::days(20_000) + TimeDelta::seconds(second)
}

/// Pods by the hash of their template and when they were made.
fn pods(kind: Kind, update_revision: &str, made: &[(&str, i64)]) -> Pods {
    let label = if kind == Kind::Deployment { "pod-template-hash" } else { "controller-revision-hash" };
    let object: Object = serde_json::from_value(json!({ "status": { "updateRevision": update_revision } })).unwrap();
    let pod =
        |(hash, second): &(&str, i64)| json!({ "metadata": { "labels": { label: hash }, "creationTimestamp": at(*second) } });
    let pods: Vec<Pod> = made.iter().map(|made| serde_json::from_value(pod(made)).unwrap()).collect();
    Pods::of(kind, &object, pods.iter().map(|pod| &pod.metadata))
}

#[test]
fn pods_have_the_content_that_was_there_before_they_were_made() {
    let changed = Changed { revision: Revision { epoch: Epoch::new(1), seq: Seq::new(5) }, at: at(100) };
    let moving = || Rollout::Moving("1 of 2 pods updated".into());
    let failed = || Rollout::Failed("no progress".into());
    let (deployment, set) = (Kind::Deployment, Kind::StatefulSet);
    for (kind, made, rollout, now, want, why) in [
        (deployment, &[("a", 99), ("a", 101)][..], Rollout::Done, 110, Content::Old, "one is older"),
        (deployment, &[("a", 100), ("a", 101)], Rollout::Done, 110, Content::New, "all are newer"),
        (deployment, &[("a", 99)], moving(), 110, Content::Old, "not available, and old"),
        (deployment, &[], moving(), 110, Content::New, "none is there"),
        (deployment, &[("a", 50), ("b", 101)], moving(), 110, Content::Coming, "old ones are being replaced"),
        (deployment, &[("a", 50), ("b", 101)], moving(), 702, Content::Old, "that has not gone on for long"),
        (deployment, &[("a", 50), ("b", 101)], failed(), 110, Content::Old, "that failed"),
        (deployment, &[("a", 50), ("b", 99), ("b", 101)], moving(), 110, Content::Old, "some new ones are old by now"),
        (
            deployment,
            &[("a", 105), ("b", 105), ("b", 99)],
            moving(),
            110,
            Content::Old,
            "nobody knows which is the present template",
        ),
        (set, &[("a", 50), ("new", 101)], moving(), 110, Content::Coming, "old ones are being replaced"),
        (set, &[("a", 50), ("new", 101)], Rollout::Done, 110, Content::New, "a partition keeps the others"),
        (set, &[("a", 101), ("new", 50)], Rollout::Done, 110, Content::Old, "the present template is told by the set"),
    ] {
        let pods = pods(kind, "new", made);
        let content = pods.content(&changed, &rollout, at(now), Duration::from_secs(600));
        assert_eq!(content, want, "{kind} {made:?} {rollout:?} at {now}: {why}");
    }
}

/// Waits for the next whole second: what is made from now on is newer than a change that was before.
async fn next_second() -> Result<()> {
    let begun = now().timestamp();
    wait::until("the next second", LIMIT, async || now().timestamp() > begun).await
}

#[tokio::test]
async fn a_workload_that_began_to_use_the_secret_after_its_change_is_not_restarted() -> Result<()> {
    let shop = Shop::new("ageing-late-use").await?;
    shop.deploy("checkout", &[]).await?;
    let change = shop.due(1, "db", 10);
    next_second().await?;
    // Pods with the newest content, in a Deployment that is older and carries no annotation.
    shop.deploy("checkout", &["db"]).await?;
    let agent = Agent::start(settings()).await?;
    agent.restarts.want(change);
    assert_eq!(agent.healthy(1, 10).await?.total, 0);
    assert_eq!((shop.restarted_for("deployments", "checkout").await?, shop.replica_sets("checkout").await?), (None, 2));
    // The next change is its concern.
    agent.restarts.want(shop.due(1, "db", 20));
    assert_eq!(agent.healthy(1, 20).await?.total, 1);
    assert_eq!(shop.replica_sets("checkout").await?, 3);
    agent.stop().await
}

#[tokio::test]
async fn an_older_annotation_that_came_back_restarts_no_new_pods() -> Result<()> {
    let shop = Shop::new("ageing-undo").await?;
    shop.deploy("checkout", &["db"]).await?;
    let agent = Agent::start(settings()).await?;
    agent.restarts.want(shop.due(1, "db", 10));
    agent.healthy(1, 10).await?;
    let change = shop.due(1, "db", 20);
    agent.restarts.want(change.clone());
    agent.healthy(1, 20).await?;
    agent.stop().await?;
    next_second().await?;
    // As `kubectl rollout undo` does.
    let before = json!({ "spec": { "template": { "metadata": { "annotations": { "lockstep.dev/restarted-for": "1.10" } } } } });
    shop.cluster.request("PATCH", &shop.path("deployments", "checkout"), Some(before)).await?;
    shop.cluster.await_rollout(shop.namespace, "checkout", LIMIT).await?;
    let sets = shop.replica_sets("checkout").await?;

    let agent = Agent::start(settings()).await?;
    agent.restarts.want(change);
    assert_eq!(agent.healthy(1, 20).await?.total, 0);
    assert_eq!(shop.restarted_for("deployments", "checkout").await?.as_deref(), Some("1.10"));
    assert_eq!(shop.replica_sets("checkout").await?, sets);
    agent.stop().await
}

#[tokio::test]
async fn a_rollout_of_its_owners_that_brings_new_pods_is_waited_for_and_takes_no_slot() -> Result<()> {
    let shop = Shop::new("ageing-owner").await?;
    let mut manifest = workload("Deployment", "a-owner", &["db"]);
    shop.apply("deployments", &manifest).await?;
    shop.cluster.await_rollout(shop.namespace, "a-owner", LIMIT).await?;
    shop.deploy("b", &["db"]).await?;
    let change = shop.due(1, "db", 10);
    next_second().await?;
    // Its new pod waits for a node that is not there yet.
    manifest["spec"]["template"]["spec"]["nodeName"] = json!("ageing-node");
    shop.apply("deployments", &manifest).await?;
    wait::until("its new pod", LIMIT, async || {
        let status: Value = shop.get("deployments", "a-owner").await?["status"].clone();
        anyhow::ensure!(status["updatedReplicas"] == 1, "{status}");
        Ok(())
    })
    .await?;
    let agent = Agent::start(Settings { budget: 1, ..settings() }).await?;
    agent.restarts.want(change);
    let report = agent.report(1, "the other to be healthy", |report| report.healthy == 1).await?;
    assert_eq!((report.restarted, report.total, report.stuck.len()), (1, 2, 0));
    let node = json!({ "metadata": { "name": "ageing-node" } });
    shop.cluster.request("POST", "/api/v1/nodes", Some(node)).await?;
    agent.report(1, "it to be no concern", |report| report.total == 1).await?;
    assert_eq!((shop.restarted_for("deployments", "a-owner").await?, shop.replica_sets("a-owner").await?), (None, 2));
    agent.stop().await
}
