//! Clusters and their join tokens.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::manifest::{Condition, Manifest};

/// A cluster's manifest. Its labels, which bindings and grants select by, are in `metadata.labels`.
pub type Cluster = Manifest<ClusterSpec, ClusterStatus>;

/// What is wanted of a cluster: so far nothing beyond its labels. Pausing and removing are calls of their own, so that applying a
/// manifest never resumes what an operator paused.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ClusterSpec {}

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
