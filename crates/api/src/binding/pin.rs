//! Holding a binding at a version.

use serde::{Deserialize, Serialize};

/// What `POST /v1/bindings/{name}/rollback` is asked with.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Rollback {
    /// To this version; if absent, to the newest live one before the one that is delivered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<u64>,
    /// Of this secret, as `mount/path` or `source/mount/path`; may be absent where the binding delivers one only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub item: Option<String>,
}

/// What `POST /v1/bindings/{name}/unpin` is asked with.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Unpin {
    /// This secret only, as `mount/path` or `source/mount/path`; if absent, all that are pinned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub item: Option<String>,
}

/// An item that is pinned.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Pinned {
    /// As `source/mount/path`.
    pub secret: String,
    /// To this version.
    pub version: u64,
    /// The newest version that was seen: if it is another, it waits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub newest: Option<u64>,
}
