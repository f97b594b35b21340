//! A history that was changed behind the registry's back is found.

use anyhow::Result;
use lockstep_core::revision::Seq;
use lockstep_store::change::{self, Verified};

use crate::fixture::{Registry, entry};

async fn registry_of_ten() -> Result<Registry> {
    let registry = Registry::new().await?;
    for _ in 1..10 {
        change::Writing::begin(&registry.pool).await?.commit(&entry("written")).await?;
    }
    assert_eq!(verified(&registry).await?, Verified::UpTo(Seq::new(10)));
    Ok(registry)
}

async fn verified(registry: &Registry) -> Result<Verified> {
    Ok(change::verify(&mut *registry.connection().await?).await?)
}

#[tokio::test]
async fn every_column_of_a_change_is_protected() -> Result<()> {
    let registry = registry_of_ten().await?;
    registry.sql("create table kept as select * from change").await?;
    for column in [
        "epoch = 2",
        "at = at + interval '1 microsecond'",
        "actor = 'somebody'",
        "kind = 'nothing'",
        "subject = 'test/y'",
        "detail = '{\"b\":1, \"a\":\"\u{fc}\u{1f512}\"}'",
        "hash = sha256(hash)",
        "hash = '\\x00'",
        "seq = 11",
    ] {
        for row in [1, 5, 10] {
            registry.sql(&format!("update change set {column} where seq = {row}")).await?;
            let found = verified(&registry).await?;
            assert!(matches!(found, Verified::BrokenAt(at) if at.get().abs_diff(row) <= 1), "{column} of {row}: {found:?}");
            registry.sql("delete from change").await?;
            registry.sql("insert into change select * from kept").await?;
        }
    }
    assert_eq!(verified(&registry).await?, Verified::UpTo(Seq::new(10)));
    Ok(())
}

#[tokio::test]
async fn a_deleted_change_is_missed_wherever_it_was() -> Result<()> {
    for (row, found_at) in [(1, 2), (5, 6), (10, 10)] {
        let registry = registry_of_ten().await?;
        registry.sql(&format!("delete from change where seq = {row}")).await?;
        assert_eq!(verified(&registry).await?, Verified::BrokenAt(Seq::new(found_at)), "{row} deleted");
    }
    let registry = registry_of_ten().await?;
    registry.sql("delete from change").await?;
    assert_eq!(verified(&registry).await?, Verified::BrokenAt(Seq::new(1)), "all deleted");
    Ok(())
}

#[tokio::test]
async fn two_changes_that_were_swapped_are_found() -> Result<()> {
    let registry = registry_of_ten().await?;
    registry.sql("update change set seq = 100 where seq = 4").await?;
    registry.sql("update change set seq = 4 where seq = 5").await?;
    registry.sql("update change set seq = 5 where seq = 100").await?;
    assert_eq!(verified(&registry).await?, Verified::BrokenAt(Seq::new(4)));
    Ok(())
}

#[tokio::test]
async fn a_chain_that_was_made_anew_does_not_end_in_the_registrys_hash() -> Result<()> {
    let (registry, other) = (registry_of_ten().await?, registry_of_ten().await?);
    let head: Vec<u8> = sqlx::query_scalar("select hash from registry").fetch_one(&other.pool).await?;
    sqlx::query("update registry set hash = $1").bind(head).execute(&registry.pool).await?;
    assert_eq!(verified(&registry).await?, Verified::BrokenAt(Seq::new(10)));
    Ok(())
}
