//! What processes and Postgres say of themselves.

use anyhow::{Context as _, Result};
use lockstep_testbed::{Fleet, Process};
use serde_json::Value;
use sqlx::{Connection as _, PgConnection};

/// A process's resident memory, in KiB.
pub(crate) fn resident_kib(process: &Process) -> Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{}/status", process.pid())).context("reading a process's memory")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("the kernel does not tell the memory")?;
    line.trim().trim_end_matches(" kB").trim().parse().context("reading a process's memory")
}

/// The most that any replica has, in KiB.
pub(crate) fn server_kib(fleet: &Fleet) -> Result<u64> {
    let each: Vec<u64> = fleet.replicas.iter().map(|r| resident_kib(r.process()?)).collect::<Result<_>>()?;
    each.into_iter().max().context("there is no replica")
}

/// The most that any agent has, in KiB.
pub(crate) fn agent_kib(fleet: &Fleet) -> Result<u64> {
    let each: Vec<u64> = fleet.agents.iter().map(|a| resident_kib(a.process()?)).collect::<Result<_>>()?;
    each.into_iter().max().context("there is no agent")
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
