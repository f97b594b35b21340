//! What is known of the certificates that a rotation issued, and so when the next one is due.

use anyhow::{Context as _, Result};
use chrono::TimeDelta;
use lockstep_core::id::RotationId;
use lockstep_core::rotation::life::{Issued, Life};
use lockstep_core::rotation::stage::{Done, Stage};
use lockstep_core::version::{SecretState, VersionNumber};
use lockstep_store::rotation_run::{enter, issued};
use lockstep_store::{project, rotation};

use super::{begun, rotation as registered, spec, taken};
use crate::fixture::{Registry, secret_ref, spec as bound, time, written};

async fn known(registry: &Registry, id: RotationId) -> Result<Issued> {
    let mut c = registry.connection().await?;
    let kind_at = rotation::by_id(&mut c, id).await?.context("it is there")?.spec.kind_at;
    Ok(issued(&mut c, id, kind_at, &secret_ref("payments/db")?).await?)
}

async fn ends(registry: &Registry, id: RotationId, due: i64, stage: Stage) -> Result<()> {
    begun(registry, id, due).await?.context("nothing is open")?;
    let hold = taken(registry, "a").await?.context("it is free")?;
    Ok(enter(&mut *registry.connection().await?, &hold, &stage).await?)
}

#[tokio::test]
async fn of_the_certificates_issued_the_newest_counts_until_somebody_writes_the_secret_or_it_is_asked_for_something_else()
-> Result<()> {
    let registry = Registry::new().await?;
    let id = registered(&registry, "db").await?;
    registry.observe("payments/db", SecretState::Live, Some(1)).await?;
    registry.bind("db", bound(&["payments/db"], "env=prod")?).await?;
    let first = known(&registry, id).await?;
    assert_eq!((first.life, first.done_at, first.replaced_at, first.failed), (None, None, None, None));

    ends(&registry, id, 1, Stage::Failed("sealed".to_owned())).await?;
    ends(&registry, id, 2, Stage::Failed("sealed".to_owned())).await?;
    assert_eq!(known(&registry, id).await?.failed.map(|(runs, _)| runs), Some(2));

    let life = |from| Some(Life { not_before: time(from), not_after: time(from + 100) });
    let done = |from, version| Stage::Done(Done { version: VersionNumber::new(version), without: None, life: life(from) });
    ends(&registry, id, 3, done(10, 1)).await?;
    let now = known(&registry, id).await?;
    assert_eq!((now.life, now.replaced_at, now.failed), (life(10), None, None), "failures before it are over");
    ends(&registry, id, 4, Stage::Failed("sealed".to_owned())).await?;
    let now = known(&registry, id).await?;
    assert_eq!((now.life, now.failed.map(|(runs, _)| runs)), (life(10), Some(1)));

    registry.sql("update secret set chosen_number = 2, chosen_created = clock_timestamp() where path = 'payments/db'").await?;
    assert!(known(&registry, id).await?.replaced_at >= now.done_at, "somebody wrote version 2");
    ends(&registry, id, 5, done(50, 2)).await?;
    let now = known(&registry, id).await?;
    assert_eq!((now.life, now.replaced_at), (life(50), None));

    let mut rewritten = spec("payments/db")?;
    for (path, kept) in [("payments/db", true), ("payments/other", false)] {
        rewritten.kind = spec(path)?.kind;
        rewritten.suspend = true;
        let timetable = rotation::by_id(&mut *registry.connection().await?, id).await?.context("it is there")?.spec.timetable;
        registry
            .change(async |c, seq| {
                let project = project::id(c, &"payments".parse()?).await?;
                Ok(rotation::put(c, &written("db", ""), project, &rewritten, &timetable, seq).await?)
            })
            .await?;
        let now = known(&registry, id).await?;
        assert_eq!(now.life.is_some(), kept, "{path}");
        assert_eq!(now.wanted_at > first.wanted_at + TimeDelta::zero(), !kept, "{path}");
    }
    Ok(())
}
