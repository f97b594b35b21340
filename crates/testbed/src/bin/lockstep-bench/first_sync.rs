//! Many secrets into one cluster at once, and a restarted agent with nothing to do.

use std::time::{Duration, Instant};

use anyhow::Result;

use crate::bare::Bare;
use crate::many::{self, LIMIT};
use crate::observer::Observer;
use crate::printing::{Printing, goal, number, plain};
use crate::process::{self, Cpu};

/// How long a restarted agent is watched: three times as long as the server takes to compare every cluster anew.
const RESYNC: Duration = Duration::from_secs(45);
/// In flight in the bare loop.
const IN_FLIGHT: usize = 32;

/// Of `first-sync`.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Secrets, each with a binding of its own.
    #[arg(long, default_value_t = 10_000)]
    secrets: usize,
    #[command(flatten)]
    printing: Printing,
}

/// Runs it and prints.
pub(crate) async fn run(arguments: &Arguments) -> Result<()> {
    let mut fleet = many::fleet().await?;
    // Detecting is not part of it: all versions are known before the cluster is resumed.
    let names = many::written(&fleet, "sync-", arguments.secrets).await?;
    let observer = Observer::start(&fleet).await?;

    eprintln!("resuming the cluster");
    let (began, used) = (Instant::now(), Cpu::now(&fleet)?);
    fleet.cli(&["cluster", "resume", "cluster-1"]).await?;
    let synced = observer.all("sync-", names.len(), LIMIT).await?.saturating_duration_since(began);
    let busy = Cpu::now(&fleet)?.cores_since(used, began.elapsed().as_secs_f64());
    let (server_mib, agent_mib) = (process::server_mib(&fleet)?, process::agent_mib(&fleet)?);

    eprintln!("the same through the bare loop");
    let paths: Vec<String> = names.iter().map(|name| format!("shop/{name}")).collect();
    let bare = Bare::new(&fleet).await?;
    let began = Instant::now();
    bare.sync(&paths, "bare-", IN_FLIGHT).await?;
    let bare = observer.all("bare-", names.len(), LIMIT).await?.saturating_duration_since(began);

    fleet.await_in_sync(names.len(), LIMIT).await?;
    eprintln!("restarting the agent, with nothing to do, and watching for {} s what it does", RESYNC.as_secs());
    let (reads, states, again) = (fleet.data_reads()?, observer.states(), Instant::now());
    fleet.agents[0].start()?;
    fleet.await_linked().await?;
    let resynced = again.elapsed();
    let used = Cpu::now(&fleet)?;
    tokio::time::sleep(RESYNC).await;
    let idle = Cpu::now(&fleet)?.cores_since(used, RESYNC.as_secs_f64());
    fleet.await_in_sync(names.len(), LIMIT).await?;

    arguments.printing.print(
        "first-sync",
        &[vec![
            plain("secrets", number(names.len())),
            plain("first_sync_s", synced.as_secs_f64()),
            plain("bare_s", bare.as_secs_f64()),
            goal("first_sync_to_bare", synced.as_secs_f64() / bare.as_secs_f64(), 1.2),
            plain("secrets_per_s", number(names.len()) / synced.as_secs_f64()),
            plain("server_resident_mib", server_mib),
            plain("agent_resident_mib", agent_mib),
            plain("server_cores", busy.0),
            plain("agent_cores", busy.1),
            plain("server_idle_cores", idle.0),
            plain("agent_idle_cores", idle.1),
            plain("resync_s", resynced.as_secs_f64()),
            goal("resync_vault_reads", number(fleet.data_reads()? - reads), 0.0),
            goal("resync_writes", number(observer.states() - states), 0.0),
            goal("resync_write_requests", number(fleet.agents[0].secret_writes().await?), 0.0),
        ]],
    );
    Ok(())
}
