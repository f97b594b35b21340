//! Passwords of a database's users, and programs that log in with them all the time.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use lockstep_testbed::fleet::{STORY_LIMIT, Settings};
use lockstep_testbed::{Relay, wait};

use crate::client::Client;
use crate::shop::{DB, Shop};

/// How long a client goes on with what it read: a minute, scaled down.
const REREAD: Duration = Duration::from_millis(1_000);
/// Longer than that.
const OVERLAP: &str = "2s";
const RUNS: usize = 20;
/// What the link of the cluster that acks late takes in each direction.
const LATE: Duration = Duration::from_millis(600);
/// The cluster that acks late, by its index.
const LAGGARD: usize = 2;

/// How the one cluster is late in a run.
#[derive(PartialEq)]
enum Lateness {
    /// It is not.
    None,
    /// Its agent sleeps, and the cluster has nothing new either.
    Agent,
    /// It has the new one at once, and says so late.
    Link,
}

impl Lateness {
    fn of(run: usize) -> Self {
        match run % 6 {
            2 => Self::Agent,
            5 => Self::Link,
            _ => Self::None,
        }
    }
}

/// What the clients did, on one line each.
fn print(clients: &[Client]) {
    for client in clients {
        let diary = client.diary();
        println!(
            "{}: {} logins, {} failed, {} distinct credentials seen (the first included)",
            client.cluster,
            diary.logins,
            diary.failures.len(),
            diary.seen.len()
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_twenty_rotations_of_a_pair_no_login_fails_and_whatever_is_retired_lets_nobody_in() -> Result<()> {
    let mut shop = Shop::start(Settings { replicas: 2, clusters: 3, ..Settings::default() }).await?;
    let relay = Relay::start(shop.fleet.replicas[0].agents_address()).await?;
    let laggard = &mut shop.fleet.agents[LAGGARD];
    laggard.process()?.stop().await?;
    laggard.dial(vec![format!("https://{}", relay.addr())]);
    laggard.start()?;
    shop.fleet.await_linked().await?;
    let pair = format!("databasePair: {{source: corp, mount: {DB}, roles: [pair_a, pair_b], minOverlap: {OVERLAP}}}");
    shop.fleet.apply(&Shop::rotation("pair", &pair)).await?;
    let clients: Vec<_> = (0..3).map(|i| Client::start(&shop.fleet, i, "pair", &shop.database, REREAD)).collect();

    let began = Instant::now();
    let mut late = 0;
    for run in 1..=RUNS {
        let before = shop.credential("cluster-1", "pair")?;
        let lateness = Lateness::of(run);
        let laggard = shop.fleet.agents[LAGGARD].process()?;
        match lateness {
            Lateness::None => {}
            Lateness::Agent => laggard.pause()?,
            Lateness::Link => relay.delay(LATE),
        }
        shop.begin("pair").await?;
        if lateness == Lateness::Agent {
            // The others have it, and for as long as a client may keep what it read; the run waits all the same.
            for client in clients.iter().take(LAGGARD) {
                wait::until("a client to use the new credential", STORY_LIMIT, async || client.diary().seen.len() > run).await?;
            }
            let run = shop.newest("pair").await?;
            ensure!(run["stage"] == "Confirming", "it waits for the one that is late: {run}");
            laggard.resume()?;
        }
        let ended = shop.ended("pair", run).await?;
        ensure!(ended["state"] == "Done", "{ended}");
        relay.heal();
        late += usize::from(lateness != Lateness::None);
        ensure!(shop.credential("cluster-3", "pair")? != before, "run {run} changed it");
        ensure!(!before.works(&shop.database).await?, "what run {run} retired is refused");
        if let Some(failure) = clients.iter().flat_map(|c| c.diary().failures).next() {
            print(&clients);
            anyhow::bail!("a login failed in run {run}: {}", failure.what);
        }
    }
    let took = began.elapsed();
    for client in &clients {
        wait::until("a client to use the last credential", STORY_LIMIT, async || client.diary().seen.len() > RUNS).await?;
    }

    println!("databasePair: {RUNS} rotations in {:.1} s, in {late} of them one cluster acked late", took.as_secs_f64());
    print(&clients);
    let seen = clients[0].diary().seen;
    for client in &clients {
        let diary = client.diary();
        ensure!(diary.failures.is_empty(), "{}: {:?}", client.cluster, diary.failures);
        ensure!(diary.seen.len() == RUNS + 1, "each of {} was seen by {}: {}", RUNS + 1, client.cluster, diary.seen.len());
        ensure!(diary.seen == seen, "every client saw the same, in the same order");
        // Several with each credential on average, however busy the machine is.
        ensure!(diary.logins >= 5 * RUNS, "{} had only {} logins", client.cluster, diary.logins);
    }
    let (last, former) = seen.split_last().context("nothing was seen")?;
    let mut refused = 0;
    for credential in former {
        refused += usize::from(!credential.works(&shop.database).await?);
    }
    println!("retired credentials: {} tried, {refused} refused", former.len());
    ensure!(refused == RUNS, "every retired one is refused");
    ensure!(last.works(&shop.database).await?, "the last one works");
    ensure!(shop.count("lockstep_unexpected_rotations_total{source=\"corp\"}").await? == 0, "the watcher took none for Vault's");
    let done = "lockstep_rotation_runs_total{kind=\"databasePair\",result=\"done\"}";
    ensure!(shop.count(done).await? == RUNS, "every run was counted once");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_single_roles_rotation_has_a_gap_which_the_run_shows_no_shorter_than_it_was() -> Result<()> {
    const RUNS: usize = 5;
    let shop = Shop::start(Settings { replicas: 1, clusters: 2, ..Settings::default() }).await?;
    shop.fleet.apply(&Shop::rotation("app", &format!("databaseStatic: {{source: corp, mount: {DB}, role: app}}"))).await?;
    // One opens its files for each login, the other one as seldom as clients of a pair may.
    let patience = [Duration::ZERO, REREAD];
    for run in 1..=RUNS {
        let clients: Vec<_> = (0..2).map(|i| Client::start(&shop.fleet, i, "app", &shop.database, patience[i])).collect();
        let is_in = |client: &Client, seen: usize| {
            let diary = client.diary();
            diary.seen.len() == seen && diary.failures.is_empty() == diary.out.is_zero()
        };
        for client in &clients {
            wait::until("a client's first login", STORY_LIMIT, async || is_in(client, 1)).await?;
        }
        shop.begin("app").await?;
        let ended = shop.ended("app", run).await?;
        ensure!(ended["state"] == "Done", "{ended}");
        let gap: f64 = ended["gapSeconds"].as_str().context("no gap is shown")?.parse()?;
        for client in &clients {
            wait::until("a client to be in again", STORY_LIMIT, async || is_in(client, 2)).await?;
        }
        let mut line = format!("databaseStatic, run {run}: gapSeconds {gap:.3}");
        for (client, patience) in clients.iter().zip(patience) {
            let diary = client.diary();
            let failed = diary.failures.len();
            write!(
                line,
                "; a client that rereads every {} ms was out for {:.3} s ({failed} failed logins)",
                patience.as_millis(),
                diary.out.as_secs_f64()
            )?;
            // From where the password surely was void to where the client surely had not been given the new one.
            let [first, .., last] = &diary.failures[..] else { continue };
            let out = last.at.0.saturating_duration_since(first.at.1);
            ensure!(out <= Duration::from_secs_f64(gap) + patience, "{}: {out:?}: {line}", client.cluster);
        }
        println!("{line}");
    }
    Ok(())
}

#[tokio::test]
async fn a_rotation_by_vault_itself_is_delivered_and_told_of_and_the_next_run_works() -> Result<()> {
    let shop = Shop::start(Settings { replicas: 2, clusters: 2, ..Settings::default() }).await?;
    let (fleet, database) = (&shop.fleet, &shop.database);
    let pair = format!("databasePair: {{source: corp, mount: {DB}, roles: [pair_a, pair_b], minOverlap: 1s}}");
    fleet.apply(&Shop::rotation("pair", &pair)).await?;
    let counted = async || shop.count("lockstep_unexpected_rotations_total{source=\"corp\"}").await;
    for (turn, active) in ["pair_b", "pair_a"].into_iter().enumerate() {
        let run = shop.run("pair").await?;
        ensure!(run["state"] == "Done", "{run}");
        ensure!(counted().await? == turn, "a run is expected");
        let before = shop.credential("cluster-1", "pair")?;
        ensure!(before.user.starts_with(active), "{active} is in use");

        let began = Instant::now();
        fleet.bao.rotate_static_role(DB, active).await?;
        for cluster in ["cluster-1", "cluster-2"] {
            wait::until("the new password to be delivered", STORY_LIMIT, async || {
                let now = shop.credential(cluster, "pair")?;
                ensure!(now != before && now.user == before.user, "{cluster} has the one before");
                ensure!(now.works(database).await?, "{cluster} has another one");
                anyhow::Ok(())
            })
            .await?;
        }
        println!("a password that Vault changed by itself was everywhere after {:.3} s", began.elapsed().as_secs_f64());
        ensure!(!before.works(database).await?, "the one before is void");
        ensure!(counted().await? == turn + 1, "it was counted");
        let told = shop.changes("VersionsObserved").await?;
        let told = told.iter().flat_map(|change| change["detail"]["secrets"].as_array().into_iter().flatten());
        let told = told.filter(|secret| secret["unexpected"] == true).collect::<Vec<_>>();
        ensure!(told.len() == turn + 1 && told.iter().all(|s| s["path"] == "pair_a,pair_b"), "the history tells: {told:?}");
    }

    // The idle one's password is nobody's: that Vault changes it as well is nothing to tell of.
    let before = shop.credential("cluster-1", "pair")?;
    fleet.bao.rotate_static_role(DB, "pair_b").await?;
    let run = shop.run("pair").await?;
    ensure!(run["state"] == "Done", "{run}");
    ensure!(counted().await? == 2, "only what clusters use is counted");
    for cluster in ["cluster-1", "cluster-2"] {
        ensure!(shop.credential(cluster, "pair")?.works(database).await?, "{cluster} has what works");
    }
    ensure!(!before.works(database).await?, "the one before is retired");
    Ok(())
}

#[tokio::test]
async fn a_pair_that_is_unbound_before_the_former_password_is_void_has_it_made_void_all_the_same() -> Result<()> {
    let shop = Shop::start(Settings { replicas: 1, clusters: 1, ..Settings::default() }).await?;
    let pair = format!("databasePair: {{source: corp, mount: {DB}, roles: [pair_a, pair_b], minOverlap: 5s}}");
    shop.fleet.apply(&Shop::rotation("pair", &pair)).await?;
    let former = shop.credential("cluster-1", "pair")?;
    shop.begin("pair").await?;
    wait::until("both passwords to be good for a while", STORY_LIMIT, async || {
        let run = shop.newest("pair").await?;
        ensure!(run["stage"] == "Overlapping", "{run}");
        anyhow::Ok(())
    })
    .await?;
    shop.fleet.cli(&["delete", "binding", "pair", "--yes"]).await?;
    let run = shop.ended("pair", 1).await?;
    ensure!(run["state"] == "Done", "{run}");
    ensure!(!shop.database.lets_in(&former.user, &former.password).await?, "the former password is void");
    Ok(())
}
