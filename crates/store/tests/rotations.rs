//! Rotations' runs: one for each due time, worked on by one replica at a time, and who uses what is rotated.

mod consumers;
mod issued;
mod own;

use std::time::Duration;

use anyhow::{Context as _, Result};
use chrono::{DateTime, Utc};
use lockstep_core::engine::Member;
use lockstep_core::id::{RotationId, RotationRunId};
use lockstep_core::rotation::confirm::Confirm;
use lockstep_core::rotation::stage::{Delivered, Intent, Made, Stage, Void};
use lockstep_core::rotation::{By, Kind, RotationSpec, Timing};
use lockstep_core::schedule::{MissedRuns, Schedule};
use lockstep_store::rotation::{self, Timetable};
use lockstep_store::rotation_run::{self, Hold, SCHEDULE, begin, enter, held, renew, rest, take};
use lockstep_store::{PgPool, StoreError, project};
use tokio::task::JoinSet;

use crate::fixture::{Registry, secret_ref, time, written};

pub(crate) const LIFE: Duration = Duration::from_mins(1);

fn spec(path: &str) -> Result<RotationSpec> {
    Ok(RotationSpec {
        kind: Kind::DatabaseStatic { secret: secret_ref(path)? },
        timing: Timing {
            by: By::Schedule(Schedule::new("@daily", None)?),
            starting_deadline: None,
            missed: MissedRuns::Once,
            jitter: Duration::ZERO,
        },
        suspend: false,
        confirm: Confirm::default(),
    })
}

pub(crate) async fn rotation(registry: &Registry, name: &str) -> Result<RotationId> {
    let spec = spec(&format!("payments/{name}"))?;
    let timetable = Timetable { settled_at: time(0), due_at: None, look_at: time(0), waits_for: None };
    registry
        .change(async |c, seq| {
            let project = project::id(c, &"payments".parse()?).await?;
            rotation::put(c, &written(name, ""), project, &spec, &timetable, seq).await?;
            Ok(rotation::get(c, name).await?.id.into())
        })
        .await
}

pub(crate) async fn begun(registry: &Registry, rotation: RotationId, due: i64) -> Result<Option<RotationRunId>> {
    Ok(begin(&mut *registry.connection().await?, rotation, time(due), SCHEDULE).await?)
}

pub(crate) async fn taken(registry: &Registry, by: &str) -> Result<Option<Hold>> {
    Ok(take(&mut *registry.connection().await?, by, LIFE, &[]).await?)
}

async fn lives_end(registry: &Registry) -> Result<()> {
    assert_ne!(registry.sql("update rotation_run set wake_at = clock_timestamp() where ended_at is null").await?, 0);
    Ok(())
}

async fn begin_once(pool: PgPool, rotation: RotationId, due: DateTime<Utc>) -> Result<bool> {
    Ok(begin(&mut *pool.acquire().await?, rotation, due, SCHEDULE).await?.is_some())
}

#[tokio::test]
async fn of_eight_that_find_the_same_due_time_at_once_one_begins_its_run() -> Result<()> {
    let registry = Registry::new().await?;
    let rotation = rotation(&registry, "db").await?;
    for round in 0..20 {
        let mut finders = JoinSet::new();
        for _ in 0..8 {
            finders.spawn(begin_once(registry.pool.clone(), rotation, time(round)));
        }
        let begun: Vec<bool> = finders.join_all().await.into_iter().collect::<Result<_>>()?;
        assert_eq!(begun.iter().filter(|begun| **begun).count(), 1, "round {round}");
        let hold = taken(&registry, "a").await?.context("it was begun")?;
        enter(&mut *registry.connection().await?, &hold, &Stage::Failed("over".to_owned())).await?;
        assert!(!begin_once(registry.pool.clone(), rotation, time(round)).await?, "not again when it has ended");
    }
    Ok(())
}

#[tokio::test]
async fn a_rotation_has_one_open_run_whatever_is_due() -> Result<()> {
    let registry = Registry::new().await?;
    let (db, other) = (rotation(&registry, "db").await?, rotation(&registry, "other").await?);
    let run = begun(&registry, db, 1).await?.context("nothing is open")?;
    assert_eq!(begun(&registry, db, 2).await?, None, "one is open");
    assert!(begun(&registry, other, 1).await?.is_some(), "of another rotation");
    let mut c = registry.connection().await?;
    assert_eq!(rotation_run::count_open(&mut c).await?, 2);
    assert_eq!(rotation_run::open(&mut c, db).await?.map(|run| run.id), Some(run));
    let hold = take(&mut c, "a", LIFE, &[]).await?.context("it is free")?;
    assert_eq!(hold.run, run, "the longest unattended");
    rest(&mut c, &hold, Duration::ZERO, Some("not confirmed by eu"), None).await?;
    assert_eq!(rotation_run::count_open(&mut c).await?, 1, "one that is held waits for people");
    assert_eq!(begun(&registry, db, 2).await?, None, "and is still open");
    let made = Made::InPlace { at: time(1) };
    let delivered = || Delivered { made: made.clone(), version: None, former: None, without: None };
    let stages = [
        (Stage::Confirming(delivered()), 0),
        (Stage::Overlapping(delivered()), 0),
        (Stage::Delivering(made.clone()), 1),
        (Stage::Retiring(delivered(), Void { member: Member::First, before: time(0) }), 1),
    ];
    for (stage, counted) in stages {
        let mut taken = Vec::new();
        while let Some(hold) = take(&mut c, "a", LIFE, &[]).await? {
            taken.push(hold);
        }
        let hold = taken.iter().find(|hold| hold.run != run).context("the other is free")?;
        enter(&mut c, hold, &stage).await?;
        assert_eq!(rotation_run::count_open(&mut c).await?, counted, "{stage:?}");
        lives_end(&registry).await?;
    }
    let hold = take(&mut c, "a", LIFE, &[]).await?.context("one is free")?;
    let hold = if hold.run == run { hold } else { take(&mut c, "a", LIFE, &[]).await?.context("so is the other")? };
    enter(&mut c, &hold, &Stage::Failed("over".to_owned())).await?;
    assert!(begun(&registry, db, 2).await?.is_some(), "it has ended");
    Ok(())
}

#[tokio::test]
async fn a_run_is_its_holders_until_its_life_ends_and_from_then_on_the_next_ones() -> Result<()> {
    let registry = Registry::new().await?;
    for name in ["db", "other"] {
        let rotation = rotation(&registry, name).await?;
        begun(&registry, rotation, 1).await?.context("nothing is open")?;
    }
    let first = taken(&registry, "a").await?.context("it is free")?;
    let second = taken(&registry, "b").await?.context("the other is free")?;
    assert_ne!(first.run, second.run);
    assert_eq!(taken(&registry, "c").await?, None, "all are held");
    lives_end(&registry).await?;
    let mut c = registry.connection().await?;
    let hold = take(&mut c, "c", LIFE, &[first.run]).await?.context("its life has ended")?;
    assert_eq!(hold.run, second.run, "the first is not wanted");
    assert_eq!(take(&mut c, "c", LIFE, &[first.run]).await?, None);
    // Nobody was faster than its holder: it goes on.
    renew(&mut c, &first, LIFE).await?;
    assert_eq!(take(&mut c, "c", LIFE, &[]).await?, None, "renewed");
    rest(&mut c, &first, Duration::ZERO, None, Some("sealed")).await?;
    let hold = take(&mut c, "c", LIFE, &[]).await?.context("given up")?;
    let run = held(&mut c, &hold).await?;
    assert_eq!((hold.run, run.trouble.as_deref(), run.attempts), (first.run, Some("sealed"), 1));
    Ok(())
}

#[tokio::test]
async fn a_run_that_somebody_looks_at_just_now_is_no_ones_else_and_nobody_waits_for_it() -> Result<()> {
    let registry = Registry::new().await?;
    for name in ["db", "other"] {
        let rotation = rotation(&registry, name).await?;
        begun(&registry, rotation, 1).await?.context("nothing is open")?;
    }
    let mut one = registry.pool.begin().await?;
    let first = take(&mut one, "a", LIFE, &[]).await?.context("it is free")?;
    // Not yet committed, and the other one is taken without waiting for that.
    let second = tokio::time::timeout(LIFE / 6, taken(&registry, "b")).await??.context("the other is free")?;
    assert_ne!(first.run, second.run);
    assert_eq!(tokio::time::timeout(LIFE / 6, taken(&registry, "c")).await??, None);
    one.rollback().await?;
    assert_eq!(taken(&registry, "c").await?.context("it was not taken in the end")?.run, first.run);
    Ok(())
}

#[tokio::test]
async fn whoever_had_a_run_before_it_was_taken_over_is_refused_whatever_he_says() -> Result<()> {
    let registry = Registry::new().await?;
    let rotation = rotation(&registry, "db").await?;
    begun(&registry, rotation, 1).await?.context("nothing is open")?;
    let former = taken(&registry, "a").await?.context("it is free")?;
    lives_end(&registry).await?;
    // Also where both have the same name: a replica that was started again.
    let present = taken(&registry, "a").await?.context("its life has ended")?;
    assert_eq!(present.run, former.run);
    let mut c = registry.connection().await?;
    let making = Stage::Making(Intent::InPlace { before: time(7) });
    let refused = [
        renew(&mut c, &former, LIFE).await,
        held(&mut c, &former).await.map(drop),
        enter(&mut c, &former, &making).await,
        rest(&mut c, &former, Duration::ZERO, Some("x"), Some("y")).await,
    ];
    for refusal in refused {
        assert!(matches!(refusal, Err(StoreError::Fenced { .. })), "{refusal:?}");
    }
    let run = held(&mut c, &present).await?;
    assert_eq!((run.stage, run.held, run.trouble, run.attempts), (Stage::Preparing, None, None, 0), "nothing came of it");
    enter(&mut c, &present, &making).await?;
    let run = held(&mut c, &present).await?;
    let passed: Vec<_> = run.passed.iter().map(|passed| passed.stage.as_str()).collect();
    assert_eq!((run.stage, passed), (making, vec!["Preparing", "Making"]));
    enter(&mut c, &present, &Stage::Failed("over".to_owned())).await?;
    let late = enter(&mut c, &present, &Stage::Preparing).await;
    assert!(matches!(late, Err(StoreError::Fenced { .. })), "an end is the end: {late:?}");
    Ok(())
}

#[tokio::test]
async fn of_two_that_note_how_a_schedule_stands_the_second_changes_nothing() -> Result<()> {
    let registry = Registry::new().await?;
    let id = rotation(&registry, "db").await?;
    let mut c = registry.connection().await?;
    let before = rotation::by_id(&mut c, id).await?.context("it is there")?.spec.timetable;
    let at =
        |second| Timetable { settled_at: time(second), due_at: Some(time(second + 9)), look_at: time(second), waits_for: None };
    rotation::note(&mut c, id, &before, &at(10)).await?;
    rotation::note(&mut c, id, &before, &at(5)).await?;
    assert_eq!(rotation::by_id(&mut c, id).await?.context("it is there")?.spec.timetable, at(10));
    Ok(())
}
