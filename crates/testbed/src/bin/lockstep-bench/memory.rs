//! What an agent and its server weigh: many Secrets of ours beside large ones of others, which the agent may list and must not keep.

use anyhow::{Context as _, Result, ensure};
use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use lockstep_testbed::fleet::NAMESPACE;
use lockstep_testbed::{Fleet, Process};
use serde_json::json;

use crate::Printing;
use crate::many::{self, LIMIT};
use crate::propagation::print;

const FOREIGN_BYTES: usize = 100 << 10;
/// What Linux calls it (proc_pid_status(5)).
const RESIDENT: &str = "VmRSS:";
/// The same, at most since the process began.
const PEAK: &str = "VmHWM:";
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
    let idle = mib(fleet.agents[0].process()?, RESIDENT)?;

    eprintln!("resuming the cluster");
    fleet.cli(&["cluster", "resume", "cluster-1"]).await?;
    fleet.await_in_sync(names.len(), LIMIT).await?;
    let agent = fleet.agents[0].process()?;
    let (held, peak, server) = (mib(agent, RESIDENT)?, mib(agent, PEAK)?, mib(fleet.replicas[0].process()?, RESIDENT)?);

    eprintln!("restarting the agent, which looks at all of them");
    fleet.agents[0].start()?;
    fleet.await_linked().await?;
    fleet.await_in_sync(names.len(), LIMIT).await?;
    print(
        arguments.printing.output,
        &[
            ("secrets", number(names.len())),
            ("foreign_secrets", number(arguments.foreign)),
            ("foreign_mib", number(arguments.foreign * FOREIGN_BYTES) / f64::from(1 << 20)),
            ("agent_idle_mib", idle),
            ("agent_resident_mib", held),
            ("agent_peak_mib", peak),
            ("agent_restarted_peak_mib", mib(fleet.agents[0].process()?, PEAK)?),
            ("server_resident_mib", server),
        ],
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

/// What Linux says of a process's memory, in MiB.
fn mib(process: &Process, what: &str) -> Result<f64> {
    let status = std::fs::read_to_string(format!("/proc/{}/status", process.pid())).context("reading a process's memory")?;
    let line = status.lines().find_map(|line| line.strip_prefix(what)).context("the kernel does not tell the memory")?;
    let kib: u32 = line.trim().trim_end_matches(" kB").trim().parse().context("reading a process's memory")?;
    Ok(f64::from(kib) / 1024.0)
}

#[expect(clippy::cast_precision_loss, reason = "counts of a benchmark are small")]
fn number(count: usize) -> f64 {
    count as f64
}
