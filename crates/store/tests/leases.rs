//! Leases pass from holder to holder with a growing token, and a write under an old token is fenced.

use std::time::Duration;

use anyhow::{Context as _, Result};
use lockstep_store::change::Writing;
use lockstep_store::lease::{Claim, Lease, acquire, fence, holder, release};
use lockstep_store::{PgPool, StoreError};
use lockstep_testbed::wait;
use tokio::task::JoinSet;

use crate::fixture::{LIMIT, Registry, entry};

const LIFE: Duration = Duration::from_mins(1);

async fn take(pool: &PgPool, holder: &str) -> Result<Option<Lease>> {
    claim(pool, holder, Claim::Fresh).await
}

async fn claim(pool: &PgPool, holder: &str, claim: Claim) -> Result<Option<Lease>> {
    Ok(acquire(&mut *pool.acquire().await?, "watch/corp", holder, claim, LIFE).await?)
}

async fn expire(registry: &Registry) -> Result<()> {
    assert_eq!(registry.sql("update lease set expires_at = clock_timestamp()").await?, 1);
    Ok(())
}

#[tokio::test]
async fn renewing_keeps_the_token_and_every_change_of_holder_raises_it() -> Result<()> {
    let registry = Registry::new().await?;
    let a = take(&registry.pool, "a").await?.context("it is free")?;
    assert_eq!(a.token, 1);
    assert_eq!(claim(&registry.pool, "a", Claim::Held(a.token)).await?, Some(a.clone()));
    assert_eq!(take(&registry.pool, "b").await?, None);
    expire(&registry).await?;
    let b = take(&registry.pool, "b").await?.context("it has ended")?;
    assert!(b.token > a.token);
    assert_eq!(take(&registry.pool, "a").await?, None);
    // Who comes back to its own ended lease cannot know who was there in between.
    expire(&registry).await?;
    assert!(claim(&registry.pool, "b", Claim::Held(b.token)).await?.context("it has ended")?.token > b.token);
    Ok(())
}

#[tokio::test]
async fn who_starts_again_under_its_name_takes_over_at_once_but_never_keeps_the_token() -> Result<()> {
    let registry = Registry::new().await?;
    let killed = take(&registry.pool, "a").await?.context("it is free")?;
    let restarted = take(&registry.pool, "a").await?.context("its predecessor's is its own")?;
    assert!(restarted.token > killed.token);
    let fenced = fence(&mut *registry.connection().await?, &killed).await;
    assert!(matches!(fenced, Err(StoreError::Fenced { .. })), "{fenced:?}");
    assert_eq!(take(&registry.pool, "b").await?, None);
    Ok(())
}

#[tokio::test]
async fn two_that_share_a_name_take_the_lease_from_each_other_only_at_a_start() -> Result<()> {
    let registry = Registry::new().await?;
    let first = take(&registry.pool, "a").await?.context("it is free")?;
    let second = take(&registry.pool, "a").await?.context("it started later")?;
    assert_eq!(claim(&registry.pool, "a", Claim::Held(first.token)).await?, None, "the first one learns that it was replaced");
    assert_eq!(claim(&registry.pool, "a", Claim::Lost).await?, None, "and waits");
    assert_eq!(claim(&registry.pool, "a", Claim::Held(second.token)).await?, Some(second.clone()));
    expire(&registry).await?;
    let first = claim(&registry.pool, "a", Claim::Lost).await?.context("it has ended")?;
    assert!(first.token > second.token);
    assert_eq!(claim(&registry.pool, "a", Claim::Held(second.token)).await?, None);
    Ok(())
}

#[tokio::test]
async fn a_lease_ends_by_postgres_clock() -> Result<()> {
    let registry = Registry::new().await?;
    let mut c = registry.connection().await?;
    let short = Duration::from_millis(200);
    acquire(&mut c, "watch/corp", "a", Claim::Fresh, short).await?.context("it is free")?;
    assert_eq!(holder(&mut c, "watch/corp").await?.as_deref(), Some("a"));
    wait::until("the lease to end", LIMIT, async || take(&registry.pool, "b").await.ok().flatten()).await?;
    assert_eq!(holder(&mut c, "watch/corp").await?.as_deref(), Some("b"));
    Ok(())
}

#[tokio::test]
async fn what_is_given_up_is_free_at_once_and_only_its_holder_gives_it_up() -> Result<()> {
    let registry = Registry::new().await?;
    let a = take(&registry.pool, "a").await?.context("it is free")?;
    let mut c = registry.connection().await?;
    release(&mut c, &a).await?;
    assert_eq!(holder(&mut c, "watch/corp").await?, None);
    let b = take(&registry.pool, "b").await?.context("it was given up")?;
    release(&mut c, &a).await?;
    assert_eq!(holder(&mut c, "watch/corp").await?.as_deref(), Some("b"));
    assert!(b.token > a.token);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_replicas_at_once_exactly_one_gets_it() -> Result<()> {
    let registry = Registry::new().await?;
    let mut last = 0;
    for _ in 0..20 {
        let mut racing = JoinSet::new();
        for replica in 0..8 {
            let pool = registry.pool.clone();
            racing.spawn(async move { take(&pool, &format!("replica-{replica}")).await });
        }
        let taken: Vec<Lease> = racing.join_all().await.into_iter().filter_map(Result::transpose).collect::<Result<_>>()?;
        assert_eq!(taken.len(), 1, "{taken:?}");
        assert!(taken[0].token > last);
        last = taken[0].token;
        expire(&registry).await?;
    }
    Ok(())
}

#[tokio::test]
async fn the_old_holders_write_is_fenced() -> Result<()> {
    let registry = Registry::new().await?;
    let a = take(&registry.pool, "a").await?.context("it is free")?;
    expire(&registry).await?;
    let mut writing = Writing::begin(&registry.pool).await?;
    fence(writing.connection(), &a).await?;
    writing.abandon().await?;
    take(&registry.pool, "b").await?.context("it has ended")?;
    let mut writing = Writing::begin(&registry.pool).await?;
    let refused = fence(writing.connection(), &a).await;
    assert!(matches!(&refused, Err(StoreError::Fenced { name }) if name == "watch/corp"), "{refused:?}");
    let unknown = Lease { name: "watch/nowhere".into(), token: 1 };
    assert!(matches!(fence(writing.connection(), &unknown).await, Err(StoreError::Fenced { .. })));
    writing.abandon().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fenced_write_keeps_the_lease_from_passing_on_until_it_commits() -> Result<()> {
    let registry = Registry::new().await?;
    let a = take(&registry.pool, "a").await?.context("it is free")?;
    // Ended, but nobody has taken it yet: the write is still in order.
    expire(&registry).await?;
    let mut writing = Writing::begin(&registry.pool).await?;
    fence(writing.connection(), &a).await?;
    let pool = registry.pool.clone();
    let taking = tokio::spawn(async move { take(&pool, "b").await });
    let blocked = "select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'";
    wait::until("the other replica to wait", LIMIT, async || {
        sqlx::query_scalar::<_, i64>(blocked).fetch_one(&registry.pool).await.ok().filter(|n| *n == 1)
    })
    .await?;
    assert!(!taking.is_finished());
    writing.commit(&entry("observed")).await?;
    let b = taking.await??.context("it has ended")?;
    assert!(b.token > a.token);
    Ok(())
}
