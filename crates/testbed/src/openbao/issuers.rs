//! Rotating the CA, a step each, as `docs/certificates.md` has it for an operator.

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use super::OpenBao;

fn text(answer: &Value, field: &str) -> Result<String> {
    answer["data"][field].as_str().map(str::to_owned).with_context(|| format!("the answer has no {field}"))
}

impl OpenBao {
    /// Adds a root of the same name as the others, which does not sign yet; returns the id of the issuer that does.
    pub async fn next_root(&self, mount: &str, issuer: &str) -> Result<String> {
        let root = json!({
            "common_name": "Lockstep test root", "issuer_name": issuer, "ttl": "43800h", "key_type": "ec", "key_bits": 256,
        });
        self.request("POST", &format!("{mount}/root/rotate/internal"), Some(root)).await?;
        text(&self.request("GET", &format!("{mount}/config/issuers"), None).await?, "default")
    }

    /// Has `by` sign the key of `issuer` too.
    pub async fn cross_sign(&self, mount: &str, issuer: &str, by: &str) -> Result<()> {
        let key = text(&self.request("GET", &format!("{mount}/issuer/{issuer}"), None).await?, "key_id")?;
        let wanted = json!({ "common_name": "Lockstep test root", "key_ref": key });
        let csr = text(&self.request("POST", &format!("{mount}/intermediate/cross-sign"), Some(wanted)).await?, "csr")?;
        let wanted = json!({ "csr": csr, "use_csr_values": true, "ttl": "43800h" });
        let signed = self.request("POST", &format!("{mount}/issuer/{by}/sign-intermediate"), Some(wanted)).await?;
        let certificate = json!({ "certificate": text(&signed, "certificate")? });
        self.request("POST", &format!("{mount}/intermediate/set-signed"), Some(certificate)).await.map(drop)
    }

    /// Makes it the issuer that signs where nobody names another.
    pub async fn sign_with(&self, mount: &str, issuer: &str) -> Result<()> {
        self.request("POST", &format!("{mount}/config/issuers"), Some(json!({ "default": issuer }))).await.map(drop)
    }

    /// Removes it.
    pub async fn remove_issuer(&self, mount: &str, issuer: &str) -> Result<()> {
        self.request("DELETE", &format!("{mount}/issuer/{issuer}"), None).await.map(drop)
    }
}
