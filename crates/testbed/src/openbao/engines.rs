//! Engines, logins, policies and tokens.

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use super::OpenBao;

impl OpenBao {
    /// Enables any secret engine by its type (`transit`, `database`, …).
    pub async fn enable_engine(&self, mount: &str, kind: &str) -> Result<()> {
        self.request("POST", &format!("sys/mounts/{mount}"), Some(json!({ "type": kind }))).await.map(drop)
    }

    /// Enables any login by its type (`approle`, `jwt`, …).
    pub async fn enable_auth(&self, mount: &str, kind: &str) -> Result<()> {
        self.request("POST", &format!("sys/auth/{mount}"), Some(json!({ "type": kind }))).await.map(drop)
    }

    /// Enables a PKI engine with a root of its own, valid for ten years; returns the root's certificate in PEM.
    pub async fn enable_pki(&self, mount: &str) -> Result<String> {
        const TEN_YEARS: &str = "87600h";
        let engine = json!({ "type": "pki", "config": { "max_lease_ttl": TEN_YEARS } });
        self.request("POST", &format!("sys/mounts/{mount}"), Some(engine)).await?;
        let root = json!({ "common_name": "Lockstep test root", "ttl": TEN_YEARS, "key_type": "ec", "key_bits": 256 });
        let answer = self.request("POST", &format!("{mount}/root/generate/internal"), Some(root)).await?;
        let certificate = answer["data"]["certificate"].as_str();
        certificate.map(str::to_owned).with_context(|| format!("{mount} made a root and answered without its certificate"))
    }

    /// Enables the login of Kubernetes service accounts. Tokens are reviewed at `host`; with `reviewer` that token is used
    /// for the review, and otherwise the one to be reviewed itself (whose account then needs `system:auth-delegator`).
    pub async fn enable_kubernetes_auth(&self, mount: &str, host: &str, ca_pem: &str, reviewer: Option<&str>) -> Result<()> {
        self.enable_auth(mount, "kubernetes").await?;
        let config = json!({
            "kubernetes_host": host,
            "kubernetes_ca_cert": ca_pem,
            "token_reviewer_jwt": reviewer.unwrap_or_default(),
            // The server does not run in a cluster: there is no token or CA beside it.
            "disable_local_ca_jwt": true,
        });
        self.request("POST", &format!("auth/{mount}/config"), Some(config)).await.map(drop)
    }

    /// Writes an ACL policy.
    pub async fn write_policy(&self, name: &str, hcl: &str) -> Result<()> {
        self.request("PUT", &format!("sys/policies/acl/{name}"), Some(json!({ "policy": hcl }))).await.map(drop)
    }

    /// Adds to an ACL policy that is there. Tokens that have it may do more at once.
    pub async fn extend_policy(&self, name: &str, hcl: &str) -> Result<()> {
        let path = format!("sys/policies/acl/{name}");
        let answer = self.request("GET", &path, None).await?;
        let present = answer["data"]["policy"].as_str().with_context(|| format!("there is no policy {name}"))?;
        self.write_policy(name, &format!("{present}\n{hcl}")).await
    }

    /// Makes a token that has these policies and no parent; valid for 32 days unless it is revoked.
    pub async fn create_token(&self, policies: &[&str]) -> Result<String> {
        let token = json!({ "policies": policies, "no_parent": true });
        let answer = self.request("POST", "auth/token/create", Some(token)).await?;
        client_token(&answer)
    }

    /// Logs a service account in through Kubernetes auth; returns the client token.
    pub async fn login_kubernetes(&self, mount: &str, role: &str, jwt: &str) -> Result<String> {
        let login = json!({ "role": role, "jwt": jwt });
        let answer = self.request_as("", "POST", &format!("auth/{mount}/login"), Some(login)).await?;
        client_token(&answer)
    }
}

fn client_token(answer: &Value) -> Result<String> {
    answer["auth"]["client_token"].as_str().map(str::to_owned).context("OpenBao answered without a token")
}
