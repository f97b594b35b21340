//! Due times that pass while nobody is there, starts that are spread, and rotations that wait for each other.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use lockstep_core::schedule::start_of;
use lockstep_testbed::fleet::STORY_LIMIT;
use lockstep_testbed::wait;
use serde_json::{Value, json};
use sqlx::{Connection as _, PgConnection};
use uuid::Uuid;

use super::{OFTEN, Timed, at, later, seconds};

#[tokio::test]
async fn missed_due_times_are_run_once_unless_it_is_too_late_and_starts_are_spread_and_limited() -> Result<()> {
    let mut timed = Timed::start().await?;
    missed(&mut timed).await?;
    spread(&timed).await?;
    limited(&mut timed).await
}

async fn missed(timed: &mut Timed) -> Result<()> {
    timed.rotate("often", OFTEN, &[]).await?;
    let due = later(timed.now().await?, 8);
    timed.rotate("patient", &at(due), &[]).await?;
    timed.rotate("strict", &at(due), &["startingDeadlineSeconds: 2"]).await?;
    timed.rotate("skipping", &at(due), &["missedRuns: Skip"]).await?;
    timed.done("often", "before", |run| run.scheduled).await?;
    timed.fleet.replicas[0].process()?.stop().await?;
    let away = timed.now().await?;
    ensure!(away < due, "it took too long to come here");
    timed.passes(due + seconds(5)).await?;
    let back = timed.now().await?;
    timed.fleet.start_replica(0).await?;

    let first = timed.done("often", "after", |run| run.due > away).await?;
    ensure!(first.started > back && first.started - first.due < seconds(2), "the newest of those missed: {first:?}");
    let runs = timed.runs("often").await?;
    let between = runs.iter().filter(|run| run.due > away && run.due <= first.due).count();
    ensure!(between == 1, "one run for all of them: {runs:?}");
    let begun = timed.fleet.cli(&["get", "changes", "--subject", "rotation/often", "-o", "json"]).await?.json()?;
    let mut begun = begun["items"].as_array().context("no list")?.iter().filter(|change| change["kind"] == "RotationStarted");
    let said = begun.find(|change| change["detail"]["dueAt"] == json!(first.due)).context("its start is in the history")?;
    let missed = said["detail"]["missed"].as_u64().context("how many were missed")?;
    ensure!(missed >= 2, "{said}");

    let run = timed.done("patient", "late", |_| true).await?;
    ensure!(run.due == due && run.started > back, "{run:?}");
    // Within a minute nothing is missed.
    let run = timed.done("skipping", "late", |_| true).await?;
    ensure!(run.due == due, "{run:?}");
    ensure!(timed.runs("strict").await?.is_empty(), "two seconds were over");
    println!("away for {} s: one run for {} due times", (back - away).num_seconds(), missed + 1);
    timed.fleet.cli(&["rotation", "pause", "often"]).await.map(drop)
}

async fn spread(timed: &Timed) -> Result<()> {
    const JITTER: Duration = Duration::from_secs(6);
    let due = later(timed.now().await?, 5);
    let names = ["spread-1", "spread-2", "spread-3", "spread-4"];
    for name in names {
        timed.rotate(name, &at(due), &["jitter: 6s"]).await?;
    }
    let mut connection = PgConnection::connect(timed.fleet.database.url()).await?;
    let mut starts = Vec::new();
    for name in names {
        let run = timed.done(name, "once", |_| true).await?;
        let id: Uuid =
            sqlx::query_scalar("select id from rotation where name = $1").bind(name).fetch_one(&mut connection).await?;
        let start = start_of(id, due, JITTER);
        ensure!(run.due == due && run.started >= start && run.started < start + seconds(3), "{start} {run:?}");
        starts.push(format!("{:.1} s", (run.started - due).as_seconds_f64()));
    }
    println!("with a jitter of {} s they began after {}", JITTER.as_secs(), starts.join(", "));
    Ok(())
}

async fn limited(timed: &mut Timed) -> Result<()> {
    timed.rotate("slow", "@yearly", &[]).await?;
    let path = timed.fleet.replicas[0].config_path().to_owned();
    let mut config: Value = serde_json::from_slice(&std::fs::read(&path)?)?;
    config["rotation"] = json!({"concurrentRuns": 1});
    timed.fleet.replicas[0].process()?.stop().await?;
    std::fs::write(&path, config.to_string())?;
    timed.fleet.start_replica(0).await?;
    timed.fleet.await_linked().await?;

    // What its cluster does not confirm only waits, for however long, and keeps no other from beginning.
    timed.fleet.agents[0].process()?.pause()?;
    timed.fleet.cli(&["rotation", "run", "slow"]).await?;
    let due = later(timed.now().await?, 3);
    timed.rotate("other", &at(due), &[]).await?;
    wait::until("the other to have made its value too", STORY_LIMIT, async || {
        let list = timed.fleet.cli(&["rotation", "history", "other", "-o", "json"]).await?.json()?;
        ensure!(list["items"][0]["stage"] == "Confirming", "{list}");
        anyhow::Ok(())
    })
    .await?;
    timed.fleet.agents[0].process()?.resume()?;
    let slow = timed.done("slow", "when its cluster is back", |_| true).await?;
    let other = timed.done("other", "then, too", |_| true).await?;
    ensure!(slow.ended.is_some_and(|ended| other.started < ended) && other.due == due, "{slow:?} {other:?}");

    // What is at work is under way, for as long as its source is sealed.
    let due = later(timed.now().await?, 10);
    timed.rotate("next", &at(due), &[]).await?;
    timed.fleet.bao.seal().await?;
    timed.fleet.cli(&["rotation", "run", "slow"]).await?;
    ensure!(timed.now().await? < due, "it took too long to come here");
    println!("{}", timed.waits_for("next", "as many runs as may be are under way").await?);
    ensure!(timed.runs("next").await?.is_empty(), "it did not begin");
    timed.fleet.bao.unseal().await?;
    let slow = timed.done("slow", "when its source is back", |run| run.started > slow.started).await?;
    let next = timed.done("next", "after it was at work", |_| true).await?;
    ensure!(next.started > slow.started && next.due == due, "{slow:?} {next:?}");
    timed.fleet.await_deliveries("InSync", 1, STORY_LIMIT).await.map(drop)
}
