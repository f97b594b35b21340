//! What the agent may do with the chart's own ServiceAccount and roles, and what not: with a token of that account, not as administrator.

use anyhow::{Context as _, Result};
use lockstep_testbed::charts::install_agent_rbac;
use lockstep_testbed::{Kubernetes, Refused};
use reqwest::StatusCode;
use serde_json::{Value, json};

/// The agent's account in one cluster.
struct Agent {
    kubernetes: &'static Kubernetes,
    token: String,
}

impl Agent {
    async fn install(namespace: &str, values: Value) -> Result<Self> {
        let kubernetes = Kubernetes::shared().await?;
        let kubeconfig = install_agent_rbac(kubernetes, namespace, &values).await?;
        let kubeconfig: Value = serde_json::from_slice(&std::fs::read(kubeconfig)?)?;
        let token = kubeconfig["users"][0]["user"]["token"].as_str().context("no token")?.to_owned();
        Ok(Self { kubernetes, token })
    }

    async fn may(&self, method: &str, path: &str, body: Option<Value>) -> Result<Value> {
        self.kubernetes
            .request_as(&self.token, method, path, body)
            .await
            .with_context(|| format!("the agent must be able to {method} {path}"))
    }

    async fn may_not(&self, method: &str, path: &str, body: Option<Value>) -> Result<()> {
        match self.kubernetes.request_as(&self.token, method, path, body).await {
            Ok(_) => anyhow::bail!("the agent can {method} {path}"),
            Err(error) => {
                let refused = error.downcast_ref::<Refused>().with_context(|| format!("{method} {path}: {error:#}"))?;
                assert_eq!(refused.status, StatusCode::FORBIDDEN, "{method} {path}: {error}");
                Ok(())
            }
        }
    }
}

fn secret(name: &str) -> Value {
    json!({ "apiVersion": "v1", "kind": "Secret", "metadata": { "name": name }, "stringData": { "a": "b" } })
}

fn secrets(namespace: &str) -> String {
    format!("/api/v1/namespaces/{namespace}/secrets")
}

/// Server-side apply, as the agent writes.
fn applied(path: &str) -> String {
    format!("{path}?fieldManager=lockstep&force=true")
}

/// A Secret that the agent has nothing to do with.
async fn foreign(kubernetes: &Kubernetes, namespace: &str) -> Result<()> {
    kubernetes.request("POST", &secrets(namespace), Some(secret("foreign"))).await.map(drop)
}

async fn deployment(kubernetes: &Kubernetes, namespace: &str) -> Result<String> {
    let deployments = format!("/apis/apps/v1/namespaces/{namespace}/deployments");
    let deployment = json!({
        "metadata": { "name": "checkout" },
        "spec": {
            "selector": { "matchLabels": { "app": "checkout" } },
            "template": { "metadata": { "labels": { "app": "checkout" } }, "spec": { "containers": [{ "name": "main", "image": "none" }] } },
        },
    });
    kubernetes.request("POST", &deployments, Some(deployment)).await?;
    Ok(format!("{deployments}/checkout"))
}

fn restart() -> Value {
    json!({ "spec": { "template": { "metadata": { "annotations": { "lockstep.dev/restarted": "now" } } } } })
}

fn event(namespace: &str) -> Value {
    json!({
        "metadata": { "generateName": "lockstep-", "namespace": namespace },
        "eventTime": "2026-05-03T10:00:00.000000Z", "type": "Normal", "reason": "Applied", "action": "Apply", "note": "applied",
        "reportingController": "lockstep.dev/agent", "reportingInstance": "pod-1",
        "regarding": { "apiVersion": "v1", "kind": "Secret", "name": "mine", "namespace": namespace },
    })
}

async fn may_write_events(agent: &Agent, namespace: &str) -> Result<()> {
    let events = format!("/apis/events.k8s.io/v1/namespaces/{namespace}/events");
    let made = agent.may("POST", &events, Some(event(namespace))).await?;
    let name = made["metadata"]["name"].as_str().context("an event without a name")?;
    let again = json!({ "series": { "count": 2, "lastObservedTime": "2026-05-03T10:01:00.000000Z" } });
    agent.may("PATCH", &format!("{events}/{name}"), Some(again)).await.map(drop)
}

#[tokio::test]
async fn strict_reaches_the_listed_secrets_and_no_other_of_the_same_namespace() -> Result<()> {
    let list =
        json!({ "mode": "strict", "strict": { "secrets": [{ "namespace": "strict-shop", "names": ["mine", "mine-too"] }] } });
    let agent = Agent::install("strict-agent", list).await?;
    foreign(agent.kubernetes, "strict-shop").await?;
    let all = secrets("strict-shop");
    let (mine, other) = (format!("{all}/mine"), format!("{all}/foreign"));

    // Server-side apply's create is authorised with the object's name; a POST's is not.
    agent.may_not("POST", &all, Some(secret("mine"))).await?;
    agent.may("PATCH", &applied(&mine), Some(secret("mine"))).await?;
    agent.may("PATCH", &applied(&mine), Some(secret("mine"))).await?;
    agent.may("PATCH", &applied(&format!("{all}/mine-too")), Some(secret("mine-too"))).await?;
    agent.may("GET", &mine, None).await?;
    let listed = agent.may("GET", &format!("{all}?fieldSelector=metadata.name%3Dmine"), None).await?;
    assert_eq!(listed["items"].as_array().map(Vec::len), Some(1));
    agent.may("GET", &format!("{all}?fieldSelector=metadata.name%3Dmine&watch=true&timeoutSeconds=1"), None).await?;
    agent.may("DELETE", &mine, None).await?;

    agent.may_not("GET", &other, None).await?;
    agent.may_not("PATCH", &applied(&other), Some(secret("foreign"))).await?;
    agent.may_not("PATCH", &other, Some(json!({ "stringData": { "a": "c" } }))).await?;
    agent.may_not("DELETE", &other, None).await?;
    agent.may_not("GET", &format!("{all}?fieldSelector=metadata.name%3Dforeign"), None).await?;
    agent.may_not("GET", &format!("{all}?fieldSelector=metadata.name%3Dforeign&watch=true&timeoutSeconds=1"), None).await?;
    agent.may_not("GET", &all, None).await?;
    agent.may_not("GET", &format!("{all}?watch=true&timeoutSeconds=1"), None).await?;
    agent.may_not("GET", "/api/v1/secrets", None).await?;
    agent.may_not("PATCH", &applied(&format!("{all}/new")), Some(secret("new"))).await?;
    agent.may_not("GET", "/api/v1/namespaces", None).await?;
    agent.may("GET", "/api/v1/namespaces/strict-shop", None).await?;
    agent.may_not("GET", "/api/v1/namespaces/strict-agent", None).await?;
    agent.may_not("DELETE", "/api/v1/namespaces/strict-shop", None).await?;
    may_write_events(&agent, "strict-shop").await
}

#[tokio::test]
async fn its_own_state_and_lease_are_reached_by_name_and_nothing_else_of_its_namespace() -> Result<()> {
    for (namespace, values) in [
        ("own-strict", json!({ "mode": "strict", "strict": { "secrets": [{ "namespace": "own-shop", "names": ["mine"] }] } })),
        ("own-wide", json!({ "mode": "namespace", "namespaces": ["own-shop"] })),
    ] {
        let agent = Agent::install(namespace, values).await?;
        foreign(agent.kubernetes, namespace).await?;
        let all = secrets(namespace);
        for name in ["lockstep-agent", "lockstep-agent-held"] {
            let state = format!("{all}/{name}");
            agent.may("PATCH", &applied(&state), Some(secret(name))).await?;
            let read = agent.may("GET", &state, None).await?;
            agent.may_not("PUT", &state, Some(read)).await?;
            agent.may_not("DELETE", &state, None).await?;
        }
        let leases = format!("/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases");
        let lease = |name: &str| {
            let spec = json!({ "holderIdentity": "pod-1", "leaseDurationSeconds": 15, "leaseTransitions": 1 });
            json!({ "apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": { "name": name }, "spec": spec })
        };
        let own = format!("{leases}/lockstep-agent");
        agent.may("PATCH", &applied(&own), Some(lease("lockstep-agent"))).await?;
        let read = agent.may("GET", &own, None).await?;
        agent.may("PUT", &own, Some(read)).await?;
        agent.may_not("PATCH", &applied(&format!("{leases}/other")), Some(lease("other"))).await?;
        agent.may_not("GET", &leases, None).await?;
        agent.may_not("GET", &format!("{all}/foreign"), None).await?;
        agent.may_not("GET", &all, None).await?;
        agent.may_not("PATCH", &applied(&format!("{all}/foreign")), Some(secret("foreign"))).await?;
        // A role that it could change would be any right.
        agent.may_not("GET", &format!("/apis/rbac.authorization.k8s.io/v1/namespaces/{namespace}/roles"), None).await?;
        agent
            .may_not("POST", &format!("/api/v1/namespaces/{namespace}/serviceaccounts/lockstep-agent/token"), Some(json!({})))
            .await?;
    }
    Ok(())
}

#[tokio::test]
async fn namespace_reaches_all_of_the_listed_namespaces_and_none_of_another() -> Result<()> {
    let agent = Agent::install("wide-agent", json!({ "mode": "namespace", "namespaces": ["wide-a", "wide-b"] })).await?;
    agent.kubernetes.create_namespace("wide-c").await?;
    for namespace in ["wide-a", "wide-b"] {
        let all = secrets(namespace);
        foreign(agent.kubernetes, namespace).await?;
        agent.may("GET", &all, None).await?;
        agent.may("GET", &format!("{all}?watch=true&timeoutSeconds=1"), None).await?;
        // As an immutable one is called.
        agent.may("PATCH", &applied(&format!("{all}/mine-0123456789")), Some(secret("mine-0123456789"))).await?;
        agent.may("DELETE", &format!("{all}/mine-0123456789"), None).await?;
        may_write_events(&agent, namespace).await?;
    }
    foreign(agent.kubernetes, "wide-c").await?;
    agent.may_not("GET", &secrets("wide-c"), None).await?;
    agent.may_not("GET", &format!("{}/foreign", secrets("wide-c")), None).await?;
    agent.may_not("PATCH", &applied(&format!("{}/mine", secrets("wide-c"))), Some(secret("mine"))).await?;
    agent.may_not("GET", "/api/v1/secrets", None).await?;
    agent.may("GET", "/api/v1/namespaces/wide-b", None).await?;
    agent.may_not("GET", "/api/v1/namespaces/wide-c", None).await?;
    agent.may_not("GET", "/api/v1/namespaces", None).await
}

#[tokio::test]
async fn all_namespaces_reaches_one_that_is_made_later() -> Result<()> {
    let agent =
        Agent::install("all-agent", json!({ "mode": "namespace", "allNamespaces": true, "namespaceSelector": true })).await?;
    agent.kubernetes.create_namespace("all-later").await?;
    agent.may("PATCH", &applied(&format!("{}/mine", secrets("all-later"))), Some(secret("mine"))).await?;
    agent.may("GET", "/api/v1/namespaces?labelSelector=env%3Dprod", None).await?;
    agent.may("GET", "/api/v1/namespaces?watch=true&timeoutSeconds=1", None).await?;
    agent.may_not("PATCH", "/api/v1/namespaces/all-later", Some(json!({ "metadata": { "labels": { "a": "b" } } }))).await
}

#[tokio::test]
async fn workloads_are_changed_only_where_restarts_are_enabled() -> Result<()> {
    let strict = json!({ "mode": "strict", "strict": { "secrets": [{ "namespace": "restart-strict", "names": ["mine"] }] } });
    let wide = json!({ "mode": "namespace", "namespaces": ["restart-wide"] });
    for (release, namespace, rbac, enabled) in [
        ("restart-a", "restart-strict", &strict, true),
        ("restart-b", "restart-wide", &wide, true),
        ("restart-c", "restart-strict", &strict, false),
        ("restart-d", "restart-wide", &wide, false),
    ] {
        let agent = Agent::install(release, json!({ "rbac": rbac, "restarts": { "enabled": enabled } })).await?;
        let path = format!("/apis/apps/v1/namespaces/{namespace}/deployments/checkout");
        if enabled {
            deployment(agent.kubernetes, namespace).await?;
            agent.may("PATCH", &path, Some(restart())).await?;
        } else {
            agent.may_not("PATCH", &path, Some(restart())).await?;
        }
        agent.may_not("PUT", &path, Some(json!({}))).await?;
        agent.may_not("DELETE", &path, None).await?;
        // Who refers to an immutable Secret decides when the old one goes; strict has none of those.
        let reads = [
            format!("/api/v1/namespaces/{namespace}/pods"),
            format!("/apis/apps/v1/namespaces/{namespace}/statefulsets"),
            format!("/apis/apps/v1/namespaces/{namespace}/daemonsets"),
            format!("/apis/batch/v1/namespaces/{namespace}/jobs"),
            format!("/apis/batch/v1/namespaces/{namespace}/cronjobs"),
        ];
        for read in reads {
            if enabled || namespace == "restart-wide" {
                agent.may("GET", &read, None).await?;
            } else {
                agent.may_not("GET", &read, None).await?;
            }
        }
        for read in [
            format!("/api/v1/namespaces/{namespace}/serviceaccounts"),
            format!("/apis/apps/v1/namespaces/{namespace}/replicasets"),
            format!("/apis/networking.k8s.io/v1/namespaces/{namespace}/ingresses"),
        ] {
            if namespace == "restart-wide" {
                agent.may("GET", &read, None).await?;
                agent.may_not("GET", &format!("{read}/any"), None).await?;
            } else {
                agent.may_not("GET", &read, None).await?;
            }
        }
    }
    Ok(())
}
