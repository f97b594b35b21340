//! The registry is restored from under running servers and connected agents.

use anyhow::Result;
use lockstep_testbed::Fleet;
use lockstep_testbed::fleet::Settings;

use crate::observed::{
    LIMIT, all_targets, await_clusters_held, await_deliveries_held, await_observed, await_unknown, await_value, open_epoch, sent,
    two_sweeps, value, write,
};

#[tokio::test]
async fn a_restore_under_running_servers_sends_nothing_until_an_epoch_is_opened() -> Result<()> {
    let fleet = Fleet::start(Settings { clusters: 3, ..Settings::default() }).await?;
    let clusters = ["cluster-1", "cluster-2", "cluster-3"];
    write(&fleet, "db", "one").await?;
    write(&fleet, "late", "one").await?;
    fleet.apply(&format!("{}---\n{}", fleet.basics(), Fleet::binding("db"))).await?;
    fleet.await_deliveries("InSync", 3, LIMIT).await?;

    let dump = fleet.postgres.dump(&fleet.database).await?;
    write(&fleet, "db", "two").await?;
    await_value(&fleet.agents, "db", "two").await?;
    fleet.apply(&Fleet::binding("late")).await?;
    fleet.await_deliveries("InSync", 6, LIMIT).await?;
    let (targets, sent_before) = (all_targets(&fleet)?, sent(&fleet).await?);

    fleet.postgres.restore(&fleet.database, &dump).await?;
    await_deliveries_held(&fleet, 3).await?;
    await_clusters_held(&fleet, &clusters).await?;
    for cluster in clusters {
        await_unknown(&fleet, cluster, 1).await?;
    }
    // The registry goes on looking, so it soon has as many changes as it had lost; nothing of that is sent.
    let version = write(&fleet, "db", "three").await?;
    await_observed(&fleet, "db", version).await?;
    two_sweeps(&fleet).await?;
    await_deliveries_held(&fleet, 3).await?;
    assert_eq!(all_targets(&fleet)?, targets, "what the clusters hold was touched");
    assert!((sent(&fleet).await? - sent_before).abs() < 0.5, "something was sent while the history is held");

    open_epoch(&fleet).await?;
    await_value(&fleet.agents, "db", "three").await?;
    fleet.await_deliveries("InSync", 3, LIMIT).await?;
    two_sweeps(&fleet).await?;
    for (agent, cluster) in fleet.agents.iter().zip(clusters) {
        assert_eq!(value(agent, "late").as_deref(), Some("one"), "a binding that the registry does not know was taken away");
        await_unknown(&fleet, cluster, 1).await?;
        fleet.await_cluster(cluster, "Ready", LIMIT).await?;
    }
    Ok(())
}

#[tokio::test]
async fn a_lost_change_is_noticed_also_when_the_registry_makes_another_of_the_same_number() -> Result<()> {
    let fleet = Fleet::start(Settings { replicas: 1, clusters: 1, ..Settings::default() }).await?;
    write(&fleet, "db", "one").await?;
    fleet.apply(&format!("{}---\n{}", fleet.basics(), Fleet::binding("db"))).await?;
    fleet.await_deliveries("InSync", 1, LIMIT).await?;
    let dump = fleet.postgres.dump(&fleet.database).await?;
    // One change is lost, and the next look at the source makes it anew.
    let version = write(&fleet, "db", "two").await?;
    await_value(&fleet.agents, "db", "two").await?;
    fleet.await_deliveries("InSync", 1, LIMIT).await?;
    let targets = all_targets(&fleet)?;
    fleet.postgres.restore(&fleet.database, &dump).await?;
    await_observed(&fleet, "db", version).await?;
    await_deliveries_held(&fleet, 1).await?;
    await_clusters_held(&fleet, &["cluster-1"]).await?;
    assert_eq!(all_targets(&fleet)?, targets, "what the cluster holds was touched");
    open_epoch(&fleet).await?;
    fleet.await_deliveries("InSync", 1, LIMIT).await?;
    Ok(())
}
