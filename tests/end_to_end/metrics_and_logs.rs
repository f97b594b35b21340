//! What servers and agents show of themselves.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result, ensure};
use lockstep_testbed::fleet::{KV, STORY_LIMIT, Settings};
use lockstep_testbed::{Fleet, Process, wait};
use serde_json::{Value, json};

/// Families that a server shows once it has delivered something.
const SERVER: [&str; 34] = [
    "lockstep_versions_observed_total",
    "lockstep_watch_sweeps_total",
    "lockstep_lease_held",
    "lockstep_lease_fenced_total",
    "lockstep_agents_connected",
    "lockstep_deliveries_sent_total",
    "lockstep_deliveries_answered_total",
    "lockstep_delivery_round_trip_seconds",
    "lockstep_reads_total",
    "lockstep_deliveries",
    "lockstep_joins_total",
    "lockstep_http_requests_total",
    "lockstep_history_held",
    "lockstep_loop_progress_timestamp_seconds",
    "lockstep_loop_turned_timestamp_seconds",
    "lockstep_loop_standstill_limit_seconds",
    "lockstep_propagation_seconds",
    "lockstep_oldest_undelivered_age_seconds",
    "lockstep_source_swept_timestamp_seconds",
    "lockstep_source_failing",
    "lockstep_source_state",
    "lockstep_cluster_connected",
    "lockstep_cluster_heard_timestamp_seconds",
    "lockstep_cluster_certificate_expiry_timestamp_seconds",
    "lockstep_certificate_expiry_timestamp_seconds",
    "lockstep_pool_connections",
    "lockstep_pool_wait_seconds",
    "lockstep_queue_length",
    "lockstep_history_seq",
    "lockstep_history_verified_seq",
    "lockstep_history_broken",
    "lockstep_vault_requests_total",
    "lockstep_vault_request_duration_seconds",
    "lockstep_vault_budget_waits_total",
];

const AGENT: [&str; 8] = [
    "lockstep_agent_connected",
    "lockstep_agent_applied_total",
    "lockstep_agent_rejected_total",
    "lockstep_agent_bindings",
    "lockstep_agent_drift_total",
    "lockstep_agent_reconnects_total",
    "lockstep_agent_last_heard_timestamp_seconds",
    "lockstep_agent_certificate_expiry_timestamp_seconds",
];

const CANARY: &str = "canary-in-no-log";

#[tokio::test]
async fn metrics_parse_and_one_trace_leads_from_the_version_to_the_cluster() -> Result<()> {
    // A budget so small that requests wait for it.
    let fleet = Fleet::start(Settings { replicas: 1, clusters: 1, requests_per_second: 5, ..Settings::default() }).await?;
    let names: Vec<String> = (0..8).map(|i| format!("s{i}")).collect();
    for name in &names {
        fleet.bao.kv_put(KV, &format!("shop/{name}"), &json!({ "password": CANARY })).await?;
    }
    let bindings: String = names.iter().map(|name| Fleet::binding(name)).collect();
    fleet.apply(&format!("{}---\n{bindings}", fleet.basics())).await?;
    fleet.await_deliveries("InSync", names.len(), STORY_LIMIT).await?;
    fleet.bao.kv_put(KV, "shop/s0", &json!({ "password": format!("{CANARY}-too") })).await?;
    fleet.await_file("cluster-1", "s0", "password", Some(&format!("{CANARY}-too"))).await?;
    fleet.await_delivery("cluster-1", "s0", "InSync").await?;

    let (server, agent) = (&fleet.replicas[0], &fleet.agents[0]);
    wait::until("the gauge of deliveries", STORY_LIMIT, async || {
        let text = server.metrics().await?;
        let line = format!("lockstep_deliveries{{cluster=\"cluster-1\",status=\"InSync\"}} {}", names.len());
        ensure!(text.lines().any(|l| l == line), "not yet {line}");
        anyhow::Ok(())
    })
    .await?;
    let shown = wait::until("the whole way of a version to be measured", STORY_LIMIT, async || {
        let text = server.metrics().await?;
        for stage in ["committed", "sent", "applied"] {
            let line = format!("lockstep_propagation_seconds_count{{stage=\"{stage}\"}} ");
            let count = text.lines().find_map(|l| l.strip_prefix(&line)).context("none yet")?;
            ensure!(count.parse::<f64>()? >= 1.0, "{stage}: {count}");
        }
        for line in [
            "lockstep_oldest_undelivered_age_seconds{cluster=\"cluster-1\"} 0",
            "lockstep_cluster_connected{cluster=\"cluster-1\"} 1",
            "lockstep_source_state{source=\"corp\",state=\"ok\"} 1",
            "lockstep_source_failing{source=\"corp\"} 0",
            "lockstep_history_broken 0",
        ] {
            ensure!(text.lines().any(|l| l == line), "not yet {line}");
        }
        anyhow::Ok(text)
    })
    .await?;
    let families = families(&shown)?;
    let missing: Vec<_> = SERVER.iter().filter(|name| !families.contains(**name)).collect();
    assert!(missing.is_empty(), "{missing:?} are not in:\n{shown}");
    let of_agent = self::families(&agent.metrics().await?)?;
    let missing: Vec<_> = AGENT.iter().filter(|name| !of_agent.contains(**name)).collect();
    assert!(missing.is_empty(), "{missing:?}");

    let server_log = lines(server.process()?)?;
    let recorded = find(&server_log, |l| l["message"] == "secret changed" && l["path"] == "shop/s0" && l["version"] == 2);
    let recorded = recorded.context("no line of the record")?;
    let trace = recorded["span"]["trace"].as_str().context("the record has no trace")?;
    assert_eq!(recorded["span"]["name"], "version.record");
    let agent_log = lines(agent.process()?)?;
    let applied = find(&agent_log, |l| l["span"]["name"] == "delivery.apply" && l["span"]["trace"] == trace);
    assert_eq!(applied.context("the agent's log does not have the trace")?["message"], "applied");
    wait::until("the server's line of the ack", STORY_LIMIT, async || {
        let log = lines(server.process()?)?;
        let acked = find(&log, |l| l["span"]["name"] == "delivery.acked" && l["span"]["trace"] == trace);
        ensure!(acked.is_some_and(|l| l["message"] == "delivery confirmed" && l["cluster"] == "cluster-1"), "no {trace}");
        anyhow::Ok(())
    })
    .await?;
    for process in [server.process()?, agent.process()?] {
        assert!(!process.log().contains(CANARY), "{} logs material", process.name());
    }
    assert!(!shown.contains("shop/"), "no path is a label");
    Ok(())
}

/// The names of all families; every line must be a comment or a sample with a number, as Prometheus' text format says.
fn families(text: &str) -> Result<BTreeSet<String>> {
    let mut families = BTreeSet::new();
    for line in text.lines() {
        if let Some(comment) = line.strip_prefix("# ") {
            let mut words = comment.split(' ');
            if words.next() == Some("TYPE") {
                let name = words.next().context("a TYPE without a name")?;
                ensure!(families.insert(name.to_owned()), "{name} is declared twice");
            }
            continue;
        }
        let (series, value) = line.rsplit_once(' ').with_context(|| format!("no sample: {line}"))?;
        value.parse::<f64>().with_context(|| format!("no number: {line}"))?;
        let name = series.split('{').next().unwrap_or_default();
        ensure!(series == name || series.ends_with('}'), "labels without an end: {line}");
        let is_declared = ["", "_bucket", "_sum", "_count"]
            .iter()
            .any(|part| name.strip_suffix(part).is_some_and(|family| families.contains(family)));
        ensure!(is_declared, "no TYPE before {line}");
    }
    Ok(families)
}

/// A log, of which every line must be JSON.
fn lines(process: &Process) -> Result<Vec<Value>> {
    let log = process.log();
    let whole = log.rsplit_once('\n').map_or("", |(whole, _)| whole);
    whole.lines().map(|line| serde_json::from_str(line).with_context(|| format!("not JSON: {line}"))).collect()
}

fn find(lines: &[Value], is_it: impl Fn(&Value) -> bool) -> Option<&Value> {
    lines.iter().find(|line| is_it(line))
}
