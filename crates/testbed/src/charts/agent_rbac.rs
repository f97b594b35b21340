//! The chart's own ServiceAccount and rights for an agent that runs outside of the cluster, so that tests do not run it as administrator.

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use super::Chart;
use crate::Kubernetes;

/// What of the chart is who the agent is, and what it may do.
const KINDS: [&str; 5] = ["ServiceAccount", "Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding"];

/// Applies the ServiceAccount and all roles of the agent's chart, and returns a kubeconfig with a token of that account (TokenRequest, valid for
/// an hour). The file goes with the cluster.
///
/// `namespace` is the release's; the release has the chart's name. `values` is the chart's `rbac`, such as `{"mode": "namespace", "namespaces":
/// ["shop"]}`, or all of the chart's values if it has that key. Namespaces that are missing are made: an operator must have made them. Repeated
/// with other values, it changes the roles that are still rendered, and leaves the others.
pub async fn install_agent_rbac(kubernetes: &Kubernetes, namespace: &str, values: &Value) -> Result<PathBuf> {
    let all = Chart::Agent.objects(namespace, &whole(values))?;
    let of_rbac: Vec<&Value> = all.iter().filter(|object| KINDS.iter().any(|kind| object["kind"] == *kind)).collect();
    for object in &of_rbac {
        if let Some(namespace) = object["metadata"]["namespace"].as_str() {
            let made = json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": namespace } });
            kubernetes.apply_object(&made, "").await?;
        }
        kubernetes.apply_object(object, "fieldValidation=Strict").await?;
    }
    // The node agents have one too.
    let is_agent = |object: &&&Value| object["metadata"]["labels"]["app.kubernetes.io/name"] == "lockstep-agent";
    let account = of_rbac.iter().filter(is_agent).find(|object| object["kind"] == "ServiceAccount");
    let account = account.and_then(|account| account["metadata"]["name"].as_str()).context("the chart made no ServiceAccount")?;
    kubernetes.kubeconfig_for(&kubernetes.token(namespace, account, &[]).await?)
}

/// The values with what else the chart requires and no right depends on.
fn whole(values: &Value) -> Value {
    let mut whole = json!({
        "image": { "repository": "none" },
        "server": { "addresses": ["https://none.example.com:8444"], "join": ["https://none.example.com:8445"] },
    });
    if values.get("rbac").is_none() {
        whole["rbac"] = values.clone();
        return whole;
    }
    for (key, value) in values.as_object().into_iter().flatten() {
        whole[key] = value.clone();
    }
    whole
}
