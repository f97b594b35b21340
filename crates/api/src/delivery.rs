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
    /// The version of each secret, in the binding's order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub versions: Vec<ItemVersion>,
    /// Of a binding that only observes: what delivering would change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed: Option<Observed>,
    /// How restarts go that follow from what was delivered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restart: Option<RestartStatus>,
    /// How often its targets were found changed in the cluster.
    #[serde(default)]
    pub drifted_total: u64,
    /// When last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_drift_at: Option<DateTime<Utc>>,
}

/// The version of one secret of a delivery.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ItemVersion {
    /// The source's name.
    pub source: String,
    /// The engine's mount.
    pub mount: String,
    /// The path below it.
    pub path: String,
    /// The version that the cluster has; absent if it has none, or nobody knows which.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub applied: Option<u64>,
    /// The version that it should have; absent if there is none to be had.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub desired: Option<u64>,
}

/// What delivering would change in one cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Observed {
    /// Keys that would be another than they are.
    pub would_change: u32,
    /// Of how many.
    pub total: u32,
}

/// How restarts go in one cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RestartStatus {
    /// In a few words: `restarting 2/3`, `healthy`, `stuck: Deployment shop/web: …`, `left alone: …` or `nothing to restart`.
    pub text: String,
    /// What they follow from, as `epoch.seq`.
    pub revision: String,
    /// Workloads that were told to restart.
    pub restarted: u32,
    /// Of how many.
    pub total: u32,
    /// How many of them have finished.
    pub healthy: u32,
    /// Which do not finish, and why.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stuck: Vec<String>,
    /// Which are left alone, and why.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub skipped: Vec<String>,
}
