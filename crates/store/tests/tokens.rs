//! Join tokens, agents' certificates and API tokens.

use std::time::Duration;

use anyhow::Result;
use lockstep_core::id::ClusterId;
use lockstep_store::agent_certificate::{self, Recorded};
use lockstep_store::api_token;
use lockstep_store::join_token::{Claim, Refusal, claim, insert, revoke_open};
use tokio::task::JoinSet;

use crate::fixture::{Registry, instance, time};

const LIFE: Duration = Duration::from_hours(1);

async fn registry() -> Result<(Registry, ClusterId)> {
    let registry = Registry::new().await?;
    let cluster = registry.cluster("eu", "").await?;
    insert(&mut *registry.connection().await?, cluster, b"token", LIFE).await?;
    Ok((registry, cluster))
}

#[tokio::test]
async fn the_key_that_used_a_token_may_retry_and_no_other_can() -> Result<()> {
    let (registry, cluster) = registry().await?;
    let mut c = registry.connection().await?;
    let granted = |first| Claim::Granted { cluster, instance: instance(1), first };
    assert_eq!(claim(&mut c, b"token", b"key", instance(1)).await?, granted(true));
    assert_eq!(claim(&mut c, b"token", b"key", instance(2)).await?, granted(false), "as the installation it already is");
    let refused = Claim::Refused { cluster: Some(cluster), reason: Refusal::Claimed };
    assert_eq!(claim(&mut c, b"token", b"other", instance(3)).await?, refused);
    Ok(())
}

#[tokio::test]
async fn unknown_expired_and_revoked_tokens_are_refused_each_with_its_reason() -> Result<()> {
    let (registry, cluster) = registry().await?;
    let mut c = registry.connection().await?;
    let unknown = claim(&mut c, b"guess", b"key", instance(1)).await?;
    assert_eq!(unknown, Claim::Refused { cluster: None, reason: Refusal::Unknown });

    let (_, expires_at) = insert(&mut c, cluster, b"short", Duration::ZERO).await?;
    assert!(expires_at <= lockstep_store::registry::now(&mut c).await?);
    let expired = claim(&mut c, b"short", b"key", instance(1)).await?;
    assert_eq!(expired, Claim::Refused { cluster: Some(cluster), reason: Refusal::Expired });

    assert!(matches!(claim(&mut c, b"token", b"key", instance(1)).await?, Claim::Granted { .. }));
    insert(&mut c, cluster, b"open", LIFE).await?;
    assert_eq!(revoke_open(&mut c, cluster).await?, 2, "the open one and the expired one; a used one is no more open");
    let revoked = claim(&mut c, b"open", b"key", instance(1)).await?;
    assert_eq!(revoked, Claim::Refused { cluster: Some(cluster), reason: Refusal::Revoked });
    assert!(matches!(claim(&mut c, b"token", b"key", instance(1)).await?, Claim::Granted { first: false, .. }));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_keys_at_once_one_wins() -> Result<()> {
    let (registry, _) = registry().await?;
    let mut racing = JoinSet::new();
    for key in 0..8_u8 {
        let pool = registry.pool.clone();
        racing.spawn(async move {
            let mut transaction = pool.begin().await?;
            let claimed = claim(&mut transaction, b"token", &[key], instance(key.into())).await?;
            transaction.commit().await?;
            anyhow::Ok(claimed)
        });
    }
    let claims = racing.join_all().await.into_iter().collect::<Result<Vec<_>>>()?;
    let granted = claims.iter().filter(|c| matches!(c, Claim::Granted { first: true, .. })).count();
    let refused = claims.iter().filter(|c| matches!(c, Claim::Refused { reason: Refusal::Claimed, .. })).count();
    assert_eq!((granted, refused), (1, 7));
    Ok(())
}

#[tokio::test]
async fn the_newest_certificate_of_an_installation_is_on_record() -> Result<()> {
    let (registry, cluster) = registry().await?;
    let mut c = registry.connection().await?;
    assert_eq!(agent_certificate::get(&mut c, instance(1)).await?, None);
    for day in [1, 2] {
        let recorded = Recorded { public_key: vec![1; 32], not_after: time(day * 86_400) };
        agent_certificate::record(&mut c, cluster, instance(1), "01:02", &recorded).await?;
        assert_eq!(agent_certificate::get(&mut c, instance(1)).await?, Some(recorded));
    }
    Ok(())
}

#[tokio::test]
async fn an_api_token_is_found_by_its_hash_until_it_is_replaced_or_revoked() -> Result<()> {
    let registry = Registry::new().await?;
    let mut c = registry.connection().await?;
    assert!(!api_token::any(&mut c).await?);
    api_token::put(&mut c, "bootstrap", b"old").await?;
    assert_eq!(api_token::find(&mut c, b"old").await?.as_deref(), Some("bootstrap"));
    api_token::put(&mut c, "bootstrap", b"new").await?;
    assert_eq!(api_token::find(&mut c, b"old").await?, None);
    assert_eq!(api_token::find(&mut c, b"new").await?.as_deref(), Some("bootstrap"));
    assert!(api_token::any(&mut c).await?);
    registry.sql("update api_token set revoked_at = now()").await?;
    assert_eq!(api_token::find(&mut c, b"new").await?, None);
    assert!(!api_token::any(&mut c).await?);
    Ok(())
}
