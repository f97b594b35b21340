//! Registered things are read as they were written; every commit is heard of.

use std::time::Duration;

use anyhow::{Context as _, Result};
use lockstep_core::cluster::ClusterState;
use lockstep_core::history::Mark;
use lockstep_core::id::SecretId;
use lockstep_core::revision::Seq;
use lockstep_core::trace::TraceId;
use lockstep_core::version::SecretState;
use lockstep_store::change::{Entry, VERSIONS_OBSERVED, Writing};
use lockstep_store::desired::{self, Which};
use lockstep_store::meta::Written;
use lockstep_store::notify::{Listener, Woken};
use lockstep_store::page::Page;
use lockstep_store::secret::Bound;
use lockstep_store::{StoreError, binding, cluster, delivery, grant, lease, placement, pool, project, secret, source};

use crate::fixture::{INTERVAL, Registry, instance, labels, secret_ref, source_spec, spec};

fn written(name: &str) -> Result<Written> {
    let annotations = [("lockstep.dev/owner".to_owned(), "ü \"team\"".to_owned())].into();
    Ok(Written { name: name.into(), labels: labels("env=prod lockstep.dev/tier=a")?, annotations })
}

#[tokio::test]
async fn projects_sources_and_grants() -> Result<()> {
    let registry = Registry::new().await?;
    let (new, mut spec) = (written("new")?, source_spec()?);
    spec.namespace = Some("team".into());
    registry
        .change(async |c, seq| {
            project::put(c, &new, Some("for people"), seq).await?;
            Ok(source::put(c, &new, &spec, seq).await?)
        })
        .await?;
    let mut c = registry.connection().await?;
    let project = project::get(&mut c, "new").await?;
    assert_eq!(
        (project.spec.description.as_deref(), project.labels, project.annotations),
        (Some("for people"), new.labels.clone(), new.annotations.clone())
    );
    let source = source::get(&mut c, "new").await?;
    assert_eq!(source::spec(&mut c, &"new".parse()?).await?, (source.id.into(), source.spec.spec.clone()));
    assert_eq!((&source.spec.spec, source.spec.swept_at, source.spec.secrets), (&spec, None, 0));

    source::note_watch(&mut c, source.id.into(), INTERVAL, Some("sealed")).await?;
    assert_eq!(source::get(&mut c, "new").await?.spec.failing.as_deref(), Some("sealed"));
    source::note_watch(&mut c, source.id.into(), INTERVAL, None).await?;
    source::note_watch(&mut c, source.id.into(), INTERVAL, Some("sealed again")).await?;
    lease::acquire(&mut c, "watch/new", "replica-a", lease::Claim::Fresh, Duration::from_mins(1)).await?.context("it is free")?;
    let watched = source::get(&mut c, "new").await?.spec;
    assert_eq!(watched.interval, Some(INTERVAL));
    assert!(watched.swept_at.is_some() && watched.failing.as_deref() == Some("sealed again"));
    assert_eq!(watched.watched_by.as_deref(), Some("replica-a"));

    registry.grant("g", "payments/**", "env=prod").await?;
    let granted = grant::get(&mut c, "g").await?;
    assert_eq!(granted.spec.project.as_str(), "payments");
    assert_eq!(granted.spec.spec.clusters, "env=prod".parse()?);
    assert_eq!(grant::of_project(&mut c, granted.spec.project_id).await?.len(), 1);
    source::delete(&mut c, &"new".parse()?).await?;
    project::delete(&mut c, "new").await?;
    for missing in [source::get(&mut c, "new").await.map(drop), project::get(&mut c, "new").await.map(drop)] {
        assert!(matches!(missing, Err(StoreError::NotFound { .. })), "{missing:?}");
    }
    Ok(())
}

#[tokio::test]
async fn clusters_and_their_life() -> Result<()> {
    let registry = Registry::new().await?;
    let id = registry.cluster("eu", "env=prod").await?;
    let mut c = registry.connection().await?;
    for state in
        [ClusterState::Active, ClusterState::Paused, ClusterState::Revoked, ClusterState::Removing, ClusterState::Pending]
    {
        registry.set_state(id, state).await?;
        assert_eq!(cluster::get(&mut c, "eu").await?.spec.state, state);
    }
    cluster::set_instance(&mut c, id, instance(7)).await?;
    cluster::note_unknown_bindings(&mut c, id, 3).await?;
    cluster::hold(&mut c, id, "cut").await?;
    let read = cluster::by_id(&mut c, id).await?;
    assert_eq!((read.spec.instance, read.spec.unknown_bindings, read.spec.held.as_deref()), (Some(instance(7)), 3, Some("cut")));
    // Written again, it stays what it became.
    registry.cluster("eu", "env=dev").await?;
    assert_eq!(cluster::get(&mut c, "eu").await?.spec, read.spec);
    let facts = cluster::facts(&mut c).await?;
    assert_eq!((facts.len(), facts[0].id, facts[0].labels.get("env")), (1, id, Some("dev")));
    Ok(())
}

#[tokio::test]
async fn bindings_and_secrets() -> Result<()> {
    let registry = Registry::new().await?;
    let paths = ["payments/z", "payments/a", "payments/z"];
    let bound = registry.bind("db", spec(&paths, "env in (prod,dev),!lab")?).await?;
    let mut c = registry.connection().await?;
    let read = binding::get(&mut c, "db").await?;
    assert_eq!((&read.spec.binding, read.spec.project.as_str()), (&bound, "payments"));
    assert_eq!(binding::of_project(&mut c, Some(bound.project)).await?, std::slice::from_ref(&bound));

    let corp = source::get(&mut c, "corp").await?;
    assert_eq!(corp.spec.secrets, 2);
    registry.observe("payments/unbound", SecretState::Live, Some(1)).await?;
    let watched = secret::bound(&mut c, corp.id.into(), Bound::All).await?;
    assert_eq!(watched.iter().map(|s| s.path.as_str()).collect::<Vec<_>>(), ["payments/a", "payments/z"]);
    let known = registry.observe("payments/a", SecretState::Live, Some(3)).await?;
    let trace = TraceId::new([7; 16]);
    let id: SecretId = watched[0].id;
    registry.change(async |c, seq| Ok(secret::write(c, &[(id, known)], seq, Some(trace)).await?)).await?;
    registry.change(async |c, seq| Ok(secret::write(c, &[(id, known)], seq, None).await?)).await?;
    let read = secret::still_bound(&mut c, &[id]).await?;
    assert_eq!((read[0].known, read[0].trace), (known, Some(trace)), "the trace stays until another comes");
    let versions: i64 =
        sqlx::query_scalar("select count(*) from version where secret_id = $1").bind(id.uuid()).fetch_one(&mut *c).await?;
    assert_eq!(versions, 1);

    let mut elsewhere = secret_ref("payments/a")?;
    elsewhere.source = "nowhere".parse()?;
    let refused = secret::ensure(&mut c, &elsewhere).await;
    assert!(matches!(&refused, Err(StoreError::NotFound { kind: "source", name }) if name == "nowhere"), "{refused:?}");
    let (listed, _) = secret::list(&mut c, None, &Page::default()).await?;
    assert_eq!(listed.len(), 3);
    Ok(())
}

#[tokio::test]
async fn a_listener_hears_of_every_commit_and_of_nothing_else() -> Result<()> {
    let registry = Registry::new().await?;
    let mut listener = Listener::connect(&registry.url).await?;
    Writing::begin(&registry.pool).await?.abandon().await?;
    registry.cluster("eu", "").await?;
    assert_eq!(tokio::time::timeout(crate::fixture::LIMIT, listener.woken()).await??, Woken::Changed);
    let seen = Entry { kind: VERSIONS_OBSERVED, ..crate::fixture::entry("") };
    Writing::begin(&registry.pool).await?.commit(&seen).await?;
    assert_eq!(tokio::time::timeout(crate::fixture::LIMIT, listener.woken()).await??, Woken::Versions);
    let more = tokio::time::timeout(Duration::from_millis(100), listener.woken()).await;
    assert!(more.is_err(), "{more:?}");
    Ok(())
}

#[tokio::test]
async fn what_a_server_awaits_can_be_spawned() -> Result<()> {
    fn is_send(_: &impl Send) {}
    let registry = Registry::new().await?;
    let mut c = registry.connection().await?;
    is_send(&pool::migrate(&registry.url));
    is_send(&pool::connect(&registry.url, 1));
    is_send(&Writing::begin(&registry.pool));
    is_send(&desired::read(&mut c, &[], Which::All, &Mark::ORIGIN));
    is_send(&delivery::write(&mut c, &[]));
    is_send(&placement::replan_all(&mut c, None, Seq::default()));
    is_send(&Listener::connect(&registry.url).await?.woken());
    Ok(())
}
