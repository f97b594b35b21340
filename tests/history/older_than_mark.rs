//! No agent saw what was lost: only the mark in the home Vault shows that the registry is older.

use anyhow::Result;
use lockstep_testbed::fleet::Settings;
use lockstep_testbed::{Fleet, wait};

use crate::observed::{
    LIMIT, all_targets, await_clusters_held, await_deliveries_held, await_observed, await_value, is_history_cut, open_epoch,
    sent, two_sweeps, write,
};

#[tokio::test]
async fn a_registry_older_than_its_mark_answers_and_sends_nothing_also_to_agents_that_saw_nothing_newer() -> Result<()> {
    let mut fleet = Fleet::start(Settings { clusters: 2, ..Settings::default() }).await?;
    write(&fleet, "db", "one").await?;
    fleet.apply(&format!("{}---\n{}", fleet.basics(), Fleet::binding("db"))).await?;
    fleet.await_deliveries("InSync", 2, LIMIT).await?;
    for agent in &fleet.agents {
        agent.process()?.stop().await?;
    }
    let dump = fleet.postgres.dump(&fleet.database).await?;
    let version = write(&fleet, "db", "two").await?;
    await_observed(&fleet, "db", version).await?;
    fleet.apply(&Fleet::binding("late")).await?;
    let targets = all_targets(&fleet)?;
    // A starting replica moves the mark; else it moves once a minute.
    fleet.replicas[0].process()?.stop().await?;
    fleet.start_replica(0).await?;
    for replica in &fleet.replicas {
        replica.process()?.stop().await?;
    }
    fleet.postgres.restore(&fleet.database, &dump).await?;
    for index in 0..fleet.replicas.len() {
        fleet.start_replica(index).await?;
    }

    await_deliveries_held(&fleet, 2).await?;
    let epoch = fleet.cli(&["epoch", "show", "-o", "json"]).await?.json()?;
    assert!(is_history_cut(&epoch["held"]), "{epoch}");
    for index in 0..fleet.agents.len() {
        fleet.agents[index].start()?;
    }
    for agent in &fleet.agents {
        wait::until(&format!("{} to be told", agent.name()), LIMIT, async || {
            agent.process().is_ok_and(|process| process.log().contains("this cluster is held"))
        })
        .await?;
    }
    await_clusters_held(&fleet, &["cluster-1", "cluster-2"]).await?;
    // Everything else goes on: manifests are taken and planned.
    fleet.apply(&Fleet::binding("early")).await?;
    write(&fleet, "early", "one").await?;
    await_observed(&fleet, "early", 1).await?;
    await_observed(&fleet, "db", version).await?;
    two_sweeps(&fleet).await?;
    await_deliveries_held(&fleet, 4).await?;
    for replica in &fleet.replicas {
        wait::until("the metric to say it", LIMIT, async || {
            replica.metric("lockstep_history_held").await.is_ok_and(|held| held.is_some_and(|held| held > 0.5))
        })
        .await?;
    }
    assert_eq!(all_targets(&fleet)?, targets, "what the clusters hold was touched");
    assert!(sent(&fleet).await? < 0.5, "something was sent while the history is held");

    // A restart changes nothing: the hold is the registry's.
    fleet.replicas[1].process()?.stop().await?;
    fleet.start_replica(1).await?;
    await_deliveries_held(&fleet, 4).await?;

    open_epoch(&fleet).await?;
    await_value(&fleet.agents, "db", "two").await?;
    await_value(&fleet.agents, "early", "one").await?;
    fleet.await_deliveries("InSync", 4, LIMIT).await?;
    Ok(())
}
