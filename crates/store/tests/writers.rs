//! The order of seq is the order of commits.

use anyhow::{Context as _, Result};
use lockstep_core::revision::Seq;
use lockstep_store::change::{self, Verified, Writing};
use lockstep_store::page::Page;
use lockstep_store::{PgPool, registry};
use tokio::task::JoinSet;

use crate::fixture::{Registry, entry};

const WRITERS: usize = 12;
const CHANGES: usize = 20;

async fn write_some(pool: PgPool, writer: usize) -> Result<()> {
    for round in 0..CHANGES {
        let writing = Writing::begin(&pool).await?;
        // Every fifth is given up, in turn by saying so and by being dropped.
        match (writer + round) % 10 {
            0 => writing.abandon().await?,
            5 => drop(writing),
            _ => {
                writing.commit(&entry("written")).await?;
            }
        }
    }
    Ok(())
}

/// Reads the history again and again until it has `total` changes; nothing may appear below what was seen before.
async fn watch(pool: PgPool, total: i64) -> Result<usize> {
    let (mut seen, mut looks) = (0_i64, 0);
    while seen < total {
        let (count, max): (i64, i64) =
            sqlx::query_as("select count(*), coalesce(max(seq), 0) from change").fetch_one(&pool).await?;
        anyhow::ensure!(count == max, "after {seen} there are {count} changes up to {max}: one appeared below another");
        anyhow::ensure!(max >= seen, "{max} after {seen}");
        (seen, looks) = (max, looks + 1);
    }
    Ok(looks)
}

#[tokio::test(flavor = "multi_thread")]
async fn many_writers_commit_in_the_order_of_seq_without_gaps() -> Result<()> {
    let registry = Registry::new().await?;
    let given_up = (0..WRITERS).flat_map(|w| (0..CHANGES).map(move |r| w + r)).filter(|n| n % 5 == 0).count();
    let total = i64::try_from(1 + WRITERS * CHANGES - given_up)?;
    let watching = tokio::spawn(watch(registry.pool.clone(), total));
    let mut writers = JoinSet::new();
    for writer in 0..WRITERS {
        writers.spawn(write_some(registry.pool.clone(), writer));
    }
    while let Some(done) = writers.join_next().await {
        done??;
    }
    println!("the history was looked at {} times while it grew to {total}", watching.await??);

    let backwards: i64 =
        sqlx::query_scalar("select count(*) from (select at < lag(at) over (order by seq) as back from change) x where back")
            .fetch_one(&registry.pool)
            .await?;
    assert_eq!(backwards, 0, "times go backwards along the history");
    let mut c = registry.connection().await?;
    let head = registry::get(&mut c).await?.head;
    assert_eq!(head.seq, Seq::new(total.cast_unsigned()));
    assert_eq!(change::hash_at(&mut c, head.seq).await?, Some(head.hash));
    assert_eq!(change::verify(&mut c).await?, Verified::UpTo(head.seq));
    Ok(())
}

#[tokio::test]
async fn a_change_reads_what_the_one_before_it_committed_also_where_the_server_defaults_to_serializable() -> Result<()> {
    let registry = Registry::new().await?;
    let name: String = sqlx::query_scalar("select current_database()").fetch_one(&registry.pool).await?;
    registry.sql(&format!("alter database {name} set default_transaction_isolation = 'serializable'")).await?;
    let pool = lockstep_store::pool::connect(&registry.url, 2).await?;
    let first = Writing::begin(&pool).await?;
    let waiting = tokio::spawn({
        let pool = pool.clone();
        async move { Writing::begin(&pool).await }
    });
    let blocked = "select count(*) > 0 from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'";
    lockstep_testbed::wait::until("the second writer to wait", crate::fixture::LIMIT, async || {
        sqlx::query_scalar::<_, bool>(blocked).fetch_one(&registry.pool).await.ok().filter(|b| *b)
    })
    .await?;
    let mark = first.commit(&entry("first")).await?;
    let mut second = waiting.await??;
    assert_eq!(change::hash_at(second.connection(), mark.seq).await?, Some(mark.hash));
    assert_eq!(second.commit(&entry("second")).await?.seq.get(), mark.seq.get() + 1);
    Ok(())
}

#[tokio::test]
async fn the_first_change_of_a_new_epoch_belongs_to_it() -> Result<()> {
    let registry = Registry::new().await?;
    let mut writing = Writing::begin(&registry.pool).await?;
    let (before, after) = (writing.epoch, writing.next_epoch().await?);
    assert_eq!(after.get(), before.get() + 1);
    let mark = writing.commit(&entry("EpochOpened")).await?;
    assert_eq!(mark.epoch, after);
    let mut c = registry.connection().await?;
    assert_eq!(registry::get(&mut c).await?.head, mark);
    assert_eq!(change::verify(&mut c).await?, Verified::UpTo(mark.seq));
    let (newest, _) = change::list(&mut c, change::Filter::default(), &Page { limit: 1, ..Page::default() }).await?;
    let newest = newest.first().context("one change")?;
    assert_eq!((newest.mark, &newest.detail), (mark, &entry("").detail));
    Ok(())
}
