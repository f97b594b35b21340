//! The history: every change, who made it, and the chain that shows that none is missing.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// One change. Read-only.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Change {
    /// Its number: the order of commits.
    pub seq: u64,
    /// The epoch it was made in.
    pub epoch: u64,
    /// Postgres' time.
    pub at: DateTime<Utc>,
    /// Who, such as `token:bootstrap` or `watch:corp`.
    pub actor: String,
    /// What, such as `BindingWritten`.
    pub kind: String,
    /// To what, such as `binding/checkout-db`.
    pub subject: String,
    /// More, never a secret's value.
    pub detail: Value,
    /// SHA-256 over this change and the hash of the one before it, in hex.
    pub hash: String,
}

/// The registry's history as a whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Epoch {
    /// The epoch now.
    pub epoch: u64,
    /// The newest change.
    pub seq: u64,
    /// Why nothing is sent to any cluster, if the whole registry is held.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held: Option<String>,
    /// How many clusters are held.
    #[serde(rename = "heldClusters")]
    pub held_clusters: u64,
}

/// Opens a new epoch: an operator's word that the registry as it is now is right.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct OpenEpoch {
    /// Why; kept in the history.
    pub reason: String,
}
