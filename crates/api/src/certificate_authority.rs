//! The CA as this replica sees it, and how far a rotation is.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// The CA. Read-only: issuers are made, chosen and removed in Vault.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct CertificateAuthority {
    /// `Steady`: one root. `Announcing`: a newer one is trusted and does not sign yet. `Switched`: the newer one signs, and an older one is
    /// still trusted.
    pub phase: String,
    /// What may be done next, and what it waits for.
    pub message: String,
    /// Each root that this replica trusts, the oldest first.
    pub roots: Vec<Root>,
    /// The replicas that run.
    pub replicas: Vec<Replica>,
    /// Agents that may come: not of revoked clusters, and not with a certificate that ended too long ago to be renewed.
    pub agents: u64,
}

/// A root.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Root {
    /// `sha256:<hex>` of its public key: what new agents pin.
    pub key: String,
    /// The issuers of the PKI mount under it, by name, or by id. Empty: it was removed there, and is about to be trusted no more.
    pub issuers: Vec<String>,
    /// `Signs`, `Next` (newer than the one that signs) or `Former` (older).
    pub role: String,
    /// Roots that signed its key too: whoever trusts one of them believes its certificates.
    pub cross_signed_by: Vec<String>,
    /// When it ends.
    pub expires_at: DateTime<Utc>,
    /// Who trusts it.
    pub trusted_by: Counts,
    /// Whose certificate chains to it.
    pub certificates: Counts,
    /// Of a `Next` one: whether it can be made the default issuer. Of a `Former` one: whether it can be removed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ready: Option<bool>,
    /// What that waits for, or is to be known about it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

/// How many replicas and agents.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Counts {
    /// Of the replicas that run.
    pub replicas: u64,
    /// Of the agents that may come.
    pub agents: u64,
}

/// A replica.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Replica {
    /// Its name.
    pub name: String,
    /// The root of its certificate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub root: Option<String>,
    /// When its certificate ends.
    pub certificate_expires_at: DateTime<Utc>,
    /// How long that lives from when it was signed, in seconds; it is renewed from one third of that on. Absent where it was not noted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate_life_seconds: Option<i64>,
}
