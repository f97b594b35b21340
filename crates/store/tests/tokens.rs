//! Join tokens, agents' certificates and API tokens.

use std::time::Duration;

use anyhow::{Context as _, Result};
use lockstep_core::cluster::ClusterState;
use lockstep_core::id::ClusterId;
use lockstep_store::agent_certificate::{self, Recorded};
use lockstep_store::join_token::{Claim, Refusal, Shown, claim, ensure, insert, look, revoke_all, revoke_open, tidy};
use lockstep_store::{PgConnection, cluster, session};
use tokio::task::JoinSet;

use crate::fixture::{Registry, instance, session_of, time};

const LIFE: Duration = Duration::from_hours(1);

async fn registry() -> Result<(Registry, ClusterId)> {
    let registry = Registry::new().await?;
    let cluster = registry.cluster("eu", "").await?;
    insert(&mut *registry.connection().await?, cluster, b"token", LIFE).await?;
    Ok((registry, cluster))
}

/// By an agent that was not told its cluster.
fn shown<'a>(hash: &'a [u8], key: &'a [u8]) -> Shown<'a> {
    Shown { hash, key, cluster: "" }
}

#[tokio::test]
async fn the_key_that_used_a_token_may_retry_and_no_other_can() -> Result<()> {
    let (registry, cluster) = registry().await?;
    let mut c = registry.connection().await?;
    let granted = |first| Claim::Granted { cluster, instance: instance(1), first };
    assert_eq!(claim(&mut c, &shown(b"token", b"key"), instance(1)).await?, granted(true));
    assert_eq!(claim(&mut c, &shown(b"token", b"key"), instance(2)).await?, granted(false), "as the installation it already is");
    let refused = Claim::Refused { cluster: Some(cluster), reason: Refusal::Claimed, is_news: true };
    assert_eq!(claim(&mut c, &shown(b"token", b"other"), instance(3)).await?, refused);
    Ok(())
}

#[tokio::test]
async fn a_token_that_ended_a_month_ago_is_forgotten_and_one_that_was_found_good_is_kept_as_it_is() -> Result<()> {
    let (registry, cluster) = registry().await?;
    let mut c = registry.connection().await?;
    let now = lockstep_store::registry::now(&mut c).await?;
    for (token, days) in [(b"old", 31), (b"new", 29)] {
        ensure(&mut c, cluster, token, now - chrono::TimeDelta::days(days)).await?;
    }
    // Shown again, with whatever end: the first entry counts, and who used it.
    claim(&mut c, &shown(b"token", b"key"), instance(1)).await?;
    ensure(&mut c, cluster, b"token", now).await?;
    tidy(&mut c).await?;
    let mut reason = async |token: &[u8]| match look(&mut c, &shown(token, b"other"), instance(2)).await? {
        Claim::Refused { reason, .. } => anyhow::Ok(reason),
        Claim::Granted { .. } => anyhow::bail!("it was granted"),
    };
    assert_eq!(reason(b"old").await?, Refusal::Unknown);
    assert_eq!(reason(b"new").await?, Refusal::Expired);
    assert_eq!(reason(b"token").await?, Refusal::Claimed);
    Ok(())
}

#[tokio::test]
async fn unknown_expired_and_revoked_tokens_are_refused_each_with_its_reason() -> Result<()> {
    let (registry, cluster) = registry().await?;
    let mut c = registry.connection().await?;
    let unknown = claim(&mut c, &shown(b"guess", b"key"), instance(1)).await?;
    assert_eq!(unknown, Claim::Refused { cluster: None, reason: Refusal::Unknown, is_news: false });

    let (_, expires_at) = insert(&mut c, cluster, b"short", Duration::ZERO).await?;
    assert!(expires_at <= lockstep_store::registry::now(&mut c).await?);
    let expired = claim(&mut c, &shown(b"short", b"key"), instance(1)).await?;
    assert_eq!(expired, Claim::Refused { cluster: Some(cluster), reason: Refusal::Expired, is_news: true });

    assert!(matches!(claim(&mut c, &shown(b"token", b"key"), instance(1)).await?, Claim::Granted { .. }));
    insert(&mut c, cluster, b"open", LIFE).await?;
    assert_eq!(revoke_open(&mut c, cluster).await?, 2, "the open one and the expired one; a used one is no more open");
    let revoked = claim(&mut c, &shown(b"open", b"key"), instance(1)).await?;
    assert_eq!(revoked, Claim::Refused { cluster: Some(cluster), reason: Refusal::Revoked, is_news: true });
    assert!(matches!(claim(&mut c, &shown(b"token", b"key"), instance(1)).await?, Claim::Granted { first: false, .. }));
    Ok(())
}

#[tokio::test]
async fn once_all_are_revoked_not_even_the_key_that_used_one_may_retry() -> Result<()> {
    let (registry, cluster) = registry().await?;
    let mut c = registry.connection().await?;
    assert!(matches!(claim(&mut c, &shown(b"token", b"key"), instance(1)).await?, Claim::Granted { first: true, .. }));
    revoke_all(&mut c, cluster).await?;
    let refused = claim(&mut c, &shown(b"token", b"key"), instance(1)).await?;
    assert_eq!(refused, Claim::Refused { cluster: Some(cluster), reason: Refusal::Revoked, is_news: true });
    Ok(())
}

#[tokio::test]
async fn a_token_is_refused_to_an_agent_of_another_cluster_and_stays_unused() -> Result<()> {
    let (registry, cluster) = registry().await?;
    let mut c = registry.connection().await?;
    let named = |cluster| Shown { hash: b"token", key: b"key", cluster };
    let refused = Claim::Refused { cluster: Some(cluster), reason: Refusal::OtherCluster, is_news: true };
    assert_eq!(claim(&mut c, &named("us"), instance(1)).await?, refused);
    let granted = Claim::Granted { cluster, instance: instance(2), first: true };
    assert_eq!(claim(&mut c, &named("eu"), instance(2)).await?, granted);
    Ok(())
}

#[tokio::test]
async fn each_reason_for_which_a_token_is_refused_is_news_once() -> Result<()> {
    let (registry, cluster) = registry().await?;
    let mut c = registry.connection().await?;
    let refused = |reason, is_news| Claim::Refused { cluster: Some(cluster), reason, is_news };
    let other = Shown { cluster: "us", ..shown(b"token", b"key") };
    assert_eq!(look(&mut c, &other, instance(1)).await?, refused(Refusal::OtherCluster, true));
    assert_eq!(claim(&mut c, &other, instance(1)).await?, refused(Refusal::OtherCluster, true), "looking wrote nothing");
    for asked in [look(&mut c, &other, instance(1)).await?, claim(&mut c, &other, instance(1)).await?] {
        assert_eq!(asked, refused(Refusal::OtherCluster, false));
    }
    registry.sql("update cluster set state = 'Removing'").await?;
    assert_eq!(claim(&mut c, &shown(b"token", b"key"), instance(1)).await?, refused(Refusal::Revoked, true), "another reason");
    assert_eq!(look(&mut c, &shown(b"token", b"key"), instance(1)).await?, refused(Refusal::Revoked, false));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_thousand_keys_at_once_one_wins() -> Result<()> {
    let (registry, _) = registry().await?;
    let mut racing = JoinSet::new();
    for key in 0..1_000_u16 {
        let pool = registry.pool.clone();
        racing.spawn(async move {
            let mut transaction = pool.begin().await?;
            let claimed = claim(&mut transaction, &shown(b"token", &key.to_be_bytes()), instance(key.into())).await?;
            transaction.commit().await?;
            anyhow::Ok(claimed)
        });
    }
    let claims = racing.join_all().await.into_iter().collect::<Result<Vec<_>>>()?;
    let granted = claims.iter().filter(|c| matches!(c, Claim::Granted { first: true, .. })).count();
    let refused = claims.iter().filter(|c| matches!(c, Claim::Refused { reason: Refusal::Claimed, .. })).count();
    assert_eq!((granted, refused), (1, 999));
    Ok(())
}

/// How long the certificate of a cluster's agent lives, as its stream is shown.
async fn shown_life(c: &mut PgConnection, cluster: ClusterId) -> Result<Option<i64>> {
    let shown = session::of_cluster(c, cluster).await?.context("it has a stream")?;
    assert_eq!(session::of_clusters(c, &[cluster]).await?, [(cluster, shown.clone())].into());
    Ok(shown.certificate_life_s)
}

#[tokio::test]
async fn the_newest_certificate_of_an_installation_is_on_record() -> Result<()> {
    let (registry, cluster) = registry().await?;
    let mut c = registry.connection().await?;
    cluster::set_instance(&mut c, cluster, instance(1)).await?;
    assert_eq!(agent_certificate::get(&mut c, instance(1)).await?, None);
    for day in [1, 2] {
        let recorded = Recorded { public_key: vec![1; 32], not_after: time(day * 86_400) };
        assert!(agent_certificate::record(&mut c, cluster, instance(1), "01:02", &recorded).await?);
        assert_eq!(agent_certificate::get(&mut c, instance(1)).await?, Some(recorded));
    }
    let ends = sqlx::query_scalar("select now() + interval '7 days'").fetch_one(&registry.pool).await?;
    let recorded = Recorded { public_key: vec![1; 32], not_after: ends };
    assert!(agent_certificate::record(&mut c, cluster, instance(1), "01:02", &recorded).await?);
    let life_s = session::of_all_clusters(&mut c).await?[0].certificate_life_s.context("noted when it was signed")?;
    assert!((7 * 86_400 - 60..=7 * 86_400).contains(&life_s), "{life_s} s, by Postgres' clock");
    assert!(session::open(&mut c, &session_of(cluster, instance(1), 1)).await?);
    assert_eq!(shown_life(&mut c, cluster).await?, Some(life_s));
    registry.sql("update agent_certificate set signed_at = null").await?;
    assert_eq!(session::of_all_clusters(&mut c).await?[0].certificate_life_s, None, "of a version that did not note it");
    assert_eq!(shown_life(&mut c, cluster).await?, None);
    Ok(())
}

#[tokio::test]
async fn no_certificate_is_recorded_of_a_revoked_cluster_or_of_an_installation_that_was_replaced() -> Result<()> {
    let (registry, cluster) = registry().await?;
    let mut c = registry.connection().await?;
    cluster::set_instance(&mut c, cluster, instance(1)).await?;
    let recorded = Recorded { public_key: vec![1; 32], not_after: time(86_400) };
    assert!(!agent_certificate::record(&mut c, cluster, instance(2), "01:02", &recorded).await?, "of another installation");
    registry.set_state(cluster, ClusterState::Revoked).await?;
    assert!(!agent_certificate::record(&mut c, cluster, instance(1), "01:02", &recorded).await?);
    registry.set_state(cluster, ClusterState::Active).await?;
    cluster::set_instance(&mut c, cluster, instance(2)).await?;
    assert!(!agent_certificate::record(&mut c, cluster, instance(1), "01:02", &recorded).await?);
    assert!(agent_certificate::record(&mut c, cluster, instance(2), "01:02", &recorded).await?);
    Ok(())
}
