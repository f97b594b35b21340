//! A secret that no binding used for a while is not delivered from before somebody looked at it again.

use anyhow::{Context as _, Result};
use lockstep_core::delivery::DeliveryStatus;
use lockstep_core::history::Mark;
use lockstep_core::id::ClusterId;
use lockstep_core::plan::{Want, Withheld};
use lockstep_core::version::{Known, SecretState, VersionNumber};
use lockstep_store::desired::{Which, read};
use lockstep_store::page::Page;
use lockstep_store::{binding, secret};

use crate::fixture::{Registry, item, spec};

const PATH: &str = "payments/db";

/// A registry where `payments/db` was seen at version 1 and binding `db` delivers it to cluster `eu`.
async fn bound() -> Result<(Registry, ClusterId)> {
    let registry = Registry::new().await?;
    let cluster = registry.cluster("eu", "env=prod").await?;
    registry.grant("all", "payments/**", "").await?;
    registry.bind("db", spec(&[PATH], "")?).await?;
    registry.observe(PATH, SecretState::Live, Some(1)).await?;
    Ok((registry, cluster))
}

async fn want(registry: &Registry, cluster: ClusterId, name: &str) -> Result<Want> {
    let mut c = registry.connection().await?;
    let id = binding::get(&mut c, name).await?.spec.binding.id;
    let facts = read(&mut c, &[cluster], Which::All, &Mark::ORIGIN).await?.facts;
    Ok(facts.into_iter().find(|f| f.binding.id == id).context("the placement")?.desired.want)
}

/// The numbers of the versions that content would be made of.
async fn versions(registry: &Registry, cluster: ClusterId, name: &str) -> Result<Vec<Option<u64>>> {
    match want(registry, cluster, name).await? {
        Want::Content(choices) => Ok(choices.iter().map(|c| c.number().map(VersionNumber::get)).collect()),
        other => anyhow::bail!("{other:?}"),
    }
}

async fn known(registry: &Registry) -> Result<Known> {
    let (secrets, _) = secret::list(&mut *registry.connection().await?, None, &Page::default()).await?;
    Ok(secrets.iter().find(|s| s.record.path.as_str() == PATH).context("the secret")?.record.known)
}

#[tokio::test]
async fn what_is_bound_again_waits_for_a_look_and_its_revision_grows_then() -> Result<()> {
    let (registry, cluster) = bound().await?;
    assert_eq!(versions(&registry, cluster, "db").await?, [Some(1)]);
    registry.sql("update secret set problem = 'it was forbidden then'").await?;
    registry.unbind("db").await?;
    let unwatched = known(&registry).await?;
    assert_eq!((unwatched.state, unwatched.chosen), (SecretState::Unseen, None));
    assert_eq!(unwatched.latest.map(|v| v.id.number.get()), Some(1), "a source that goes back meanwhile is recognised by it");

    registry.bind("db", spec(&[PATH], "")?).await?;
    assert_eq!(want(&registry, cluster, "db").await?, Want::Withhold(Withheld::Nothing));
    let (status, cause) = registry.status("eu", "db").await?;
    assert_eq!((status, cause.as_deref()), (DeliveryStatus::Pending, Some("secret corp kv/payments/db was not looked at yet")));
    let withheld = registry.delivery("eu", "db").await?.desired;
    // Also one that nobody has written since is news.
    registry.observe(PATH, SecretState::Live, None).await?;
    assert_eq!(versions(&registry, cluster, "db").await?, [Some(1)]);
    assert!(registry.delivery("eu", "db").await?.desired > withheld, "so that it is dispatched at once");
    registry.observe(PATH, SecretState::Live, Some(3)).await?;
    assert_eq!(versions(&registry, cluster, "db").await?, [Some(3)]);
    Ok(())
}

#[tokio::test]
async fn a_pin_waits_as_well() -> Result<()> {
    let (registry, cluster) = bound().await?;
    registry.unbind("db").await?;
    let mut pinned = spec(&[PATH], "")?;
    pinned.delivered.items[0].pin = VersionNumber::new(1);
    registry.bind("db", pinned).await?;
    let withheld = registry.delivery("eu", "db").await?.desired;
    assert_eq!(want(&registry, cluster, "db").await?, Want::Withhold(Withheld::Nothing));
    registry.observe(PATH, SecretState::Live, Some(2)).await?;
    assert_eq!(versions(&registry, cluster, "db").await?, [Some(1)]);
    assert!(registry.delivery("eu", "db").await?.desired > withheld);
    Ok(())
}

#[tokio::test]
async fn what_some_binding_still_uses_goes_out_at_once() -> Result<()> {
    let (registry, cluster) = bound().await?;
    registry.bind("other", spec(&[PATH], "")?).await?;
    assert_eq!(versions(&registry, cluster, "other").await?, [Some(1)], "a second binding of a watched secret");
    registry.unbind("db").await?;
    assert_eq!(versions(&registry, cluster, "other").await?, [Some(1)], "the first one went");
    let revision = registry.delivery("eu", "other").await?.desired;
    registry.bind("other", spec(&[PATH], "env=prod")?).await?;
    assert_eq!(versions(&registry, cluster, "other").await?, [Some(1)], "the only one was written again");
    assert_eq!(registry.delivery("eu", "other").await?.desired, revision);

    let mut wider = spec(&[PATH], "env=prod")?;
    wider.delivered.items.push(item("payments/mail")?);
    registry.bind("other", wider).await?;
    assert_eq!(known(&registry).await?.state, SecretState::Live);
    registry.bind("other", spec(&["payments/mail"], "env=prod")?).await?;
    assert_eq!(known(&registry).await?.state, SecretState::Unseen, "no item names it any more");
    Ok(())
}

#[tokio::test]
async fn a_look_at_what_is_bound_no_more_is_not_recorded() -> Result<()> {
    let (registry, _) = bound().await?;
    let mut c = registry.connection().await?;
    let (listed, _) = secret::list(&mut c, None, &Page::default()).await?;
    let ids: Vec<_> = listed.iter().map(|s| s.record.id).collect();
    assert_eq!(secret::still_bound(&mut c, &ids).await?.len(), 1);
    registry.unbind("db").await?;
    assert_eq!(secret::still_bound(&mut c, &ids).await?, []);
    Ok(())
}
