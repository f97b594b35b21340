//! Clusters and their join tokens.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use lockstep_core::cluster::{KEYS_MAX, ServiceAccountIssuer as Checked, TEXT_MAX_BYTES, private_parameter};
use serde::{Deserialize, Serialize};

use crate::field::{FieldError, Mistakes};
use crate::manifest::{Condition, Manifest};

/// A cluster's manifest. Its labels, which bindings and grants select by, are in `metadata.labels`.
pub type Cluster = Manifest<ClusterSpec, ClusterStatus>;

/// What is wanted of a cluster beyond its labels. Pausing and removing are calls of their own, so that applying a manifest never resumes what an
/// operator paused.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ClusterSpec {
    /// Lets the agent join with a token of its own service account, without a join token. An administrator's to write.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_account_issuer: Option<ServiceAccountIssuer>,
}

/// Whose tokens an agent of the cluster may join with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ServiceAccountIssuer {
    /// The cluster's issuer, as its tokens have it in `iss`: `kubectl get --raw /.well-known/openid-configuration` shows it.
    pub issuer: String,
    /// The agent's account: `system:serviceaccount:NAMESPACE:NAME`.
    pub subject: String,
    /// The one audience of such a token; `lockstep` if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audience: Option<String>,
    /// The issuer's public keys as a JWK set, as `kubectl get --raw /openid/v1/jwks` shows them. To be written again when the cluster exchanges them.
    #[cfg_attr(feature = "openapi", schema(value_type = Object))]
    pub jwks: serde_json::Value,
}

/// The audience of joining agents' tokens where none is given.
const AUDIENCE: &str = "lockstep";
/// The largest JWK set, in bytes of JSON.
const JWKS_MAX_BYTES: usize = 32 << 10;

/// A cluster's spec, checked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CheckedCluster {
    /// Whose tokens an agent may join with.
    pub service_account_issuer: Option<Checked>,
}

impl TryFrom<&ClusterSpec> for CheckedCluster {
    type Error = Vec<FieldError>;
    fn try_from(wire: &ClusterSpec) -> Result<Self, Vec<FieldError>> {
        let mut mistakes = Mistakes::default();
        let service_account_issuer = wire.service_account_issuer.as_ref().map(|issuer| issuer.check(&mut mistakes));
        mistakes.finish(Some(Self { service_account_issuer }))
    }
}

impl From<&CheckedCluster> for ClusterSpec {
    fn from(checked: &CheckedCluster) -> Self {
        let issuer = checked.service_account_issuer.as_ref().map(|issuer| ServiceAccountIssuer {
            issuer: issuer.issuer.clone(),
            subject: issuer.subject.clone(),
            audience: Some(issuer.audience.clone()),
            jwks: issuer.jwks.clone(),
        });
        Self { service_account_issuer: issuer }
    }
}

impl ServiceAccountIssuer {
    fn check(&self, mistakes: &mut Mistakes) -> Checked {
        const FIELD: &str = "spec.serviceAccountIssuer";
        let audience = self.audience.as_deref().unwrap_or(AUDIENCE);
        for (name, text) in [("issuer", self.issuer.as_str()), ("subject", &self.subject), ("audience", audience)] {
            if text.is_empty() || text.len() > TEXT_MAX_BYTES || !text.chars().all(|c| c.is_ascii_graphic()) {
                mistakes.add(format!("{FIELD}.{name}"), format!("use 1 to {TEXT_MAX_BYTES} printable characters without spaces"));
            }
        }
        if audience == self.issuer {
            let reason = "a token of the issuer's own audience opens the cluster's API server: use another, such as lockstep";
            mistakes.add(format!("{FIELD}.audience"), reason);
        }
        let parts: Vec<&str> = self.subject.split(':').collect();
        if !matches!(parts[..], ["system", "serviceaccount", namespace, name] if !namespace.is_empty() && !name.is_empty()) {
            mistakes.add(format!("{FIELD}.subject"), "is the agent's account: system:serviceaccount:NAMESPACE:NAME");
        }
        let jwks = format!("{FIELD}.jwks");
        match self.jwks.get("keys").and_then(serde_json::Value::as_array) {
            None => mistakes.add(&jwks, "is not a JWK set: take what `kubectl get --raw /openid/v1/jwks` prints"),
            Some(keys) => mistakes.count(&format!("{jwks}.keys"), keys.len(), KEYS_MAX),
        }
        if let Some(parameter) = private_parameter(&self.jwks) {
            mistakes.add(
                &jwks,
                format!("has a private key (parameter {parameter:?}), which nobody but the cluster may have: exchange it there"),
            );
        }
        if self.jwks.to_string().len() > JWKS_MAX_BYTES {
            mistakes.add(&jwks, format!("is larger than {JWKS_MAX_BYTES} bytes"));
        }
        Checked {
            issuer: self.issuer.clone(),
            subject: self.subject.clone(),
            audience: audience.to_owned(),
            jwks: self.jwks.clone(),
        }
    }
}

/// How a cluster is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ClusterStatus {
    /// `Pending`, `Active`, `Paused`, `Revoked` or `Removing`.
    pub state: String,
    /// Why nothing is sent to it, if it is held.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held: Option<String>,
    /// Its agent's stream, while it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<AgentStatus>,
    /// How many deliveries have which status.
    pub deliveries: BTreeMap<String, u64>,
    /// Bindings that the agent holds and the registry does not know. They are kept.
    pub unknown_bindings: u64,
    /// Deletions that the delete guard holds back until they are confirmed.
    #[serde(default)]
    pub deletions_held: u64,
    /// `Ready`; `DeletionsHeld` while the delete guard holds deletions back; `RemovalsRefused` while the agent refuses to give something up;
    /// `Purged` where a revoked cluster's agent is asked to remove what was delivered.
    pub conditions: Vec<Condition>,
}

/// An agent's stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct AgentStatus {
    /// Of its software.
    pub version: String,
    /// The replica that serves it.
    pub replica: String,
    /// Since when.
    pub connected_at: DateTime<Utc>,
    /// When it was last heard.
    pub heard_at: DateTime<Utc>,
    /// When its certificate ends.
    pub certificate_expires_at: DateTime<Utc>,
    /// How long that lives from when it was signed, in seconds; it is renewed from one third of that on. Absent where it was not noted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate_life_seconds: Option<i64>,
}

/// Deletions that were confirmed, or would be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ConfirmedDeletions {
    /// The cluster's name.
    pub cluster: String,
    /// How many bindings' content goes.
    pub deletions: u64,
    /// The first hundred of these bindings, by name.
    pub bindings: Vec<String>,
}

/// What to ask for a join token with.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct JoinTokenRequest {
    /// How long it may be used, in seconds; an hour if absent, at most a day.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ttl_seconds: Option<u32>,
}

/// A fresh join token. The only answer that ever shows it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct JoinToken {
    /// The cluster it is for.
    pub cluster: String,
    /// To be given to the agent once.
    pub token: String,
    /// When it ends.
    pub expires_at: DateTime<Utc>,
    /// `sha256:<hex>` of the root's public key, which the agent pins.
    pub pin: String,
    /// Where the agent joins.
    pub join_addresses: Vec<String>,
    /// Where the agent then connects.
    pub agent_addresses: Vec<String>,
}

impl std::fmt::Debug for JoinToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("JoinToken").field("cluster", &self.cluster).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn check(changes: &Value) -> Result<CheckedCluster, Vec<FieldError>> {
        let key = json!({"kty": "EC", "crv": "P-256", "x": "a", "y": "b", "kid": "1"});
        let mut issuer =
            json!({"issuer": "https://i", "subject": "system:serviceaccount:lockstep:agent", "jwks": {"keys": [key]}});
        issuer.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        let spec: ClusterSpec = serde_json::from_value(json!({ "serviceAccountIssuer": issuer })).unwrap();
        CheckedCluster::try_from(&spec)
    }

    #[test]
    fn whose_tokens_an_agent_joins_with_is_checked() {
        let checked = check(&json!({})).unwrap();
        assert_eq!(checked.service_account_issuer.as_ref().unwrap().audience, "lockstep");
        assert_eq!(CheckedCluster::try_from(&ClusterSpec::from(&checked)), Ok(checked));
        for (changes, field, says) in [
            (json!({"issuer": ""}), "issuer", "1 to 512"),
            (json!({"audience": "https://i"}), "audience", "API server"),
            (json!({"subject": "agent"}), "subject", "system:serviceaccount"),
            (json!({"jwks": {}}), "jwks", "kubectl get --raw"),
            (json!({"jwks": {"keys": []}}), "jwks.keys", "at least one"),
            (json!({"jwks": {"keys": [{"kty": "EC", "d": "secret"}]}}), "jwks", "private key"),
        ] {
            let errors = check(&changes).unwrap_err();
            let field = format!("spec.serviceAccountIssuer.{field}");
            assert!(errors.iter().any(|e| e.field == field && e.reason.contains(says)), "{changes}: {errors:?}");
            assert!(!errors.iter().any(|e| e.reason.contains("secret")), "{errors:?}");
        }
    }
}
