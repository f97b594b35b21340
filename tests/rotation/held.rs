//! Runs that do not get an answer from everybody: who is waited for, for how long, and what happens then.

use std::time::Instant;

use anyhow::{Context as _, Result, ensure};
use lockstep_testbed::fleet::{Agent, STORY_LIMIT, Settings};
use lockstep_testbed::wait;
use serde_json::Value;

use crate::client::Credential;
use crate::shop::{DB, Shop};

/// A rotation of the pair that waits for clusters for three seconds and then does this.
async fn waits(shop: &Shop, confirm: &str) -> Result<()> {
    let pair = format!("databasePair: {{source: corp, mount: {DB}, roles: [pair_a, pair_b], minOverlap: 1s}}");
    shop.fleet.apply(&Shop::rotation("pair", &format!("{pair}\nconfirm: {{deadline: 3s, {confirm}}}"))).await
}

/// Stops a cluster's agent, and waits until that is known.
async fn away(shop: &Shop, index: usize) -> Result<()> {
    let agent = &shop.fleet.agents[index];
    agent.process()?.kill9()?;
    wait::until(&format!("{} to be away", agent.name()), STORY_LIMIT, async || {
        let cluster = shop.fleet.cli(&["get", "cluster", agent.name(), "-o", "json"]).await?.json()?;
        let is_ready = |c: &Value| c["type"] == "Ready" && c["status"] == "True";
        ensure!(!cluster["status"]["conditions"].as_array().into_iter().flatten().any(is_ready), "{cluster}");
        anyhow::Ok(())
    })
    .await
}

/// Waits until the newest run is held by these clusters and no others, for this reason; answers it.
async fn held_by(shop: &Shop, clusters: &[&str], why: &str) -> Result<Value> {
    wait::until(&format!("the run to be held by {clusters:?}"), STORY_LIMIT, async || {
        let run = shop.newest("pair").await?;
        ensure!(run["state"] == "Held" && run["stage"] == "Confirming", "{run}");
        let message = run["message"].as_str().context("it does not say why")?;
        let is_told = |agent: &&str| message.contains(&format!("{agent} (binding pair: {why}"));
        let named: Vec<_> = shop.fleet.agents.iter().map(Agent::name).filter(is_told).collect();
        ensure!(named == clusters && message.matches("binding").count() == clusters.len(), "{message}");
        Ok(run)
    })
    .await
}

/// Waits until these clusters have something else than that, which works, and is the same everywhere.
async fn have_another(shop: &Shop, clusters: &[&str], than: &Credential) -> Result<Credential> {
    for cluster in clusters {
        wait::until(&format!("{cluster} to have another credential"), STORY_LIMIT, async || {
            shop.credential(cluster, "pair").is_ok_and(|now| now.user != than.user)
        })
        .await?;
    }
    let all = clusters.iter().map(|cluster| shop.credential(cluster, "pair")).collect::<Result<Vec<_>>>()?;
    ensure!(all.windows(2).all(|two| two[0] == two[1]), "they have the same one");
    let now = all.into_iter().next().context("no cluster")?;
    ensure!(now.works(&shop.database).await?, "it works");
    Ok(now)
}

#[tokio::test]
async fn with_one_of_five_clusters_offline_a_run_is_held_names_it_and_completes_when_it_is_back() -> Result<()> {
    const OFFLINE: &str = "the cluster's agent is not connected";
    let mut shop = Shop::start(Settings { replicas: 2, clusters: 5, ..Settings::default() }).await?;
    waits(&shop, "onDeadline: Hold").await?;
    let old = shop.credential("cluster-1", "pair")?;
    away(&shop, 4).await?;
    shop.begin("pair").await?;
    let run = held_by(&shop, &["cluster-5"], OFFLINE).await?;
    println!("held: {}", run["message"]);
    let new = have_another(&shop, &["cluster-1", "cluster-2", "cluster-3", "cluster-4"], &old).await?;
    ensure!(shop.credential("cluster-5", "pair")? == old && old.works(&shop.database).await?, "what the one has goes on working");
    let rotation = shop.fleet.cli(&["get", "rotation", "pair", "-o", "json"]).await?.json()?;
    let on_time = &rotation["status"]["conditions"][0];
    ensure!(on_time["type"] == "OnTime" && on_time["status"] == "False" && on_time["reason"] == "Held", "{on_time}");
    ensure!(on_time["message"] == run["message"], "{on_time}");
    let listed = shop.fleet.cli(&["get", "rotations", "-o", "wide"]).await?.stdout;
    ensure!(listed.contains("False") && listed.contains("not confirmed by cluster-5"), "{listed}");
    println!("{listed}");
    let told = shop.changes("RotationHeld").await?;
    ensure!(
        told.len() == 1 && told[0]["subject"] == "rotation/pair" && told[0]["detail"]["reason"] == run["message"],
        "{told:?}"
    );

    shop.fleet.agents[4].start()?;
    let ended = shop.ended("pair", 1).await?;
    ensure!(ended["state"] == "Done", "{ended}");
    ensure!(shop.credential("cluster-5", "pair")? == new, "it has the new one");
    ensure!(!old.works(&shop.database).await?, "the old one is retired");

    // One that is placed while the run waits for another gets the new one first, and is waited for as well.
    shop.fleet.add_cluster("cluster-6", &["env=dev"]).await?;
    let old = new;
    for index in [4, 5] {
        away(&shop, index).await?;
    }
    shop.begin("pair").await?;
    let new = have_another(&shop, &["cluster-1", "cluster-2", "cluster-3", "cluster-4"], &old).await?;
    let run = shop.newest("pair").await?;
    ensure!(run["stage"] == "Confirming", "{run}");
    let labels = "{name: cluster-6, labels: {env: prod}}";
    shop.fleet.apply(&format!("apiVersion: lockstep.dev/v1\nkind: Cluster\nmetadata: {labels}\nspec: {{}}\n")).await?;
    held_by(&shop, &["cluster-5", "cluster-6"], OFFLINE).await?;
    shop.fleet.agents[4].start()?;
    let run = held_by(&shop, &["cluster-6"], OFFLINE).await?;
    println!("held by one that was placed meanwhile: {}", run["message"]);
    ensure!(old.works(&shop.database).await?, "both work until it has the new one");
    shop.fleet.agents[5].start()?;
    wait::until("cluster-6 to have a first credential", STORY_LIMIT, async || shop.credential("cluster-6", "pair")).await?;
    ensure!(shop.credential("cluster-6", "pair")? == new, "the first that it has is the new one");
    let ended = shop.ended("pair", 2).await?;
    ensure!(ended["state"] == "Done", "{ended}");
    ensure!(!old.works(&shop.database).await? && new.works(&shop.database).await?, "the old one is retired");
    Ok(())
}

#[tokio::test]
async fn at_the_deadline_a_run_goes_on_without_who_is_away_or_gives_everybody_the_old_one_again_as_its_policy_says() -> Result<()>
{
    let mut shop = Shop::start(Settings { replicas: 2, clusters: 3, ..Settings::default() }).await?;
    let stay = ["cluster-1", "cluster-2"];
    waits(&shop, "onDeadline: Proceed").await?;
    let old = shop.credential("cluster-1", "pair")?;
    away(&shop, 2).await?;
    let ended = shop.run("pair").await?;
    println!("went on: {}", ended["message"]);
    let without = "without cluster-3 (binding pair: the cluster's agent is not connected";
    ensure!(ended["state"] == "Done" && ended["message"].as_str().is_some_and(|m| m.starts_with(without)), "{ended}");
    let new = have_another(&shop, &stay, &old).await?;
    ensure!(!old.works(&shop.database).await?, "the old one is retired, though one cluster has no other");
    shop.fleet.agents[2].start()?;
    ensure!(have_another(&shop, &["cluster-3"], &old).await? == new, "it gets the new one when it is back");
    shop.in_step().await?;

    waits(&shop, "onDeadline: RollBack").await?;
    let (old, revision) = (new, shop.revision("cluster-1", "pair").await?);
    away(&shop, 2).await?;
    shop.begin("pair").await?;
    let new = have_another(&shop, &stay, &old).await?;
    let ended = shop.ended("pair", 2).await?;
    println!("rolled back: {}", ended["message"]);
    let because = "rolled back to version 2: not confirmed by cluster-3 (binding pair: the cluster's agent is not connected";
    ensure!(ended["state"] == "Failed" && ended["message"].as_str().is_some_and(|m| m.starts_with(because)), "{ended}");
    ensure!(have_another(&shop, &stay, &new).await? == old, "everybody has the old one again");
    wait::until("cluster-1 to have confirmed it", STORY_LIMIT, async || {
        let now = shop.revision("cluster-1", "pair").await?;
        ensure!(now >= (revision.0, revision.1 + 2), "{revision:?} became {now:?}: there and back are two changes");
        anyhow::Ok(())
    })
    .await?;
    shop.fleet.agents[2].start()?;
    shop.in_step().await?;
    ensure!(shop.credential("cluster-3", "pair")? == old, "so has the one that was away");
    let told = shop.changes("RotationRollingBack").await?;
    ensure!(told.len() == 1 && told[0]["detail"]["reason"].as_str().is_some_and(|r| r.contains("cluster-3")), "{told:?}");

    let ended = shop.run("pair").await?;
    ensure!(ended["state"] == "Done", "the next run succeeds: {ended}");
    let newest = have_another(&shop, &["cluster-1", "cluster-2", "cluster-3"], &old).await?;
    ensure!(newest != new && !new.works(&shop.database).await?, "what was rolled back was changed once more");
    ensure!(!old.works(&shop.database).await?, "the old one is retired");
    Ok(())
}

#[tokio::test]
async fn a_paused_cluster_is_waited_for_unless_the_policy_says_that_it_does_not_count() -> Result<()> {
    let shop = Shop::start(Settings { replicas: 1, clusters: 2, ..Settings::default() }).await?;
    waits(&shop, "onDeadline: Hold").await?;
    let old = shop.credential("cluster-1", "pair")?;
    shop.fleet.cli(&["cluster", "pause", "cluster-2"]).await?;
    shop.begin("pair").await?;
    let run = held_by(&shop, &["cluster-2"], "the cluster is paused").await?;
    println!("held: {}", run["message"]);
    ensure!(shop.credential("cluster-2", "pair")? == old && old.works(&shop.database).await?, "what it has goes on working");
    shop.fleet.cli(&["cluster", "resume", "cluster-2"]).await?;
    let ended = shop.ended("pair", 1).await?;
    ensure!(ended["state"] == "Done", "{ended}");
    let new = have_another(&shop, &["cluster-1", "cluster-2"], &old).await?;
    ensure!(!old.works(&shop.database).await?, "the old one is retired");

    waits(&shop, "onDeadline: Hold, paused: Skip").await?;
    let old = new;
    shop.fleet.cli(&["cluster", "pause", "cluster-2"]).await?;
    let began = Instant::now();
    let ended = shop.run("pair").await?;
    println!("with a paused cluster that does not count, a run took {:.1} s", began.elapsed().as_secs_f64());
    ensure!(ended["state"] == "Done", "{ended}");
    ensure!(ended["stages"].as_array().is_some_and(|stages| stages.iter().any(|s| s["stage"] == "Overlapping")), "{ended}");
    let new = have_another(&shop, &["cluster-1"], &old).await?;
    ensure!(shop.credential("cluster-2", "pair")? == old && !old.works(&shop.database).await?, "it was not waited for");
    shop.fleet.cli(&["cluster", "resume", "cluster-2"]).await?;
    ensure!(have_another(&shop, &["cluster-2"], &old).await? == new, "it gets the new one when it goes on");
    Ok(())
}
