//! Each due time has one run, whoever finds it: of three replicas, of which one has a wrong clock, or is stopped past its leases.

mod counted;
mod due;

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use chrono::{DateTime, TimeDelta, Utc};
use lockstep_testbed::fleet::{STORY_LIMIT, Settings};
use lockstep_testbed::{Fleet, faketime, wait};
use sqlx::{Connection as _, PgConnection};

use due::Due;

const REPLICAS: usize = 3;
/// Longer than anything takes on a machine that does much else, or runs are taken over for no reason.
const LEASE: Duration = Duration::from_secs(5);
/// How far ahead the wrong clock is.
const AHEAD: TimeDelta = TimeDelta::seconds(30);
/// The replica that is stopped is not the one that the CLI talks to.
const WRONG: usize = 2;

#[tokio::test]
async fn of_200_due_times_each_has_one_run_also_with_a_wrong_clock_and_with_a_holder_stopped_past_its_lease() -> Result<()> {
    let settings = Settings {
        replicas: REPLICAS,
        clusters: 1,
        lease_ms: u64::try_from(LEASE.as_millis())?,
        log: "info".to_owned(),
        ..Settings::default()
    };
    let mut fleet = Fleet::start(settings).await?;
    let rights = "path \"kv/data/shop/*\" { capabilities = [\"create\", \"read\", \"update\"] }";
    fleet.bao.extend_policy("lockstep", rights).await?;
    fleet.apply(&fleet.basics()).await?;
    due::write(&fleet).await?;

    let due = Due::plan(&fleet).await?;
    due.ended(&fleet).await?;
    println!("three replicas: {}", counted::exactly_once(&fleet, &due).await?);

    fleet.replicas[WRONG].process()?.stop().await?;
    for (name, value) in faketime::environment("+30s")? {
        fleet.replicas[WRONG].set_env(name, value);
    }
    fleet.start_replica(WRONG).await?;
    let off = wait::until("the replica to tell the wrong time", STORY_LIMIT, async || {
        let off = clock_of(&fleet, WRONG)? - due::now(&fleet).await?;
        ensure!((off - AHEAD).abs() < TimeDelta::seconds(10), "its clock is {off} off");
        anyhow::Ok(off)
    })
    .await?;
    let due = Due::plan(&fleet).await?;
    due.ended(&fleet).await?;
    ensure!(due.begun_by(&fleet, WRONG).await? > 0, "the replica with the wrong clock takes part");
    println!("one clock {} s ahead: {}", off.num_seconds(), counted::exactly_once(&fleet, &due).await?);

    fleet.replicas[WRONG].process()?.stop().await?;
    fleet.replicas[WRONG].clear_env();
    fleet.start_replica(WRONG).await?;
    let due = Due::plan(&fleet).await?;
    let (held, stopped_for) = stop_a_holder(&fleet, &due).await?;
    due.ended(&fleet).await?;
    let counted = counted::exactly_once(&fleet, &due).await?;
    println!("one stopped for {:.1} s while it held {held} runs: {counted}", stopped_for.as_secs_f64());
    Ok(())
}

/// What time the replica believes it is, by the newest line of its log.
fn clock_of(fleet: &Fleet, replica: usize) -> Result<DateTime<Utc>> {
    let log = fleet.replicas[replica].process()?.log();
    let times = log.lines().rev().flat_map(|line| line.split(['"', ' '])).filter_map(|word| word.parse::<DateTime<Utc>>().ok());
    times.into_iter().next().context("no line of its log has a time")
}

/// Stops a replica while it works on runs, until others have taken all of them over. How many, and how long it was stopped.
async fn stop_a_holder(fleet: &Fleet, due: &Due) -> Result<(usize, Duration)> {
    let mut connection = PgConnection::connect(fleet.database.url()).await?;
    let (held, since) = wait::until("a replica to be stopped while it holds runs", STORY_LIMIT * 10, async || {
        ensure!(due.begun(fleet).await? > due::COUNT / 4, "not in the middle yet");
        let process = fleet.replicas[WRONG].process()?;
        process.pause()?;
        let since = tokio::time::Instant::now();
        let held = held_by(&mut connection, fleet.replicas[WRONG].name()).await?;
        if held.is_empty() {
            process.resume()?;
        }
        ensure!(!held.is_empty(), "it holds none");
        Ok::<_, anyhow::Error>((held, since))
    })
    .await?;
    wait::until("the runs of the one that is stopped to be taken over", STORY_LIMIT * 3, async || {
        let left = held_by(&mut connection, fleet.replicas[WRONG].name()).await?;
        ensure!(left.iter().all(|run| !held.contains(run)), "{} of {} are still its", left.len(), held.len());
        ensure!(since.elapsed() > LEASE * 2, "not stopped for long enough");
        anyhow::Ok(())
    })
    .await?;
    fleet.replicas[WRONG].process()?.resume()?;
    Ok((held.len(), since.elapsed()))
}

async fn held_by(connection: &mut PgConnection, replica: &str) -> Result<Vec<uuid::Uuid>> {
    let held = sqlx::query_scalar("select id from rotation_run where ended_at is null and holder = $1");
    Ok(held.bind(replica).fetch_all(connection).await?)
}
