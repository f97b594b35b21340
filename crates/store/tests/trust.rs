//! Who trusts which roots.

use std::time::Duration;

use anyhow::Result;
use lockstep_core::cluster::ClusterState;
use lockstep_store::agent_certificate::{self, Recorded};
use lockstep_store::cluster;
use lockstep_store::trust::{Counted, Replica, count_agents, forget_replica, note_agent, note_replica, replicas};

use crate::fixture::{Registry, instance, time};

const GRACE: Duration = Duration::from_hours(1);
/// Ends of certificates: no test runs at either.
const LONG_AGO: i64 = 1_000_000_000;
const FAR: i64 = 4_000_000_000;

/// A cluster whose agent has joined, with a certificate until then.
async fn joined(registry: &Registry, n: u128, name: &str, not_after: i64) -> Result<()> {
    let id = registry.cluster(name, "").await?;
    registry.change(async |c, _| Ok(cluster::set_instance(c, id, instance(n)).await?)).await?;
    let recorded = Recorded { public_key: vec![1], not_after: time(not_after) };
    let mut c = registry.connection().await?;
    assert!(agent_certificate::record(&mut c, id, instance(n), "01", &recorded).await?);
    Ok(())
}

#[tokio::test]
async fn each_root_has_the_agents_that_trust_it_and_those_that_need_it_and_nobody_who_cannot_come() -> Result<()> {
    let registry = Registry::new().await?;
    let (old, new) = (vec![1; 32], vec![2; 32]);
    for (n, name) in ["a-both", "b-old", "c-silent", "d-moved", "e-revoked"].into_iter().enumerate() {
        joined(&registry, n as u128 + 1, name, FAR).await?;
    }
    joined(&registry, 6, "f-lost", LONG_AGO).await?;
    registry.cluster("g-pending", "").await?;
    let mut c = registry.connection().await?;
    note_agent(&mut c, instance(1), Some(&old), Some(&[old.clone(), new.clone()])).await?;
    note_agent(&mut c, instance(2), Some(&old), Some(std::slice::from_ref(&old))).await?;
    note_agent(&mut c, instance(4), Some(&old), Some(std::slice::from_ref(&old))).await?;
    note_agent(&mut c, instance(4), Some(&new), Some(&[old.clone(), new.clone()])).await?;
    let revoked = cluster::get(&mut c, "e-revoked").await?.id.into();
    registry.set_state(revoked, ClusterState::Revoked).await?;
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    let of_old = Counted {
        trusting: 3,
        certificates: 2,
        without: names(&["c-silent"]),
        with: names(&["a-both", "b-old", "c-silent"]),
        with_count: 3,
    };
    let of_new = Counted {
        trusting: 2,
        certificates: 1,
        without: names(&["b-old", "c-silent"]),
        with: names(&["c-silent", "d-moved"]),
        with_count: 2,
    };
    assert_eq!(count_agents(&mut c, &[old, new], GRACE).await?, (4, vec![of_old, of_new]));
    Ok(())
}

#[tokio::test]
async fn without_agents_each_root_has_none() -> Result<()> {
    let registry = Registry::new().await?;
    let mut c = registry.connection().await?;
    let none = Counted::default();
    assert_eq!(count_agents(&mut c, &[vec![1; 32], vec![2; 32]], GRACE).await?, (0, vec![none.clone(), none]));
    Ok(())
}

#[tokio::test]
async fn a_replica_is_there_until_it_ends_or_falls_silent() -> Result<()> {
    let registry = Registry::new().await?;
    let mut c = registry.connection().await?;
    let replica = |name: &str, root: u8| Replica {
        replica: name.to_owned(),
        root: Some(vec![root]),
        roots: vec![vec![1], vec![2]],
        not_after: time(2_000_000_000),
        certificate_life_s: Some(604_800),
    };
    for name in ["a", "b", "c"] {
        note_replica(&mut c, &replica(name, 1)).await?;
    }
    note_replica(&mut c, &replica("a", 2)).await?;
    forget_replica(&mut c, "b").await?;
    registry.sql("update replica_trust set seen_at = now() - interval '4 minutes' where replica = 'c'").await?;
    assert_eq!(replicas(&mut c).await?, [replica("a", 2)]);
    note_replica(&mut c, &replica("a", 2)).await?;
    assert_eq!(registry.sql("delete from replica_trust").await?, 1, "one that is silent is forgotten");
    Ok(())
}
