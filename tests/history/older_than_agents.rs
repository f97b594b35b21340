//! The registry is restored while the servers are stopped, to a point that the home Vault's mark does not show as older: only agents know.

use anyhow::Result;
use lockstep_testbed::fleet::Settings;
use lockstep_testbed::{Fleet, wait};
use serde_json::json;

use crate::observed::{
    LIMIT, await_clusters_held, await_observed, await_unknown, await_value, everything, is_history_cut, open_epoch, status,
    two_sweeps, value, write,
};

#[tokio::test]
async fn agents_that_saw_more_than_a_restored_registry_are_held_whenever_they_come_and_others_are_served() -> Result<()> {
    let mut fleet = Fleet::start(Settings { clusters: 3, ..Settings::default() }).await?;
    write(&fleet, "db", "one").await?;
    fleet.apply(&format!("{}---\n{}", fleet.basics(), Fleet::binding("db"))).await?;
    fleet.await_deliveries("InSync", 3, LIMIT).await?;
    // cluster-3 sees nothing of what will be lost.
    fleet.agents[2].process()?.stop().await?;

    let (dump, mark) = (fleet.postgres.dump(&fleet.database).await?, fleet.bao.kv_get("lockstep", "history-mark").await?);
    write(&fleet, "db", "two").await?;
    await_value(&fleet.agents[..2], "db", "two").await?;
    fleet.add_cluster("cluster-4", &["env=prod"]).await?;
    await_value(&fleet.agents[3..], "db", "two").await?;
    // cluster-2 saw it, and is away when the servers come back.
    fleet.agents[1].process()?.stop().await?;
    let before = [everything(&fleet.agents[0])?, everything(&fleet.agents[1])?, everything(&fleet.agents[3])?];
    for replica in &fleet.replicas {
        replica.process()?.stop().await?;
    }
    fleet.postgres.restore(&fleet.database, &dump).await?;
    // The mark moves once a minute: as it was, this registry is not older.
    fleet.bao.kv_put("lockstep", "history-mark", &mark).await?;
    for index in 0..fleet.replicas.len() {
        fleet.start_replica(index).await?;
    }

    await_clusters_held(&fleet, &["cluster-1"]).await?;
    fleet.agents[2].start()?;
    fleet.await_cluster("cluster-3", "Ready", LIMIT).await?;
    let version = write(&fleet, "db", "three").await?;
    await_value(&fleet.agents[2..3], "db", "three").await?;
    await_observed(&fleet, "db", version).await?;
    fleet.agents[1].start()?;
    await_clusters_held(&fleet, &["cluster-1", "cluster-2"]).await?;
    two_sweeps(&fleet).await?;
    let now = [everything(&fleet.agents[0])?, everything(&fleet.agents[1])?, everything(&fleet.agents[3])?];
    assert_eq!(now, before, "what the clusters hold was touched");
    for delivery in fleet.deliveries().await? {
        let is_held = delivery["status"] == "Held" && is_history_cut(&delivery["cause"]);
        let is_in_step = delivery["status"] == "InSync";
        assert!(if delivery["cluster"] == "cluster-3" { is_in_step } else { is_held }, "{delivery}");
    }
    // A cluster that the restored registry does not know is refused, and keeps what it has.
    let agent = fleet.agents[3].process()?;
    wait::until("cluster-4 to be refused", LIMIT, async || agent.log().contains("not registered")).await?;

    open_epoch(&fleet).await?;
    await_value(&fleet.agents[..3], "db", "three").await?;
    fleet.await_deliveries("InSync", 3, LIMIT).await?;
    assert_eq!(value(&fleet.agents[3], "db").as_deref(), Some("two"));
    for cluster in ["cluster-1", "cluster-2", "cluster-3"] {
        await_unknown(&fleet, cluster, 0).await?;
        assert_eq!(status(&fleet, cluster).await?["deliveries"], json!({ "InSync": 1 }));
    }
    Ok(())
}
