//! What processes and Postgres say of themselves.

use anyhow::{Context as _, Result};
use lockstep_testbed::{Fleet, Process};
use serde_json::Value;
use sqlx::{Connection as _, PgConnection};

/// A process's resident memory, in KiB.
fn resident_kib(process: &Process) -> Result<u32> {
    let status = std::fs::read_to_string(format!("/proc/{}/status", process.pid())).context("reading a process's memory")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("the kernel does not tell the memory")?;
    line.trim().trim_end_matches(" kB").trim().parse().context("reading a process's memory")
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
    let each: Vec<u32> = processes.map(|process| resident_kib(process?)).collect::<Result<_>>()?;
    Ok(f64::from(each.into_iter().max().context("there is no such process")?) / 1024.0)
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

/// Requests that the replicas made of the watched mount since the audit log was that long.
pub(crate) fn vault_requests(fleet: &Fleet, since: usize) -> Result<usize> {
    let is_ours = |entry: &Value| {
        let policies = entry["auth"]["policies"].as_array();
        entry["type"] == "request"
            && entry["request"]["path"].as_str().is_some_and(|path| path.starts_with("kv/"))
            && policies.is_some_and(|policies| policies.iter().any(|policy| policy == "lockstep"))
    };
    Ok(fleet.bao.audit_entries_since(since)?.iter().filter(|entry| is_ours(entry)).count())
}
