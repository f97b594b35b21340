//! Certificates that live for seconds: renewed over the stream, renewed after they expired, and refused to whoever was forgotten.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use chrono::{DateTime, NaiveDateTime, Utc};
use lockstep_testbed::fleet::{STORY_LIMIT, Settings};
use lockstep_testbed::{Fleet, wait};

const CLUSTER: &str = "cluster-1";
/// Renewed after a third to a half of this. Long enough to join and connect on a busy machine.
const LIFE: Duration = Duration::from_secs(15);

/// The PKI decides how long certificates live, whatever the configuration asks for: that is in hours.
async fn shorten(fleet: &Fleet) -> Result<()> {
    let path = "lockstep-pki/roles/agent";
    let mut role = fleet.bao.request("GET", path, None).await?["data"].take();
    role["max_ttl"] = format!("{}s", LIFE.as_secs()).into();
    role["ttl"] = role["max_ttl"].clone();
    // An agent reckons the life from here; half a minute is usual, and would be longer than all of it.
    role["not_before_duration"] = "1s".into();
    fleet.bao.request("POST", path, Some(role)).await.map(drop)
}

/// When the certificate ends that the connected agent is shown with.
async fn shown_end(fleet: &Fleet) -> Result<DateTime<Utc>> {
    let cluster = fleet.cli(&["get", "cluster", CLUSTER, "-o", "json"]).await?.json()?;
    let end = cluster["status"]["agent"]["certificateExpiresAt"].as_str().context("no agent is connected")?;
    Ok(end.parse()?)
}

/// Waits until the certificate that the agent has now has ended.
async fn expired(end: DateTime<Utc>) -> Result<()> {
    wait::until("the certificate to end", LIFE * 10, async || {
        ensure!(Utc::now() > end + Duration::from_secs(1), "it ends at {end}");
        anyhow::Ok(())
    })
    .await
}

/// Until when the certificate is good that the agent got over its stream.
fn renewed_until(log: &str) -> Result<DateTime<Utc>> {
    let line = log.lines().rfind(|line| line.contains("renewed the certificate")).context("it was not renewed")?;
    let end =
        line.split("\"not_after\":\"").nth(1).and_then(|rest| rest.split('"').next()).context("it does not say until when")?;
    Ok(NaiveDateTime::parse_from_str(end, "%Y-%m-%d %H:%M:%S UTC").with_context(|| end.to_owned())?.and_utc())
}

async fn says(fleet: &Fleet, words: &str) -> Result<()> {
    wait::until(words, STORY_LIMIT, async || {
        let log = fleet.agents[0].process()?.log();
        ensure!(log.contains(words), "{log}");
        anyhow::Ok(())
    })
    .await
}

#[tokio::test]
async fn a_certificate_is_renewed_over_the_stream_and_after_it_expired_until_its_cluster_is_forgotten() -> Result<()> {
    let mut fleet = Fleet::start(Settings { replicas: 1, clusters: 1, ..Settings::default() }).await?;
    shorten(&fleet).await?;
    let token = fleet.cli(&["cluster", "token", CLUSTER, "-o", "json"]).await?.json()?;
    fleet.agents[0] = fleet.install_agent("short", &token)?;
    fleet.agents[0].start()?;

    says(&fleet, "renewed the certificate").await?;
    let first = renewed_until(&fleet.agents[0].process()?.log())?;
    wait::until("the new certificate to be shown", STORY_LIMIT, async || {
        let end = shown_end(&fleet).await?;
        ensure!(end == first, "{end}, and the agent has one until {first}");
        anyhow::Ok(())
    })
    .await?;

    // While it is away its certificate ends.
    fleet.agents[0].process()?.kill9()?;
    expired(first).await?;
    fleet.agents[0].start()?;
    let second = wait::until("the agent to be back with a new certificate", STORY_LIMIT, async || {
        let end = shown_end(&fleet).await?;
        ensure!(end > first, "{end}, and the one before ended at {first}");
        anyhow::Ok(end)
    })
    .await?;

    // Renewed over the stream once more, perhaps, before it is killed.
    fleet.agents[0].process()?.kill9()?;
    wait::until("the cluster to be forgotten", STORY_LIMIT, async || fleet.cli(&["cluster", "remove", CLUSTER, "--force"]).await)
        .await?;
    expired(second + LIFE).await?;
    fleet.agents[0].start()?;
    says(&fleet, "this certificate cannot be renewed: join the cluster again with a new token").await
}
