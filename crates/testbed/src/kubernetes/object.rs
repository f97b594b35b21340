//! Objects by themselves: where the API has them.

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use super::Kubernetes;

impl Kubernetes {
    /// Makes an object or changes it, by server-side apply as administrator; `query` is added to the request, such as
    /// `dryRun=All&fieldValidation=Strict`.
    pub async fn apply_object(&self, object: &Value, query: &str) -> Result<Value> {
        let path = format!("{}?fieldManager=testbed&force=true&{query}", path(object)?);
        self.request("PATCH", &path, Some(object.clone())).await
    }
}

/// An object's own path.
fn path(object: &Value) -> Result<String> {
    let text = |value: &Value, what: &str| value.as_str().map(str::to_owned).with_context(|| format!("an object without {what}"));
    let (version, kind) = (text(&object["apiVersion"], "apiVersion")?, text(&object["kind"], "kind")?);
    let name = text(&object["metadata"]["name"], "a name")?;
    let root = if version.contains('/') { format!("/apis/{version}") } else { format!("/api/{version}") };
    let plural = plural(&kind)?;
    Ok(match object["metadata"]["namespace"].as_str() {
        Some(namespace) => format!("{root}/namespaces/{namespace}/{plural}/{name}"),
        None => format!("{root}/{plural}/{name}"),
    })
}

/// What paths call a kind. Only what we install.
fn plural(kind: &str) -> Result<String> {
    Ok(match kind {
        "NetworkPolicy" => "networkpolicies".to_owned(),
        "Namespace"
        | "ServiceAccount"
        | "Role"
        | "RoleBinding"
        | "ClusterRole"
        | "ClusterRoleBinding"
        | "Service"
        | "ConfigMap"
        | "Secret"
        | "Deployment"
        | "DaemonSet"
        | "PodDisruptionBudget"
        | "Lease"
        | "Pod" => format!("{}s", kind.to_lowercase()),
        other => bail!("what paths call the kind {other} is not known here"),
    })
}
