//! `cargo xtask demo`: the main job on real parts. One write in Vault reaches five clusters, and you see it arrive.

use std::io::Write as _;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::Result;
use clap::Parser;
use lockstep_testbed::fleet::{Settings, Sink};
use lockstep_testbed::{Fleet, Interrupt, shop};

mod live;
mod reader;
mod story;
mod summary;

/// Starts Postgres, OpenBao, two server replicas and five agents, and shows secrets arriving.
#[derive(Parser)]
#[command(
    version,
    after_help = "Example:\n  cargo xtask demo\n  cargo xtask demo --once\n  cargo xtask demo --once --kubernetes"
)]
struct Arguments {
    /// Plays a story to its end, with a replica killed in the middle, and ends with one line of JSON.
    #[arg(long)]
    once: bool,
    /// Each cluster is a real kube-apiserver and gets Secrets, instead of folders.
    #[arg(long)]
    kubernetes: bool,
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
    let outcome = match Interrupt::listen() {
        Ok(interrupt) => run(&arguments, interrupt).await,
        Err(error) => Err(error.into()),
    };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            tell(&format!("demo: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

/// Does what is asked for until it is done, or until somebody wants an end.
async fn run(arguments: &Arguments, mut interrupt: Interrupt) -> Result<bool> {
    let mut work = Box::pin(async {
        let (fleet, told) = start(if arguments.kubernetes { Sink::Secret } else { Sink::Directory }).await?;
        if arguments.once { story::play(fleet).await } else { live::show(&fleet, &told).await.map(|()| true) }
    });
    tokio::select! {
        outcome = &mut work => return outcome,
        () = interrupt.recv() => {}
    }
    tell("\nstopping …");
    // Ends every part and removes its folder.
    drop(work);
    tell("stopped; nothing is left running, and the demo's folder is removed");
    Ok(!arguments.once)
}

/// To standard error; that nobody reads it, because the terminal was closed, must not hinder the end.
fn tell(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// Starts everything, writes the first versions and applies the manifests. With what was told about it.
async fn start(sink: Sink) -> Result<(Fleet, Vec<String>)> {
    let began = Instant::now();
    let mut told = Vec::new();
    let mut say = |what: &str| {
        let line = format!("[{:5.1} s] {what}", began.elapsed().as_secs_f64());
        tell(&line);
        told.push(line);
    };
    say(&format!("starting Postgres, OpenBao, {REPLICAS} replicas of the server, {CLUSTERS} clusters with an agent each"));
    let fleet = Fleet::start(Settings {
        replicas: REPLICAS,
        clusters: CLUSTERS,
        watch_interval_ms: u64::try_from(WATCH_INTERVAL.as_millis())?,
        requests_per_second: 10,
        lease_ms: u64::try_from(LEASE.as_millis())?,
        log: "info".to_owned(),
        sink,
        ..Settings::default()
    })
    .await?;
    say(&format!("writing {} secrets to OpenBao", shop::SECRETS.len()));
    for secret in shop::SECRETS {
        shop::write(&fleet, secret).await?;
    }
    say("lockstep apply -f deploy/demo");
    tell(shop::apply_manifests(&fleet).await?.trim_end());
    let deliveries = shop::SECRETS.len() * CLUSTERS;
    fleet.await_deliveries("InSync", deliveries, Duration::from_secs(60)).await?;
    say(&format!("{deliveries} of {deliveries} deliveries are in sync"));
    Ok((fleet, told))
}
