//! What is in memory stays there.

use anyhow::{Context as _, Result};
use lockstep_testbed::Fleet;
use lockstep_testbed::fleet::Settings;

#[tokio::test]
async fn no_replica_and_no_agent_leaves_a_core_file() -> Result<()> {
    let fleet = Fleet::start(Settings { replicas: 1, clusters: 1, ..Settings::default() }).await?;
    for pid in [fleet.replicas[0].process()?.pid(), fleet.agents[0].process()?.pid()] {
        let limits = std::fs::read_to_string(format!("/proc/{pid}/limits"))?;
        let core = limits.lines().find(|line| line.starts_with("Max core file size")).context("no such limit")?;
        let [soft, hard, ..] = core["Max core file size".len()..].split_whitespace().collect::<Vec<_>>()[..] else {
            anyhow::bail!("{core}");
        };
        assert_eq!((soft, hard), ("0", "0"), "process {pid}");
    }
    Ok(())
}
