//! What an agent and its server weigh: many Secrets of ours beside large ones of others, which the agent may list and must not keep.

use anyhow::{Result, ensure};
use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use lockstep_testbed::Fleet;
use lockstep_testbed::fleet::NAMESPACE;
use serde_json::json;

use crate::many::{self, LIMIT};
use crate::printing::{Printing, goal, number, plain};
use crate::process::{Memory, memory_mib};

const FOREIGN_BYTES: usize = 100 << 10;
/// Foreign Secrets made at once.
const FOREIGN_IN_FLIGHT: usize = 16;

/// Of `memory`.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Secrets, each with a binding of its own.
    #[arg(long, default_value_t = 2_000)]
    secrets: usize,
    /// Secrets of others in the same namespace, of 100 KiB each.
    #[arg(long, default_value_t = 1_000)]
    foreign: usize,
    #[command(flatten)]
    printing: Printing,
}

/// Runs it and prints.
pub(crate) async fn run(arguments: &Arguments) -> Result<()> {
    ensure!(arguments.secrets > 0, "--secrets: at least one is needed");
    let mut fleet = many::fleet().await?;
    eprintln!("making {} foreign Secrets of {} KiB", arguments.foreign, FOREIGN_BYTES >> 10);
    make_foreign(&fleet, arguments.foreign).await?;
    let names = many::written(&fleet, "held-", arguments.secrets).await?;
    let idle = memory_mib(fleet.agents[0].process()?, Memory::Resident)?;

    eprintln!("resuming the cluster");
    fleet.cli(&["cluster", "resume", "cluster-1"]).await?;
    fleet.await_in_sync(names.len(), LIMIT).await?;
    let agent = fleet.agents[0].process()?;
    let (held, peak, server) = (
        memory_mib(agent, Memory::Resident)?,
        memory_mib(agent, Memory::Peak)?,
        memory_mib(fleet.replicas[0].process()?, Memory::Resident)?,
    );

    eprintln!("restarting the agent, which looks at all of them");
    fleet.agents[0].start()?;
    fleet.await_linked().await?;
    fleet.await_in_sync(names.len(), LIMIT).await?;
    arguments.printing.print(
        "memory",
        &[vec![
            plain("secrets", number(names.len())),
            plain("foreign_secrets", number(arguments.foreign)),
            plain("foreign_mib", number(arguments.foreign * FOREIGN_BYTES) / f64::from(1 << 20)),
            plain("agent_idle_mib", idle),
            goal("agent_resident_mib", held, 25.0),
            plain("agent_peak_mib", peak),
            plain("agent_restarted_peak_mib", memory_mib(fleet.agents[0].process()?, Memory::Peak)?),
            plain("server_resident_mib", server),
        ]],
    );
    Ok(())
}

async fn make_foreign(fleet: &Fleet, count: usize) -> Result<()> {
    let kubernetes = fleet.agents[0].kubernetes()?;
    let (path, large) = (format!("/api/v1/namespaces/{NAMESPACE}/secrets"), "x".repeat(FOREIGN_BYTES));
    let make = async |number: usize| {
        let secret = json!({ "metadata": { "name": format!("foreign-{number}") }, "stringData": { "large": large } });
        kubernetes.request("POST", &path, Some(secret)).await
    };
    stream::iter(0..count).map(make).buffer_unordered(FOREIGN_IN_FLIGHT).try_collect::<Vec<_>>().await.map(drop)
}
