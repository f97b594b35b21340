//! What a replica shows of the registry while it cannot read it: nothing, rather than what was so before.

use std::time::Duration;

use anyhow::{Result, ensure};
use lockstep_testbed::fleet::{Replica, Settings};
use lockstep_testbed::wait;

use crate::shop;

/// Ten times the minute after which they are absent would be long: a board is old for at most this long.
const ABSENT_LIMIT: Duration = Duration::from_mins(3);
/// Some of what comes from the registry, with and without labels.
const FROM_REGISTRY: [&str; 5] = [
    "lockstep_deliveries{",
    "lockstep_cluster_connected{",
    "lockstep_source_swept_timestamp_seconds{",
    "lockstep_history_seq ",
    "lockstep_rotation_overdue_age_seconds ",
];

/// Waits until all of it is there, or none of it.
async fn shown(replica: &Replica, wanted: bool) -> Result<()> {
    wait::until(&format!("what the registry says to be shown: {wanted}"), ABSENT_LIMIT, async || {
        let text = replica.metrics().await?;
        for name in FROM_REGISTRY {
            ensure!(text.lines().any(|line| line.starts_with(name)) == wanted, "{name}");
        }
        anyhow::Ok(())
    })
    .await
}

#[tokio::test]
async fn what_the_registry_says_is_absent_while_postgres_is_away_and_back_with_it() -> Result<()> {
    let fleet = shop::open(Settings { replicas: 1, clusters: 1, ..Settings::default() }).await?;
    let replica = &fleet.replicas[0];
    shown(replica, true).await?;
    let progress = "lockstep_loop_progress_timestamp_seconds{loop=\"hygiene\"}";
    fleet.postgres.stop().await?;
    let read = replica.metric(progress).await?;
    shown(replica, false).await?;
    // Its own it still shows, and of these the one that LockstepRegistryUnreachable asks for stands where it stood.
    ensure!(replica.metric("lockstep_agents_connected").await? == Some(1.0), "the stream stays");
    ensure!(read.is_some() && replica.metric(progress).await? == read, "{read:?}");
    fleet.postgres.start_again().await?;
    shown(replica, true).await
}
