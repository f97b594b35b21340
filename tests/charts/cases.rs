//! Values to render with: one of everything that a template decides.

use std::path::PathBuf;

use lockstep_testbed::charts::{Chart, objects};
use lockstep_testbed::checkout;
use serde_json::{Value, json};

pub(crate) const CHARTS: [Chart; 2] = [Chart::Server, Chart::Agent];

/// The repository's root.
pub(crate) fn root() -> PathBuf {
    checkout::find("deploy").unwrap().parent().unwrap().to_owned()
}

/// The values that `deploy/manifests` is rendered with.
pub(crate) fn example(chart: Chart) -> Value {
    let name = match chart {
        Chart::Server => "server-values.yaml",
        Chart::Agent => "agent-values.yaml",
    };
    let text = std::fs::read_to_string(root().join("deploy/manifests").join(name)).unwrap();
    objects(&text).unwrap().remove(0)
}

/// The example with changes; `null` takes a value back to its default.
pub(crate) fn changed(chart: Chart, changes: &Value) -> Value {
    let mut values = example(chart);
    merge(&mut values, changes);
    values
}

fn merge(into: &mut Value, from: &Value) {
    match (into.as_object_mut(), from.as_object()) {
        (Some(into), Some(from)) => from.iter().for_each(|(key, value)| merge(into.entry(key).or_insert(Value::Null), value)),
        _ => *into = from.clone(),
    }
}

/// Two OIDC issuers: one with what is required, one with all there is.
fn issuers(network: &Value) -> Value {
    let people = json!({
        "name": "people", "issuer": "https://sso.example.com/realms/a", "audience": "lockstep",
        "ca": { "existingSecret": "sso", "key": "ca.pem" }, "usernameClaim": "email", "groupsClaim": "roles", "algorithms": ["EdDSA"],
        "clientId": "lockstep-cli", "scopes": ["openid", "email", "roles"],
    });
    let ci = json!({ "name": "ci", "issuer": "https://gitlab.example.com", "audience": "lockstep" });
    json!({ "oidc": [ci, people], "networkPolicy": { "oidc": { "to": network, "ports": [443, 8443] } } })
}

/// Exporting traces, with TLS.
fn traces(peers: &Value) -> Value {
    json!({
        "tracing": { "otlpEndpoint": "https://otel.example.com:4317", "ca": { "existingSecret": "otel-ca" } },
        "networkPolicy": { "otlp": { "to": peers } },
    })
}

/// Volumes, with a cache on a disk of its own.
fn volumes() -> Value {
    json!({ "csi": {
        "enabled": true,
        "cache": {
            "maxAgeSeconds": 3600, "maxBytes": 104_857_600, "secrets": true, "existingKeySecret": "keys", "key": "k",
            "volume": { "emptyDir": Value::Null, "ephemeral": { "volumeClaimTemplate": { "spec": {
                "accessModes": ["ReadWriteOncePod"], "resources": { "requests": { "storage": "1Gi" } },
            } } } },
        },
        "node": {
            "providersDir": "/etc/kubernetes/secrets-store-csi-providers", "concurrentMounts": 4, "priorityClassName": "system-node-critical",
            "nodeSelector": { "kubernetes.io/os": "linux" }, "tolerations": [],
        },
    } })
}

/// What each is called, and its values.
pub(crate) fn cases() -> Vec<(&'static str, Chart, Value)> {
    let pods = json!({
        "podLabels": { "team": "a" },
        "podAnnotations": { "note": "b" },
        "nodeSelector": { "kubernetes.io/os": "linux" },
        "tolerations": [{ "key": "dedicated", "operator": "Exists" }],
        "affinity": { "nodeAffinity": { "preferredDuringSchedulingIgnoredDuringExecution": [] } },
        "priorityClassName": "system-cluster-critical",
        "imagePullSecrets": [{ "name": "pull" }],
        "image": { "digest": format!("sha256:{}", "0".repeat(64)) },
        "serviceAccount": { "name": "own", "annotations": { "note": "c" } },
        "fullnameOverride": "other",
        "replicas": 3,
        "listenAddress": "[::]",
        "log": { "format": "text", "level": "debug,h2=warn" },
        "podDisruptionBudget": { "maxUnavailable": "50%" },
        "topologySpread": { "keys": ["kubernetes.io/hostname", "topology.kubernetes.io/zone"], "whenUnsatisfiable": "DoNotSchedule" },
    });
    let less = json!({ "podDisruptionBudget": { "enabled": false }, "topologySpread": { "keys": [] }, "networkPolicy": { "enabled": false } });
    let block = json!([{ "ipBlock": { "cidr": "10.0.0.0/8", "except": ["10.1.0.0/16"] } }]);
    let peers = json!([{ "namespaceSelector": {}, "podSelector": { "matchLabels": { "app": "prometheus" } } }]);
    let namespaces = json!({ "mode": "namespace", "namespaces": ["shop-prod", "shop-test"], "strict": { "secrets": [] } });
    let all = json!({ "mode": "namespace", "allNamespaces": true, "namespaceSelector": true, "strict": { "secrets": [] } });
    let agent = |changes: Value| changed(Chart::Agent, &changes);
    let mut cases = vec![
        ("agent: strict", Chart::Agent, agent(json!({}))),
        ("agent: strict, no restarts", Chart::Agent, agent(json!({ "restarts": { "enabled": false } }))),
        ("agent: namespaces", Chart::Agent, agent(json!({ "rbac": namespaces }))),
        ("agent: nothing of namespaces", Chart::Agent, agent(json!({ "rbac": { "namedNamespaces": false } }))),
        ("agent: nowhere yet", Chart::Agent, agent(json!({ "rbac": { "mode": "namespace", "strict": { "secrets": [] } } }))),
        ("agent: all namespaces", Chart::Agent, agent(json!({ "rbac": all }))),
        ("agent: all of a pod", Chart::Agent, agent(pods.clone())),
        ("agent: less", Chart::Agent, agent(less.clone())),
        ("agent: no token, no pin", Chart::Agent, agent(json!({ "join": { "existingSecret": "" }, "server": { "pin": "" } }))),
        (
            "agent: its service account's tokens",
            Chart::Agent,
            agent(json!({
                "join": { "cluster": "eu-1", "serviceAccountToken": { "enabled": true, "audience": "own" } },
                "identityTokenAudiences": ["vault", "https://vault.example.com"],
            })),
        ),
        ("agent: volumes", Chart::Agent, agent(json!({ "csi": { "enabled": true } }))),
        ("agent: volumes, no cache", Chart::Agent, agent(json!({ "csi": { "enabled": true, "cache": { "enabled": false } } }))),
        ("agent: a cache of Secrets only", Chart::Agent, agent(json!({ "csi": { "cache": { "secrets": true } } }))),
        ("agent: volumes, all there is", Chart::Agent, agent(volumes())),
        ("agent: traces", Chart::Agent, agent(traces(&peers))),
        ("agent: own rights", Chart::Agent, agent(json!({ "rbac": { "create": false } }))),
        ("agent: own account", Chart::Agent, agent(json!({ "serviceAccount": { "create": false, "name": "own" } }))),
        (
            "agent: narrow network",
            Chart::Agent,
            agent(json!({ "networkPolicy": {
                "apiServer": { "cidrs": ["10.0.0.1/32"] }, "server": { "cidrs": ["203.0.113.7/32"] }, "dns": { "to": block }, "metricsFrom": peers,
            } })),
        ),
    ];
    cases.extend(server_cases(pods, less, &block, &peers));
    cases
}

fn server_cases(pods: Value, less: Value, block: &Value, peers: &Value) -> Vec<(&'static str, Chart, Value)> {
    let server = |changes: Value| changed(Chart::Server, &changes);
    vec![
        ("server: AppRole", Chart::Server, server(json!({}))),
        (
            "server: tokens, system's certificates",
            Chart::Server,
            server(json!({
                "homeVault": { "ca": { "existingSecret": "" }, "namespace": "team" },
                "credentials": [
                    { "name": "home", "addresses": ["https://vault.example.com:8200"], "token": { "existingSecret": "home", "key": "t" } },
                    { "name": "other", "addresses": ["https://other.example.com:8200"], "token": { "existingSecret": "other" } },
                ],
                "leaseMs": 3_600_000,
            })),
        ),
        (
            "server: its service account and certificates",
            Chart::Server,
            server(json!({ "credentials": [
                { "name": "home", "addresses": ["https://vault.example.com:8200"], "kubernetes": { "role": "lockstep" } },
                { "name": "us", "addresses": ["https://us.example.com:8200"], "jwt": { "role": "a", "mount": "m", "audience": "us" } },
                { "name": "lab", "addresses": ["https://lab.example.com:8200"], "certificate": { "existingSecret": "lab", "role": "b" } },
                { "name": "old", "addresses": ["https://old.example.com:8200"], "certificate": { "existingSecret": "old", "mount": "m" } },
            ] })),
        ),
        ("server: traces", Chart::Server, server(traces(peers))),
        ("server: OIDC issuers", Chart::Server, server(issuers(block))),
        ("server: all of a pod", Chart::Server, server(pods)),
        ("server: less", Chart::Server, server(less)),
        (
            "server: services",
            Chart::Server,
            server(json!({ "services": {
                "rest": { "type": "NodePort", "externalTrafficPolicy": "Local" },
                "agents": { "annotations": { "a": "b" }, "loadBalancerClass": "example.com/internal", "loadBalancerSourceRanges": ["203.0.113.0/24"] },
            } })),
        ),
        (
            "server: narrow network",
            Chart::Server,
            server(json!({ "networkPolicy": {
                "restFrom": peers, "agentsFrom": block, "metricsFrom": peers, "dns": { "to": [] },
                "postgres": { "to": peers, "ports": [5432, 6432] }, "vault": { "to": block },
            } })),
        ),
    ]
}
