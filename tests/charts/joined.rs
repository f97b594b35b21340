//! The real agent with the chart's own account and rights: they are enough to join, to keep its state, to lead, and to come back.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use lockstep_testbed::Fleet;
use lockstep_testbed::fleet::{Settings, Sink};

const LIMIT: Duration = Duration::from_secs(60);

#[tokio::test]
async fn an_agent_with_the_charts_rights_joins_keeps_its_state_leads_and_comes_back_without_its_token() -> Result<()> {
    let mut fleet = Fleet::start(Settings { replicas: 1, clusters: 1, sink: Sink::Secret, ..Settings::default() }).await?;
    let kubernetes = fleet.agents[0].kubernetes()?;
    let secrets = kubernetes.request("GET", "/api/v1/namespaces/lockstep/secrets", None).await?;
    let names: Vec<&str> =
        secrets["items"].as_array().context("no list")?.iter().filter_map(|s| s["metadata"]["name"].as_str()).collect();
    ensure!(names.contains(&"lockstep-agent"), "its identity is not in a Secret: {names:?}");
    let lease = "/apis/coordination.k8s.io/v1/namespaces/lockstep/leases/lockstep-agent";
    let held = kubernetes.request("GET", lease, None).await?;
    assert!(held["spec"]["holderIdentity"].as_str().is_some_and(|holder| holder.contains("cluster-1")), "{held}");

    // Stopped, and started again with nothing but what is in the cluster.
    fleet.agents[0].process()?.stop().await?;
    std::fs::remove_file(fleet.folder().join("cluster-1/join.token"))?;
    fleet.agents[0].start()?;
    let agent = &fleet.agents[0];
    agent
        .process()?
        .until("be linked again", LIMIT, async || {
            let metrics = agent.metrics().await?;
            ensure!(metrics.contains("lockstep_agent_connected 1"), "{metrics}");
            Ok(())
        })
        .await?;
    let log = agent.process()?.log();
    ensure!(!log.contains("orbidden"), "a right is missing: {log}");
    Ok(())
}
