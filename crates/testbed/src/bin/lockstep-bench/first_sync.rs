//! Many secrets into one cluster at once, and a restarted agent with nothing to do.

use std::time::{Duration, Instant};

use anyhow::Result;
use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use lockstep_testbed::Fleet;
use lockstep_testbed::fleet::{KV, Settings, Sink};
use serde_json::json;

use crate::Printing;
use crate::bare::Bare;
use crate::observer::{KEY, Observer};
use crate::process;
use crate::propagation::print;

const LIMIT: Duration = Duration::from_secs(600);
/// In flight in the bare loop, and writes of the secrets beforehand.
const IN_FLIGHT: usize = 32;
/// Bindings in one file of manifests, for one run of the CLI.
const MANIFESTS: usize = 500;

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
    let mut fleet = Fleet::start(Settings {
        replicas: 1,
        clusters: 1,
        watch_interval_ms: 1_000,
        log: "info".to_owned(),
        sink: Sink::Secret,
        ..Settings::default()
    })
    .await?;
    let names: Vec<String> = (0..arguments.secrets).map(|number| format!("sync-{number:05}")).collect();
    eprintln!("writing {} secrets", names.len());
    let write =
        async |name: &String| fleet.bao.kv_put(KV, &format!("shop/{name}"), &json!({ "username": name, KEY: name })).await;
    stream::iter(&names).map(write).buffer_unordered(IN_FLIGHT).try_collect::<Vec<_>>().await?;
    eprintln!("applying as many bindings, to a cluster that is paused");
    fleet.cli(&["cluster", "pause", "cluster-1"]).await?;
    fleet.apply(&fleet.basics()).await?;
    for some in names.chunks(MANIFESTS) {
        fleet.apply(&some.iter().map(|name| Fleet::binding_to_secret(name)).collect::<String>()).await?;
    }
    // Detecting is not part of it: all versions are known before the cluster is resumed.
    fleet.await_secret(&format!("shop/{}", names[names.len() - 1]), "Live", 1).await?;
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
            ("server_resident_mib", number(usize::try_from(server_kib)?) / 1024.0),
            ("agent_resident_mib", number(usize::try_from(agent_kib)?) / 1024.0),
            ("resync_s", resynced.as_secs_f64()),
            ("resync_vault_reads", number(fleet.data_reads()? - reads)),
            ("resync_writes", number(observer.count() - states)),
        ],
    );
    Ok(())
}
