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
use crate::process;
use crate::{Output, Printing};

/// The secret that is written, and the Secret it becomes.
const SECRET: &str = "checkout";
/// What the bare loop writes.
const BARE: &str = "bare";
/// How long one write may take to arrive.
const LIMIT: Duration = Duration::from_secs(30);
/// The pause between two writes, so that one does not wait for the other.
const PAUSE: Duration = Duration::from_millis(50);
/// How long nothing is done, to see what is done anyway.
const IDLE: Duration = Duration::from_secs(5);
/// Postgres' statistics are that late at most.
const STATISTICS_DELAY: Duration = Duration::from_millis(1_500);

/// Of `propagation`.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Clusters, each a kube-apiserver.
    #[arg(long, default_value_t = 1)]
    clusters: usize,
    /// Rounds; the figures are the medians of the rounds' figures.
    #[arg(long, default_value_t = 5)]
    runs: usize,
    /// Writes in a round, and as many through the bare loop.
    #[arg(long, default_value_t = 20)]
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
    let fleet = start(arguments).await?;
    let observer = Observer::start(&fleet).await?;
    let bare = Bare::new(&fleet)?;
    let mut commits = commits(&fleet).await?;
    // One of each that does not count: connections are made, caches filled.
    round(&fleet, &observer, &bare, &mut commits, 1, arguments.clusters).await?;

    tokio::time::sleep(STATISTICS_DELAY).await;
    let idle_from = process::transactions(&fleet).await?;
    tokio::time::sleep(IDLE + STATISTICS_DELAY).await;
    let idle_per_s = count(process::transactions(&fleet).await? - idle_from) / (IDLE + STATISTICS_DELAY).as_secs_f64();

    let (audit, transactions, began) = (fleet.bao.audit_size()?, process::transactions(&fleet).await?, Instant::now());
    let mut rounds = Vec::new();
    for number in 1..=arguments.runs {
        eprintln!("round {number} of {}", arguments.runs);
        rounds.push(round(&fleet, &observer, &bare, &mut commits, arguments.writes, arguments.clusters).await?);
    }
    tokio::time::sleep(STATISTICS_DELAY).await;
    let seconds = began.elapsed().as_secs_f64();
    let writes = count(i64::try_from(arguments.runs * arguments.writes)?);
    let transactions = count(process::transactions(&fleet).await? - transactions) - idle_per_s * seconds;
    let requests = count(i64::try_from(process::vault_requests(&fleet, audit)?)?);
    let of = |times: fn(&Round) -> &Vec<Duration>, percent| {
        median(&rounds.iter().map(|round| percentile_ms(times(round), percent)).collect::<Vec<_>>())
    };
    let ratio = |percent| {
        let ratios = rounds.iter().map(|r| percentile_ms(&r.deliver, percent) / percentile_ms(&r.bare, percent));
        median(&ratios.collect::<Vec<_>>())
    };
    print(
        arguments.printing.output,
        &[
            ("clusters", count(i64::try_from(arguments.clusters)?)),
            ("runs", count(i64::try_from(arguments.runs)?)),
            ("writes_per_run", count(i64::try_from(arguments.writes)?)),
            ("watch_interval_ms", count(i64::try_from(arguments.watch_interval_ms)?)),
            ("detect_p50_ms", of(|r| &r.detect, 50)),
            ("detect_p99_ms", of(|r| &r.detect, 99)),
            ("deliver_p50_ms", of(|r| &r.deliver, 50)),
            ("deliver_p99_ms", of(|r| &r.deliver, 99)),
            ("bare_p50_ms", of(|r| &r.bare, 50)),
            ("bare_p99_ms", of(|r| &r.bare, 99)),
            ("deliver_to_bare_p50", ratio(50)),
            ("deliver_to_bare_p99", ratio(99)),
            ("vault_requests_per_s", requests / seconds),
            ("postgres_transactions_per_change", transactions / writes),
            ("server_resident_mib", count(process::server_kib(&fleet)?.try_into()?) / 1024.0),
            ("agent_resident_mib", count(process::agent_kib(&fleet)?.try_into()?) / 1024.0),
        ],
    );
    Ok(())
}

async fn start(arguments: &Arguments) -> Result<Fleet> {
    eprintln!("starting Postgres, OpenBao, a replica, {} kube-apiserver(s) with an agent each", arguments.clusters);
    let settings = Settings {
        replicas: 1,
        clusters: arguments.clusters,
        watch_interval_ms: arguments.watch_interval_ms,
        log: "info".to_owned(),
        sink: Sink::Secret,
        ..Settings::default()
    };
    let fleet = Fleet::start(settings).await?;
    write(&fleet, SECRET).await?;
    write(&fleet, BARE).await?;
    fleet.apply(&format!("{}---\n{}", fleet.basics(), Fleet::binding_to_secret(SECRET))).await?;
    fleet.await_deliveries("InSync", arguments.clusters, LIMIT).await?;
    Ok(fleet)
}

/// Writes a new value; answers it.
async fn write(fleet: &Fleet, secret: &str) -> Result<String> {
    let value = Uuid::new_v4().simple().to_string();
    fleet.bao.kv_put(KV, &format!("shop/{secret}"), &json!({ "username": secret, KEY: value })).await?;
    Ok(value)
}

/// When changes were committed, as Postgres tells whoever listens.
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
fn count(count: i64) -> f64 {
    count as f64
}

/// Prints names and numbers, in their order.
pub(crate) fn print(output: Output, figures: &[(&str, f64)]) {
    match output {
        Output::Json => {
            let fields: Vec<String> = figures.iter().map(|(name, value)| format!("\"{name}\":{value:.2}")).collect();
            println!("{{{}}}", fields.join(","));
        }
        Output::Table => {
            for (name, value) in figures {
                println!("{name:<34}{value:>12.2}");
            }
        }
    }
}
