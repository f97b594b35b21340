//! Many pods that start at a steady rate, whatever becomes of those before them.

use std::time::{Duration, Instant};

use anyhow::Result;
use lockstep_testbed::Fleet;
use lockstep_testbed::fleet::NodeAgent;
use serde_json::Value;
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;

use super::provider::{MountRequest, Provider};
use crate::figures::percentile_ms;
use crate::printing::{Figure, goal, number, plain};
use crate::process::cpu_s;

/// How it went.
pub(super) struct Stormed {
    times: Vec<Duration>,
    seconds: f64,
    vault_reads: usize,
    agent_cores: f64,
    node_cores: f64,
}

/// Every pod mounts once.
pub(super) async fn run(
    fleet: &Fleet,
    node: &NodeAgent,
    provider: &Provider,
    pods: &[MountRequest],
    per_second: u32,
) -> Result<Stormed> {
    let (agent, node) = (fleet.agents[0].process()?, node.process());
    let (audit, used) = (fleet.bao.audit_size()?, (cpu_s(agent)?, cpu_s(node)?));
    let mut tick = tokio::time::interval(Duration::from_secs(1) / per_second);
    // Those that are late come at once: the rate is the pods', not the machine's.
    tick.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let (mut mounts, started) = (JoinSet::new(), Instant::now());
    for pod in pods {
        tick.tick().await;
        let (provider, pod) = (provider.clone(), pod.clone());
        mounts.spawn(async move { super::timed(&provider, &pod).await });
    }
    let mut times = Vec::new();
    while let Some(mounted) = mounts.join_next().await {
        times.push(mounted??);
    }
    let seconds = started.elapsed().as_secs_f64();
    let vault_reads = fleet.bao.audit_entries_since(audit)?.iter().filter(|entry| reads_content(entry)).count();
    let (agent_cores, node_cores) = ((cpu_s(agent)? - used.0) / seconds, (cpu_s(node)? - used.1) / seconds);
    Ok(Stormed { times, seconds, vault_reads, agent_cores, node_cores })
}

/// The watch's looks at versions go on as before, whoever mounts.
fn reads_content(entry: &Value) -> bool {
    entry["type"] == "request" && entry["request"]["path"].as_str().is_some_and(|path| path.contains("/data/"))
}

impl Stormed {
    pub(super) fn figures(&self) -> [Figure; 6] {
        [
            plain("storm_mounts_per_s", number(self.times.len()) / self.seconds),
            plain("storm_p50_ms", percentile_ms(&self.times, 50)),
            plain("storm_p99_ms", percentile_ms(&self.times, 99)),
            goal("storm_vault_reads", number(self.vault_reads), 0.0),
            plain("storm_agent_cores", self.agent_cores),
            plain("storm_node_agent_cores", self.node_cores),
        ]
    }
}
