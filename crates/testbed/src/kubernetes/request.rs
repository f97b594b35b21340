//! Requests to the API server.

use std::path::PathBuf;

use anyhow::{Context as _, Result, anyhow};
use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use super::Kubernetes;
use crate::http;

impl Kubernetes {
    /// Any request as administrator: `request("GET", "/api/v1/namespaces", None)`. An answer other than 2xx is a
    /// [`Refused`](crate::Refused).
    pub async fn request<M: TryInto<Method>>(&self, method: M, path: &str, body: Option<Value>) -> Result<Value> {
        self.request_as(self.admin_token(), method, path, body).await
    }

    /// As [`Kubernetes::request`], with another token; an empty one sends none.
    pub async fn request_as<M: TryInto<Method>>(&self, token: &str, method: M, path: &str, body: Option<Value>) -> Result<Value> {
        let method = method.try_into().map_err(|_| anyhow!("the request to {path} has no valid method"))?;
        let mut request = self.client.request(method.clone(), format!("{}{path}", self.addr()));
        if !token.is_empty() {
            request = request.bearer_auth(token);
        }
        if method == Method::PATCH {
            // A server-side apply names its field manager; other patches are merged.
            let kind = if path.contains("fieldManager=") { "apply-patch+yaml" } else { "merge-patch+json" };
            request = request.header("Content-Type", format!("application/{kind}"));
        }
        if let Some(body) = body {
            request = request.json(&body);
        }
        http::send("kube-apiserver", method, path, request).await
    }

    /// Makes an object or changes it, whichever it takes, by server-side apply. `path` is the object's own.
    pub async fn apply(&self, path: &str, object: Value) -> Result<Value> {
        self.request("PATCH", &format!("{path}?fieldManager=testbed&force=true"), Some(object)).await
    }

    /// Makes a namespace.
    pub async fn create_namespace(&self, name: &str) -> Result<()> {
        let namespace = json!({ "metadata": { "name": name } });
        self.request("POST", "/api/v1/namespaces", Some(namespace)).await.map(drop)
    }

    /// Makes a service account.
    pub async fn create_service_account(&self, namespace: &str, name: &str) -> Result<()> {
        let account = json!({ "metadata": { "name": name } });
        self.request("POST", &format!("/api/v1/namespaces/{namespace}/serviceaccounts"), Some(account)).await.map(drop)
    }

    /// Binds a service account to a ClusterRole, in all namespaces: `cluster-admin`, `system:auth-delegator`.
    pub async fn bind_cluster_role(&self, namespace: &str, account: &str, role: &str) -> Result<()> {
        let binding = json!({
            "metadata": { "generateName": "testbed-" },
            "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role },
            "subjects": [{ "kind": "ServiceAccount", "namespace": namespace, "name": account }],
        });
        self.request("POST", "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings", Some(binding)).await.map(drop)
    }

    /// A service account's token, valid for an hour, by TokenRequest. No audience means the API server's own.
    pub async fn token(&self, namespace: &str, account: &str, audiences: &[&str]) -> Result<String> {
        let request = json!({ "spec": { "audiences": audiences, "expirationSeconds": 3600 } });
        let path = format!("/api/v1/namespaces/{namespace}/serviceaccounts/{account}/token");
        let answer = self.request("POST", &path, Some(request)).await?;
        answer["status"]["token"].as_str().map(str::to_owned).context("the API server answered without a token")
    }

    /// Writes a kubeconfig for the holder of a token; the file goes with the cluster.
    pub fn kubeconfig_for(&self, token: &str) -> Result<PathBuf> {
        let file = self.folder.path().join(format!("kubeconfig-{}", Uuid::new_v4().simple()));
        self.files.write_kubeconfig(&file, self.addr(), token)?;
        Ok(file)
    }
}
