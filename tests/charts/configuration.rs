//! What the charts give to the programs, read by the real programs: the server's configuration, the agent's arguments.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use anyhow::{Context as _, Result};
use lockstep_testbed::charts::{Chart, objects};
use lockstep_testbed::{Folder, bin};
use serde_json::{Value, json};

use crate::cases::{cases, changed};

fn of_kind<'a>(objects: &'a [Value], kind: &str) -> Result<&'a Value> {
    objects.iter().find(|object| object["kind"] == kind).with_context(|| format!("the chart renders no {kind}"))
}

fn server_cases() -> impl Iterator<Item = (&'static str, Value)> {
    cases().into_iter().filter(|(_, chart, _)| *chart == Chart::Server).map(|(name, _, values)| (name, values))
}

#[test]
fn the_server_accepts_it() -> Result<()> {
    let folder = Folder::new("charts")?;
    let file = folder.path().join("server.yaml");
    for (name, values) in server_cases() {
        let objects = Chart::Server.objects("lockstep", &values)?;
        std::fs::write(&file, of_kind(&objects, "ConfigMap")?["data"]["server.yaml"].as_str().context("no server.yaml")?)?;
        let mut server = Command::new(bin("lockstep-server")?);
        server.args(["bootstrap", "--token-file", "-", "--config"]).arg(&file).env("LOCKSTEP_REPLICA", "pod-1");
        let said = String::from_utf8(server.output()?.stderr)?;
        // It has read and checked the whole file before it looks for what the pod would mount.
        assert!(said.contains("reading the database URL from /etc/lockstep/database/url"), "{name}: {said}");
    }
    Ok(())
}

#[test]
fn every_file_that_it_names_is_mounted() -> Result<()> {
    for (name, values) in server_cases() {
        let rendered = Chart::Server.objects("lockstep", &values)?;
        let text = of_kind(&rendered, "ConfigMap")?["data"]["server.yaml"].as_str().context("no server.yaml")?;
        let mut named = Vec::new();
        files(&objects(text)?.remove(0), &mut named);
        named.push("/etc/lockstep/config/server.yaml".to_owned());
        let mut mounted = mounted(&of_kind(&rendered, "Deployment")?["spec"]["template"]["spec"]);
        named.sort();
        mounted.sort();
        assert_eq!(named, mounted, "{name}");
    }
    Ok(())
}

#[test]
fn another_configuration_makes_other_pods() -> Result<()> {
    let sum = |changes: Value| -> Result<Value> {
        let rendered = Chart::Server.objects("lockstep", &changed(Chart::Server, &changes))?;
        Ok(of_kind(&rendered, "Deployment")?["spec"]["template"]["metadata"]["annotations"]["checksum/config"].clone())
    };
    let before = sum(json!({}))?;
    assert!(before.is_string() && sum(json!({ "replicas": 5 }))? == before, "the configuration is the same");
    assert_ne!(sum(json!({ "watch": { "intervalMs": 1000 } }))?, before);
    Ok(())
}

/// All paths in the configuration.
fn files(value: &Value, into: &mut Vec<String>) {
    match value {
        Value::String(text) if text.starts_with('/') => into.push(text.clone()),
        Value::Array(items) => items.iter().for_each(|item| files(item, into)),
        Value::Object(fields) => fields.values().for_each(|field| files(field, into)),
        _ => {}
    }
}

/// All files that the pod's only container has mounted.
fn mounted(pod: &Value) -> Vec<String> {
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let mut paths = Vec::new();
    for mount in list(&pod["containers"][0]["volumeMounts"]) {
        let folder = mount["mountPath"].as_str().unwrap_or_default().to_owned();
        let volume = list(&pod["volumes"]).into_iter().find(|volume| volume["name"] == mount["name"]).unwrap_or_default();
        if volume["configMap"].is_object() {
            paths.push(format!("{folder}/server.yaml"));
        }
        for source in list(&volume["projected"]["sources"]) {
            paths.push(format!("{folder}/{}", source["serviceAccountToken"]["path"].as_str().unwrap_or_default()));
        }
        paths.extend(
            list(&volume["secret"]["items"]).iter().map(|item| format!("{folder}/{}", item["path"].as_str().unwrap_or_default())),
        );
    }
    paths
}

#[test]
fn the_agent_knows_the_arguments_that_its_chart_gives() -> Result<()> {
    for (name, _, values) in cases().into_iter().filter(|(_, chart, _)| *chart == Chart::Agent) {
        let objects = Chart::Agent.objects("lockstep", &values)?;
        let arguments = &of_kind(&objects, "Deployment")?["spec"]["template"]["spec"]["containers"][0]["args"];
        let arguments = arguments.as_array().context("no arguments")?.iter().filter_map(Value::as_str);
        // It reads all of them before it comes to the last.
        let output = Command::new(bin("lockstep-agent")?).args(arguments).arg("--help").output()?;
        assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
    }
    let wrong = Command::new(bin("lockstep-agent")?).args(["run", "--nonsense", "--help"]).output()?;
    assert_eq!(wrong.status.code(), Some(2), "an unknown argument would be noticed");
    Ok(())
}

/// The agent's options of `run`, and the value of the chart that sets each, or why there is none.
const OPTIONS: [(&str, Result<&str, &str>); 37] = [
    ("--kubernetes", Err("always")),
    ("--namespace", Err("the pod's")),
    ("--pod-name", Err("the pod's")),
    ("--kubeconfig", Err("as the pod")),
    ("--state-dir", Err("of a host")),
    ("--lease-term", Err("of a host: the Lease tells it")),
    ("--directory-root", Err("the pod has no volume that others could read")),
    ("--state-secret", Ok("fullnameOverride")),
    ("--lease", Ok("fullnameOverride")),
    ("--lease-duration-seconds", Ok("lease.durationSeconds")),
    ("--secret-access", Ok("rbac.mode")),
    ("--server", Ok("server.addresses")),
    ("--join", Ok("server.join")),
    ("--token-file", Ok("join.existingSecret")),
    ("--identity-token-file", Ok("identityTokenAudiences")),
    ("--pin", Ok("server.pin")),
    ("--cluster", Ok("join.cluster")),
    ("--metrics-listen", Ok("listenAddress")),
    ("--restart-budget", Ok("restarts.budget")),
    ("--keep-older-seconds", Ok("immutableSecrets.keepOlderSeconds")),
    ("--log-format", Ok("log.format")),
    ("--otlp-endpoint", Ok("tracing.otlpEndpoint")),
    ("--otlp-ca-file", Ok("tracing.ca.existingSecret")),
    ("--node-listen", Ok("csi.enabled")),
    ("--node-server-name", Ok("fullnameOverride")),
    ("--node-service-account", Ok("fullnameOverride")),
    ("--node-requests", Ok("csi.requestsPerNode")),
    ("--node-ca-secret", Ok("fullnameOverride")),
    ("--node-ca-config-map", Ok("fullnameOverride")),
    ("--peer", Ok("csi.cache.enabled")),
    ("--peer-token-file", Ok("csi.cache.enabled")),
    ("--cache-dir", Ok("csi.cache.enabled")),
    ("--cache-key-file", Ok("csi.cache.existingKeySecret")),
    ("--cache-max-age-seconds", Ok("csi.cache.maxAgeSeconds")),
    ("--cache-max-bytes", Ok("csi.cache.maxBytes")),
    ("--cache-secrets", Ok("csi.cache.secrets")),
    ("--help", Err("shows them")),
];

/// The agent's arguments, from option to value.
fn arguments(values: &Value) -> Result<BTreeMap<String, String>> {
    let objects = Chart::Agent.objects("lockstep", values)?;
    let arguments = &of_kind(&objects, "Deployment")?["spec"]["template"]["spec"]["containers"][0]["args"];
    let arguments = arguments.as_array().context("no arguments")?.iter().filter_map(Value::as_str);
    Ok(arguments.map(|argument| argument.split_once('=').unwrap_or((argument, ""))).map(|(k, v)| (k.into(), v.into())).collect())
}

#[test]
fn every_option_of_the_agent_can_be_set_through_its_chart_or_has_a_reason_not_to() -> Result<()> {
    // From the program itself, so that a new option is missed here by nobody.
    let help = String::from_utf8(Command::new(bin("lockstep-agent")?).args(["run", "--help"]).output()?.stdout)?;
    let named = help.lines().filter_map(|line| line.trim_start().strip_prefix("-h, ").or(Some(line.trim_start())));
    let options: BTreeSet<&str> = named.filter(|line| line.starts_with("--")).filter_map(|line| line.split(' ').next()).collect();
    let known: BTreeSet<&str> = OPTIONS.iter().map(|(option, _)| *option).collect();
    assert_eq!(options, known, "say which value of the chart sets it");

    let other = json!({
        "fullnameOverride": "other", "lease": { "durationSeconds": 30 }, "rbac": { "mode": "namespace", "strict": { "secrets": [] } },
        "server": { "addresses": ["https://other:1"], "join": ["https://other:2"], "pin": "" }, "join": { "existingSecret": "", "cluster": "other" },
        "listenAddress": "[::]", "restarts": { "budget": 7 }, "immutableSecrets": { "keepOlderSeconds": 604_800 }, "log": { "format": "text" },
        "identityTokenAudiences": ["vault"], "tracing": { "otlpEndpoint": "https://otel:4317", "ca": { "existingSecret": "otel" } },
        "csi": { "enabled": true, "requestsPerNode": 8, "cache": { "enabled": true, "maxAgeSeconds": 60, "maxBytes": 8_388_608, "secrets": true, "existingKeySecret": "keys" } },
    });
    let (before, after) = (arguments(&changed(Chart::Agent, &json!({})))?, arguments(&changed(Chart::Agent, &other))?);
    let documented = std::fs::read_to_string(Chart::Agent.folder()?.join("values.yaml"))?;
    let documented = objects(&documented)?.remove(0);
    for (option, set_by) in OPTIONS {
        let Ok(path) = set_by else {
            assert_eq!(before.get(option), after.get(option), "{option}");
            continue;
        };
        let pointer = format!("/{}", path.replace('.', "/"));
        assert!(documented.pointer(&pointer).is_some() && other.pointer(&pointer).is_some(), "there is no value {path}");
        assert_ne!(before.get(option), after.get(option), "{path} does not change {option}");
    }
    Ok(())
}
