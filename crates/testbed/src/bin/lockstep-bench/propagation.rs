//! One write in Vault, until an observer sees it in every cluster.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use lockstep_testbed::Fleet;
use lockstep_testbed::fleet::{KV, Settings, Sink};
use serde_json::json;
use sqlx::postgres::PgListener;
use tokio::sync::mpsc;
use uuid::Uuid;

use crate::bare::Bare;
use crate::figures::{median, percentile_ms};
use crate::observer::{KEY, Observer};
use crate::printing::{Figure, Printing, goal, number, plain};
use crate::process;

/// The secret that is written, and the Secret it becomes.
const SECRET: &str = "checkout";
/// What the bare loop writes.
const BARE: &str = "bare";
/// How long one write may take to arrive.
const LIMIT: Duration = Duration::from_secs(30);
/// The pause between two writes, so that one does not wait for the other.
const PAUSE: Duration = Duration::from_millis(50);
/// Writes before any counts.
const WARM_UP: usize = 10;
/// How long nothing is done, to see what is done anyway.
const IDLE: Duration = Duration::from_secs(5);
/// Postgres' statistics are that late at most.
const STATISTICS_DELAY: Duration = Duration::from_millis(1_500);

/// Of `propagation`.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Numbers of clusters to measure with, one after the other; each cluster is a kube-apiserver.
    #[arg(long, value_delimiter = ',', default_values_t = [1, 5])]
    clusters: Vec<usize>,
    /// Rounds; the figures are the medians of the rounds' figures.
    #[arg(long, default_value_t = 5)]
    runs: usize,
    /// Writes in a round, and as many through the bare loop.
    #[arg(long, default_value_t = 100)]
    writes: usize,
    /// How often the source is looked at.
    #[arg(long, default_value_t = 200)]
    watch_interval_ms: u64,
    #[command(flatten)]
    printing: Printing,
}

/// One round's times.
#[derive(Default)]
struct Round {
    /// From Vault's answer until the version was committed.
    detect: Vec<Duration>,
    /// From there until the last cluster was seen to hold it.
    deliver: Vec<Duration>,
    /// From the begin of the bare loop's read until the last cluster was seen to hold it.
    bare: Vec<Duration>,
}

/// Runs it and prints.
pub(crate) async fn run(arguments: &Arguments) -> Result<()> {
    let mut measurements = Vec::new();
    for clusters in &arguments.clusters {
        measurements.push(measure(arguments, *clusters).await?);
    }
    arguments.printing.print("propagation", &measurements);
    Ok(())
}

async fn measure(arguments: &Arguments, clusters: usize) -> Result<Vec<Figure>> {
    let fleet = start(arguments, clusters).await?;
    let observer = Observer::start(&fleet).await?;
    let bare = Bare::new(&fleet).await?;
    let mut commits = commits(&fleet).await?;
    // Some that do not count: connections are made, caches filled.
    round(&fleet, &observer, &bare, &mut commits, WARM_UP, clusters).await?;

    tokio::time::sleep(STATISTICS_DELAY).await;
    let idle_from = process::transactions(&fleet).await?;
    tokio::time::sleep(IDLE + STATISTICS_DELAY).await;
    let idle_per_s = signed(process::transactions(&fleet).await? - idle_from) / (IDLE + STATISTICS_DELAY).as_secs_f64();

    let (audit, transactions, began) = (fleet.bao.audit_size()?, process::transactions(&fleet).await?, Instant::now());
    let mut rounds = Vec::new();
    for run in 1..=arguments.runs {
        eprintln!("round {run} of {}", arguments.runs);
        rounds.push(round(&fleet, &observer, &bare, &mut commits, arguments.writes, clusters).await?);
    }
    tokio::time::sleep(STATISTICS_DELAY).await;
    let seconds = began.elapsed().as_secs_f64();
    let transactions = signed(process::transactions(&fleet).await? - transactions) - idle_per_s * seconds;
    let changes = number(arguments.runs * arguments.writes);
    let of = |times: fn(&Round) -> &Vec<Duration>, percent| {
        median(&rounds.iter().map(|round| percentile_ms(times(round), percent)).collect::<Vec<_>>())
    };
    let ratio = |percent| {
        let ratios = rounds.iter().map(|r| percentile_ms(&r.deliver, percent) / percentile_ms(&r.bare, percent));
        median(&ratios.collect::<Vec<_>>())
    };
    Ok(vec![
        plain("clusters", number(clusters)),
        plain("runs", number(arguments.runs)),
        plain("writes_per_run", number(arguments.writes)),
        plain("watch_interval_ms", number(usize::try_from(arguments.watch_interval_ms)?)),
        plain("detect_p50_ms", of(|r| &r.detect, 50)),
        plain("detect_p99_ms", of(|r| &r.detect, 99)),
        plain("deliver_p50_ms", of(|r| &r.deliver, 50)),
        plain("deliver_p99_ms", of(|r| &r.deliver, 99)),
        plain("bare_p50_ms", of(|r| &r.bare, 50)),
        plain("bare_p99_ms", of(|r| &r.bare, 99)),
        goal("deliver_to_bare_p50", ratio(50), 1.5),
        goal("deliver_to_bare_p99", ratio(99), 3.0),
        plain("vault_requests_per_s", number(process::vault_requests(&fleet, audit, BARE)?) / seconds),
        plain("postgres_transactions_per_change", transactions / changes),
        plain("server_resident_mib", process::server_mib(&fleet)?),
        plain("agent_resident_mib", process::agent_mib(&fleet)?),
    ])
}

async fn start(arguments: &Arguments, clusters: usize) -> Result<Fleet> {
    eprintln!("starting Postgres, OpenBao, a replica, {clusters} kube-apiserver(s) with an agent each");
    let settings = Settings { clusters, watch_interval_ms: arguments.watch_interval_ms, ..Settings::as_shipped(Sink::Secret) };
    let fleet = Fleet::start(settings).await?;
    write(&fleet, SECRET).await?;
    write(&fleet, BARE).await?;
    fleet.apply(&format!("{}---\n{}", fleet.basics(), Fleet::binding_to_secret(SECRET))).await?;
    fleet.await_deliveries("InSync", clusters, LIMIT).await?;
    Ok(fleet)
}

/// Writes a new value; answers it.
async fn write(fleet: &Fleet, secret: &str) -> Result<String> {
    let value = Uuid::new_v4().simple().to_string();
    fleet.bao.kv_put(KV, &format!("shop/{secret}"), &json!({ "username": secret, KEY: value })).await?;
    Ok(value)
}

/// When changes were committed: when Postgres told this process, which listens as the replica does. What that takes is in no figure.
async fn commits(fleet: &Fleet) -> Result<mpsc::UnboundedReceiver<Instant>> {
    let mut listener = PgListener::connect(fleet.database.url()).await?;
    listener.listen("lockstep").await?;
    let (told, commits) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        while listener.recv().await.is_ok() {
            if told.send(Instant::now()).is_err() {
                return;
            }
        }
    });
    Ok(commits)
}

async fn round(
    fleet: &Fleet,
    observer: &Observer,
    bare: &Bare,
    commits: &mut mpsc::UnboundedReceiver<Instant>,
    writes: usize,
    clusters: usize,
) -> Result<Round> {
    let mut round = Round::default();
    for _ in 0..writes {
        while commits.try_recv().is_ok() {}
        let value = write(fleet, SECRET).await?;
        let answered = Instant::now();
        // Nothing else changes meanwhile, so the next commit is this version's.
        let committed = tokio::time::timeout(LIMIT, commits.recv()).await?.context("Postgres tells no more of commits")?;
        let seen = observer.everywhere(clusters, SECRET, &value, LIMIT).await?;
        round.detect.push(committed.saturating_duration_since(answered));
        round.deliver.push(seen.saturating_duration_since(committed));
        tokio::time::sleep(PAUSE).await;

        let value = write(fleet, BARE).await?;
        let began = bare.propagate(&format!("shop/{BARE}"), BARE).await?;
        let seen = observer.everywhere(clusters, BARE, &value, LIMIT).await?;
        round.bare.push(seen.saturating_duration_since(began));
        tokio::time::sleep(PAUSE).await;
    }
    Ok(round)
}

#[expect(clippy::cast_precision_loss, reason = "counts of a benchmark are small")]
fn signed(count: i64) -> f64 {
    count as f64
}
