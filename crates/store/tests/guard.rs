//! Deletions that wait, are held back and are confirmed; a cluster that is removed.

use anyhow::Result;
use lockstep_core::binding::{DeletionPolicy, Mode};
use lockstep_core::cluster::ClusterState;
use lockstep_core::delivery::{DeliveryStatus, Outcome};
use lockstep_core::history::Mark;
use lockstep_core::id::{ClusterId, SessionId};
use lockstep_core::placement::Placement;
use lockstep_core::plan::Want;
use lockstep_core::version::SecretState;
use lockstep_store::desired::{Which, read};
use lockstep_store::{cluster, delivery, placement, session};

use crate::fixture::{Registry, report, spec};

/// Cluster `eu` holds bindings of these names, each of a secret of the same name.
async fn holding(names: &[&str]) -> Result<(Registry, ClusterId, SessionId)> {
    let registry = Registry::new().await?;
    let eu = registry.cluster("eu", "env=prod").await?;
    registry.set_state(eu, ClusterState::Active).await?;
    registry.grant("all", "payments/**", "").await?;
    let session = registry.connect(eu).await?;
    for name in names {
        let path = format!("payments/{name}");
        registry.observe(&path, SecretState::Live, Some(1)).await?;
        let mut spec = spec(&[&path], "")?;
        (spec.deletion_policy, spec.delivered.source_deletion_policy) = (DeletionPolicy::Delete, DeletionPolicy::Delete);
        if name.starts_with("observed") {
            spec.delivered.mode = Mode::Observe;
        }
        if name.starts_with("kept") {
            (spec.deletion_policy, spec.delivered.source_deletion_policy) = (DeletionPolicy::Retain, DeletionPolicy::Retain);
        }
        let id = registry.bind(name, spec).await?.id;
        let desired = registry.delivery("eu", name).await?.desired;
        registry.report(&[report(session, eu, id, desired, Outcome::Applied)]).await?;
    }
    Ok((registry, eu, session))
}

#[tokio::test]
async fn what_waits_to_be_deleted_is_what_the_cluster_has_until_it_is_confirmed() -> Result<()> {
    let (registry, eu, _) = holding(&["a", "b", "gone", "kept", "observed"]).await?;
    let mut c = registry.connection().await?;
    assert_eq!(delivery::purges_waiting(&mut c, eu).await?, [""; 0]);
    registry.observe("payments/gone", SecretState::Deleted, None).await?;
    for name in ["b", "kept", "observed"] {
        registry.unbind(name).await?;
    }
    registry.bind("never-delivered", spec(&["payments/a"], "")?).await?;
    registry.unbind("never-delivered").await?;
    assert_eq!(delivery::purges_waiting(&mut c, eu).await?, ["b", "gone"]);

    registry.change(async |c, seq| Ok(cluster::confirm_deletions(c, eu, seq).await?)).await?;
    assert_eq!(delivery::purges_waiting(&mut c, eu).await?, [""; 0]);
    let confirmed = read(&mut c, &[eu], Which::All, &Mark::ORIGIN).await?.confirmed;
    assert_eq!(confirmed[&eu], lockstep_store::registry::get(&mut c).await?.head.seq);
    registry.unbind("a").await?;
    assert_eq!(delivery::purges_waiting(&mut c, eu).await?, ["a"], "what is decided later is not confirmed");
    Ok(())
}

#[tokio::test]
async fn a_delivery_is_held_while_the_guard_holds_its_deletion_back() -> Result<()> {
    let (registry, eu, session) = holding(&["a", "gone"]).await?;
    let mut c = registry.connection().await?;
    registry.observe("payments/gone", SecretState::Missing, None).await?;
    assert_eq!(registry.status("eu", "gone").await?, (DeliveryStatus::Pending, None));
    let stale = uuid::Uuid::new_v4().into();
    cluster::note_deletions_held(&mut c, eu, stale, 9).await?;
    assert_eq!(cluster::by_id(&mut c, eu).await?.spec.deletions_held, 0, "not the cluster's session");
    cluster::note_deletions_held(&mut c, eu, session, 2).await?;
    let cause = "the delete guard holds back 2 deletions: more than may go from this cluster at once. It keeps what it has; if they are \
                 meant: lockstep confirm eu";
    assert_eq!(registry.status("eu", "gone").await?, (DeliveryStatus::Held, Some(cause.to_owned())));
    assert_eq!(registry.status("eu", "a").await?.0, DeliveryStatus::InSync);
    assert_eq!(cluster::deletions_held(&mut c).await?, [("eu".to_owned(), 2)]);
    // Also while the agent is away.
    session::close(&mut c, session).await?;
    assert_eq!(registry.status("eu", "gone").await?.0, DeliveryStatus::Held);

    registry.change(async |c, seq| Ok(cluster::confirm_deletions(c, eu, seq).await?)).await?;
    assert_eq!(registry.status("eu", "gone").await?.0, DeliveryStatus::Pending);
    assert_eq!(cluster::deletions_held(&mut c).await?, [("eu".to_owned(), 0)]);
    Ok(())
}

#[tokio::test]
async fn all_of_a_cluster_is_taken_back_with_one_policy_also_what_waited_already() -> Result<()> {
    let (registry, eu, _) = holding(&["a", "b", "kept"]).await?;
    let mut c = registry.connection().await?;
    registry.unbind("a").await?;
    let take_back = async |policy| registry.change(async |c, seq| Ok(placement::take_back(c, eu, policy, seq).await?)).await;
    let wants = async |c: &mut _| -> Result<Vec<Want>> {
        Ok(read(c, &[eu], Which::All, &Mark::ORIGIN).await?.facts.into_iter().map(|f| f.desired.want).collect())
    };
    assert_eq!(take_back(DeletionPolicy::Retain).await?, 3);
    assert_eq!(wants(&mut c).await?, vec![Want::Remove(DeletionPolicy::Retain); 3]);
    assert_eq!(take_back(DeletionPolicy::Retain).await?, 0);
    assert_eq!(take_back(DeletionPolicy::Delete).await?, 3);
    assert_eq!(delivery::purges_waiting(&mut c, eu).await?, ["a", "b", "kept"]);
    Ok(())
}

#[tokio::test]
async fn a_removal_that_the_agent_refused_is_told_until_it_succeeds() -> Result<()> {
    let (registry, eu, session) = holding(&["a", "b", "kept"]).await?;
    registry.unbind("a").await?;
    registry.unbind("b").await?;
    let mut c = registry.connection().await?;
    let refused = async |c: &mut _| anyhow::Ok(delivery::removals_refused(c, &[eu]).await?.remove(&eu));
    assert_eq!(refused(&mut c).await?, None, "they are under way");
    let facts = read(&mut c, &[eu], Which::All, &Mark::ORIGIN).await?.facts;
    let removals: Vec<_> = facts.iter().filter(|f| matches!(f.placement, Placement::Removed(_))).collect();
    for facts in &removals {
        let failed = report(session, eu, facts.binding.id, facts.desired.revision, Outcome::Failed);
        registry.report(&[delivery::Report { cause: Some(format!("cannot remove {}", facts.name)), ..failed }]).await?;
    }
    let both = delivery::Refused { count: 2, binding: "a".to_owned(), cause: "cannot remove a".to_owned() };
    assert_eq!(refused(&mut c).await?, Some(both));
    for facts in &removals {
        let gone = report(session, eu, facts.binding.id, facts.desired.revision, Outcome::Applied);
        registry.report(&[delivery::Report { digest: None, ..gone }]).await?;
    }
    assert_eq!(refused(&mut c).await?, None);
    Ok(())
}
