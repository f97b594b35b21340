//! Nodes and pods as objects: nothing runs on them, but tokens can be bound to them.

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use super::Kubernetes;

/// A pod as it was made.
#[derive(Debug, Clone)]
pub struct Pod {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its uid.
    pub uid: String,
    /// Its service account.
    pub service_account: String,
}

impl Kubernetes {
    /// Makes a node.
    pub async fn create_node(&self, name: &str) -> Result<()> {
        self.request("POST", "/api/v1/nodes", Some(json!({ "metadata": { "name": name } }))).await.map(drop)
    }

    /// Makes a pod of that service account on that node.
    pub async fn create_pod(&self, namespace: &str, name: &str, service_account: &str, node: &str) -> Result<Pod> {
        let pod = json!({
            "metadata": { "name": name },
            "spec": {
                "serviceAccountName": service_account, "nodeName": node, "automountServiceAccountToken": false,
                "containers": [{ "name": "app", "image": "none" }],
            },
        });
        let made = self.request("POST", &format!("/api/v1/namespaces/{namespace}/pods"), Some(pod)).await?;
        let uid = made["metadata"]["uid"].as_str().context("a pod without a uid")?.to_owned();
        let (namespace, name) = (namespace.to_owned(), name.to_owned());
        Ok(Pod { namespace, name, uid, service_account: service_account.to_owned() })
    }

    /// A token of the pod's service account that is bound to the pod, as a kubelet asks for it.
    pub async fn pod_token(&self, pod: &Pod, audiences: &[&str]) -> Result<String> {
        let bound: Value = json!({ "kind": "Pod", "apiVersion": "v1", "name": pod.name, "uid": pod.uid });
        let request = json!({ "spec": { "audiences": audiences, "expirationSeconds": 3600, "boundObjectRef": bound } });
        let path = format!("/api/v1/namespaces/{}/serviceaccounts/{}/token", pod.namespace, pod.service_account);
        let answer = self.request("POST", &path, Some(request)).await?;
        answer["status"]["token"].as_str().map(str::to_owned).context("the API server answered without a token")
    }
}
