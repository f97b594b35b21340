//! Which version of each secret a cluster has, and which it should have.

use anyhow::{Context as _, Result};
use lockstep_core::binding::{DeletionPolicy, Item};
use lockstep_core::delivery::Outcome;
use lockstep_core::history::Mark;
use lockstep_core::id::{BindingId, ClusterId, SessionId};
use lockstep_core::version::{SecretState, VersionNumber};
use lockstep_store::delivery::Report;
use lockstep_store::desired::{Which, read};
use lockstep_store::session;

use crate::fixture::{Registry, item, report, spec};

struct Bound {
    registry: Registry,
    session: SessionId,
    cluster: ClusterId,
    binding: BindingId,
}

impl Bound {
    /// Two secrets with one version each, confirmed.
    async fn new() -> Result<Self> {
        let registry = Registry::new().await?;
        let cluster = registry.cluster("eu", "env=prod").await?;
        registry.grant("all", "payments/**", "").await?;
        for path in ["payments/a", "payments/b"] {
            registry.observe(path, SecretState::Live, Some(1)).await?;
        }
        let binding = registry.bind("db", spec(&["payments/a", "payments/b"], "")?).await?.id;
        let bound = Self { session: registry.connect(cluster).await?, registry, cluster, binding };
        bound.confirm().await?;
        Ok(bound)
    }

    /// As a session does: with the versions that content was rendered from.
    async fn confirm(&self) -> Result<()> {
        let facts = read(&mut *self.registry.connection().await?, &[self.cluster], Which::All, &Mark::ORIGIN).await?.facts;
        let facts = facts.first().context("the placement")?;
        let report = report(self.session, self.cluster, self.binding, facts.desired.revision, Outcome::Applied);
        self.registry.report(&[Report { versions: facts.versions(), ..report }]).await?;
        Ok(())
    }

    /// `path applied desired` of each item.
    async fn shown(&self) -> Result<Vec<String>> {
        let number = |n: Option<u64>| n.map_or("-".to_owned(), |n| n.to_string());
        let versions = self.registry.delivery("eu", "db").await?.versions;
        Ok(versions.iter().map(|v| format!("{} {} {}", v.path, number(v.applied), number(v.desired))).collect())
    }

    async fn respecify(&self, items: Vec<Item>) -> Result<()> {
        let mut spec = spec(&[], "")?;
        spec.delivered.items = items;
        self.registry.bind("db", spec).await.map(drop)
    }
}

#[tokio::test]
async fn a_cluster_has_what_it_confirmed_and_wants_what_is_chosen() -> Result<()> {
    let bound = Bound::new().await?;
    assert_eq!(bound.shown().await?, ["payments/a 1 1", "payments/b 1 1"]);
    bound.registry.observe("payments/b", SecretState::Live, Some(4)).await?;
    assert_eq!(bound.shown().await?, ["payments/a 1 1", "payments/b 1 4"]);
    // Neither a disconnection nor a later attempt changes what it has.
    session::close(&mut *bound.registry.connection().await?, bound.session).await?;
    let session = bound.registry.connect(bound.cluster).await?;
    let desired = bound.registry.delivery("eu", "db").await?.desired;
    bound.registry.report(&[report(session, bound.cluster, bound.binding, desired, Outcome::Failed)]).await?;
    assert_eq!(bound.shown().await?, ["payments/a 1 1", "payments/b 1 4"]);
    let bound = Bound { session, ..bound };
    bound.confirm().await?;
    assert_eq!(bound.shown().await?, ["payments/a 1 1", "payments/b 4 4"]);
    Ok(())
}

#[tokio::test]
async fn a_version_stays_its_secrets_when_the_items_change() -> Result<()> {
    let bound = Bound::new().await?;
    bound.registry.observe("payments/b", SecretState::Live, Some(2)).await?;
    bound.confirm().await?;
    bound.registry.observe("payments/c", SecretState::Live, Some(7)).await?;
    bound.respecify(vec![item("payments/c")?, item("payments/b")?, item("payments/a")?]).await?;
    assert_eq!(bound.shown().await?, ["payments/c - 7", "payments/b 2 2", "payments/a 1 1"]);
    let pinned = Item { pin: VersionNumber::new(1), ..item("payments/b")? };
    bound.respecify(vec![item("payments/b")?, pinned]).await?;
    bound.confirm().await?;
    assert_eq!(bound.shown().await?, ["payments/b 2 2", "payments/b 1 1"], "the same secret twice, once pinned");
    bound.registry.observe("payments/b", SecretState::Live, Some(3)).await?;
    assert_eq!(bound.shown().await?, ["payments/b 2 3", "payments/b 1 1"]);
    Ok(())
}

#[tokio::test]
async fn what_is_gone_has_no_version() -> Result<()> {
    let bound = Bound::new().await?;
    let mut following = spec(&["payments/a", "payments/b"], "")?;
    following.delivered.source_deletion_policy = DeletionPolicy::Delete;
    bound.registry.bind("db", following).await?;
    bound.confirm().await?;
    bound.registry.observe("payments/a", SecretState::Deleted, None).await?;
    assert_eq!(bound.shown().await?, ["payments/a 1 -", "payments/b 1 1"]);
    bound.confirm().await?;
    assert_eq!(bound.shown().await?, ["payments/a - -", "payments/b 1 1"]);
    bound.registry.observe("payments/b", SecretState::Missing, None).await?;
    let desired = bound.registry.delivery("eu", "db").await?.desired;
    let gave_up = report(bound.session, bound.cluster, bound.binding, desired, Outcome::Applied);
    bound.registry.report(&[Report { digest: None, ..gave_up }]).await?;
    assert_eq!(bound.shown().await?, ["payments/a - -", "payments/b - -"]);
    Ok(())
}
