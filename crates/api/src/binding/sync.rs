//! Delivering anew what is delivered already.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// What was asked for, or would be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Sync {
    /// The binding's name.
    pub binding: String,
    /// Only in this cluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster: Option<String>,
    /// A delivery whose `appliedRevision` is this or a later one is done.
    pub revision: String,
    /// How many deliveries are made anew.
    pub deliveries: u64,
    /// When it was asked for.
    pub asked_at: DateTime<Utc>,
    /// Whether it was asked for a moment ago, and this asked for nothing more.
    #[serde(default)]
    pub repeated: bool,
}
