//! Who has which version of a secret.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::delivery::RestartStatus;
use crate::manifest::ListMetadata;
use crate::secret::Secret;

/// One page of those that have, or should have, a secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct HolderList {
    /// `lockstep.dev/v1`.
    pub api_version: String,
    /// `HolderList`.
    pub kind: String,
    /// Where the next page begins.
    pub metadata: ListMetadata,
    /// The secret that was meant.
    pub secret: Secret,
    /// This page, by cluster and binding.
    pub items: Vec<Holder>,
}

/// What one cluster has of the secret through one binding. Read-only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Holder {
    /// The cluster's name.
    pub cluster: String,
    /// The binding's name.
    pub binding: String,
    /// The binding's project.
    pub project: String,
    /// The version that its agent confirmed; absent if it has none, or nobody knows which.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<u64>,
    /// Whether that is a version of a former life of the path, which was removed at its source and made anew since: numbers began again.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub former_life: bool,
    /// The version that it should have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub desired: Option<u64>,
    /// When its agent confirmed last what it has: the version was there by then, perhaps before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confirmed_at: Option<DateTime<Utc>>,
    /// A delivery's status, or `Leaving`: the binding does not deliver the secret there any more, and the agent did not yet confirm that it
    /// gave it up.
    pub status: String,
    /// Why, and what to do, where it is not in sync.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<String>,
    /// What is known of the workloads that use it, in a few words: `healthy`, `restarting 2/3`, `stuck: …`, `left alone: …`, `not known: …`.
    pub workloads: String,
    /// The same in numbers, where its agent reported them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restart: Option<RestartStatus>,
}
