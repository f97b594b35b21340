//! Callers: API tokens, and what is assigned to those that an issuer vouches for.

use std::time::Duration;

use anyhow::Result;
use lockstep_core::access::{Access, Assignment, Role, Scope, Subject, Who};
use lockstep_store::api_token::{self, NewToken};
use lockstep_store::role_assignment;

use crate::fixture::{Registry, written};

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
