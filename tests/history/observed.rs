//! What these tests look at: targets byte by byte, deliveries sent, and what people are shown.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use lockstep_testbed::fleet::{Agent, KV};
use lockstep_testbed::{Fleet, wait};
use serde_json::{Value, json};

pub(crate) const LIMIT: Duration = Duration::from_secs(60);

/// Writes a new version of `shop/<name>` whose one key has this value.
pub(crate) async fn write(fleet: &Fleet, name: &str, value: &str) -> Result<u64> {
    fleet.bao.kv_put(KV, &format!("shop/{name}"), &json!({ "value": value })).await
}

/// What a program in the cluster reads.
pub(crate) fn value(agent: &Agent, target: &str) -> Option<String> {
    let content = agent.read(target)?;
    Some(String::from_utf8_lossy(content.get("value")?).into_owned())
}

/// Waits until every one of these agents' targets has this value.
pub(crate) async fn await_value(agents: &[Agent], target: &str, wanted: &str) -> Result<()> {
    wait::until(&format!("{wanted} in every {target}"), LIMIT, async || {
        agents.iter().all(|agent| value(agent, target).as_deref() == Some(wanted))
    })
    .await
}

/// Every file and link below an agent's targets: its path, and its bytes or where it points.
pub(crate) fn everything(agent: &Agent) -> Result<BTreeMap<PathBuf, Vec<u8>>> {
    let mut found = BTreeMap::new();
    walk(&agent.targets(), &mut found)?;
    Ok(found)
}

fn walk(folder: &Path, found: &mut BTreeMap<PathBuf, Vec<u8>>) -> Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let kind = path.symlink_metadata()?.file_type();
        if kind.is_dir() {
            walk(&path, found)?;
        } else if kind.is_symlink() {
            let to = std::fs::read_link(&path)?.to_string_lossy().into_owned().into_bytes();
            found.insert(path, to);
        } else {
            let bytes = std::fs::read(&path)?;
            found.insert(path, bytes);
        }
    }
    Ok(())
}

/// As [`everything`], of all agents.
pub(crate) fn all_targets(fleet: &Fleet) -> Result<Vec<BTreeMap<PathBuf, Vec<u8>>>> {
    fleet.agents.iter().map(everything).collect()
}

/// `lockstep_deliveries_sent_total` of all clusters, over all replicas.
pub(crate) async fn sent(fleet: &Fleet) -> Result<f64> {
    let mut sum = 0.0;
    for replica in &fleet.replicas {
        for line in replica.metrics().await?.lines().filter(|l| l.starts_with("lockstep_deliveries_sent_total{")) {
            let count = line.rsplit(' ').next().context("a sample has a value")?;
            sum += count.parse::<f64>().with_context(|| format!("the value of {line}"))?;
        }
    }
    Ok(sum)
}

/// A cluster's status.
pub(crate) async fn status(fleet: &Fleet, cluster: &str) -> Result<Value> {
    let mut cluster = fleet.cli(&["get", "cluster", cluster, "-o", "json"]).await?.json()?;
    Ok(cluster["status"].take())
}

/// Waits until these clusters are shown as held, with the cause and without being ready.
pub(crate) async fn await_clusters_held(fleet: &Fleet, clusters: &[&str]) -> Result<()> {
    for cluster in clusters {
        wait::until(&format!("{cluster} to be held"), LIMIT, async || {
            let status = status(fleet, cluster).await?;
            ensure!(is_history_cut(&status["held"]), "{status}");
            let ready = &status["conditions"][0];
            ensure!(ready["status"] == "False" && ready["reason"] == "Held", "{status}");
            anyhow::Ok(())
        })
        .await?;
    }
    Ok(())
}

/// Waits until there are so many deliveries and every one is held because the history was cut.
pub(crate) async fn await_deliveries_held(fleet: &Fleet, count: usize) -> Result<()> {
    let held = fleet.await_deliveries("Held", count, LIMIT).await?;
    for delivery in held {
        assert!(is_history_cut(&delivery["cause"]), "{delivery}");
    }
    Ok(())
}

pub(crate) fn is_history_cut(text: &Value) -> bool {
    text.as_str().is_some_and(|text| text.contains("history cut") && text.contains("lockstep epoch open"))
}

/// Waits until the registry knows this version of `shop/<name>`: from then on it would be sent.
pub(crate) async fn await_observed(fleet: &Fleet, name: &str, version: u64) -> Result<()> {
    wait::until(&format!("version {version} of {name} to be observed"), LIMIT, async || {
        let list = fleet.cli(&["get", "secrets", "-o", "json"]).await?.json()?;
        let secrets = list["items"].as_array().cloned().unwrap_or_default();
        let path = format!("shop/{name}");
        ensure!(secrets.iter().any(|s| s["path"] == path && s["version"] == version), "{list}");
        anyhow::Ok(())
    })
    .await
}

/// Gives two sweeps and more the time to send what must not be sent.
pub(crate) async fn two_sweeps(fleet: &Fleet) -> Result<()> {
    // Agents are swept every 5 s in a fleet. There is nothing to await where nothing may happen, but a loop that goes on.
    for replica in &fleet.replicas {
        let series = "lockstep_loop_progress_timestamp_seconds{loop=\"dispatch\"}";
        let begun = replica.metric(series).await?.unwrap_or_default();
        wait::until("two rounds of dispatch", LIMIT, async || {
            let now = replica.metric(series).await?.unwrap_or_default();
            ensure!(now >= begun + 7.0, "last round at {now}");
            anyhow::Ok(())
        })
        .await?;
    }
    Ok(())
}

/// The operator's word.
pub(crate) async fn open_epoch(fleet: &Fleet) -> Result<()> {
    let before = fleet.cli(&["epoch", "show", "-o", "json"]).await?.json()?;
    let after = fleet.cli(&["epoch", "open", "--reason", "restored on purpose", "-o", "json"]).await?.json()?;
    assert_eq!(after["epoch"].as_u64(), before["epoch"].as_u64().map(|epoch| epoch + 1));
    assert!(after["held"].is_null() && after["heldClusters"] == 0, "{after}");
    Ok(())
}

/// Waits until a cluster's agent is linked and shown to hold so many bindings that the registry does not know.
pub(crate) async fn await_unknown(fleet: &Fleet, cluster: &str, count: u64) -> Result<()> {
    wait::until(&format!("{cluster} to hold {count} unknown bindings"), LIMIT, async || {
        let status = status(fleet, cluster).await?;
        ensure!(status["unknownBindings"] == count, "{status}");
        anyhow::Ok(())
    })
    .await
}
