//! `kill -9` at every point of every kind's way: the run goes on by itself, once, and what clusters have works.

mod case;
mod logins;

use anyhow::{Context as _, Result, ensure};
use lockstep_testbed::fleet::Settings;
use tokio::time::Instant;

use crate::shop::Shop;
use case::{End, Kind, Survivor, kill_at, seconds};
use logins::Logins;

/// The points that runs of a kind are killed at, one run for each row.
type Way = fn(Kind) -> &'static [&'static [&'static str]];

/// Where each kind comes through. A point in a row of its own is come to only by a run that was killed at the one before it.
const fn way(kind: Kind) -> &'static [&'static [&'static str]] {
    match kind {
        Kind::Generate | Kind::Pki => {
            &[&["begun"], &["Making"], &["Making", "Preparing"], &["made"], &["Delivering"], &["Confirming"], &["Done"]]
        }
        Kind::DatabaseStatic => &[&["begun"], &["Making"], &["made"], &["Delivering"], &["Confirming"], &["Done"]],
        Kind::DatabasePair => &[
            &["begun"],
            &["Making"],
            &["made"],
            &["Verifying"],
            &["Delivering"],
            &["Confirming"],
            &["Overlapping"],
            &["Retiring"],
            &["retired"],
            &["Done"],
        ],
    }
}

/// The same of a run that is rolled back; the source made what the one role had before void, so there is no way back for it.
const fn way_back(kind: Kind) -> &'static [&'static [&'static str]] {
    match kind {
        Kind::Generate | Kind::Pki => &[&["RollingBack"], &["withdrawn"], &["Failed"]],
        Kind::DatabasePair => &[&["RollingBack"], &["Failed"]],
        Kind::DatabaseStatic => &[],
    }
}

fn settings(replicas: usize) -> Settings {
    // A run whose replica died is taken over when its lease has ended.
    Settings { replicas, clusters: 2, lease_ms: 2_000, log: "info".to_owned(), ..Settings::default() }
}

async fn open(replicas: usize) -> Result<Shop> {
    let shop = Shop::start(settings(replicas)).await?;
    for kind in Kind::ALL {
        kind.apply(&shop, End::Done).await?;
    }
    Ok(shop)
}

/// Goes all these ways, and prints the matrix.
async fn all(shop: &mut Shop, kinds: &[Kind], end: End, of: Way) -> Result<()> {
    for kind in kinds {
        for points in of(*kind) {
            let began = Instant::now();
            let case = format!("{:<15}{:<20}", kind.word(), points.join(", "));
            if end == End::RolledBack {
                kind.apply(shop, end).await?;
                shop.fleet.agents[1].process()?.stop().await?;
            }
            kill_at(shop, *kind, points, end, Survivor::Itself).await.with_context(|| format!("killed at {case}"))?;
            let ended = if end == End::Done { "done" } else { "rolled back" };
            println!("{case} each hit 1, runs 1, {ended}, works ({})", seconds(began.elapsed()));
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_run_killed_anywhere_goes_on_and_no_login_fails() -> Result<()> {
    let mut shop = open(1).await?;
    let logins = Logins::begin(&shop, "pair");
    let mut before = logins.counts();
    for (kind, end, of) in [
        (Kind::DatabasePair, End::Done, way as Way),
        (Kind::DatabaseStatic, End::Done, way),
        (Kind::DatabasePair, End::RolledBack, way_back),
    ] {
        all(&mut shop, &[kind], end, of).await?;
        let now = logins.counts();
        let good: Vec<usize> = now.iter().zip(&before).map(|(now, before)| now.good - before.good).collect();
        println!("{:<15}logins meanwhile with what each cluster had of the pair: {good:?} good", kind.word());
        ensure!(now.iter().all(|counts| counts.refused == 0), "logins were refused: {now:?}");
        ensure!(good.iter().all(|good| *good >= of(kind).len()), "a program does not log in any more");
        before = now;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_that_writes_and_is_killed_anywhere_writes_once() -> Result<()> {
    let mut shop = open(1).await?;
    all(&mut shop, &[Kind::Generate, Kind::Pki], End::Done, way).await?;
    all(&mut shop, &[Kind::Generate, Kind::Pki], End::RolledBack, way_back).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_replica_goes_on_with_what_a_dead_one_left() -> Result<()> {
    let mut shop = open(2).await?;
    for kind in Kind::ALL {
        let began = Instant::now();
        kill_at(&mut shop, kind, &["made"], End::Done, Survivor::Other).await.with_context(|| kind.word())?;
        println!("{:<15}made, by the other replica: hit 1, runs 1, done, works ({})", kind.word(), seconds(began.elapsed()));
    }
    Ok(())
}
