//! Who may join, and what becomes of a cluster that is paused, resumed and removed.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use lockstep_testbed::fleet::{Agent, KV, STORY_LIMIT, Settings};
use lockstep_testbed::{Fleet, wait};
use serde_json::{Value, json};
use sqlx::{Connection as _, PgConnection};

const CLUSTER: &str = "cluster-1";

async fn fleet() -> Result<Fleet> {
    Fleet::start(Settings { replicas: 1, clusters: 1, ..Settings::default() }).await
}

async fn token(fleet: &Fleet, ttl: &str) -> Result<Value> {
    fleet.cli(&["cluster", "token", CLUSTER, "--ttl", ttl, "-o", "json"]).await?.json()
}

/// Starts it; it must end by itself, with an error. Answers its last words.
async fn refused(mut agent: Agent) -> Result<String> {
    agent.start()?;
    let code = agent.process()?.exit_within(STORY_LIMIT).await?;
    ensure!(code != 0, "it ended well");
    let log = agent.process()?.log();
    Ok(log.lines().rfind(|line| line.starts_with("lockstep-agent: ")).context("no last word")?.to_owned())
}

/// The reasons of the refusals on record, oldest first.
async fn recorded(fleet: &Fleet) -> Result<Vec<String>> {
    let changes = fleet.cli(&["get", "changes", "--subject", &format!("cluster/{CLUSTER}"), "-o", "json"]).await?.json()?;
    let changes = changes["items"].as_array().cloned().unwrap_or_default();
    let refusals = changes.iter().rev().filter(|c| c["kind"] == "JoinRefused");
    Ok(refusals.map(|c| c["detail"]["reason"].as_str().unwrap_or_default().to_owned()).collect())
}

#[tokio::test]
async fn a_join_token_works_once_in_time_for_one_key_and_its_misuse_is_on_record() -> Result<()> {
    let mut fleet = fleet().await?;

    // A new installation takes the cluster over, and the old one is refused from then on.
    let used = token(&fleet, "1h").await?;
    let mut second = fleet.install_agent("second", &used)?;
    second.start()?;
    wait::until("the old agent to be told", STORY_LIMIT, async || {
        fleet.agents[0].process().is_ok_and(|p| p.log().contains("another agent installation has joined this cluster since"))
    })
    .await?;
    fleet.agents[0] = second;
    fleet.await_linked().await?;
    fleet.await_cluster(CLUSTER, "Ready", STORY_LIMIT).await?;

    let sentence = "the join token is not valid: it is unknown, expired, revoked, used by another key, or of another cluster";
    let thief = refused(fleet.install_agent("thief", &used)?).await?;
    assert!(thief.contains(sentence) && thief.contains("lockstep cluster token"), "{thief}");
    assert_eq!(recorded(&fleet).await?, ["already used by another key"]);
    refused(fleet.install_agent("thief-again", &used)?).await?;
    assert_eq!(recorded(&fleet).await?, ["already used by another key"], "whoever has an old token could fill the history");

    let short = token(&fleet, "1s").await?;
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    let late = refused(fleet.install_agent("late", &short)?).await?;
    assert!(late.contains(sentence), "{late}");

    let open = token(&fleet, "1h").await?;
    fleet.cli(&["cluster", "revoke-tokens", CLUSTER]).await?;
    let revoked = refused(fleet.install_agent("revoked", &open)?).await?;
    assert!(revoked.contains(sentence), "{revoked}");
    let reasons = ["already used by another key", "expired", "revoked"];
    assert_eq!(recorded(&fleet).await?, reasons);

    let mut invented = token(&fleet, "1h").await?;
    invented["token"] = json!(format!("lsjt_{}", "A".repeat(43)));
    let mut registry = PgConnection::connect(fleet.database.url()).await?;
    let mut writing = registry.begin().await?;
    sqlx::query("select from registry for update").execute(&mut *writing).await?;
    let guess = refused(fleet.install_agent("guess", &invented)?).await?;
    assert!(guess.contains(sentence), "guesses do not wait for what changes the registry, so they cannot make it wait: {guess}");
    writing.rollback().await?;
    assert_eq!(recorded(&fleet).await?, reasons, "anybody could fill the history with tokens that never were");

    // An agent that pins another root does not even show its token.
    let good = token(&fleet, "1h").await?;
    let mut deceived = fleet.install_agent("deceived", &good)?;
    deceived.pin(format!("sha256:{}", "0".repeat(64)));
    let deceived = refused(deceived).await?;
    assert!(deceived.contains("pin"), "{deceived}");
    assert_eq!(recorded(&fleet).await?, reasons);
    fleet.await_cluster(CLUSTER, "Ready", STORY_LIMIT).await
}

#[tokio::test]
async fn an_agent_that_knows_its_cluster_takes_no_other_cluster_over() -> Result<()> {
    let mut fleet = fleet().await?;
    let right = token(&fleet, "1h").await?;
    let mut mixed_up = right.clone();
    mixed_up["cluster"] = json!("cluster-2");
    let stranger = refused(fleet.install_agent("stranger", &mixed_up)?).await?;
    assert!(stranger.contains("or of another cluster"), "{stranger}");
    assert_eq!(recorded(&fleet).await?, ["shown by an agent of another cluster"]);

    // It used nothing up: in its own cluster the token still works, once.
    let mut second = fleet.install_agent("second", &right)?;
    second.start()?;
    wait::until("the old agent to be told", STORY_LIMIT, async || {
        fleet.agents[0].process().is_ok_and(|p| p.log().contains("another agent installation has joined this cluster since"))
    })
    .await?;
    fleet.agents[0] = second;
    fleet.await_linked().await
}

#[tokio::test]
async fn a_paused_cluster_gets_nothing_a_resumed_one_catches_up_and_a_removed_one_keeps_its_targets() -> Result<()> {
    let fleet = fleet().await?;
    fleet.bao.kv_put(KV, "shop/db", &json!({ "password": "one" })).await?;
    fleet.apply(&format!("{}---\n{}", fleet.basics(), Fleet::binding("db"))).await?;
    fleet.await_file(CLUSTER, "db", "password", Some("one")).await?;
    fleet.await_delivery(CLUSTER, "db", "InSync").await?;

    fleet.cli(&["cluster", "pause", CLUSTER]).await?;
    fleet.bao.kv_put(KV, "shop/db", &json!({ "password": "two" })).await?;
    fleet.await_secret("shop/db", "Live", 2).await?;
    let paused = fleet.await_delivery(CLUSTER, "db", "Paused").await?;
    assert!(paused["cause"].as_str().unwrap_or_default().contains("lockstep cluster resume cluster-1"), "{paused}");
    fleet.await_sweeps(4).await?;
    assert_eq!(fleet.file(CLUSTER, "db", "password")?.as_deref(), Some("one"));

    fleet.cli(&["cluster", "resume", CLUSTER]).await?;
    fleet.await_file(CLUSTER, "db", "password", Some("two")).await?;
    fleet.await_delivery(CLUSTER, "db", "InSync").await?;

    let removed = fleet.cli(&["cluster", "remove", CLUSTER]).await?;
    assert_eq!(removed.stdout, "cluster/cluster-1 removing\n");
    fleet.cli(&["wait", "--for=delete", "cluster/cluster-1", "--timeout", "30s"]).await?;
    let gone = fleet.cli_any(&["get", "cluster", CLUSTER]).await?;
    assert_eq!((gone.code, gone.stderr.as_str()), (1, "error: not found: there is no cluster \"cluster-1\"\n"));
    assert!(fleet.deliveries().await?.is_empty());
    assert_eq!(fleet.file(CLUSTER, "db", "password")?.as_deref(), Some("two"), "deletionPolicy Retain");
    let changes = fleet.cli(&["get", "changes", "--subject", "cluster/cluster-1", "-o", "json"]).await?.json()?;
    assert_eq!(changes["items"][0]["kind"], "ClusterRemoved");
    Ok(())
}

#[tokio::test]
async fn a_cluster_whose_agent_is_gone_for_good_is_forgotten_and_its_name_is_free() -> Result<()> {
    let mut fleet = fleet().await?;
    fleet.bao.kv_put(KV, "shop/db", &json!({ "password": "one" })).await?;
    fleet.apply(&format!("{}---\n{}", fleet.basics(), Fleet::binding("db"))).await?;
    fleet.await_delivery(CLUSTER, "db", "InSync").await?;
    let connected = fleet.cli_any(&["cluster", "remove", CLUSTER, "--force"]).await?;
    assert!(connected.code == 1 && connected.stderr.contains("is connected, to replica a"), "{}", connected.stderr);

    fleet.agents[0].process()?.kill9()?;
    // As it goes today: the removal waits for an agent that never comes, and so does what was deleted meanwhile.
    fleet.cli(&["cluster", "remove", CLUSTER]).await?;
    fleet.cli(&["delete", "binding/db", "grant/shop-prod"]).await?;
    let used = fleet.cli_any(&["delete", "project", "shop"]).await?;
    assert!(used.code == 1 && used.stderr.contains("not every cluster has given up yet"), "{}", used.stderr);

    let forgotten = wait::until("the agent's stream to end", STORY_LIMIT, async || {
        let forgotten = fleet.cli_any(&["cluster", "remove", CLUSTER, "--force"]).await?;
        ensure!(forgotten.code == 0, "{}", forgotten.stderr);
        anyhow::Ok(forgotten)
    })
    .await?;
    assert_eq!(forgotten.stdout, "cluster/cluster-1 removed\n");
    let left = "stays there, and nobody updates or deletes it any more: the targets of binding db.";
    assert!(forgotten.stderr.contains(left), "{}", forgotten.stderr);
    fleet.cli(&["delete", "project", "shop"]).await?;
    let changes = fleet.cli(&["get", "changes", "--subject", "cluster/cluster-1", "-o", "json"]).await?.json()?;
    assert_eq!(changes["items"][0]["kind"], "ClusterForgotten");

    // The agent comes back after all: it is let in no more, also where its name is, and keeps what it has.
    fleet.cli(&["cluster", "register", CLUSTER, "--label", "env=prod", "-o", "json"]).await?;
    fleet.agents[0].start()?;
    wait::until("the agent to be refused", STORY_LIMIT, async || {
        let log = fleet.agents[0].process()?.log();
        ensure!(log.contains("this cluster is not registered; what it holds stays"), "{log}");
        anyhow::Ok(())
    })
    .await?;
    assert_eq!(fleet.file(CLUSTER, "db", "password")?.as_deref(), Some("one"));
    Ok(())
}
