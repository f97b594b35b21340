//! Loops that hang, and loops whose dependency does.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use lockstep_testbed::fleet::{STORY_LIMIT, Settings};
use lockstep_testbed::{Fleet, Relay, wait};
use reqwest::{StatusCode, Url};

/// What `/healthz` answers.
async fn health(fleet: &Fleet) -> Result<(StatusCode, String)> {
    let url = fleet.replicas[0].metrics_url().replace("/metrics", "/healthz");
    let answer = reqwest::get(url).await?;
    Ok((answer.status(), answer.text().await?))
}

#[tokio::test]
async fn a_loop_that_hangs_fails_liveness_by_its_name_and_readiness_stays() -> Result<()> {
    let mut fleet = Fleet::start_replicas(Settings { replicas: 1, clusters: 0, ..Settings::default() }).await?;
    assert_eq!(health(&fleet).await?, (StatusCode::OK, "ok\n".to_owned()));
    fleet.replicas[0].process()?.stop().await?;
    fleet.replicas[0].set_env("LOCKSTEP_HANG", "sessions");
    fleet.start_replica(0).await?;
    // It has half a minute, and is named then.
    wait::until("liveness to fail", STORY_LIMIT.max(Duration::from_secs(90)), async || {
        let (status, text) = health(&fleet).await?;
        ensure!(status == StatusCode::SERVICE_UNAVAILABLE, "{status} {text}");
        ensure!(text.contains("loop sessions did not come round for") && text.contains("\"stuck\""), "{text}");
        ensure!(!text.contains("loop dispatch"), "the others turn: {text}");
        anyhow::Ok(())
    })
    .await?;
    fleet.replicas[0].ready(STORY_LIMIT).await
}

/// Longer than the longest of the loops may stand still that a fleet has, but for those of minutes.
const FROZEN: Duration = Duration::from_secs(75);

#[tokio::test]
async fn while_postgres_hangs_every_loop_still_turns_and_no_replica_asks_to_be_restarted() -> Result<()> {
    let mut fleet = Fleet::start_replicas(Settings { replicas: 1, clusters: 0, ..Settings::default() }).await?;
    fleet.apply(&fleet.basics()).await?;
    let mut url = Url::parse(fleet.database.url())?;
    let relay = Relay::start(([127, 0, 0, 1], url.port().context("the database URL has no port")?).into()).await?;
    url.set_port(Some(relay.addr().port())).ok().context("setting the port")?;
    std::fs::write(fleet.folder().join(fleet.replicas[0].database_file()), url.as_str())?;
    fleet.replicas[0].process()?.stop().await?;
    fleet.start_replica(0).await?;
    // Connections stay and nothing comes over them: as with a Postgres that is stopped by SIGSTOP.
    relay.half_open();
    let until = tokio::time::Instant::now() + FROZEN;
    let mut looks = tokio::time::interval(Duration::from_secs(1));
    while tokio::time::Instant::now() < until {
        looks.tick().await;
        let (status, text) = health(&fleet).await?;
        ensure!(status == StatusCode::OK, "{text}");
    }
    relay.heal();
    fleet.replicas[0].ready(STORY_LIMIT).await
}
