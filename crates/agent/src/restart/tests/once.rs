//! One restart for each change, and none without.

use std::sync::atomic::Ordering;
use std::time::Instant;

use anyhow::Result;
use lockstep_testbed::wait;
use serde_json::json;

use super::fixture::{Agent, LIMIT, Shop, binding, settings, workload};

#[tokio::test]
async fn a_change_makes_one_new_replica_set_and_no_change_or_a_restarted_agent_none() -> Result<()> {
    let shop = Shop::new("once").await?;
    shop.deploy("checkout", &["db"]).await?;
    shop.deploy("other", &["db2"]).await?;
    let agent = Agent::start(settings()).await?;
    let change = shop.due(1, "db", 10);
    let begun = Instant::now();
    agent.restarts.want(change.clone());
    let report = agent.healthy(1, 10).await?;
    eprintln!("restarted and rolled out {:?} after the change", begun.elapsed());
    assert_eq!((report.restarted, report.total, report.stuck.len(), report.skipped.len()), (1, 1, 0, 0));
    assert_eq!(shop.replica_sets("checkout").await?, 2);
    assert_eq!(shop.restarted_for("deployments", "checkout").await?.as_deref(), Some("1.10"));

    // The same again, and in an agent that knows nothing.
    agent.restarts.want(change.clone());
    agent.stop().await?;
    let agent = Agent::start(settings()).await?;
    agent.restarts.want(change);
    let report = agent.healthy(1, 10).await?;
    assert_eq!((report.restarted, report.total), (1, 1));
    assert_eq!(shop.replica_sets("checkout").await?, 2);

    // The next change is one more.
    agent.restarts.want(shop.due(1, "db", 20));
    agent.healthy(1, 20).await?;
    assert_eq!((shop.replica_sets("checkout").await?, shop.replica_sets("other").await?), (3, 1));
    agent.restarts.forget(binding(1));
    wait::until("the report to go", LIMIT, async || agent.restarts.reports().borrow().is_empty()).await?;
    agent.stop().await
}

#[tokio::test]
async fn three_bindings_that_change_together_make_one_new_replica_set() -> Result<()> {
    let shop = Shop::new("together").await?;
    shop.deploy("checkout", &["db", "mail", "tax"]).await?;
    let agent = Agent::start(settings()).await?;
    for (number, secret, seq) in [(1, "db", 10), (2, "mail", 12), (3, "tax", 11)] {
        agent.restarts.want(shop.due(number, secret, seq));
    }
    for (number, seq) in [(1, 10), (2, 12), (3, 11)] {
        agent.healthy(number, seq).await?;
    }
    assert_eq!(shop.replica_sets("checkout").await?, 2);
    assert_eq!(shop.restarted_for("deployments", "checkout").await?.as_deref(), Some("1.12"));

    // A change with a lower revision that only now got here is one too.
    agent.restarts.want(shop.due(4, "tax", 9));
    agent.healthy(4, 9).await?;
    assert_eq!(shop.replica_sets("checkout").await?, 3);
    agent.stop().await
}

#[tokio::test]
async fn the_annotation_survives_that_the_workloads_manifest_is_applied_again() -> Result<()> {
    let shop = Shop::new("survives").await?;
    let manifest = shop.deploy("checkout", &["db"]).await?;
    let agent = Agent::start(settings()).await?;
    agent.restarts.want(shop.due(1, "db", 10));
    agent.healthy(1, 10).await?;
    // By server-side apply with force, as Argo CD heals; then with a change of its owner's.
    shop.apply("deployments", &manifest).await?;
    assert_eq!(shop.restarted_for("deployments", "checkout").await?.as_deref(), Some("1.10"));
    assert_eq!(shop.replica_sets("checkout").await?, 2);
    let mut changed = manifest;
    changed["spec"]["template"]["spec"]["containers"][0]["image"] = json!("newer");
    shop.apply("deployments", &changed).await?;
    shop.cluster.await_rollout(shop.namespace, "checkout", LIMIT).await?;
    assert_eq!(shop.restarted_for("deployments", "checkout").await?.as_deref(), Some("1.10"));

    let workload = shop.get("deployments", "checkout").await?;
    let managers = workload["metadata"]["managedFields"].as_array().cloned().unwrap_or_default();
    let ours: Vec<_> = managers.iter().filter(|entry| entry["manager"] == "lockstep-restart").collect();
    assert_eq!(ours.len(), 1);
    let owned = &ours[0]["fieldsV1"]["f:spec"]["f:template"]["f:metadata"]["f:annotations"];
    let keys: Vec<_> = owned.as_object().into_iter().flatten().map(|(key, _)| key.as_str()).collect();
    assert_eq!(keys, ["f:lockstep.dev/restarted-at", "f:lockstep.dev/restarted-for"]);
    agent.stop().await
}

#[tokio::test]
async fn an_agent_that_may_not_write_restarts_nothing_and_its_successor_makes_up_for_it() -> Result<()> {
    let shop = Shop::new("fenced").await?;
    shop.deploy("checkout", &["db"]).await?;
    let agent = Agent::start(settings()).await?;
    agent.fence.store(false, Ordering::SeqCst);
    let change = shop.due(1, "db", 10);
    agent.restarts.want(change.clone());
    let report = agent.has_looked(1, 10).await?;
    assert_eq!((report.restarted, report.total), (0, 1));
    agent.stop().await?;
    assert_eq!(shop.replica_sets("checkout").await?, 1);

    let successor = Agent::start(settings()).await?;
    successor.restarts.want(change);
    successor.healthy(1, 10).await?;
    assert_eq!(shop.replica_sets("checkout").await?, 2);
    successor.stop().await
}

#[tokio::test]
async fn what_was_made_after_the_change_or_runs_nothing_is_not_restarted() -> Result<()> {
    let shop = Shop::new("fresh").await?;
    let mut asleep = workload("Deployment", "asleep", &["db"]);
    asleep["spec"]["replicas"] = json!(0);
    shop.apply("deployments", &asleep).await?;
    let mut change = shop.due(1, "db", 10);
    let agent = Agent::start(settings()).await?;
    agent.restarts.want(change.clone());
    assert_eq!(agent.healthy(1, 10).await?.total, 0);
    assert_eq!(shop.restarted_for("deployments", "asleep").await?, None);

    shop.deploy("late", &["db2"]).await?;
    change.secret = "db2".into();
    change.binding = binding(2);
    change.changes.values_mut().for_each(|changed| changed.at -= chrono::TimeDelta::seconds(60));
    agent.restarts.want(change);
    assert_eq!(agent.healthy(2, 10).await?.total, 0);
    assert_eq!(shop.replica_sets("late").await?, 1);
    agent.stop().await
}
