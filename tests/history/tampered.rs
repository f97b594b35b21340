//! A history that somebody changed.

use anyhow::{Result, ensure};
use lockstep_testbed::fleet::Settings;
use lockstep_testbed::{Fleet, wait};
use sqlx::{Connection as _, PgConnection};

use crate::observed::LIMIT;

#[tokio::test]
async fn the_replica_that_walks_along_the_history_says_that_it_is_broken_and_goes_on_serving() -> Result<()> {
    let fleet = Fleet::start_replicas(Settings { replicas: 1, clusters: 0, ..Settings::default() }).await?;
    fleet.apply(&fleet.basics()).await?;
    let replica = &fleet.replicas[0];
    wait::until("the history to be walked along to its end", LIMIT, async || {
        let (at, newest) =
            (replica.metric("lockstep_history_verified_seq").await?, replica.metric("lockstep_history_seq").await?);
        ensure!(at >= newest && newest > Some(1.0), "{at:?} of {newest:?}");
        ensure!(replica.metric("lockstep_history_verified_timestamp_seconds").await? > Some(0.0), "no time");
        ensure!(replica.metric("lockstep_history_broken").await? == Some(0.0), "it is whole");
        anyhow::Ok(())
    })
    .await?;
    let mut database = PgConnection::connect(fleet.database.url()).await?;
    sqlx::query("update change set actor = 'nobody' where seq = 2").execute(&mut database).await?;
    // What was walked along already is looked at again once a day, or when another begins: here, one that starts.
    let mut fleet = fleet;
    fleet.replicas[0].process()?.stop().await?;
    fleet.start_replica(0).await?;
    let replica = &fleet.replicas[0];
    wait::until("the break to be found", LIMIT, async || {
        ensure!(replica.metric("lockstep_history_broken").await? == Some(1.0), "not found yet");
        anyhow::Ok(())
    })
    .await?;
    ensure!(replica.process()?.log().contains("the history is broken"), "the log says which change");
    fleet.cli(&["get", "projects"]).await.map(drop)
}
