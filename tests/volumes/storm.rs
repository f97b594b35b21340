//! A storm of pods is served by what the cluster has already.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use lockstep_testbed::fleet::NAMESPACE;
use lockstep_tests::csi_driver::{Class, Driver, Pod};
use serde_json::json;
use tokio::task::JoinSet;

use crate::world::{ACCOUNT, NODE, World};

const MOUNTS: usize = 1_000;
/// Between two mounts: 50 a second.
const INTERVAL: Duration = Duration::from_millis(20);
/// Different pods. Each has a token of its own; they mount again and again.
const PODS: usize = 50;

fn resident_mib(pid: i32) -> Result<f64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
    Ok(line.trim().trim_end_matches(" kB").parse::<f64>()? / 1024.0)
}

#[tokio::test]
async fn a_thousand_mounts_ask_vault_for_nothing() -> Result<()> {
    let world = World::start().await?;
    world.write("db", json!({ "username": "app", "password": "canary" })).await?;
    world.bind("db").await?;
    let class = Class::of("- {objectName: password, binding: db, secretKey: password}\n- {objectName: db.json, binding: db}");
    let mut pods = Vec::new();
    for index in 0..PODS {
        let pod = world.kubernetes()?.create_pod(NAMESPACE, &format!("checkout-{index}"), ACCOUNT, NODE).await?;
        let token = world.kubernetes()?.pod_token(&pod, &["lockstep"]).await?;
        let tokens = BTreeMap::from([("lockstep".to_owned(), token)]);
        pods.push(Pod { namespace: pod.namespace, name: pod.name, uid: pod.uid, service_account: pod.service_account, tokens });
    }
    let (agent, node) = (world.fleet.agents[0].process()?.pid(), world.node.process().pid());
    let before = [resident_mib(agent)?, resident_mib(node)?];
    let since = world.fleet.bao.audit_size()?;
    let (driver, class) = (Arc::new(Driver::of(&world.node.providers)), Arc::new(class));
    let mut mounts = JoinSet::new();
    let mut tick = tokio::time::interval(INTERVAL);
    let began = Instant::now();
    for index in 0..MOUNTS {
        tick.tick().await;
        let (driver, class, pod) = (driver.clone(), class.clone(), pods[index % PODS].clone());
        mounts.spawn(async move {
            let began = Instant::now();
            driver.mount(&pod, &class).await.map(|mounted| (mounted.files.len(), began.elapsed()))
        });
    }
    let mut took = Vec::new();
    while let Some(mounted) = mounts.join_next().await {
        let (files, time) = mounted?.map_err(|status| anyhow::anyhow!("a mount failed: {}", status.message()))?;
        ensure!(files == 2, "{files} files");
        took.push(time);
    }
    let whole = began.elapsed();
    took.sort_unstable();
    let at = |share: usize| took[(took.len() * share / 100).min(took.len() - 1)].as_secs_f64() * 1e3;
    let reads = world.fleet.bao.audit_entries_since(since)?.iter().filter(|entry| reads_material(entry)).count();
    let after = [resident_mib(agent)?, resident_mib(node)?];
    println!(
        "{MOUNTS} mounts in {:.1} s: {reads} requests to Vault for content; p50 {:.1} ms, p99 {:.1} ms; agent {:.1} -> {:.1} MiB, node agent {:.1} \
         -> {:.1} MiB",
        whole.as_secs_f64(),
        at(50),
        at(99),
        before[0],
        after[0],
        before[1],
        after[1],
    );
    assert_eq!(reads, 0);
    Ok(())
}

/// A request for content. The watch's looks at versions go on as before.
fn reads_material(entry: &serde_json::Value) -> bool {
    let path = entry["request"]["path"].as_str().unwrap_or_default();
    entry["type"] == "request" && path.contains("/data/")
}
