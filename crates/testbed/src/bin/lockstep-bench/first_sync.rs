//! Many secrets into one cluster at once, and a restarted agent with nothing to do.

use std::time::Instant;

use anyhow::Result;

use crate::Printing;
use crate::bare::Bare;
use crate::many::{self, IN_FLIGHT, LIMIT};
use crate::observer::Observer;
use crate::process::{self, mib};
use crate::propagation::print;

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
    let began = Instant::now();
    fleet.cli(&["cluster", "resume", "cluster-1"]).await?;
    let synced = observer.all("sync-", names.len(), LIMIT).await?.saturating_duration_since(began);
    let (server_kib, agent_kib) = (process::server_kib(&fleet)?, process::agent_kib(&fleet)?);

    eprintln!("the same through the bare loop");
    let paths: Vec<String> = names.iter().map(|name| format!("shop/{name}")).collect();
    let bare = Bare::new(&fleet)?.sync(&paths, "bare-", IN_FLIGHT).await?;
    observer.all("bare-", names.len(), LIMIT).await?;

    eprintln!("restarting the agent, with nothing to do");
    fleet.await_in_sync(names.len(), LIMIT).await?;
    let (reads, states, again) = (fleet.data_reads()?, observer.count(), Instant::now());
    fleet.agents[0].start()?;
    fleet.await_linked().await?;
    let resynced = again.elapsed();
    fleet.await_in_sync(names.len(), LIMIT).await?;

    #[expect(clippy::cast_precision_loss, reason = "counts of a benchmark are small")]
    let number = |count: usize| count as f64;
    print(
        arguments.printing.output,
        &[
            ("secrets", number(names.len())),
            ("first_sync_s", synced.as_secs_f64()),
            ("bare_s", bare.as_secs_f64()),
            ("first_sync_to_bare", synced.as_secs_f64() / bare.as_secs_f64()),
            ("secrets_per_s", number(names.len()) / synced.as_secs_f64()),
            ("server_resident_mib", mib(server_kib)),
            ("agent_resident_mib", mib(agent_kib)),
            ("resync_s", resynced.as_secs_f64()),
            ("resync_vault_reads", number(fleet.data_reads()? - reads)),
            ("resync_writes", number(observer.count() - states)),
        ],
    );
    Ok(())
}
