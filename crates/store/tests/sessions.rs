//! One accepted stream for each cluster.

use anyhow::Result;
use lockstep_core::cluster::{ClusterState, Life, Purge};
use lockstep_store::{cluster, session};

use crate::fixture::{Registry, instance, session_of};

#[tokio::test]
async fn the_highest_lease_term_wins_and_among_equal_terms_the_newest() -> Result<()> {
    let registry = Registry::new().await?;
    let id = registry.cluster("eu", "").await?;
    let mut c = registry.connection().await?;
    cluster::set_instance(&mut c, id, instance(1)).await?;
    let mut present = None;
    for (term, accepted) in [(5, true), (4, false), (5, true), (7, true), (6, false), (7, true)] {
        let stream = session_of(id, instance(1), term);
        assert_eq!(session::open(&mut c, &stream).await?, accepted, "term {term}");
        if accepted {
            let superseded = present.replace(stream.id);
            let asked: Vec<_> = superseded.into_iter().chain([stream.id]).collect();
            let left = session::touch(&mut c, &asked).await?;
            let life = Life { state: ClusterState::Pending, purge: Purge::NotAsked, instance: Some(instance(1)) };
            assert_eq!(left, [(stream.id, life)], "the one before is superseded");
        }
    }
    Ok(())
}

#[tokio::test]
async fn the_lease_term_of_an_installation_that_was_replaced_has_no_say() -> Result<()> {
    let registry = Registry::new().await?;
    let id = registry.cluster("eu", "").await?;
    let mut c = registry.connection().await?;
    cluster::set_instance(&mut c, id, instance(1)).await?;
    assert!(session::open(&mut c, &session_of(id, instance(1), 900)).await?);
    cluster::set_instance(&mut c, id, instance(2)).await?;
    assert!(session::open(&mut c, &session_of(id, instance(2), 1)).await?);
    Ok(())
}

#[tokio::test]
async fn a_stream_whose_replica_died_is_forgotten_and_holds_nobody_off() -> Result<()> {
    let registry = Registry::new().await?;
    let id = registry.cluster("eu", "").await?;
    let mut c = registry.connection().await?;
    cluster::set_instance(&mut c, id, instance(1)).await?;
    assert!(session::open(&mut c, &session_of(id, instance(1), 9)).await?);
    assert_eq!(session::forget_silent(&mut c).await?, 0);
    let silent = "update session set heard_at = now() - interval '61 seconds'";
    registry.sql(silent).await?;
    let lower = session_of(id, instance(1), 3);
    assert!(session::open(&mut c, &lower).await?);
    let shown = session::of_cluster(&mut c, id).await?.expect("a stream");
    assert_eq!((shown.replica.as_str(), shown.agent_version.as_str()), ("replica-a", "0.1.0"));
    registry.sql(silent).await?;
    assert_eq!(session::forget_silent(&mut c).await?, 1);
    assert_eq!(session::touch(&mut c, &[lower.id]).await?, []);
    assert_eq!(session::of_cluster(&mut c, id).await?, None);
    Ok(())
}

#[tokio::test]
async fn a_stream_that_ends_takes_only_itself_away() -> Result<()> {
    let registry = Registry::new().await?;
    let id = registry.cluster("eu", "").await?;
    let mut c = registry.connection().await?;
    let (old, new) = (session_of(id, instance(1), 1), session_of(id, instance(1), 1));
    assert!(session::open(&mut c, &old).await? && session::open(&mut c, &new).await?);
    session::close(&mut c, old.id).await?;
    assert!(session::of_cluster(&mut c, id).await?.is_some());
    session::close(&mut c, new.id).await?;
    assert_eq!(session::of_cluster(&mut c, id).await?, None);
    Ok(())
}
