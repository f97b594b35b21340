//! Placements follow from bindings, clusters and grants; what is taken away leaves a tombstone until it was acked.

use anyhow::Result;
use lockstep_core::binding::{DeletionPolicy, SecretTarget, Target};
use lockstep_core::cluster::ClusterState;
use lockstep_core::delivery::Outcome;
use lockstep_core::history::Mark;
use lockstep_core::id::{BindingId, ClusterId};
use lockstep_core::placement::Placement;
use lockstep_core::plan::Want;
use lockstep_core::revision::Revision;
use lockstep_store::delivery::Report;
use lockstep_store::desired::{Facts, Which, read};
use lockstep_store::{StoreError, binding, cluster, delivery, placement, project, source};

use crate::fixture::{Registry, report, spec};

/// Clusters `eu` and `us` of `env=prod` and `lab` of `env=dev`; binding `db` in the first two.
async fn two_of_three() -> Result<(Registry, BindingId, ClusterId, ClusterId)> {
    let registry = Registry::new().await?;
    let (eu, us) = (registry.cluster("eu", "env=prod").await?, registry.cluster("us", "env=prod").await?);
    registry.cluster("lab", "env=dev").await?;
    registry.grant("all", "payments/**", "").await?;
    let binding = registry.bind("db", spec(&["payments/db"], "env=prod")?).await?;
    Ok((registry, binding.id, eu, us))
}

async fn facts(registry: &Registry, cluster: ClusterId) -> Result<Vec<Facts>> {
    Ok(read(&mut *registry.connection().await?, &[cluster], Which::All, &Mark::ORIGIN).await?.facts)
}

/// What the cluster says once it gave up all that it should.
async fn gone(registry: &Registry, cluster: ClusterId) -> Result<Vec<Report>> {
    let session = registry.connect(cluster).await?;
    let removed = facts(registry, cluster).await?.into_iter().filter(|f| matches!(f.desired.want, Want::Remove(_)));
    Ok(removed
        .map(|f| Report { digest: None, ..report(session, cluster, f.binding.id, f.desired.revision, Outcome::Applied) })
        .collect())
}

async fn rows(registry: &Registry, table: &str) -> Result<i64> {
    Ok(sqlx::query_scalar(sqlx::AssertSqlSafe(format!("select count(*) from {table}"))).fetch_one(&registry.pool).await?)
}

#[tokio::test]
async fn a_binding_is_placed_where_it_selects_and_follows_its_selector() -> Result<()> {
    let (registry, ..) = two_of_three().await?;
    assert_eq!(registry.placements().await?, ["eu db Placed", "us db Placed"]);
    registry.bind("db", spec(&["payments/db"], "env=dev")?).await?;
    assert_eq!(registry.placements().await?, ["eu db Removed", "lab db Placed", "us db Removed"]);
    Ok(())
}

#[tokio::test]
async fn planning_twice_writes_nothing_twice() -> Result<()> {
    let (registry, _, eu, _) = two_of_three().await?;
    let changed = registry
        .change(async |c, seq| Ok([placement::replan_all(c, None, seq).await?, placement::replan_cluster(c, eu, seq).await?]))
        .await?;
    assert_eq!(changed, [0, 0]);
    Ok(())
}

#[tokio::test]
async fn a_clusters_labels_move_what_it_holds() -> Result<()> {
    let (registry, ..) = two_of_three().await?;
    registry.cluster("eu", "env=dev").await?;
    registry.cluster("lab", "env=prod").await?;
    assert_eq!(registry.placements().await?, ["eu db Removed", "lab db Placed", "us db Placed"]);
    Ok(())
}

#[tokio::test]
async fn without_a_grant_it_is_denied_and_says_what_is_missing() -> Result<()> {
    let (registry, _, eu, _) = two_of_three().await?;
    registry.revoke_grant("all").await?;
    assert_eq!(registry.placements().await?, ["eu db Denied", "us db Denied"]);
    let (_, cause) = registry.status("eu", "db").await?;
    let cause = cause.unwrap_or_default();
    assert!(["corp", "kv", "payments/db", "payments-prod"].iter().all(|word| cause.contains(word)), "{cause}");
    assert!(matches!(facts(&registry, eu).await?[0].desired.want, Want::Withhold(_)));
    registry.grant("prod", "payments/*", "env=prod").await?;
    assert_eq!(registry.placements().await?, ["eu db Placed", "us db Placed"]);
    Ok(())
}

#[tokio::test]
async fn an_acked_tombstone_goes_and_the_deleted_binding_with_its_last() -> Result<()> {
    let (registry, id, eu, us) = two_of_three().await?;
    registry.unbind("db").await?;
    assert_eq!(registry.placements().await?, ["eu db Removed", "us db Removed"]);
    let missing = binding::get(&mut *registry.connection().await?, "db").await;
    assert!(matches!(missing, Err(StoreError::NotFound { .. })), "{missing:?}");

    assert_eq!(registry.report(&gone(&registry, eu).await?).await?, 1);
    assert_eq!(registry.placements().await?, ["us db Removed"]);
    assert_eq!(rows(&registry, "binding").await?, 1, "a tombstone is open");
    let facts = facts(&registry, us).await?;
    assert_eq!((facts.len(), facts[0].binding.id), (1, id));

    registry.report(&gone(&registry, us).await?).await?;
    assert_eq!([rows(&registry, "placement").await?, rows(&registry, "delivery").await?], [0, 0]);
    assert_eq!(rows(&registry, "binding").await?, 0);
    Ok(())
}

#[tokio::test]
async fn an_ack_of_content_does_not_bury_a_tombstone() -> Result<()> {
    let (registry, id, eu, _) = two_of_three().await?;
    let session = registry.connect(eu).await?;
    let before = facts(&registry, eu).await?[0].desired.revision;
    registry.unbind("db").await?;
    registry.report(&[report(session, eu, id, before, Outcome::Applied)]).await?;
    // An agent that gave it up at an older revision has not seen this tombstone.
    registry.report(&[Report { digest: None, ..report(session, eu, id, before, Outcome::Applied) }]).await?;
    assert_eq!(registry.placements().await?, ["eu db Removed", "us db Removed"]);
    Ok(())
}

#[tokio::test]
async fn it_can_be_placed_again_while_its_tombstone_is_open() -> Result<()> {
    let (registry, id, eu, _) = two_of_three().await?;
    registry.cluster("eu", "env=dev").await?;
    let late = gone(&registry, eu).await?;
    registry.cluster("eu", "env=prod").await?;
    let placed = facts(&registry, eu).await?[0].desired.revision;
    assert!(placed > late[0].revision);

    registry.report(&late).await?;
    assert_eq!(registry.placements().await?, ["eu db Placed", "us db Placed"], "the late ack is of the tombstone, not of this");
    let session = registry.connect(eu).await?;
    registry.report(&[report(session, eu, id, placed, Outcome::Applied)]).await?;
    assert_eq!(registry.delivery("eu", "db").await?.applied, Some(placed));
    Ok(())
}

#[tokio::test]
async fn a_new_binding_of_a_deleted_ones_name_is_another_binding() -> Result<()> {
    let (registry, old, eu, _) = two_of_three().await?;
    registry.unbind("db").await?;
    let new = registry.bind("db", spec(&["payments/db"], "env=prod")?).await?;
    assert_ne!(new.id, old);
    let mut placements = registry.placements().await?;
    placements.sort_unstable();
    assert_eq!(placements, ["eu db Placed", "eu db Removed", "us db Placed", "us db Removed"]);
    registry.report(&gone(&registry, eu).await?).await?;
    assert_eq!(facts(&registry, eu).await?.len(), 1);
    Ok(())
}

#[tokio::test]
async fn a_binding_that_nobody_held_goes_at_once() -> Result<()> {
    let registry = Registry::new().await?;
    registry.bind("db", spec(&["payments/db"], "env=prod")?).await?;
    registry.unbind("db").await?;
    assert_eq!(rows(&registry, "binding").await?, 0);
    Ok(())
}

#[tokio::test]
async fn a_removed_cluster_is_removable_once_it_gave_everything_up_and_at_once_if_it_never_joined() -> Result<()> {
    let (registry, _, eu, us) = two_of_three().await?;
    registry.connect(eu).await?;
    registry.set_state(eu, ClusterState::Removing).await?;
    registry.set_state(us, ClusterState::Removing).await?;
    let mut c = registry.connection().await?;
    assert_eq!(cluster::removable(&mut c).await?, [(us, "us".to_owned())]);
    registry.report(&gone(&registry, eu).await?).await?;
    assert_eq!(cluster::removable(&mut c).await?.len(), 2);
    cluster::delete(&mut c, us).await?;
    cluster::delete(&mut c, eu).await?;
    assert!(registry.placements().await?.is_empty());
    Ok(())
}

#[tokio::test]
async fn the_policy_of_a_tombstone_is_the_bindings() -> Result<()> {
    let (registry, _, eu, _) = two_of_three().await?;
    let policy = DeletionPolicy::Delete;
    registry
        .bind("db", lockstep_core::binding::BindingSpec { deletion_policy: policy, ..spec(&["payments/db"], "env=prod")? })
        .await?;
    registry.unbind("db").await?;
    assert_eq!(facts(&registry, eu).await?[0].desired.want, Want::Remove(policy));
    Ok(())
}

#[tokio::test]
async fn what_is_in_use_is_not_deleted_and_the_refusal_says_by_what() -> Result<()> {
    let (registry, _, eu, us) = two_of_three().await?;
    let mut c = registry.connection().await?;
    let refused = project::delete(&mut c, "payments").await.expect_err("it has a binding and a grant").to_string();
    assert_eq!(refused, "project payments is still used by 1 binding and 1 grant: that has to go first");
    let refused = source::delete(&mut c, &"corp".parse()?).await.expect_err("it is bound").to_string();
    assert_eq!(refused, "source corp is still used by binding db: that has to go first");

    registry.unbind("db").await?;
    registry.revoke_grant("all").await?;
    let refused = project::delete(&mut c, "payments").await.expect_err("tombstones are open").to_string();
    assert!(refused.contains("1 deleted binding that not every cluster has given up yet"), "{refused}");
    source::delete(&mut c, &"corp".parse()?).await?;
    for cluster in [eu, us] {
        registry.report(&gone(&registry, cluster).await?).await?;
    }
    project::delete(&mut c, "payments").await?;
    delivery::bury_unplaced(&mut c).await?;
    Ok(())
}

/// Binding `db` in namespaces that a label selects, and `plain` in one that it names.
#[tokio::test]
async fn a_grants_namespaces_move_only_what_selects_its_namespaces() -> Result<()> {
    let (registry, _, eu, _) = two_of_three().await?;
    registry.bind("plain", spec(&["payments/db"], "env=prod")?).await?;
    let mut selecting = spec(&["payments/db"], "env=prod")?;
    let target = SecretTarget::new("db".parse()?, Vec::new());
    selecting.delivered.target = Target::Secret(SecretTarget { namespace_selector: Some("team=shop".parse()?), ..target });
    registry.bind("db", selecting).await?;
    assert_eq!(registry.placements().await?, ["eu db Placed", "eu plain Placed", "us db Placed", "us plain Placed"]);
    let revisions = async || -> Result<(Revision, Revision)> {
        Ok((registry.delivery("eu", "db").await?.desired, registry.delivery("eu", "plain").await?.desired))
    };
    let allows = async |namespace: &str| -> Result<bool> {
        let facts = facts(&registry, eu).await?.into_iter().find(|f| f.name == "db");
        let Some(Placement::PlacedWithin(allowed)) = facts.map(|f| f.placement) else { anyhow::bail!("not placed within") };
        Ok(allowed.allows(&namespace.parse()?))
    };
    let before = revisions().await?;
    assert!(allows("payments-prod").await? && !allows("shop").await?);

    registry.grant_in("all", "payments/**", "", &["shop", "payments-*"]).await?;
    let wider = revisions().await?;
    assert!(wider.0 > before.0 && wider.1 == before.1);
    assert!(allows("payments-prod").await? && allows("shop").await?);

    // The same rule, said otherwise; and a look at all that finds nothing to write.
    registry.grant_in("all", "payments/**", "", &["payments-*", "shop"]).await?;
    let changed = registry.change(async |c, seq| Ok(placement::replan_all(c, None, seq).await?)).await?;
    assert_eq!((revisions().await?, changed), (wider, 0));

    registry.grant_in("all", "payments/**", "", &[]).await?;
    assert_eq!(registry.placements().await?, ["eu db Denied", "eu plain Denied", "us db Denied", "us plain Denied"]);
    let (_, cause) = registry.status("eu", "db").await?;
    assert!(cause.as_deref().is_some_and(|c| c.contains("any namespace in this cluster")), "{cause:?}");
    Ok(())
}

#[tokio::test]
async fn bindings_are_found_by_the_name_of_their_secret() -> Result<()> {
    let (registry, ..) = two_of_three().await?;
    let mut other = spec(&["payments/db"], "env=prod")?;
    other.delivered.target = Target::Secret(SecretTarget::new("other".parse()?, vec!["payments-prod".parse()?]));
    registry.bind("other", other).await?;
    registry.bind("gone", spec(&["payments/db"], "env=prod")?).await?;
    registry.unbind("gone").await?;
    let found = binding::of_secret_name(&mut *registry.connection().await?, &"db".parse()?).await?;
    assert_eq!(found.into_iter().map(|(name, _)| name).collect::<Vec<_>>(), ["db"]);
    Ok(())
}
