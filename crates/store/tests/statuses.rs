//! Every delivery status, reached by the situation that should give it, with a cause that tells an operator what to do.

use std::collections::BTreeMap;

use anyhow::Result;
use lockstep_core::binding::{BindingSpec, DeletionPolicy};
use lockstep_core::cluster::ClusterState;
use lockstep_core::delivery::{DeliveryStatus, Outcome};
use lockstep_core::id::{BindingId, ClusterId, SessionId};
use lockstep_core::revision::Revision;
use lockstep_core::version::SecretState;
use lockstep_store::delivery::{Filter, Report};
use lockstep_store::{cluster, delivery, registry, session, source};

use crate::fixture::{INTERVAL, Registry, report, spec};

const PATH: &str = "payments/db";

/// Cluster `eu`, active and connected; binding `db` of one secret that was not looked at yet.
struct Situation {
    registry: Registry,
    cluster: ClusterId,
    binding: BindingId,
    session: SessionId,
}

impl Situation {
    async fn new() -> Result<Self> {
        let registry = Registry::new().await?;
        let cluster = registry.cluster("eu", "env=prod").await?;
        registry.set_state(cluster, ClusterState::Active).await?;
        registry.grant("all", "payments/**", "").await?;
        let binding = registry.bind("db", spec(&[PATH], "")?).await?.id;
        Ok(Self { session: registry.connect(cluster).await?, registry, cluster, binding })
    }

    /// The same, with a first version confirmed.
    async fn in_sync() -> Result<Self> {
        let situation = Self::new().await?;
        situation.registry.observe(PATH, SecretState::Live, Some(1)).await?;
        situation.report(Outcome::Applied).await?;
        situation.is(DeliveryStatus::InSync, "").await?;
        Ok(situation)
    }

    async fn desired(&self) -> Result<Revision> {
        Ok(self.registry.delivery("eu", "db").await?.desired)
    }

    async fn report(&self, outcome: Outcome) -> Result<()> {
        let report = report(self.session, self.cluster, self.binding, self.desired().await?, outcome);
        anyhow::ensure!(self.registry.report(&[report]).await? == 1, "the report was not written");
        Ok(())
    }

    async fn gave_up(&self) -> Result<()> {
        let report = report(self.session, self.cluster, self.binding, self.desired().await?, Outcome::Applied);
        anyhow::ensure!(self.registry.report(&[Report { digest: None, ..report }]).await? == 1, "the report was not written");
        Ok(())
    }

    async fn failing(&self, why: Option<&str>) -> Result<()> {
        let mut c = self.registry.connection().await?;
        let corp = source::get(&mut c, "corp").await?.id.into();
        Ok(source::note_watch(&mut c, corp, INTERVAL, why).await?)
    }

    async fn follow_deletions(&self) -> Result<()> {
        let mut following: BindingSpec = spec(&[PATH], "")?;
        following.delivered.source_deletion_policy = DeletionPolicy::Delete;
        self.registry.bind("db", following).await?;
        Ok(())
    }

    /// `cause` is the whole of it; empty: none.
    #[track_caller]
    fn is(&self, status: DeliveryStatus, cause: &str) -> impl Future<Output = Result<()>> {
        let at = std::panic::Location::caller();
        async move {
            let (is, why) = self.registry.status("eu", "db").await?;
            anyhow::ensure!((is, why.as_deref().unwrap_or_default()) == (status, cause), "at {at}: it is {is}: {why:?}");
            Ok(())
        }
    }
}

#[tokio::test]
async fn pending_says_what_it_waits_for() -> Result<()> {
    let at = Situation::new().await?;
    at.is(DeliveryStatus::Pending, "secret corp kv/payments/db was not looked at yet").await?;
    at.registry.observe(PATH, SecretState::Live, Some(1)).await?;
    at.is(DeliveryStatus::Pending, "").await?;
    session::close(&mut *at.registry.connection().await?, at.session).await?;
    at.is(DeliveryStatus::Pending, "the cluster's agent is not connected: its log in the cluster says why").await?;
    at.registry.set_state(at.cluster, ClusterState::Pending).await?;
    at.is(DeliveryStatus::Pending, "no agent has joined the cluster yet").await
}

#[tokio::test]
async fn sending_until_it_is_confirmed_and_pending_again_with_each_new_version() -> Result<()> {
    let at = Situation::new().await?;
    at.registry.observe(PATH, SecretState::Live, Some(1)).await?;
    at.report(Outcome::Sent).await?;
    at.is(DeliveryStatus::Sending, "").await?;
    at.report(Outcome::Applied).await?;
    at.is(DeliveryStatus::InSync, "").await?;
    at.registry.observe(PATH, SecretState::Live, Some(2)).await?;
    at.is(DeliveryStatus::Pending, "").await?;
    at.report(Outcome::Sent).await?;
    at.is(DeliveryStatus::Sending, "").await
}

#[tokio::test]
async fn in_sync_stays_so_without_a_connection_and_while_the_same_is_sent_again() -> Result<()> {
    let at = Situation::in_sync().await?;
    at.report(Outcome::Sent).await?;
    at.is(DeliveryStatus::InSync, "").await?;
    session::close(&mut *at.registry.connection().await?, at.session).await?;
    at.is(DeliveryStatus::InSync, "").await
}

#[tokio::test]
async fn denied_by_grants_and_by_vault() -> Result<()> {
    let at = Situation::in_sync().await?;
    at.registry.observe(PATH, SecretState::Live, Some(2)).await?;
    at.report(Outcome::Denied).await?;
    at.is(DeliveryStatus::Denied, "why Denied").await?;
    at.registry.revoke_grant("all").await?;
    let ungranted = "no grant of the project allows source corp, mount kv, path payments/db, namespace payments-prod in this \
                     cluster: ask an administrator for a grant, or correct the binding; what it has of it stays, as deletionPolicy says";
    at.is(DeliveryStatus::Denied, ungranted).await?;
    at.registry.set_state(at.cluster, ClusterState::Revoked).await?;
    at.is(DeliveryStatus::Denied, "the cluster is revoked").await
}

#[tokio::test]
async fn a_refusal_by_the_agent_shows_until_it_succeeds_also_after_a_confirmation() -> Result<()> {
    let at = Situation::in_sync().await?;
    for (outcome, status) in [(Outcome::Conflict, DeliveryStatus::Conflict), (Outcome::Failed, DeliveryStatus::Failed)] {
        at.report(outcome).await?;
        at.is(status, &format!("why {}", outcome.as_str())).await?;
        at.report(Outcome::Applied).await?;
        at.is(DeliveryStatus::InSync, "").await?;
        at.registry.observe(PATH, SecretState::Live, Some(at.desired().await?.seq.get())).await?;
        at.report(outcome).await?;
        at.is(status, &format!("why {}", outcome.as_str())).await?;
        at.registry.observe(PATH, SecretState::Live, Some(at.desired().await?.seq.get())).await?;
        at.is(DeliveryStatus::Pending, "").await?;
        at.report(Outcome::Applied).await?;
    }
    Ok(())
}

#[tokio::test]
async fn failed_where_the_path_is_missing_and_where_it_was_gone_before_it_came() -> Result<()> {
    let at = Situation::new().await?;
    at.registry.observe(PATH, SecretState::Missing, None).await?;
    let missing =
        "secret corp kv/payments/db has no version that can be read: write it in Vault, or correct the binding's mount and path";
    at.is(DeliveryStatus::Failed, missing).await?;
    at.registry.observe(PATH, SecretState::Destroyed, Some(1)).await?;
    at.is(DeliveryStatus::Failed, missing).await?;
    at.registry.observe(PATH, SecretState::Live, Some(2)).await?;
    at.registry.observe(PATH, SecretState::Deleted, None).await?;
    let gone = "gone at the source (corp kv/payments/db is deleted) and this cluster never had it: write it again, or remove it from the binding";
    at.is(DeliveryStatus::Failed, gone).await
}

#[tokio::test]
async fn failed_where_nothing_can_be_read_and_the_cluster_has_nothing() -> Result<()> {
    let at = Situation::new().await?;
    at.registry.observe(PATH, SecretState::Live, Some(1)).await?;
    at.report(Outcome::Unreadable).await?;
    at.is(DeliveryStatus::Failed, "why Unreadable").await?;
    at.registry.observe(PATH, SecretState::Live, Some(2)).await?;
    at.failing(Some("it is sealed since 12:00")).await?;
    at.is(DeliveryStatus::Failed, "source corp: it is sealed since 12:00; this cluster never had it").await
}

#[tokio::test]
async fn held_by_the_registry_the_cluster_and_the_source() -> Result<()> {
    let at = Situation::in_sync().await?;
    at.registry.observe(PATH, SecretState::WentBack, None).await?;
    let went_back = "the source went back: it shows secret corp kv/payments/db as it was before version 1, as after a restore. \
        The cluster keeps what it has until the source shows a newer version than that: write it there again, as often as that takes";
    at.is(DeliveryStatus::Held, went_back).await?;
    let mut c = at.registry.connection().await?;
    cluster::hold(&mut c, at.cluster, "its agent has seen changes that the registry lost").await?;
    at.is(DeliveryStatus::Held, "its agent has seen changes that the registry lost").await?;
    assert_eq!(cluster::count_held(&mut c).await?, 1);
    registry::set_held(&mut c, Some("the registry was restored")).await?;
    at.is(DeliveryStatus::Held, "the registry was restored").await?;
    registry::set_held(&mut c, None).await?;
    cluster::release_all(&mut c).await?;
    at.registry.observe(PATH, SecretState::Live, None).await?;
    at.is(DeliveryStatus::InSync, "").await
}

#[tokio::test]
async fn stale_where_the_last_good_version_is_kept() -> Result<()> {
    let at = Situation::in_sync().await?;
    for (state, word) in
        [(SecretState::Deleted, "deleted"), (SecretState::Destroyed, "destroyed"), (SecretState::Missing, "missing")]
    {
        at.registry.observe(PATH, state, None).await?;
        let gone = format!(
            "gone at the source (corp kv/payments/db is {word}): the cluster keeps the last good version; write it again, or remove it from the binding"
        );
        at.is(DeliveryStatus::Stale, &gone).await?;
    }
    at.registry.observe(PATH, SecretState::Live, Some(2)).await?;
    at.report(Outcome::Unreadable).await?;
    at.is(DeliveryStatus::Stale, "why Unreadable").await?;
    at.report(Outcome::Applied).await?;
    at.failing(Some("it is sealed")).await?;
    at.is(DeliveryStatus::Stale, "source corp: it is sealed; the cluster keeps the last good version").await?;
    at.failing(None).await?;
    at.is(DeliveryStatus::InSync, "").await
}

#[tokio::test]
async fn a_binding_that_follows_deletions_is_in_sync_once_it_gave_the_content_up() -> Result<()> {
    let at = Situation::in_sync().await?;
    at.follow_deletions().await?;
    at.report(Outcome::Applied).await?;
    at.registry.observe(PATH, SecretState::Deleted, None).await?;
    at.is(DeliveryStatus::Pending, "").await?;
    at.gave_up().await?;
    let removed = "gone at the source and removed from the cluster, as the binding's sourceDeletionPolicy asks";
    at.is(DeliveryStatus::InSync, removed).await?;
    // It has nothing now, so there is no last good version that could be kept.
    at.registry.observe(PATH, SecretState::Live, Some(2)).await?;
    at.failing(Some("it is sealed")).await?;
    at.is(DeliveryStatus::Failed, "source corp: it is sealed; this cluster never had it").await
}

#[tokio::test]
async fn paused_says_how_to_go_on() -> Result<()> {
    let at = Situation::in_sync().await?;
    at.registry.set_state(at.cluster, ClusterState::Paused).await?;
    at.is(DeliveryStatus::Paused, "the cluster is paused; to go on: lockstep cluster resume eu").await
}

#[tokio::test]
async fn counts_are_of_the_same_statuses_and_leave_tombstones_out() -> Result<()> {
    let at = Situation::in_sync().await?;
    at.registry.bind("other", spec(&["payments/other"], "")?).await?;
    at.registry.cluster("us", "env=prod").await?;
    let mut c = at.registry.connection().await?;
    let count = async |c: &mut _, filter| delivery::count(c, filter).await;
    let of = |pairs: &[(&str, u64)]| pairs.iter().map(|(s, n)| ((*s).to_owned(), *n)).collect::<BTreeMap<_, _>>();
    assert_eq!(count(&mut c, Filter::default()).await?, of(&[("InSync", 1), ("Pending", 3)]));
    assert_eq!(count(&mut c, Filter { cluster: Some("us"), ..Filter::default() }).await?, of(&[("Pending", 2)]));
    assert_eq!(count(&mut c, Filter { binding: Some("db"), ..Filter::default() }).await?, of(&[("InSync", 1), ("Pending", 1)]));
    let by_cluster = delivery::by_cluster(&mut c).await?;
    // What is in step lacks nothing.
    assert!(by_cluster.iter().all(|r| (r.status == "InSync") == r.oldest_s.is_none()), "{by_cluster:?}");
    let mut by_cluster: Vec<_> = by_cluster.into_iter().map(|r| (r.cluster, r.status, r.deliveries)).collect();
    by_cluster.sort_unstable();
    let wanted =
        [("eu", "InSync", 1), ("eu", "Pending", 1), ("us", "Pending", 2)].map(|(c, s, n)| (c.to_owned(), s.to_owned(), n));
    assert_eq!(by_cluster, wanted);
    at.registry.unbind("other").await?;
    assert_eq!(count(&mut c, Filter::default()).await?, of(&[("InSync", 1), ("Pending", 1)]));
    Ok(())
}
