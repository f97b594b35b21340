//! Placements and deliveries: what should be where, and what is.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// The planner's answer for one binding in one cluster. Read-only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Placement {
    /// The cluster's name.
    pub cluster: String,
    /// The binding's name.
    pub binding: String,
    /// `Placed`, `Denied` or `Removed`.
    pub answer: String,
    /// Why it is not placed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The change that gave this answer.
    pub seq: u64,
}

/// How one placement stands. Read-only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Delivery {
    /// The cluster's name.
    pub cluster: String,
    /// The binding's name.
    pub binding: String,
    /// The binding's project.
    pub project: String,
    /// `Pending`, `Sending`, `InSync`, `Denied`, `Conflict`, `Failed`, `Held`, `Stale` or `Paused`.
    pub status: String,
    /// Why, and what to do, where it is not in sync.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<String>,
    /// What the cluster should hold, as `epoch.seq`.
    pub desired_revision: String,
    /// What it confirmed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub applied_revision: Option<String>,
    /// When it confirmed that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub applied_at: Option<DateTime<Utc>>,
    /// Targets that hold it.
    pub targets_applied: u32,
    /// Targets that should.
    pub targets_total: u32,
}
