//! `cargo xtask demo`: the main job on real parts. One write in Vault reaches five clusters, and you see it arrive.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::Result;
use clap::Parser;
use lockstep_testbed::Fleet;
use lockstep_testbed::fleet::Settings;

mod live;
mod reader;
mod shop;
mod story;
mod summary;

/// Starts Postgres, OpenBao, two server replicas and five agents, and shows secrets arriving.
#[derive(Parser)]
#[command(version, after_help = "Example:\n  cargo xtask demo\n  cargo xtask demo --once")]
struct Arguments {
    /// Plays a story to its end, with a replica killed in the middle, and ends with one line of JSON.
    #[arg(long)]
    once: bool,
}

/// How often the source is looked at.
const WATCH_INTERVAL: Duration = Duration::from_secs(1);
/// How long a stopped replica keeps its leases.
const LEASE: Duration = Duration::from_secs(5);
/// Clusters, each with an agent.
const CLUSTERS: usize = 5;
/// Server replicas.
const REPLICAS: usize = 2;

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let work = async {
        let fleet = start().await?;
        if arguments.once { story::play(fleet).await } else { live::show(&fleet).await.map(|()| true) }
    };
    let outcome = tokio::select! {
        outcome = work => outcome,
        // Dropping the work ends every part and removes its folder.
        _ = tokio::signal::ctrl_c() => {
            eprintln!("\nstopping");
            Ok(!arguments.once)
        }
    };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("demo: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Starts everything, writes the first versions and applies the manifests.
async fn start() -> Result<Fleet> {
    let began = Instant::now();
    let say = |what: &str| eprintln!("[{:5.1} s] {what}", began.elapsed().as_secs_f64());
    say(&format!(
        "starting Postgres, OpenBao, {REPLICAS} server replicas; registering {CLUSTERS} clusters and starting their agents"
    ));
    let fleet = Fleet::start(Settings {
        replicas: REPLICAS,
        clusters: CLUSTERS,
        watch_interval_ms: u64::try_from(WATCH_INTERVAL.as_millis())?,
        requests_per_second: 10,
        lease_ms: u64::try_from(LEASE.as_millis())?,
        log: "info".to_owned(),
    })
    .await?;
    say(&format!("writing {} secrets to OpenBao", shop::SECRETS.len()));
    for secret in shop::SECRETS {
        shop::write(&fleet, secret).await?;
    }
    say("lockstep apply -f deploy/demo");
    eprint!("{}", shop::apply_manifests(&fleet).await?);
    let deliveries = shop::SECRETS.len() * CLUSTERS;
    fleet.await_deliveries("InSync", deliveries, Duration::from_secs(60)).await?;
    say(&format!("{deliveries} of {deliveries} deliveries are in sync"));
    Ok(fleet)
}
