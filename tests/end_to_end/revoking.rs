//! A cluster that is revoked, purged and joined anew, with agents as users have them.

use std::time::Instant;

use anyhow::{Context as _, Result, ensure};
use lockstep_testbed::fleet::{Agent, KV, STORY_LIMIT, Settings};
use lockstep_testbed::{Fleet, wait};
use serde_json::json;

const ONE: &str = "cluster-1";
const TWO: &str = "cluster-2";
const BINDINGS: [&str; 5] = ["a", "b", "c", "d", "e"];

/// Five bindings, delivered to two clusters. None of them deletes anything by itself.
async fn fleet() -> Result<Fleet> {
    let fleet = Fleet::start(Settings { replicas: 2, clusters: 2, ..Settings::default() }).await?;
    fleet.bao.kv_put(KV, "shop/db", &json!({ "password": "one" })).await?;
    fleet.apply(&fleet.basics()).await?;
    let all: String = BINDINGS.iter().map(|name| Fleet::binding(name).replace(&format!("shop/{name}"), "shop/db")).collect();
    fleet.apply(&all).await?;
    fleet.await_deliveries("InSync", 2 * BINDINGS.len(), STORY_LIMIT).await?;
    Ok(fleet)
}

async fn says(agent: &Agent, words: &str) -> Result<()> {
    wait::until(&format!("the agent to say {words:?}"), STORY_LIMIT, async || {
        let log = agent.process()?.log();
        ensure!(log.contains(words), "{log}");
        anyhow::Ok(())
    })
    .await
}

fn has(fleet: &Fleet, cluster: &str) -> Result<usize> {
    let mut count = 0;
    for binding in BINDINGS {
        count += usize::from(fleet.file(cluster, binding, "password")?.is_some());
    }
    Ok(count)
}

async fn await_condition(fleet: &Fleet, cluster: &str, status: &str, words: &str) -> Result<()> {
    wait::until(&format!("{cluster} to be Purged={status}"), STORY_LIMIT, async || {
        let shown = fleet.cli(&["get", "cluster", cluster, "-o", "json"]).await?.json()?["status"].clone();
        let condition = shown["conditions"].as_array().into_iter().flatten().find(|c| c["type"] == "Purged").cloned();
        let condition = condition.with_context(|| format!("{shown}"))?;
        ensure!(condition["status"] == status && condition["message"].as_str().is_some_and(|m| m.contains(words)), "{condition}");
        anyhow::Ok(())
    })
    .await
}

#[tokio::test]
async fn a_revoked_agent_is_told_keeps_everything_and_is_refused_and_removes_it_all_once_that_is_asked() -> Result<()> {
    let mut fleet = fleet().await?;
    // To the replica that does not get the call.
    let dialed = vec![fleet.replicas[1].agents_url()];
    fleet.agents[0].process()?.stop().await?;
    fleet.agents[0].dial(dialed);
    fleet.agents[0].start()?;
    fleet.await_linked().await?;

    let began = Instant::now();
    fleet.cli(&["cluster", "revoke", ONE]).await?;
    says(&fleet.agents[0], "this cluster was revoked").await?;
    println!("an agent on the other replica was told {:?} after the command was started", began.elapsed());
    assert_ne!(fleet.agents[0].process()?.exit_within(STORY_LIMIT).await?, 0);
    assert_eq!(has(&fleet, ONE)?, BINDINGS.len(), "nobody asked to remove anything");
    fleet.bao.kv_put(KV, "shop/db", &json!({ "password": "two" })).await?;
    fleet.await_file(TWO, "a", "password", Some("two")).await?;
    fleet.agents[0].start()?;
    says(&fleet.agents[0], "this cluster is revoked").await?;
    assert_eq!(fleet.file(ONE, "a", "password")?.as_deref(), Some("one"));
    let denied = fleet.await_delivery(ONE, "a", "Denied").await?;
    assert_eq!(denied["cause"], "the cluster is revoked");

    // It goes on trying, so it hears of it.
    fleet.cli(&["cluster", "revoke", ONE, "--purge"]).await?;
    says(&fleet.agents[0], "what was delivered is removed").await?;
    assert_eq!(has(&fleet, ONE)?, 0);
    await_condition(&fleet, ONE, "True", "confirmed").await?;
    assert_eq!(has(&fleet, TWO)?, BINDINGS.len());
    Ok(())
}

#[tokio::test]
async fn a_purge_reaches_an_agent_that_is_connected_at_once_and_one_that_is_away_when_it_is_back() -> Result<()> {
    let mut fleet = fleet().await?;
    fleet.agents[1].process()?.kill9()?;
    let began = Instant::now();
    fleet.cli(&["cluster", "revoke", ONE, "--purge"]).await?;
    fleet.cli(&["cluster", "revoke", TWO, "--purge"]).await?;
    says(&fleet.agents[0], "what was delivered is removed").await?;
    println!("a connected agent had removed everything {:?} after the command was started", began.elapsed());
    assert_ne!(fleet.agents[0].process()?.exit_within(STORY_LIMIT).await?, 0);
    assert_eq!(has(&fleet, ONE)?, 0);
    let changes = fleet.cli(&["get", "changes", "--subject", "cluster/cluster-1", "-o", "json"]).await?.json()?;
    assert_eq!(
        (&changes["items"][0]["kind"], &changes["items"][0]["detail"]),
        (&"ClusterPurged".into(), &json!({"bindings": 5}))
    );

    await_condition(&fleet, TWO, "False", "of 5 bindings, as soon as it is connected").await?;
    assert_eq!(has(&fleet, TWO)?, BINDINGS.len());
    fleet.bao.kv_put(KV, "shop/db", &json!({ "password": "two" })).await?;
    fleet.await_secret("shop/db", "Live", 2).await?;
    let before = fleet.agents[1].process()?.log().len();
    fleet.agents[1].start()?;
    says(&fleet.agents[1], "what was delivered is removed").await?;
    assert_eq!(has(&fleet, TWO)?, 0);
    let log = fleet.agents[1].process()?.log().split_off(before);
    assert!(log.contains("delivery.remove") && !log.contains("delivery.apply"), "not even the new version was put there: {log}");
    await_condition(&fleet, TWO, "True", "confirmed").await
}

#[tokio::test]
async fn a_cluster_built_anew_under_its_name_gets_everything_again_and_its_predecessor_nothing() -> Result<()> {
    let mut fleet = fleet().await?;
    fleet.agents[0].process()?.kill9()?;
    let rejoin = wait::until("the agent's stream to end", STORY_LIMIT, async || {
        fleet.cli(&["cluster", "rejoin", ONE, "-o", "json"]).await
    })
    .await?;
    let mut successor = fleet.install_agent("successor", &rejoin.json()?)?;
    successor.start()?;
    let mut predecessor = std::mem::replace(&mut fleet.agents[0], successor);
    for binding in BINDINGS {
        fleet.await_file(ONE, binding, "password", Some("one")).await?;
    }
    fleet.await_deliveries("InSync", 2 * BINDINGS.len(), STORY_LIMIT).await?;

    predecessor.start()?;
    says(&predecessor, "another agent installation has joined this cluster since").await?;
    fleet.bao.kv_put(KV, "shop/db", &json!({ "password": "two" })).await?;
    fleet.await_file(ONE, "a", "password", Some("two")).await?;
    let kept = predecessor.read("a").and_then(|mut content| content.remove("password"));
    assert_eq!(kept.as_deref(), Some("one".as_bytes()), "it keeps what it has, and gets nothing new");
    // With Helm, as `register` does.
    let helm = fleet.cli_any(&["cluster", "rejoin", TWO, "-o", "helm"]).await?;
    assert!(helm.code == 1 && helm.stderr.contains("lockstep cluster revoke cluster-2"), "{}", helm.stderr);
    fleet.cli(&["cluster", "revoke", TWO]).await?;
    let helm = fleet.cli(&["cluster", "rejoin", TWO, "-o", "helm"]).await?.stdout;
    assert!(helm.contains("helm upgrade --install lockstep-agent"), "{helm}");
    Ok(())
}
