//! What the charts make for the Prometheus Operator. Its kinds are no part of Kubernetes, so no API server judges them here: what they say is compared
//! with what they are about.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use lockstep_testbed::charts::{Chart, objects};
use lockstep_testbed::{Folder, prometheus};
use serde_json::{Value, json};

use crate::cases::{CHARTS, changed, root};

/// All of it, with labels.
fn everything(chart: Chart) -> Value {
    let labels = json!({ "release": "prometheus" });
    changed(
        chart,
        &match chart {
            Chart::Server => json!({ "monitoring": {
                "serviceMonitor": { "enabled": true, "labels": labels, "interval": "30s" },
                "prometheusRule": { "enabled": true, "labels": labels, "runbookAddress": "https://git.example.com/lockstep/" },
            } }),
            Chart::Agent => json!({ "monitoring": {
                "podMonitor": { "enabled": true, "labels": labels, "interval": "30s", "cluster": "prod-eu" },
            } }),
        },
    )
}

fn found(chart: Chart, values: &Value) -> Result<Vec<Value>> {
    Ok(chart.objects("monitoring", values)?.into_iter().filter(|o| o["apiVersion"] == "monitoring.coreos.com/v1").collect())
}

fn one(chart: Chart, values: &Value, kind: &str) -> Result<Value> {
    found(chart, values)?.into_iter().find(|object| object["kind"] == kind).with_context(|| format!("no {kind}"))
}

/// Whether all labels of a selector are among these.
fn selects(selector: &Value, labels: &Value) -> bool {
    selector["matchLabels"].as_object().is_some_and(|wanted| wanted.iter().all(|(key, value)| labels[key] == *value))
}

#[test]
fn nothing_of_it_is_made_unless_it_is_asked_for_and_all_of_it_passes_helm_lint() -> Result<()> {
    for chart in CHARTS {
        ensure!(found(chart, &changed(chart, &json!({})))?.is_empty(), "{}", chart.name());
        chart.lint(&everything(chart))?;
        for object in found(chart, &everything(chart))? {
            ensure!(object["metadata"]["labels"]["release"] == "prometheus", "{object}");
        }
    }
    Ok(())
}

#[test]
fn the_rules_in_the_chart_are_those_that_are_tested() -> Result<()> {
    let source = std::fs::read_to_string(rules_file())?;
    let path = Chart::Server.folder()?.join("files/lockstep.rules.yaml");
    if std::env::var_os("LOCKSTEP_BLESS").is_some() {
        std::fs::write(&path, &source)?;
    }
    ensure!(
        std::fs::read_to_string(&path)? == source,
        "a chart reads only what is below it, so files/lockstep.rules.yaml is a copy of deploy/prometheus: LOCKSTEP_BLESS=1 makes it anew"
    );
    Ok(())
}

#[test]
fn the_prometheus_rule_says_what_the_file_says_and_promtool_finds_nothing_wrong_with_it() -> Result<()> {
    let file = objects(&std::fs::read_to_string(rules_file())?)?.remove(0);
    let short = changed(Chart::Server, &json!({ "monitoring": { "prometheusRule": { "enabled": true } } }));
    assert_eq!(one(Chart::Server, &short, "PrometheusRule")?["spec"], file);
    let full = one(Chart::Server, &everything(Chart::Server), "PrometheusRule")?["spec"].clone();
    let address = "https://git.example.com/lockstep/docs/runbooks/";
    let count = |value: &Value, text: &str| value.to_string().matches(text).count();
    assert_eq!(count(&full, address), count(&file, "\"runbook_url\":\"docs/runbooks/"));
    let folder = Folder::new("rules")?;
    let rendered = folder.path().join("rules.yaml");
    std::fs::write(&rendered, full.to_string())?;
    let checked =
        Command::new(prometheus::promtool()?).args(["check", "rules", "--lint=all", "--lint-fatal"]).arg(rendered).output()?;
    ensure!(checked.status.success(), "{}{}", String::from_utf8_lossy(&checked.stdout), String::from_utf8_lossy(&checked.stderr));
    Ok(())
}

#[test]
fn the_service_monitor_finds_the_one_service_for_metrics_and_names_the_job_as_alerts_ask_for_it() -> Result<()> {
    let values = everything(Chart::Server);
    let monitor = one(Chart::Server, &values, "ServiceMonitor")?;
    let endpoint = &monitor["spec"]["endpoints"][0];
    assert_eq!((&endpoint["port"], &endpoint["interval"]), (&json!("metrics"), &json!("30s")));
    let services = Chart::Server.objects("monitoring", &values)?.into_iter().filter(|object| object["kind"] == "Service");
    let has_port =
        |service: &Value| service["spec"]["ports"].as_array().is_some_and(|p| p.iter().any(|p| p["name"] == "metrics"));
    let chosen: Vec<Value> =
        services.filter(|s| selects(&monitor["spec"]["selector"], &s["metadata"]["labels"]) && has_port(s)).collect();
    assert_eq!(chosen.len(), 1, "each replica is scraped once: {chosen:?}");
    let job = monitor["spec"]["jobLabel"].as_str().context("no job")?;
    assert_eq!(chosen[0]["metadata"]["labels"][job], "lockstep-server");
    Ok(())
}

#[test]
fn the_pod_monitor_finds_the_agents_pods_and_says_of_which_cluster_they_are() -> Result<()> {
    let values = everything(Chart::Agent);
    let monitor = one(Chart::Agent, &values, "PodMonitor")?;
    let deployments = Chart::Agent.objects("monitoring", &values)?.into_iter().filter(|object| object["kind"] == "Deployment");
    let pod = deployments.map(|d| d["spec"]["template"].clone()).next().context("no pods")?;
    let labels = &pod["metadata"]["labels"];
    let (spec, endpoint) = (&monitor["spec"], &monitor["spec"]["podMetricsEndpoints"][0]);
    ensure!(selects(&spec["selector"], labels), "{monitor} {labels}");
    assert_eq!(labels[spec["jobLabel"].as_str().context("no job")?], "lockstep-agent");
    let ports = pod["spec"]["containers"][0]["ports"].as_array().context("no ports")?;
    ensure!(ports.iter().any(|port| port["name"] == endpoint["port"]), "{ports:?}");
    assert_eq!(endpoint["relabelings"], json!([{ "targetLabel": "cluster", "replacement": "prod-eu" }]));
    for (join, relabelings) in [("eu-1", json!([{ "targetLabel": "cluster", "replacement": "eu-1" }])), ("", Value::Null)] {
        let changes = json!({ "join": { "cluster": join }, "monitoring": { "podMonitor": { "enabled": true } } });
        let monitor = one(Chart::Agent, &changed(Chart::Agent, &changes), "PodMonitor")?;
        assert_eq!(monitor["spec"]["podMetricsEndpoints"][0]["relabelings"], relabelings, "join.cluster: {join:?}");
    }
    Ok(())
}

#[test]
fn node_agents_are_scraped_too_where_there_are_any_and_named_by_their_node() -> Result<()> {
    let mut values = everything(Chart::Agent);
    let monitors = |values: &Value| -> Result<Vec<Value>> {
        Ok(found(Chart::Agent, values)?.into_iter().filter(|object| object["kind"] == "PodMonitor").collect())
    };
    assert_eq!(monitors(&values)?.len(), 1, "without volumes there are no node agents");
    values["csi"] = json!({ "enabled": true });
    let objects = Chart::Agent.objects("monitoring", &values)?;
    let pod = &objects.iter().find(|object| object["kind"] == "DaemonSet").context("no node agents")?["spec"]["template"];
    let labels = &pod["metadata"]["labels"];
    let (of_nodes, of_agent): (Vec<_>, Vec<_>) =
        monitors(&values)?.into_iter().partition(|monitor| selects(&monitor["spec"]["selector"], labels));
    assert_eq!((of_nodes.len(), of_agent.len()), (1, 1), "each pod is scraped once");
    let (spec, endpoint) = (&of_nodes[0]["spec"], &of_nodes[0]["spec"]["podMetricsEndpoints"][0]);
    assert_eq!(labels[spec["jobLabel"].as_str().context("no job")?], "lockstep-node");
    let ports = pod["spec"]["containers"][0]["ports"].as_array().context("no ports")?;
    ensure!(ports.iter().any(|port| port["name"] == endpoint["port"]), "{ports:?}");
    let node = json!({ "sourceLabels": ["__meta_kubernetes_pod_node_name"], "targetLabel": "instance" });
    assert_eq!(endpoint["relabelings"], json!([node, { "targetLabel": "cluster", "replacement": "prod-eu" }]));
    // For a Prometheus without the operator: a name of which DNS says every pod's address.
    let service = objects.iter().find(|object| object["metadata"]["name"].as_str().is_some_and(|n| n.ends_with("-node-metrics")));
    let spec = &service.context("no Service of node agents")?["spec"];
    ensure!(selects(&json!({ "matchLabels": spec["selector"] }), labels) && spec["clusterIP"] == "None", "{spec}");
    Ok(())
}

fn rules_file() -> PathBuf {
    root().join("deploy/prometheus/lockstep.rules.yaml")
}
