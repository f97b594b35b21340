//! Secrets as the registry knows them: metadata, never material.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// One watched thing in a source. Read-only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Secret {
    /// Never reused.
    pub uid: Uuid,
    /// The source's name.
    pub source: String,
    /// What it is drawn from: `KvV2`, `KvV1`, `StaticRole` or `RolePair`.
    #[serde(default)]
    pub engine: String,
    /// The engine's mount.
    pub mount: String,
    /// The path below it; a role's name, or those of a pair as `first,second`.
    pub path: String,
    /// `Unseen`, `Live`, `Deleted`, `Destroyed`, `Missing` or `WentBack`.
    pub state: String,
    /// The version that is delivered: the newest seen live. Counted by us from 1, where Vault has no numbers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<u64>,
    /// When Vault made that version; of a role, when Vault rotated it; of KV version 1, when it was first seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version_created_at: Option<DateTime<Utc>>,
    /// Which life of the path: Vault's `created_time` of its metadata. Nothing where Vault has no metadata.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub incarnation: Option<DateTime<Utc>>,
    /// How many bindings use it.
    pub bindings: u64,
}
