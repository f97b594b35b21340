//! What processes and Postgres say of themselves.

use anyhow::{Context as _, Result};
use lockstep_testbed::{Fleet, Process};
use serde_json::Value;
use sqlx::{Connection as _, PgConnection};

/// What Linux says of a process's memory (proc_pid_status(5)).
#[derive(Debug, Clone, Copy)]
pub(crate) enum Memory {
    /// Resident now.
    Resident,
    /// The most that was resident since the process began.
    Peak,
}

/// A process's memory, in MiB.
pub(crate) fn memory_mib(process: &Process, what: Memory) -> Result<f64> {
    let field = match what {
        Memory::Resident => "VmRSS:",
        Memory::Peak => "VmHWM:",
    };
    let status = std::fs::read_to_string(format!("/proc/{}/status", process.pid())).context("reading a process's memory")?;
    let line = status.lines().find_map(|line| line.strip_prefix(field)).context("the kernel does not tell the memory")?;
    let kib: u32 = line.trim().trim_end_matches(" kB").trim().parse().context("reading a process's memory")?;
    Ok(f64::from(kib) / 1024.0)
}

/// The most resident memory that any replica has, in MiB.
pub(crate) fn server_mib(fleet: &Fleet) -> Result<f64> {
    most_mib(fleet.replicas.iter().map(|replica| replica.process()))
}

/// The most resident memory that any agent has, in MiB.
pub(crate) fn agent_mib(fleet: &Fleet) -> Result<f64> {
    most_mib(fleet.agents.iter().map(|agent| agent.process()))
}

fn most_mib<'a>(processes: impl Iterator<Item = Result<&'a Process>>) -> Result<f64> {
    let each: Vec<f64> = processes.map(|process| memory_mib(process?, Memory::Resident)).collect::<Result<_>>()?;
    each.into_iter().reduce(f64::max).context("there is no such process")
}

/// What one replica and one agent used of the processors so far, in seconds of one core.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cpu {
    server_s: f64,
    agent_s: f64,
}

impl Cpu {
    /// Of the first replica and the first agent.
    pub(crate) fn now(fleet: &Fleet) -> Result<Self> {
        let server = fleet.replicas.first().context("there is no replica")?.process()?;
        let agent = fleet.agents.first().context("there is no agent")?.process()?;
        Ok(Self { server_s: cpu_s(server)?, agent_s: cpu_s(agent)? })
    }

    /// The cores that each kept busy in `seconds` since `before`: the replica, the agent.
    pub(crate) fn cores_since(self, before: Self, seconds: f64) -> (f64, f64) {
        ((self.server_s - before.server_s) / seconds, (self.agent_s - before.agent_s) / seconds)
    }
}

/// What a process used of the processors so far, in seconds of one core: as Linux counts it (proc_pid_stat(5)), in hundredths, the system's too.
pub(crate) fn cpu_s(process: &Process) -> Result<f64> {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", process.pid())).context("reading a process's times")?;
    // The second field may have spaces in it, and ends with the last parenthesis.
    let fields = stat.rsplit_once(')').context("reading a process's times")?.1.split_whitespace();
    let ticks: Vec<u32> = fields.skip(11).take(2).map(str::parse).collect::<Result<_, _>>()?;
    Ok(ticks.into_iter().map(f64::from).sum::<f64>() / 100.0)
}

/// Transactions that ended so far in the registry's database, by Postgres' own statistics.
pub(crate) async fn transactions(fleet: &Fleet) -> Result<i64> {
    let mut connection = PgConnection::connect(fleet.postgres.admin_url()).await?;
    let count = sqlx::query_scalar("select xact_commit + xact_rollback from pg_stat_database where datname = $1")
        .bind(fleet.database.name())
        .fetch_one(&mut connection)
        .await?;
    Ok(count)
}

/// Requests that the replicas made of the watched mount since the audit log was that long. What was asked for secret `bare` is the bare loop's,
/// which has the same token.
pub(crate) fn vault_requests(fleet: &Fleet, since: usize, bare: &str) -> Result<usize> {
    let is_ours = |entry: &Value| {
        let policies = entry["auth"]["policies"].as_array();
        entry["type"] == "request"
            && entry["request"]["path"].as_str().is_some_and(|path| path.starts_with("kv/") && !path.ends_with(bare))
            && policies.is_some_and(|policies| policies.iter().any(|policy| policy == "lockstep"))
    };
    Ok(fleet.bao.audit_entries_since(since)?.iter().filter(|entry| is_ours(entry)).count())
}
