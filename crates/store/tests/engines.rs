//! A secret is drawn from one engine at a time; what tells its versions apart is read as it was written.

use anyhow::{Context as _, Result};
use chrono::SubsecRound as _;
use lockstep_core::binding::SecretRef;
use lockstep_core::engine::{Engine, Member};
use lockstep_core::version::{Change, Known, Mark, SecretState};
use lockstep_store::secret::{self, Bound, SecretRecord};
use lockstep_store::{StoreError, source};

use crate::fixture::{Registry, secret_ref, spec, time};

async fn only(registry: &Registry) -> Result<SecretRecord> {
    let mut c = registry.connection().await?;
    let corp = source::get(&mut c, "corp").await?.id;
    secret::bound(&mut c, corp.into(), Bound::All).await?.pop().context("a secret is bound")
}

/// Registers a binding of `a`, drawn from this engine.
async fn bind(registry: &Registry, name: &str, engine: Engine) -> Result<()> {
    let mut drawn = spec(&["a"], "")?;
    drawn.delivered.items[0].secret = SecretRef { engine, ..secret_ref("a")? }.into();
    registry.bind(name, drawn).await.map(drop)
}

async fn know(registry: &Registry, record: &SecretRecord, created: i64, mark: Mark) -> Result<Known> {
    let mut known = record.known;
    let next = known.next_counted(time(created).trunc_subsecs(6), mark);
    registry
        .change(async |c, seq| {
            known.apply(&Change { state: SecretState::Live, latest: Some(next) }, seq);
            Ok(secret::write(c, &[(record.id, known)], seq, None).await?)
        })
        .await?;
    Ok(known)
}

#[tokio::test]
async fn a_mark_is_read_as_it_was_written_of_what_is_newest_and_of_what_is_delivered() -> Result<()> {
    let registry = Registry::new().await?;
    bind(&registry, "one", Engine::RolePair).await?;
    let record = only(&registry).await?;
    assert_eq!((record.engine, record.known.latest), (Engine::RolePair, None));
    let first = know(&registry, &record, 10, Mark::Member(Member::First)).await?;
    assert_eq!(only(&registry).await?.known, first);
    let mut second = know(&registry, &only(&registry).await?, 20, Mark::Member(Member::Second)).await?;
    second.chosen = first.chosen;
    registry.change(async |c, seq| Ok(secret::write(c, &[(record.id, second)], seq, None).await?)).await?;
    assert_eq!(only(&registry).await?.known, second);

    let mut c = registry.connection().await?;
    let marks: Vec<(i64, Option<String>)> =
        sqlx::query_as("select number, mark from version order by number").fetch_all(&mut *c).await?;
    assert_eq!(marks, [(1, Some("First".to_owned())), (2, Some("Second".to_owned()))]);
    let fingerprint = know(&registry, &only(&registry).await?, 30, Mark::Fingerprint([0xab; 16])).await?;
    assert_eq!(only(&registry).await?.known, fingerprint);
    Ok(())
}

#[tokio::test]
async fn one_that_is_bound_is_refused_under_another_engine_and_begins_anew_when_it_is_not_bound_any_more() -> Result<()> {
    let registry = Registry::new().await?;
    bind(&registry, "one", Engine::KvV1).await?;
    let known = know(&registry, &only(&registry).await?, 10, Mark::Fingerprint([1; 16])).await?;
    let refused = bind(&registry, "two", Engine::KvV2).await.err().context("it is refused")?;
    let refused = refused.downcast_ref::<StoreError>().context("by the store")?;
    let is_told = matches!(refused, StoreError::OtherEngine { engine, binding, .. } if engine == "KvV1" && binding == "one");
    assert!(is_told && refused.to_string().contains("corp kv/a"), "{refused}");
    assert_eq!(only(&registry).await?.known, known, "and nothing of it stays");

    registry.unbind("one").await?;
    bind(&registry, "two", Engine::StaticRole).await?;
    let anew = only(&registry).await?;
    assert_eq!((anew.engine, anew.known.state, anew.known.latest), (Engine::StaticRole, SecretState::Unseen, None));
    assert_eq!(anew.known.seqs, known.seqs, "revisions only grow");
    know(&registry, &anew, 5, Mark::None).await?;
    let mut c = registry.connection().await?;
    let versions: Vec<(i64, Option<String>)> = sqlx::query_as("select number, mark from version").fetch_all(&mut *c).await?;
    assert_eq!(versions, [(1, None)], "none of what it was before");
    let named = secret_ref("a")?;
    assert_eq!(secret::engine(&mut c, &named.source, &named.mount, &named.path).await?, Some(Engine::StaticRole));
    Ok(())
}
