//! A binding whose path differs by cluster: each draws its own, and nobody else notices.

use anyhow::{Context as _, Result};
use lockstep_core::access::Reach;
use lockstep_core::binding::{BindingSpec, SecretRef};
use lockstep_core::cluster::ClusterState;
use lockstep_core::delivery::{DeliveryStatus, Outcome};
use lockstep_core::engine::Engine;
use lockstep_core::history::Mark;
use lockstep_core::id::ClusterId;
use lockstep_core::version::SecretState;
use lockstep_store::delivery::Report;
use lockstep_store::desired::{Facts, Which, read};
use lockstep_store::page::Page;
use lockstep_store::secret::{self, Bound};
use lockstep_store::{StoreError, binding, cluster, source};

use crate::fixture::{Registry, item, report, secret_ref, spec};

/// Clusters `c1` and `c2`, and a binding of each one's own `payments/NAME/db`.
async fn two() -> Result<(Registry, ClusterId, ClusterId)> {
    let registry = Registry::new().await?;
    registry.grant("all", "payments/**", "").await?;
    let (c1, c2) = (registry.cluster("c1", "env=prod").await?, registry.cluster("c2", "env=prod").await?);
    registry.bind("db", by_cluster()?).await?;
    Ok((registry, c1, c2))
}

fn by_cluster() -> Result<BindingSpec> {
    spec(&["payments/{cluster}/db"], "env=prod")
}

/// The paths that are watched.
async fn watched(registry: &Registry) -> Result<Vec<String>> {
    let mut c = registry.connection().await?;
    let corp = source::get(&mut c, "corp").await?.id;
    let bound = secret::bound(&mut c, corp.into(), Bound::All).await?;
    Ok(bound.into_iter().map(|s| s.path.to_string()).collect())
}

async fn facts(registry: &Registry, clusters: &[ClusterId], which: Which) -> Result<Vec<Facts>> {
    Ok(read(&mut *registry.connection().await?, clusters, which, &Mark::ORIGIN).await?.facts)
}

/// What moves with a new version of this path.
async fn moved(registry: &Registry, clusters: &[ClusterId], path: &str, number: u64) -> Result<Vec<ClusterId>> {
    let before = lockstep_store::registry::get(&mut *registry.connection().await?).await?.head.seq;
    registry.observe(path, SecretState::Live, Some(number)).await?;
    Ok(facts(registry, clusters, Which::ChangedSince(before)).await?.iter().map(|f| f.cluster).collect())
}

/// The cluster confirms whatever it should have.
async fn confirm(registry: &Registry, cluster: ClusterId) -> Result<()> {
    let session = registry.connect(cluster).await?;
    let facts = facts(registry, &[cluster], Which::All).await?;
    let reports = facts.iter().map(|f| {
        let report = report(session, cluster, f.binding.id, f.desired.revision, Outcome::Applied);
        Report { versions: f.versions(), ..report }
    });
    registry.report(&reports.collect::<Vec<_>>()).await.map(drop)
}

#[tokio::test]
async fn a_version_of_one_clusters_path_moves_that_cluster_and_no_other() -> Result<()> {
    let (registry, c1, c2) = two().await?;
    assert_eq!(watched(&registry).await?, ["payments/c1/db", "payments/c2/db"]);
    assert_eq!(moved(&registry, &[c1, c2], "payments/c1/db", 2).await?, [c1]);
    assert_eq!(moved(&registry, &[c1, c2], "payments/c2/db", 7).await?, [c2]);
    confirm(&registry, c1).await?;
    confirm(&registry, c2).await?;
    assert!(facts(&registry, &[c1, c2], Which::NotInStep).await?.is_empty());
    assert_eq!(moved(&registry, &[c1, c2], "payments/c1/db", 3).await?, [c1]);
    assert_eq!(registry.status("c2", "db").await?, (DeliveryStatus::InSync, None));
    let behind: Vec<ClusterId> = facts(&registry, &[c1, c2], Which::NotInStep).await?.iter().map(|f| f.cluster).collect();
    assert_eq!(behind, [c1]);
    let shown = registry.delivery("c1", "db").await?.versions;
    let shown: Vec<_> = shown.iter().map(|v| (v.path.as_str(), v.applied, v.desired)).collect();
    assert_eq!(shown, [("payments/c1/db", Some(2), Some(3))]);
    Ok(())
}

#[tokio::test]
async fn a_cluster_draws_from_when_it_is_placed_until_it_is_not() -> Result<()> {
    let (registry, c1, _) = two().await?;
    registry.observe("payments/c1/db", SecretState::Live, Some(1)).await?;
    let c3 = registry.cluster("c3", "env=prod").await?;
    assert_eq!(watched(&registry).await?, ["payments/c1/db", "payments/c2/db", "payments/c3/db"]);
    assert_eq!(moved(&registry, &[c1, c3], "payments/c3/db", 1).await?, [c3]);
    registry.cluster("c3", "env=dev").await?;
    assert_eq!(watched(&registry).await?, ["payments/c1/db", "payments/c2/db"]);
    // What nobody watches is not trusted when it is drawn again.
    registry.cluster("c3", "env=prod").await?;
    let (status, cause) = registry.status("c3", "db").await?;
    assert_eq!(
        (status, cause.as_deref()),
        (DeliveryStatus::Pending, Some("secret corp kv/payments/c3/db was not looked at yet"))
    );

    registry.revoke_grant("all").await?;
    let (_, cause) = registry.status("c3", "db").await?;
    assert!(cause.unwrap_or_default().contains("path payments/c3/db"));
    assert!(watched(&registry).await?.is_empty(), "what no grant allows is not looked at");
    registry.grant("some", "payments/c1/*", "").await?;
    assert_eq!(watched(&registry).await?, ["payments/c1/db"]);
    assert_eq!(registry.placements().await?, ["c1 db Placed", "c2 db Denied", "c3 db Denied"]);

    registry.grant("all", "payments/**", "").await?;
    registry.set_state(c3, ClusterState::Revoked).await?;
    registry.change(async |c, _| Ok(cluster::delete(c, c1).await?)).await?;
    assert_eq!(watched(&registry).await?, ["payments/c2/db"]);
    registry.unbind("db").await?;
    assert!(watched(&registry).await?.is_empty());
    Ok(())
}

#[tokio::test]
async fn what_is_missing_in_one_cluster_is_told_there_and_the_others_go_on() -> Result<()> {
    let (registry, c1, _) = two().await?;
    registry.observe("payments/c1/db", SecretState::Live, Some(1)).await?;
    registry.observe("payments/c2/db", SecretState::Missing, None).await?;
    confirm(&registry, c1).await?;
    assert_eq!(registry.status("c1", "db").await?, (DeliveryStatus::InSync, None));
    let (status, cause) = registry.status("c2", "db").await?;
    let cause = cause.unwrap_or_default();
    assert!(status == DeliveryStatus::Failed && cause.contains("payments/c2/db") && !cause.contains("c1"), "{cause}");
    Ok(())
}

#[tokio::test]
async fn a_binding_may_begin_and_cease_to_differ_by_cluster_and_loses_nothing_it_still_draws() -> Result<()> {
    let (registry, c1, c2) = two().await?;
    for path in ["payments/c1/db", "payments/c2/db"] {
        registry.observe(path, SecretState::Live, Some(4)).await?;
    }
    let chosen = async |cluster| {
        let facts = facts(&registry, &[cluster], Which::All).await?;
        let numbers = facts[0].secrets.iter().map(|s| s.known.chosen.map(|v| v.id.number.get()));
        anyhow::Ok(numbers.collect::<Vec<_>>())
    };
    registry.bind("db", spec(&["payments/c1/db"], "env=prod")?).await?;
    assert_eq!((watched(&registry).await?, chosen(c2).await?), (vec!["payments/c1/db".to_owned()], vec![Some(4)]));
    registry.bind("db", spec(&["payments/c1/db", "payments/{cluster}/db"], "env=prod")?).await?;
    assert_eq!((chosen(c1).await?, chosen(c2).await?), (vec![Some(4), Some(4)], vec![Some(4), None]));
    registry.bind("db", by_cluster()?).await?;
    assert_eq!((chosen(c1).await?, chosen(c2).await?), (vec![Some(4)], vec![None]));
    Ok(())
}

fn drawn_as(engine: Engine) -> Result<BindingSpec> {
    let mut spec = spec(&["payments/c3/db"], "env=dev")?;
    spec.delivered.items[0].secret = SecretRef { engine, ..secret_ref("payments/c3/db")? }.into();
    Ok(spec)
}

#[tokio::test]
async fn a_path_that_another_binding_draws_otherwise_refuses_the_binding_but_no_cluster() -> Result<()> {
    let (registry, c1, _) = two().await?;
    registry.observe("payments/c1/db", SecretState::Live, Some(1)).await?;
    registry.bind("old", drawn_as(Engine::KvV1)?).await?;
    let c3 = registry.cluster("c3", "env=prod").await?;
    assert_eq!(watched(&registry).await?, ["payments/c1/db", "payments/c2/db", "payments/c3/db"]);
    assert!(facts(&registry, &[c3], Which::All).await?[0].secrets.is_empty());
    let (status, cause) = registry.status("c3", "db").await?;
    assert!(status == DeliveryStatus::Held && cause.unwrap_or_default().contains("another engine"), "{status:?}");
    confirm(&registry, c1).await?;
    assert_eq!(registry.status("c1", "db").await?, (DeliveryStatus::InSync, None));

    let mut again = by_cluster()?;
    again.delivered.items.push(item("payments/more")?);
    let refused = registry.bind("db", again).await.err().context("it is refused")?;
    let is_told = matches!(refused.downcast_ref(), Some(StoreError::OtherEngine { binding, .. }) if binding == "old");
    assert!(is_told, "{refused:#}");
    let mut both = by_cluster()?;
    both.delivered.items.push(drawn_as(Engine::StaticRole)?.delivered.items.remove(0));
    // What could not be drawn is, as soon as nobody else draws it, and nobody has to write anything again.
    let held = facts(&registry, &[c3], Which::All).await?[0].desired.revision;
    registry.unbind("old").await?;
    assert_eq!(registry.status("c3", "db").await?.0, DeliveryStatus::Pending);
    let settled = &facts(&registry, &[c3], Which::All).await?[0];
    assert!(settled.secrets.len() == 1 && settled.desired.revision > held, "{settled:?}");
    let refused = registry.bind("db", both).await.err().context("its own items disagree in c3")?;
    assert!(matches!(refused.downcast_ref(), Some(StoreError::OtherEngine { binding, .. }) if binding == "db"), "{refused:#}");
    Ok(())
}

#[tokio::test]
async fn who_uses_a_secret_is_asked_with_the_cluster_and_its_source_is_in_use_before_anything_is_placed() -> Result<()> {
    let (registry, ..) = two().await?;
    let labels = crate::fixture::labels("env=prod")?;
    let mut c = registry.connection().await?;
    for (path, cluster, used) in [
        ("payments/c1/db", "c1", true),
        ("payments/c1/db", "c2", false),
        ("payments/c9/db", "c9", true),
        ("payments/c1", "c1", false),
    ] {
        let uses = binding::of_secret(&mut c, &secret_ref(path)?, &Reach::EVERYTHING, (&cluster.parse()?, &labels)).await?;
        assert_eq!(!uses.is_empty(), used, "{path} in {cluster}");
    }
    let listed = secret::list(&mut c, None, &Page::default()).await?.0;
    assert_eq!(listed.iter().map(|l| l.bindings).collect::<Vec<_>>(), [1, 1]);

    let mut nowhere = by_cluster()?;
    nowhere.clusters = "env=none".parse()?;
    registry.bind("db", nowhere).await?;
    assert!(watched(&registry).await?.is_empty());
    let refused = source::delete(&mut c, &"corp".parse()?).await;
    assert!(matches!(&refused, Err(StoreError::InUse { by, .. }) if by.contains("db")), "{refused:?}");
    Ok(())
}
