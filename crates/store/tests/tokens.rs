//! Join tokens, agents' certificates and API tokens.

use std::time::Duration;

use anyhow::Result;
use lockstep_core::access::{Access, Assignment, Role, Scope, Subject, Who};
use lockstep_core::id::ClusterId;
use lockstep_store::agent_certificate::{self, Recorded};
use lockstep_store::api_token::{self, NewToken};
use lockstep_store::join_token::{Claim, Refusal, Shown, claim, insert, look, revoke_open};
use lockstep_store::role_assignment;
use tokio::task::JoinSet;

use crate::fixture::{Registry, instance, time, written};

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
async fn of_many_keys_at_once_one_wins() -> Result<()> {
    let (registry, _) = registry().await?;
    let mut racing = JoinSet::new();
    for key in 0..8_u8 {
        let pool = registry.pool.clone();
        racing.spawn(async move {
            let mut transaction = pool.begin().await?;
            let claimed = claim(&mut transaction, &shown(b"token", &[key]), instance(key.into())).await?;
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

/// A token of this name; whether it could be registered.
async fn put(registry: &Registry, name: &str, hash: &[u8], access: &[Access], life: Option<Duration>) -> Result<bool> {
    let (name, permissions) = (name.parse()?, access.to_vec().into());
    let token = NewToken { name: &name, hash, permissions: &permissions, description: None, life };
    Ok(api_token::insert(&mut *registry.connection().await?, token).await?.is_some())
}

#[tokio::test]
async fn an_api_token_is_found_by_its_hash_until_it_is_revoked_or_over() -> Result<()> {
    let registry = Registry::new().await?;
    let mut c = registry.connection().await?;
    let viewer = [Access { role: Role::Viewer, scope: Scope::Everything }];
    assert!(put(&registry, "ci", b"old", &viewer, None).await?);
    assert_eq!(api_token::find(&mut c, b"old").await?, Some(("ci".to_owned(), viewer.to_vec().into())));
    assert!(!put(&registry, "ci", b"new", &viewer, None).await?, "a live token keeps its name");
    api_token::revoke(&mut c, "ci").await?;
    assert_eq!(api_token::find(&mut c, b"old").await?, None);
    assert!(put(&registry, "ci", b"new", &viewer, Some(Duration::from_secs(60))).await?);
    assert!(api_token::find(&mut c, b"new").await?.is_some());
    registry.sql("update api_token set expires_at = now()").await?;
    assert_eq!(api_token::find(&mut c, b"new").await?, None);
    assert!(put(&registry, "ci", b"newest", &viewer, None).await?, "nor has one that is over");
    Ok(())
}

#[tokio::test]
async fn somebody_administers_as_long_as_a_live_token_or_an_assignment_says_so() -> Result<()> {
    let registry = Registry::new().await?;
    let mut c = registry.connection().await?;
    let admin = Access { role: Role::Admin, scope: Scope::Everything };
    let lesser = [
        Access { role: Role::Operator, scope: Scope::Everything },
        Access { role: Role::Admin, scope: Scope::Project("payments".parse()?) },
    ];
    put(&registry, "lesser", b"lesser", &lesser, None).await?;
    assert!(!api_token::somebody_administers(&mut c).await?);
    put(&registry, "first", b"first", std::slice::from_ref(&admin), None).await?;
    assert!(api_token::somebody_administers(&mut c).await?);
    api_token::revoke(&mut c, "first").await?;
    assert!(!api_token::somebody_administers(&mut c).await?);
    let subjects = vec![Subject { issuer: "sso".parse()?, who: Who::Group("platform".to_owned()) }];
    let assignment = Assignment { access: admin, subjects };
    let platform = written("platform", "");
    registry.change(async |c, seq| Ok(role_assignment::put(c, &platform, &assignment, seq).await?)).await?;
    assert!(api_token::somebody_administers(&mut c).await?);
    Ok(())
}

#[tokio::test]
async fn a_caller_has_what_is_assigned_to_him_and_to_his_groups() -> Result<()> {
    let registry = Registry::new().await?;
    let mut c = registry.connection().await?;
    let subject = |issuer: &str, who| Subject { issuer: issuer.parse().expect("a name"), who };
    let (group, user) = (|name: &str| Who::Group(name.to_owned()), |name: &str| Who::User(name.to_owned()));
    for (name, role, subjects) in [
        ("a", Role::Viewer, vec![subject("sso", group("all")), subject("sso", user("ann"))]),
        ("b", Role::Operator, vec![subject("sso", user("ann"))]),
        ("c", Role::Auditor, vec![subject("sso", group("audit"))]),
        // Another issuer's callers of that name are others.
        ("d", Role::Admin, vec![subject("gitlab", user("ann")), subject("gitlab", group("all"))]),
    ] {
        let assignment = Assignment { access: Access { role, scope: Scope::Everything }, subjects };
        registry.change(async |c, seq| Ok(role_assignment::put(c, &written(name, ""), &assignment, seq).await?)).await?;
    }
    let sso = "sso".parse()?;
    for (user, groups, want) in [
        ("ann", &["all", "audit"][..], &[Role::Viewer, Role::Operator, Role::Auditor][..]),
        ("bob", &["all"], &[Role::Viewer]),
        ("bob", &[], &[]),
        // A user is no group of the same name.
        ("all", &["ann"], &[]),
    ] {
        let groups: Vec<String> = groups.iter().map(|&g| g.to_owned()).collect();
        let permissions = role_assignment::permissions(&mut c, &sso, user, &groups).await?;
        assert_eq!(permissions.iter().map(|access| access.role).collect::<Vec<_>>(), want, "{user} {groups:?}");
    }
    Ok(())
}
