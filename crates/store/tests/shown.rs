//! What metrics show of the registry.

use anyhow::{Context as _, Result};
use lockstep_core::cluster::ClusterState;
use lockstep_core::delivery::Outcome;
use lockstep_core::version::SecretState;
use lockstep_store::change::{SEEN_BEFORE_MS, VERSIONS_OBSERVED, Verified, Walk, Writing, observed_ages};
use lockstep_store::{change, delivery, log_filter, rotation, session, source};
use serde_json::json;

use crate::fixture::{INTERVAL, Registry, entry, report, spec};

const PATH: &str = "payments/db";

/// How old, in whole minutes, the oldest change is that the cluster has not confirmed; `None`: there is none.
async fn oldest_minutes(registry: &Registry, cluster: &str) -> Result<Option<u64>> {
    let rows = delivery::by_cluster(&mut *registry.connection().await?).await?;
    let oldest = rows.iter().filter(|row| row.cluster == cluster).filter_map(|row| row.oldest_s).reduce(f64::max);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "whole minutes of a test")]
    Ok(oldest.map(|seconds| (seconds / 60.0) as u64))
}

/// Lets so many minutes pass.
async fn minutes_pass(registry: &Registry, minutes: u32) -> Result<()> {
    registry.sql(&format!("update change set at = at - interval '{minutes} minutes'")).await.map(drop)
}

#[tokio::test]
async fn the_oldest_undelivered_change_is_the_first_that_was_missed_however_many_follow() -> Result<()> {
    let registry = Registry::new().await?;
    let cluster = registry.cluster("eu", "env=prod").await?;
    registry.set_state(cluster, ClusterState::Active).await?;
    registry.grant("all", "payments/**", "").await?;
    let binding = registry.bind("db", spec(&[PATH], "")?).await?.id;
    let session = registry.connect(cluster).await?;
    registry.observe(PATH, SecretState::Live, Some(1)).await?;
    minutes_pass(&registry, 7).await?;
    assert_eq!(oldest_minutes(&registry, "eu").await?, Some(7), "since it was placed");
    let desired = registry.delivery("eu", "db").await?.desired;
    registry.report(&[report(session, cluster, binding, desired, Outcome::Applied)]).await?;
    assert_eq!(oldest_minutes(&registry, "eu").await?, None, "it is in step");

    for number in 2..5 {
        registry.observe(PATH, SecretState::Live, Some(number)).await?;
        minutes_pass(&registry, 10).await?;
    }
    assert_eq!(oldest_minutes(&registry, "eu").await?, Some(30), "the newest is ten minutes old");
    registry.set_state(cluster, ClusterState::Paused).await?;
    assert_eq!(oldest_minutes(&registry, "eu").await?, None, "nobody waits for what is paused");
    Ok(())
}

#[tokio::test]
async fn the_age_of_what_was_observed_begins_when_it_was_seen() -> Result<()> {
    let registry = Registry::new().await?;
    let writing = Writing::begin(&registry.pool).await?;
    let observed = writing.seq;
    let mut seen = entry(VERSIONS_OBSERVED);
    seen.detail = json!({ SEEN_BEFORE_MS: 1_500, "secrets": [] });
    writing.commit(&seen).await?;
    let other = registry.change(async |_, seq| Ok(seq)).await?;
    registry.sql("update change set at = at - interval '10 seconds'").await?;
    let ages = observed_ages(&mut *registry.connection().await?, &[observed, other]).await?;
    assert_eq!(ages.len(), 1, "a change of a person's is no observation");
    let age = ages[&observed].as_secs_f64();
    assert!((11.5..20.0).contains(&age), "{age}");
    Ok(())
}

#[tokio::test]
async fn a_walk_goes_on_where_it_was_and_finds_what_was_changed_before_only_from_the_beginning() -> Result<()> {
    let registry = Registry::new().await?;
    for _ in 0..3 {
        registry.change(async |_, _| Ok(())).await?;
    }
    let mut c = registry.connection().await?;
    let mut walk = Walk::BEGINNING;
    let Some(Verified::UpTo(first)) = walk.step(&mut c).await? else { anyhow::bail!("the history is broken") };
    let newer = registry.change(async |_, seq| Ok(seq)).await?;
    assert_eq!(walk.step(&mut c).await?, Some(Verified::UpTo(newer)));
    assert!(first < newer && walk.at() == newer);
    registry.sql("update change set actor = 'nobody' where seq = 2").await?;
    assert_eq!(walk.step(&mut c).await?, Some(Verified::UpTo(newer)), "it looks at what is new");
    assert!(matches!(change::verify(&mut c).await?, Verified::BrokenAt(at) if at.get() == 2));
    Ok(())
}

#[tokio::test]
async fn clusters_and_sources_show_when_they_were_heard_of_and_swept() -> Result<()> {
    let registry = Registry::new().await?;
    let cluster = registry.cluster("eu", "env=prod").await?;
    let of = async |name: &str| -> Result<session::OfCluster> {
        let all = session::of_all_clusters(&mut *registry.connection().await?).await?;
        all.into_iter().find(|c| c.cluster == name).context("the cluster")
    };
    let pending = of("eu").await?;
    assert!(
        !pending.is_expected
            && pending.heard_at.is_none()
            && pending.certificate_not_after.is_none()
            && pending.certificate_life_s.is_none()
    );
    registry.set_state(cluster, ClusterState::Active).await?;
    let id = registry.connect(cluster).await?;
    let linked = of("eu").await?;
    assert!(linked.is_expected && linked.heard_at.is_some() && linked.certificate_not_after.is_some());
    session::close(&mut *registry.connection().await?, id).await?;
    assert!(of("eu").await?.heard_at.is_none());

    registry.grant("all", "payments/**", "").await?;
    registry.bind("db", spec(&[PATH], "")?).await?;
    let mut c = registry.connection().await?;
    let (source, _) = source::spec(&mut c, &"corp".parse()?).await?;
    let now = source::watched(&mut c).await?;
    assert!(now.len() == 1 && now[0].swept_at.is_none() && !now[0].is_failing, "{now:?}");
    source::note_watch(&mut c, source, INTERVAL, None).await?;
    source::note_watch(&mut c, source, INTERVAL, Some("it is sealed")).await?;
    let now = source::watched(&mut c).await?;
    assert!(now[0].swept_at.is_some() && now[0].is_failing, "{now:?}");
    Ok(())
}

#[tokio::test]
async fn without_rotations_nothing_is_due_and_without_a_wish_nothing_else_is_logged() -> Result<()> {
    let registry = Registry::new().await?;
    let mut c = registry.connection().await?;
    let dues = rotation::dues(&mut c).await?;
    assert_eq!((dues.next, dues.overdue_s, dues.oldest_run_s), (None, 0.0, 0.0));
    assert_eq!(log_filter::wanted(&mut c).await?, None);
    Ok(())
}
