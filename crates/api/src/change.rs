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

/// Part of the history as it was hashed, oldest first: for whoever checks the chain himself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct HistoryRecords {
    /// The newest change, as the registry remembers it apart from the history. It was read before the records, none of which is newer.
    pub head: HistoryHead,
    /// Those after the one that was asked for, without a gap. None: there are no more.
    pub items: Vec<HistoryRecord>,
}

/// The newest change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct HistoryHead {
    /// Its epoch.
    pub epoch: u64,
    /// Its number.
    pub seq: u64,
    /// Its hash, in hex.
    pub hash: String,
}

/// One change, each field exactly as it is part of the hash. The hash is SHA-256 over: the text `lockstep change v1`; the 32 bytes of the hash of the
/// change before, zeros for the first; `epoch`, `seq` and the microseconds of `at` since 1970, each as 8 bytes, most significant first; then
/// `actor`, `kind`, `subject` and `detail`, each as its length in bytes, as above, and its UTF-8.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct HistoryRecord {
    /// Its number.
    pub seq: u64,
    /// The epoch it was made in.
    pub epoch: u64,
    /// Postgres' time, to the microsecond.
    pub at: DateTime<Utc>,
    /// Who.
    pub actor: String,
    /// What.
    pub kind: String,
    /// To what.
    pub subject: String,
    /// The JSON text of the detail as it was written, to the byte.
    pub detail: String,
    /// What is stored as its hash, in hex.
    pub hash: String,
}
